"""Orders placed by many threads and two processes while the switch goes on and off."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest

from commands.committer import Committer
from domain.limits import SetLimits
from domain.switch import EngageSwitch, LiftSwitch
from tests.stores import Opened, check_log, opening, placing, request_for

THREADS = 8
ORDERS = 40


@contextmanager
def two(opened: Opened) -> Iterator[tuple[Committer, Committer]]:
    with ExitStack() as stack:
        stores = (opened.store, opened.again())
        made = [stack.enter_context(closing(Committer(store))) for store in stores]
        for request in opening():
            made[0].execute(request)
        yield made[0], made[1]


def place_all(
    committers: tuple[Committer, Committer],
    codes: list[str | None],
    is_busy: threading.Event,
    is_enough: threading.Event,
) -> None:
    """Each thread places `ORDERS`, and goes on until the last one was begun after `is_enough`."""

    def run(thread: int) -> None:
        for number in itertools.count(1):
            is_last = number >= ORDERS and is_enough.is_set()
            outcome = committers[thread % 2].execute(placing(f"av{thread}x{number}"))
            codes.append(outcome.receipt.code)
            if len(codes) > THREADS * ORDERS // 4:
                is_busy.set()
            if is_last:
                return

    threads = [threading.Thread(target=run, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("scope", ["*", "main"])
def test_nothing_is_placed_after_the_switch(opened: Opened, scope: str) -> None:
    codes: list[str | None] = []
    is_busy, is_engaged = threading.Event(), threading.Event()
    with two(opened) as committers:

        def turn() -> None:
            try:
                assert is_busy.wait(60)
                stream = f"switch-{scope}"
                committers[0].execute(request_for(stream, EngageSwitch(scope, ""), "engage"))
            finally:
                is_engaged.set()

        switch = threading.Thread(target=turn)
        switch.start()
        place_all(committers, codes, is_busy, is_engaged)
        switch.join()
        lifted = committers[1].execute(
            request_for(f"switch-{scope}", LiftSwitch(scope, ""), "lift")
        )
        assert committers[0].execute(placing("after")).receipt.outcome == "accepted"
    log = check_log(opened.store)
    engaged_at = next(event.position for event in log if event.tag == "switch.engaged.v1")
    between = [event.tag for event in log if engaged_at < event.position < lifted.receipt.position]
    assert between == []
    assert set(codes) == {None, "kill_switch"}


def test_not_one_order_too_many_is_open(opened: Opened) -> None:
    codes: list[str | None] = []
    with two(opened) as committers:
        asked = SetLimits("main", open_orders=100)
        committers[0].execute(request_for("limits-main", asked, "limits"))
        is_enough = threading.Event()
        is_enough.set()
        place_all(committers, codes, threading.Event(), is_enough)
    placed = [event for event in check_log(opened.store) if event.tag == "order.placed.v1"]
    assert len(placed) == 100
    assert codes.count("open_orders_limit") == THREADS * ORDERS - 100
