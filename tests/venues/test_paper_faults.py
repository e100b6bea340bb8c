"""The fault script: each kind does what it says, and the ledger says what truly happened."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from adapters.venues.paper.client import PaperVenue
from adapters.venues.paper.faults import FaultRule, FaultScript
from adapters.venues.port import (
    OrderUpdate,
    StreamConnected,
    TradeUpdate,
    UserUpdate,
    VenueRefused,
    VenueUnreachable,
)
from tests.venues.paper_process import PAIR, PaperProcess, order, running, until


class Scene:
    """One account at the shared process, with a fault script of its own."""

    def __init__(self, process: PaperProcess, account: str) -> None:
        self._process = process
        self.account = account
        self.url = process.url

    async def faults(self, *rules: dict[str, Any]) -> None:
        await asyncio.to_thread(self._process.faults, *rules)

    async def clear(self) -> None:
        await asyncio.to_thread(self._process.test, "DELETE", "faults")

    async def test(self, method: str, path: str, body: Any = None) -> Any:
        return await asyncio.to_thread(self._process.test, method, path, body)

    async def rows(self, table: str) -> list[dict[str, Any]]:
        return await asyncio.to_thread(self._process.ledger, table, self.account)

    def venue(self, timeout_seconds: float = 30.0) -> PaperVenue:
        return self._process.venue(self.account, timeout_seconds=timeout_seconds)


Play = Callable[[Callable[[Scene, PaperVenue], Awaitable[None]]], None]


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    with running(tmp_path_factory.mktemp("faults")) as started:
        yield started


@pytest.fixture
def play(process: PaperProcess, request: pytest.FixtureRequest) -> Iterator[Play]:
    def run(scenario: Callable[[Scene, PaperVenue], Awaitable[None]]) -> None:
        async def with_venue() -> None:
            scene = Scene(process, request.node.name[5:60].replace("[", ".").rstrip("]"))
            venue = scene.venue()
            try:
                await scenario(scene, venue)
            finally:
                await venue.close()

        asyncio.run(asyncio.wait_for(with_venue(), 120))

    yield run
    process.test("DELETE", "faults")


@pytest.mark.parametrize("kind", ["lose_ack", "unavailable_after"])
def test_an_order_whose_ack_is_lost_is_placed(play: Play, kind: str) -> None:
    async def scenario(scene: Scene, venue: PaperVenue) -> None:
        await scene.faults({"kind": kind})
        with pytest.raises(VenueUnreachable):
            await venue.place(order("a"))
        found = await venue.order(PAIR, "a")
        assert found is not None
        assert found.status == "open"
        assert [row["outcome"] for row in await scene.rows("requests")] == ["accepted"]
        await venue.place(order("b"))

    play(scenario)


def test_an_ack_that_hangs_runs_into_the_time_limit(play: Play) -> None:
    async def scenario(scene: Scene, venue: PaperVenue) -> None:
        await scene.faults({"kind": "hang_ack"})
        hasty = scene.venue(timeout_seconds=2.0)
        placing = asyncio.create_task(hasty.place(order("a")))

        async def is_there() -> bool:
            return await venue.order(PAIR, "a") is not None

        await until(is_there)
        with pytest.raises(VenueUnreachable):
            await placing
        await hasty.close()

    play(scenario)


def test_a_delayed_ack_comes_late_but_the_order_is_there_before(play: Play) -> None:
    async def scenario(scene: Scene, venue: PaperVenue) -> None:
        await scene.faults({"kind": "delay_ack", "seconds": 2.0})
        started = time.monotonic()
        placing = asyncio.create_task(venue.place(order("a")))

        async def is_there() -> bool:
            return await venue.order(PAIR, "a") is not None

        await until(is_there)
        assert not placing.done()
        await placing
        assert time.monotonic() - started >= 2.0

    play(scenario)


def test_unavailable_before_accepts_nothing(play: Play) -> None:
    async def scenario(scene: Scene, venue: PaperVenue) -> None:
        await scene.faults({"kind": "unavailable_before"})
        with pytest.raises(VenueUnreachable):
            await venue.place(order("a"))
        assert await venue.order(PAIR, "a") is None
        outcomes = [row["outcome"] for row in await scene.rows("requests")]
        assert outcomes == ["fault:unavailable_before"]

    play(scenario)


def test_a_scripted_rejection_carries_its_code(play: Play) -> None:
    async def scenario(scene: Scene, venue: PaperVenue) -> None:
        await scene.faults({"kind": "reject", "code": "margin", "text": "no"})
        with pytest.raises(VenueRefused) as caught:
            await venue.place(order("a"))
        assert (caught.value.code, caught.value.text) == ("margin", "no")
        assert await venue.order(PAIR, "a") is None

    play(scenario)


def test_a_cancel_can_lose_its_ack_too(play: Play) -> None:
    async def scenario(scene: Scene, venue: PaperVenue) -> None:
        await scene.faults({"kind": "lose_ack", "request": "cancel"})
        await venue.place(order("a"))
        with pytest.raises(VenueUnreachable):
            await venue.cancel(PAIR, "a")
        assert (await venue.cancel(PAIR, "a")).status == "cancelled"

    play(scenario)


def test_a_rule_matches_ids_skips_and_ends(play: Play) -> None:
    async def scenario(scene: Scene, venue: PaperVenue) -> None:
        rule = {"kind": "reject", "after": 1, "times": 2, "client_order_id": "x*"}
        await scene.faults(rule)
        refused = []
        for name in ("y0", "x1", "x2", "y3", "x4", "x5"):
            try:
                await venue.place(order(name))
            except VenueRefused:
                refused.append(name)
        assert refused == ["x2", "x4"]
        (seen,) = await scene.test("GET", "faults")
        assert (seen["matched"], seen["fired"]) == (4, 2)

    play(scenario)


async def fills(stream: AsyncIterator[UserUpdate], until_order: str) -> list[str]:
    """The kinds and ids of updates up to the one that says `until_order` is filled."""
    told = []
    async for update in stream:
        if isinstance(update, TradeUpdate):
            told.append(f"trade {update.trade.client_order_id}")
        if isinstance(update, OrderUpdate):
            told.append(f"{update.order.status} {update.order.client_order_id}")
            if told[-1] == f"filled {until_order}":
                break
    return told


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("duplicate_fill", ["open a", "trade a", "trade a", "filled a"]),
        ("reorder_fill", ["open a", "filled a", "trade a"]),
        ("lose_fill", ["open a", "filled a"]),
    ],
)
def test_fills_on_the_stream_are_spoilt_but_trades_are_true(
    play: Play, kind: str, expected: list[str]
) -> None:
    async def scenario(scene: Scene, venue: PaperVenue) -> None:
        stream = venue.updates()
        assert await anext(stream) == StreamConnected()
        await scene.faults({"kind": kind, "client_order_id": "a"})
        await venue.place(order("a", price=None))
        await venue.place(order("b", price=None))
        assert await fills(stream, "b") == [*expected, "open b", "trade b", "filled b"]
        told = (await venue.trades_since(None, [PAIR])).trades
        assert [one.client_order_id for one in told] == ["a", "b"]
        assert len(await venue.trades_of(PAIR, "a")) == 1

    play(scenario)


def test_a_lookup_may_lag_behind_acceptance(play: Play) -> None:
    async def scenario(scene: Scene, venue: PaperVenue) -> None:
        await scene.faults({"kind": "lookup_lag", "seconds": 2.0, "times": None})
        await venue.place(order("a"))
        assert await venue.order(PAIR, "a") is None
        assert len(await venue.open_orders()) == 1

        async def is_there() -> bool:
            return await venue.order(PAIR, "a") is not None

        await until(is_there)

    play(scenario)


def test_while_down_everything_is_refused_and_streams_break(play: Play) -> None:
    async def scenario(scene: Scene, venue: PaperVenue) -> None:
        stream = venue.updates()
        assert await anext(stream) == StreamConnected()
        await scene.faults({"kind": "down"})
        for act in (venue.place(order("a")), venue.balances(), venue.time_us()):
            with pytest.raises(VenueUnreachable):
                await act
        await scene.clear()
        assert await anext(stream) == StreamConnected()
        assert await venue.order(PAIR, "a") is None

    play(scenario)


def test_down_for_a_while_ends_by_itself(play: Play) -> None:
    async def scenario(scene: Scene, venue: PaperVenue) -> None:
        await scene.faults({"kind": "down", "seconds": 0.3, "after": 1})
        await venue.place(order("a"))
        with pytest.raises(VenueUnreachable):
            await venue.place(order("b"))

        async def is_up() -> bool:
            try:
                await venue.time_us()
            except VenueUnreachable:
                return False
            return True

        await until(is_up)
        assert await venue.order(PAIR, "b") is None

    play(scenario)


def test_the_venue_expires_an_order_and_the_stream_says_so(play: Play) -> None:
    async def scenario(scene: Scene, venue: PaperVenue) -> None:
        stream = venue.updates()
        assert await anext(stream) == StreamConnected()
        await venue.place(order("a"))
        key = {"account": scene.account, "pair": PAIR, "client_order_id": "a"}
        await scene.test("POST", "expire", key | {"status": "expired"})
        async for update in stream:
            if isinstance(update, OrderUpdate) and update.order.status == "expired":
                assert update.order.reason == "cancelled by the venue"
                break

    play(scenario)


def test_a_stream_told_nothing_new_keeps_silent_about_other_accounts(play: Play) -> None:
    async def scenario(scene: Scene, venue: PaperVenue) -> None:
        stream = venue.updates()
        assert await anext(stream) == StreamConnected()
        other = PaperVenue(scene.url, f"{scene.account}-other")
        await other.place(order("theirs", price=None))
        await other.close()
        await venue.place(order("ours", price=None))
        told = await fills(stream, "ours")
        assert told == ["open ours", "trade ours", "filled ours"]

    play(scenario)


def test_probability_follows_its_seed() -> None:
    def fired(seed: int) -> list[bool]:
        rule = FaultRule(kind="reject", times=None, probability=0.5, seed=seed)
        script = FaultScript([rule])
        return [script.on_request("place", "a") is not None for _ in range(50)]

    assert fired(1) == fired(1)
    assert fired(1) != fired(2)
    assert 10 < sum(fired(1)) < 40
