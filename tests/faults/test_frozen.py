"""Processes that stop in the middle of a step and wake up late: zombies change nothing."""

import concurrent.futures
import itertools
import random
import threading
import time

import pytest

from tests.faults.clients import Insistent
from tests.faults.intents import Place, market
from tests.faults.judge import fold_orders, judge, read_log, settle
from tests.faults.processes import Process, until
from tests.faults.proxy import Verdict, proxy
from tests.faults.world import LEASE_SECONDS, Door, World
from tests.ports import free_port

pytestmark = [pytest.mark.faults, pytest.mark.postgres]

CUT_SECONDS = 2.0
"""After so long the server cuts a writer that is silent inside a transaction."""
MARGIN_SECONDS = 3.0
SENDING_CUT_SECONDS = 4.0
"""Of a session that waits for the rest of what a frozen writer was sending."""


def _longest_wait(sender: Insistent, is_over: threading.Event) -> float:
    """Send one order after the other; answers how long one of them waited at most."""
    longest = 0.0
    for number in itertools.count():
        if is_over.wait(0.02):
            return longest
        started = time.monotonic()
        sender.send(Place(f"meanwhile-{number}"))
        longest = max(longest, time.monotonic() - started)
    raise AssertionError


@pytest.mark.parametrize(
    ("door", "point"),
    [("writer", "after-lock"), ("writer", "after-receipt"), ("api", "before-commit")],
)
def test_a_writer_frozen_under_the_lock_stops_others_briefly_and_has_one_outcome(
    scene: World, door: Door, point: str
) -> None:
    other = free_port()
    scene.worker().start()
    frozen = scene.door(door).start(AVIARY_FREEZE=f"{point}:3")
    scene.door(door, other).start()
    first, second = Insistent(scene.client(door)), Insistent(scene.client(door, other))
    for number in range(2):
        first.send(Place(f"before-{number}"))
        second.send(Place(f"other-{number}"))
    is_over = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        # From before it freezes: when exactly it did is seen too late on a busy machine.
        waiting = pool.submit(_longest_wait, second, is_over)
        lost = [pool.submit(first.send, Place(f"frozen-{number}")) for number in range(3)]
        try:
            until(lambda: frozen.is_frozen, "the writer freezes")
            second.send(Place("afterwards"))
        finally:
            is_over.set()
        took = waiting.result()
        second.send(Place("frozen-0"))  # Its client has given up waiting and asks elsewhere.
        frozen.thaw()
        answers = [answer.result() for answer in lost]
    print(f"{point}: others waited {took:.2f} s")  # noqa: T201 - shown on failure
    assert CUT_SECONDS / 2 < took < CUT_SECONDS + MARGIN_SECONDS
    assert all(answer.is_accepted for answer in answers)
    first.placed |= second.placed
    assert frozen.poll() is None
    judge(scene, first)


def test_a_writer_frozen_at_any_moment_of_a_burst_holds_nobody_up_for_long(scene: World) -> None:
    other = free_port()
    scene.worker().start()
    frozen = scene.door("writer").start()
    scene.door("writer", other).start()
    first, second = Insistent(scene.client("writer")), Insistent(scene.client("writer", other))
    moments = random.Random(2026)  # noqa: S311 - no secret
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for turn in range(10):
            places = [Place(f"burst-{turn}-{number}") for number in range(8)]
            burst = [pool.submit(first.send, place) for place in places]
            time.sleep(moments.uniform(0, 0.04))  # The fault itself: wherever it happens to be.
            frozen.freeze()
            started = time.monotonic()
            second.send(Place(f"other-{turn}"))
            took = time.monotonic() - started
            frozen.thaw()
            assert all(answer.result().is_accepted for answer in burst)
            assert took < SENDING_CUT_SECONDS + MARGIN_SECONDS
    first.placed |= second.placed
    judge(scene, first)


def _freeze_in_the_act(victim: Process, point: str, sender: Insistent) -> None:
    """Send orders until the victim stops at the point's third passage."""
    victim.start(AVIARY_FREEZE=f"{point}:3")
    for number in range(8):
        sender.send(market(f"{point}-{number}"))
    until(lambda: victim.is_frozen, f"{victim.name} freezes at {point}")


