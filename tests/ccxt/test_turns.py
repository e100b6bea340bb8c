"""Waiting for a venue's rate limit: in turn, trading first, and never for nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from adapters.venues.ccxt.turns import Turns, asking
from adapters.venues.port import VenueRefused

PER_SECOND = 100.0


def play(scenario: Callable[[Turns, list[str]], Awaitable[None]], burst: float = 1.0) -> None:
    async def on_stage() -> None:
        await asyncio.wait_for(scenario(Turns(PER_SECOND, burst), []), 60)

    asyncio.run(on_stage())


async def ask(turns: Turns, left: list[str], name: str) -> None:
    await turns()
    left.append(name)


def test_requests_leave_in_turn_and_at_the_rate_and_cancellations_before_others() -> None:
    async def scenario(turns: Turns, left: list[str]) -> None:
        began = time.monotonic()
        tasks = [asyncio.create_task(ask(turns, left, f"order {number}")) for number in range(20)]
        await asyncio.sleep(0)
        with asking("cancel"):
            tasks.append(asyncio.create_task(ask(turns, left, "cancel")))
        await asyncio.gather(*tasks)
        assert left.index("cancel") <= 2
        left.remove("cancel")
        assert left == [f"order {number}" for number in range(20)]
        assert time.monotonic() - began > 18 / PER_SECOND

    play(scenario)


def test_a_request_that_nobody_waits_for_costs_nothing() -> None:
    async def scenario(turns: Turns, left: list[str]) -> None:
        await ask(turns, left, "first")
        given_up = [asyncio.create_task(ask(turns, left, "given up")) for _ in range(500)]
        await asyncio.sleep(0)
        for task in given_up:
            task.cancel()
        began = time.monotonic()
        await asyncio.gather(*(ask(turns, left, "next") for _ in range(3)))
        assert left == ["first", *3 * ["next"]]
        assert time.monotonic() - began < 300 / PER_SECOND

    play(scenario)


def test_what_waited_beyond_its_end_is_not_sent_and_costs_nothing() -> None:
    async def scenario(turns: Turns, left: list[str]) -> None:
        async def place() -> None:
            with asking("order", wait_seconds=0.25):
                await ask(turns, left, "order")

        ends = await asyncio.gather(*(place() for _ in range(200)), return_exceptions=True)
        refused = [end for end in ends if isinstance(end, VenueRefused)]
        assert {refusal.code for refusal in refused} == {"request_expired"}
        assert 0 < len(left) == 200 - len(refused) < 50
        began = time.monotonic()
        await ask(turns, left, "next")
        assert time.monotonic() - began < 100 / PER_SECOND

    play(scenario)


def test_once_a_request_has_left_the_rest_of_its_call_is_never_called_unsent() -> None:
    async def scenario(turns: Turns, left: list[str]) -> None:
        with asking("order", wait_seconds=0.5):
            await ask(turns, left, "order")
            await asyncio.sleep(0.6)
            await ask(turns, left, "what became of it")
        assert len(left) == 2

    play(scenario)


@pytest.mark.parametrize("cost", [0.5, 4.0])
def test_a_request_weighs_what_the_venue_says(cost: float) -> None:
    async def scenario(turns: Turns, _left: list[str]) -> None:
        began = time.monotonic()
        for _ in range(6):
            await turns(cost)
        # What flowed in before the first one counts, up to the burst.
        assert time.monotonic() - began > (5 * cost - 1.0) / PER_SECOND

    play(scenario)


def test_what_reads_have_spent_holds_back_neither_orders_nor_cancellations() -> None:
    async def scenario(turns: Turns, left: list[str]) -> None:
        began = time.monotonic()
        await turns(2 * PER_SECOND)
        read = asyncio.create_task(ask(turns, left, "read"))
        await asyncio.sleep(0.05)
        for name in ("order", "cancel"):
            with asking(name):
                await ask(turns, left, name)
        assert time.monotonic() - began < 1.5
        await read
        assert left == ["order", "cancel", "read"]
        assert time.monotonic() - began > 1.9

    play(scenario)


def test_reads_pay_for_orders_and_are_not_starved_by_them() -> None:
    async def scenario(turns: Turns, left: list[str]) -> None:
        async def flood() -> None:
            with asking("order"):
                while True:
                    await ask(turns, left, "order")

        orders = [asyncio.create_task(flood()) for _ in range(20)]
        reads = [asyncio.create_task(ask(turns, left, "read")) for _ in range(10)]
        began = time.monotonic()
        await asyncio.gather(*reads)
        seconds = time.monotonic() - began
        for order in orders:
            order.cancel()
        assert left.count("order") > 5 * left.count("read")
        assert len(left) < 1.2 * PER_SECOND * seconds + 12

    play(scenario, burst=10.0)  # A slow machine gives turns late, and catches up.
