"""Whatever spans are asked for in whatever order: the answer is what the venue says at that time.

A real Postgres keeps the candles; the venue is scripted, with a clock of its own that the API's
follows.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.postgres.candles import Series
from adapters.postgres.connect import READER_OPTIONS, connect_async
from adapters.venues.market_port import PublicVenue
from adapters.venues.port import Candle, VenueRefused, VenueUnreachable
from api.market import candles as candles_module
from api.market.candles import Candles, NoInterval
from api.market.history import gaps
from api.market.venues import Venues
from tests.market.scripted import ScriptedVenue
from tests.postgres_fixture import Database
from tests.stores import empty

pytestmark = pytest.mark.postgres
MINUTE_US = 60_000_000
BEGIN_US = 1_700_000_040_000_000
SERIES = Series("paper", "A-B", "1m")


def bar(start_us: int) -> Candle:
    price = Decimal(start_us // MINUTE_US % 1000 + 1) / 100
    return Candle(
        start_us=start_us,
        open=price,
        high=price * 2,
        low=price / 2,
        close=price,
        volume=Decimal("0.000000000000000001"),
        trades=3,
    )


def bars(minutes: set[int]) -> dict[int, Candle]:
    return {start: bar(start) for start in (BEGIN_US + n * MINUTE_US for n in sorted(minutes))}


def minute(number: float) -> int:
    return BEGIN_US + int(number * MINUTE_US)


class World:
    """A venue, and the candles of processes that share one database."""

    def __init__(self, database: Database) -> None:
        self.dsn = database.app_dsn
        self.owner_dsn = database.owner_dsn
        self.venue = ScriptedVenue()
        self.venue.now_us = minute(300)
        self.others: dict[str, PublicVenue] = {}
        self.skew_us = 0
        """How far our clock is ahead of the venue's."""

    def play(self, scenario: Callable[..., Awaitable[None]], processes: int = 1) -> None:
        async def with_candles() -> None:
            async def make(name: str) -> PublicVenue:
                return self.others.get(name, self.venue)

            async with await connect_async(self.dsn, READER_OPTIONS) as connection:
                lock = asyncio.Lock()

                async def read(query: str, asked: Mapping[str, object]) -> list[Any]:
                    async with lock:
                        return await (await connection.execute(query.encode(), asked)).fetchall()

                await scenario(
                    *(
                        Candles(
                            Venues(make, ["paper", *self.others]),
                            read,
                            self.dsn,
                            lambda *_: None,
                            lambda: self.venue.now_us + self.skew_us,
                        )
                        for _ in range(processes)
                    )
                )

        asyncio.run(asyncio.wait_for(with_candles(), 120))

    def expected(self, start_us: int, end_us: int, rows_max: int, *, newest: bool) -> list[Any]:
        told = [
            (candle.start_us / 1_000_000, float(candle.close))
            for candle in self.venue.told()
            if start_us <= candle.start_us < end_us
        ]
        return told[-rows_max:] if newest else told[:rows_max]


async def ask(
    candles: Candles, start_us: int, end_us: int, rows_max: int = 10_000, *, newest: bool = False
) -> list[tuple[float, float]]:
    found = await candles.rows(SERIES, start_us, end_us, rows_max, newest=newest)
    shown = json.loads(found.json)
    assert found.count == len(shown)
    return [(row["timestamp"], row["close"]) for row in shown]


@pytest.fixture
def world(shared: Database, monkeypatch: pytest.MonkeyPatch) -> World:
    empty(shared)
    # What is under way is kept for a second of the real clock, and the venue's goes by leaps.
    monkeypatch.setattr(candles_module, "KEPT_SECONDS", -1.0)
    return World(shared)


class Silent(ScriptedVenue):
    async def candles(
        self, _pair: str, _interval: str, _start_us: int | None = None, _limit: int = 500
    ) -> tuple[Candle, ...]:
        await asyncio.Event().wait()
        return ()


def test_a_venue_that_does_not_answer_holds_up_no_other(world: World) -> None:
    world.others["silent"] = Silent()
    world.venue.bars = bars({1, 2, 3})

    async def scenario(candles: Candles) -> None:
        waiting = [
            asyncio.create_task(
                candles.rows(
                    Series("silent", f"P{number}-B", "1m"), minute(0), minute(9), 9, newest=False
                )
            )
            for number in range(30)
        ]
        await asyncio.sleep(0.5)  # Those that may ask do.
        async with asyncio.timeout(20):  # The silent one's time is longer.
            assert len(await ask(candles, minute(0), minute(9))) == 3
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)

    world.play(scenario)