@pytest.mark.parametrize("point", ["dispatcher-before-send", "dispatcher-after-send"])
def test_a_dispatcher_that_wakes_after_its_lease_places_nothing_twice(
    scene: World, point: str
) -> None:
    scene.worker("projector").start()
    scene.worker("scheduler").start()
    scene.door("writer").start()
    sender = Insistent(scene.client("writer"))
    sender.send(Place("rests"))
    zombie = scene.worker("dispatcher", "worker-zombie")
    _freeze_in_the_act(zombie, point, sender)
    scene.worker("dispatcher").start()
    settle(scene)
    zombie.thaw()
    sender.send(market("afterwards"))
    judge(scene, sender)


def test_a_request_held_in_the_network_arrives_too_late_to_count(scene: World) -> None:
    held = Place("held")

    def rule(chunk: bytes) -> Verdict:
        return "hold" if held.order.encode() in chunk and not line.held else "pass"

    with proxy(scene.venue_port) as line:
        line.rule = rule
        scene.worker(AVIARY_PAPER_URL=f"http://127.0.0.1:{line.port}").start()
        scene.door("writer").start()
        sender = Insistent(scene.client("writer"))
        sender.send(held)
        until(lambda: line.held, "the order is on its way")
        settle(scene)
        before = len(_requests(scene))
        line.released.set()
        late = ("place", held.order, "request_expired")
        until(
            lambda: late in _requests(scene)[before:],
            "the venue sees the late request",
        )
        judge(scene, sender)
    assert fold_orders(read_log(scene.database.app_dsn))[held.order].attempt >= 2


def test_a_request_that_may_still_arrive_is_not_sent_again(scene: World) -> None:
    wanted = market("late-but-valid")
    window_seconds, kept_seconds = 20.0, 2.0

    def rule(chunk: bytes) -> Verdict:
        return "detach" if b'"quantity"' in chunk and not line.held else "pass"

    with proxy(scene.venue_port) as line:
        line.rule = rule
        scene.worker(
            AVIARY_PAPER_URL=f"http://127.0.0.1:{line.port}",
            AVIARY_SEND_WINDOW_SECONDS=str(window_seconds),
        ).start()
        scene.door("writer").start()
        sender = Insistent(scene.client("writer"))
        sender.send(wanted)
        until(lambda: line.held, "the order is on its way and its sender hears nothing")
        time.sleep(kept_seconds)  # The fault itself: the network keeps it for so long.
        assert _requests(scene) == []
        line.released.set()
        judge(scene, sender)
    assert _requests(scene) == [("place", wanted.order, "accepted")]


def _requests(world: World) -> list[tuple[str, str, str]]:
    found = world.ledger().requests
    return [(row["kind"], row["client_order_id"], row["outcome"]) for row in found]


@pytest.mark.parametrize("point", ["projector-after-rows", "projector-after-commit"])
def test_a_projector_that_wakes_late_overwrites_nothing(scene: World, point: str) -> None:
    scene.worker("dispatcher").start()
    scene.worker("scheduler").start()
    scene.door("writer").start()
    sender = Insistent(scene.client("writer"))
    sender.send(Place("rests"))
    zombie = scene.worker("projector", "worker-zombie")
    _freeze_in_the_act(zombie, point, sender)
    scene.worker("projector").start()
    settle(scene)
    zombie.thaw()
    for number in range(4):
        sender.send(market(f"afterwards-{number}"))
    judge(scene, sender)


def test_a_door_that_is_frozen_for_long_answers_when_it_wakes(scene: World) -> None:
    scene.worker().start()
    door = scene.door("api").start()
    sender = Insistent(scene.client("api"))
    sender.send(Place("before"))
    door.freeze()
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sender.send, Place("while-frozen"))
        time.sleep(LEASE_SECONDS + CUT_SECONDS)  # The fault itself: a long pause.
        assert not waiting.done()
        door.thaw()
        assert waiting.result().is_accepted
    judge(scene, sender)