asks = st.tuples(
    st.just("ask"),
    st.floats(-20, 420),
    st.floats(0.1, 300),
    st.sampled_from([1, 7, 10_000]),
    st.booleans(),
)
steps = st.one_of(
    asks,
    st.tuples(st.just("recent"), st.floats(0.1, 10), st.booleans()),
    st.tuples(st.just("pass"), st.floats(0.01, 5)),
    st.tuples(st.just("fail"), st.integers(0, 3)),
    st.tuples(st.just("page"), st.sampled_from([1, 3, 100, 1000])),
)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.sets(st.integers(0, 400), max_size=380),
    st.sampled_from([0, 5, 70, 110]),
    st.sampled_from([(0, 0), (9, 0), (0, 15), (0, -15)]),
    st.lists(steps, min_size=1, max_size=12),
)
def test_any_spans_in_any_order_are_the_truth(
    world: World,
    minutes: set[int],
    lag: int,
    clocks: tuple[int, int],
    steps: list[tuple[Any, ...]],
) -> None:
    empty_candles(world)
    venue = world.venue = ScriptedVenue()
    venue.now_us = minute(300.3)
    venue.bars, venue.lag_us = bars(minutes), lag * 10**6
    venue.amends_us, world.skew_us = clocks[0] * 10**6, clocks[1] * 10**6

    async def check(candles: Candles, begin: int, end: int, rows_max: int, newest: bool) -> None:
        try:
            found = await ask(candles, begin, end, rows_max, newest=newest)
        except VenueUnreachable:
            return
        assert found == world.expected(begin, end, rows_max, newest=newest)

    async def play(candles: Candles) -> None:
        for step in steps:
            match step:
                case ("pass", minutes_passed):
                    venue.now_us += int(minutes_passed * MINUTE_US)
                case ("fail", after):
                    venue.fails_after = after
                case ("page", size):
                    venue.page_max = size
                case ("ask", start, length, rows_max, newest):
                    await check(candles, minute(start), minute(start + length), rows_max, newest)
                case ("recent", back, newest):
                    begin = venue.now_us - int(back * MINUTE_US)
                    await check(candles, begin, venue.now_us + 1, 7, newest)

    world.play(play)


def empty_candles(world: World) -> None:
    with psycopg.connect(world.owner_dsn) as owner:
        owner.execute("delete from candles")
        owner.execute("delete from candle_spans")


def test_history_is_asked_for_once(world: World) -> None:
    world.venue.bars = bars(set(range(400)))

    async def play(candles: Candles) -> None:
        first = await ask(candles, minute(10), minute(100))
        assert len(first) == 90
        asked = world.venue.asked.total()
        assert await ask(candles, minute(10), minute(100)) == first
        assert await ask(candles, minute(20), minute(30)) == first[10:20]
        assert world.venue.asked.total() == asked
        # Only what is missing on both sides is asked for.
        await ask(candles, minute(0), minute(110))
        assert world.venue.asked.total() == asked + 2

    world.play(play)


def test_a_closed_market_is_asked_for_once(world: World) -> None:
    world.venue.bars = bars({0, 1, 2, 290})

    async def play(candles: Candles) -> None:
        assert len(await ask(candles, minute(0), minute(280))) == 3
        asked = world.venue.asked.total()
        assert await ask(candles, minute(50), minute(200)) == []
        assert world.venue.asked.total() == asked

    world.play(play)


def test_the_candle_under_way_is_shown_and_never_kept(world: World) -> None:
    world.venue.bars = bars(set(range(400)))
    world.venue.now_us = minute(300.5)

    async def play(candles: Candles) -> None:
        found = await ask(candles, minute(298), minute(400))
        assert [at for at, _ in found] == [minute(n) / 1e6 for n in (298, 299, 300)]
        assert found[-1][1] == float(bar(minute(300)).close * 2)
        world.venue.now_us = minute(310)
        found = await ask(candles, minute(298), minute(301))
        assert found[-1][1] == float(bar(minute(300)).close)

    world.play(play)


def test_a_candle_that_is_amended_after_its_end_is_kept_as_it_is_in_the_end(world: World) -> None:
    world.venue.bars = bars(set(range(400)))
    world.venue.amends_us = 9_000_000
    world.venue.now_us = minute(300) + 5_000_000

    async def play(candles: Candles) -> None:
        found = await ask(candles, minute(298), minute(300))
        assert found[-1][1] == float(bar(minute(299)).close * 2)
        world.venue.now_us = minute(301)
        found = await ask(candles, minute(298), minute(300))
        assert found[-1][1] == float(bar(minute(299)).close)

    world.play(play)


def test_a_venue_whose_clock_is_behind_is_not_taken_at_half_a_candle(world: World) -> None:
    world.venue.bars = bars(set(range(400)))
    world.skew_us = 15_000_000
    world.venue.now_us = minute(300) - 3_000_000

    async def play(candles: Candles) -> None:
        found = await ask(candles, minute(298), minute(300))
        assert found[-1][1] == float(bar(minute(299)).close * 2)
        world.venue.now_us = minute(301)
        found = await ask(candles, minute(298), minute(300))
        assert found[-1][1] == float(bar(minute(299)).close)

    world.play(play)


def test_a_venue_that_tells_only_few_at_once_is_asked_for_fewer(world: World) -> None:
    world.venue.bars = bars(set(range(400)))
    world.venue.limit_max = 10

    async def play(candles: Candles) -> None:
        assert len(await ask(candles, minute(0), minute(90))) == 90

    world.play(play)


def test_a_candle_that_is_published_late_is_not_taken_for_a_pause(world: World) -> None:
    world.venue.bars = bars(set(range(400)))
    world.venue.lag_us = 110_000_000
    world.venue.now_us = minute(300) + 20_000_000

    async def play(candles: Candles) -> None:
        assert len(await ask(candles, minute(290), minute(300))) == 9
        world.venue.now_us = minute(303)
        assert len(await ask(candles, minute(290), minute(300))) == 10

    world.play(play)


def test_what_was_fetched_before_a_failure_is_kept(world: World) -> None:
    world.venue.bars = bars(set(range(400)))
    world.venue.page_max = 10
    world.venue.fails_after = 3

    async def play(candles: Candles) -> None:
        with pytest.raises(VenueUnreachable):
            await ask(candles, minute(0), minute(100))
        asked = world.venue.asked.total()
        assert len(await ask(candles, minute(0), minute(30))) == 30
        assert world.venue.asked.total() == asked

    world.play(play)


def test_what_is_late_is_said_and_goes_on_later(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.venue.bars = bars(set(range(400)))
    monkeypatch.setattr(candles_module, "LIMIT_SECONDS", 0.3)

    async def play(candles: Candles) -> None:
        world.venue.gate = asyncio.Event()
        with pytest.raises(TimeoutError):
            await ask(candles, minute(0), minute(100))
        world.venue.gate.set()
        monkeypatch.setattr(candles_module, "LIMIT_SECONDS", 30)
        assert len(await ask(candles, minute(0), minute(100))) == 100

    world.play(play)


def test_two_processes_fetch_the_same_span_and_both_succeed(world: World) -> None:
    world.venue.bars = bars(set(range(400)))
    world.venue.page_max = 7

    async def play(*processes: Candles) -> None:
        spans = [(minute(0), minute(100)), (minute(50), minute(150))]
        found = await asyncio.gather(
            *(ask(candles, *span) for candles in processes for span in spans)
        )
        for index, shown in enumerate(found):
            assert shown == world.expected(*spans[index % 2], 10_000, newest=False)

    world.play(play, processes=3)
    with psycopg.connect(world.dsn, options="-c role=aviary_reader") as connection:
        spans = connection.execute("select start_us, end_us from candle_spans").fetchall()
        (count,) = connection.execute("select count(*) from candles").fetchone() or (0,)
    assert spans == [(minute(0), spans[0][1])]
    assert spans[0][1] >= minute(150)
    assert count >= 150


def test_those_who_ask_for_the_same_at_once_cause_one_fetch(world: World) -> None:
    world.venue.bars = bars(set(range(400)))

    async def play(candles: Candles) -> None:
        found = await asyncio.gather(*(ask(candles, minute(0), minute(90)) for _ in range(5)))
        assert all(len(shown) == 90 for shown in found)
        assert world.venue.asked.total() == 1

    world.play(play)


def test_rows_are_the_contract_s_with_every_digit(world: World) -> None:
    world.venue.bars = bars({1})

    async def play(candles: Candles) -> None:
        found = await candles.rows(SERIES, minute(0), minute(5), 10, newest=False)
        (row,) = json.loads(found.json, parse_float=str)
        assert row == {
            "timestamp": f"{minute(1) // 10**6}.0",
            "open": str(bar(minute(1)).open),
            "high": str(bar(minute(1)).high),
            "low": str(bar(minute(1)).low),
            "close": str(bar(minute(1)).close),
            "volume": "0.000000000000000001",
            "quote_asset_volume": 0,
            "n_trades": 3,
            "taker_buy_base_volume": 0,
            "taker_buy_quote_volume": 0,
        }

    world.play(play)


def test_unknown_intervals_and_pairs_are_refused(world: World) -> None:
    async def play(candles: Candles) -> None:
        with pytest.raises(NoInterval, match="1s, 1m, 1h, 1d, 1w, 1M"):
            await candles.rows(Series("paper", "A-B", "7m"), minute(0), minute(1), 1, newest=True)
        world.venue.refusal = VenueRefused("unknown_pair", "no A-B")
        with pytest.raises(VenueRefused):
            await ask(candles, minute(0), minute(1))

    world.play(play)


def test_the_role_that_keeps_candles_may_touch_nothing_else(world: World) -> None:
    for statement in (
        "select from events",
        "select from vault",
        "insert into orders default values",
        "update candles set close = 1",
        "delete from candles",
    ):
        with (
            psycopg.connect(world.dsn, options="-c role=aviary_candles") as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)


spans = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=6)


@given(spans, st.integers(0, 45), st.integers(1, 20))
def test_gaps_are_what_no_span_covers(
    found: list[tuple[int, int]], start: int, length: int
) -> None:
    end = start + length
    covered = sorted((begin, begin + size) for begin, size in found if begin < end)
    open_ = {at for at in range(start, end) if not any(b <= at < e for b, e in covered)}
    left = gaps(covered, start, end)
    assert {at for begin, stop in left for at in range(begin, stop)} == open_
    assert all(begin < stop for begin, stop in left)
