"""What is Binance's alone, against its double: permissions, expiry, filters, candles."""

import asyncio
import time
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from adapters.venues.ccxt import making
from adapters.venues.port import (
    Access,
    StreamConnected,
    VenueBusy,
    VenueRefused,
    VenueUnreachable,
)
from adapters.venues.registry import private_venue
from tests.ccxt.playing import play
from tests.doubles.binance_process import running
from tests.venues.binance_house import BinanceHouse
from tests.venues.paper_process import until
from tests.venues.stage import Scene


@pytest.mark.parametrize(
    ("rights", "access"),
    [
        ({}, Access(can_trade=True, can_withdraw=False)),
        ({"can_trade": False}, Access(can_trade=False, can_withdraw=False)),
        ({"can_withdraw": True}, Access(can_trade=True, can_withdraw=True)),
    ],
)
def test_a_key_is_asked_what_it_may(
    house: BinanceHouse, rights: dict[str, bool], access: Access
) -> None:
    async def ask() -> None:
        credential = house.credential(f"rights-{len(rights)}-{access.can_trade}", **rights)
        venue = private_venue(house.settings, house.connector, "a", credential)
        try:
            assert await venue.access() == access
        finally:
            await venue.close()

    asyncio.run(ask())


@pytest.mark.parametrize("spoilt", ["api_key", "api_secret"])
def test_a_bad_credential_is_refused_everywhere(house: BinanceHouse, spoilt: str) -> None:
    async def ask() -> None:
        credential = house.credential("spoilt") | {f"{house.connector}_{spoilt}": "0" * 64}
        venue = private_venue(house.settings, house.connector, "a", credential)
        scene = Scene(house, "spoilt")
        try:
            for act in (venue.access(), venue.balances(), venue.place(scene.order("a"))):
                with pytest.raises(VenueRefused) as caught:
                    await act
                assert caught.value.code == "bad_credential"
            stream = venue.updates()
            if house.connector == "binance" or spoilt == "api_key":
                with pytest.raises(VenueRefused):
                    await anext(stream)
        finally:
            await scene.close()
            await venue.close()

    asyncio.run(ask())


def test_a_request_that_was_held_up_dies_at_its_time(house: BinanceHouse) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.venue.balances()
        rule = {"kind": "hold", "seconds": 0.6}
        await asyncio.to_thread(house.process.faults, scene.account, rule)
        with pytest.raises(VenueRefused) as caught:
            await scene.venue.place(scene.order("late", expires_in_seconds=0.3))
        assert caught.value.code == "request_expired"
        assert await scene.venue.order(scene.pair, "late") is None

    play(house, "held", scenario)


@pytest.mark.parametrize("offset_ms", [-30_000, 30_000])
def test_a_clock_that_differs_is_allowed_for(tmp_path: Path, offset_ms: int) -> None:
    """The request's end is told in the venue's time, so the venue's clock decides."""
    with running(tmp_path) as process:
        process.control("clock", offset_ms=offset_ms)
        house = BinanceHouse(process, "binance")

        async def scenario(scene: Scene) -> None:
            ahead = offset_ms / 1000
            placed = await scene.venue.place(scene.order("a", expires_in_seconds=ahead + 30))
            assert placed.status == "open"
            with pytest.raises(VenueRefused) as caught:
                await scene.venue.place(scene.order("b", expires_in_seconds=ahead - 1))
            assert caught.value.code == "request_expired"

        play(house, "clock", scenario)


def test_a_clock_that_moved_is_asked_for_anew(tmp_path: Path) -> None:
    with running(tmp_path) as process:
        house = BinanceHouse(process, "binance")

        async def scenario(scene: Scene) -> None:
            await scene.venue.balances()
            await asyncio.to_thread(process.control, "clock", offset_ms=40_000)
            ours = scene.order("a", expires_in_seconds=58)
            with pytest.raises(VenueRefused) as caught:
                await scene.venue.balances()
            assert caught.value.code == "request_expired"

            async def is_placed() -> bool:
                try:
                    return (await scene.venue.place(ours)).status == "open"
                except VenueRefused:
                    return False

            await until(is_placed)

        play(house, "moved", scenario)


def test_markets_that_cannot_be_read_anew_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path) as process:
        house = BinanceHouse(process, "binance")

        async def scenario(scene: Scene) -> None:
            assert await scene.market.trading_rules()
            monkeypatch.setattr(making, "_MARKETS_MAX_AGE_SECONDS", 0.0)
            await asyncio.to_thread(process.faults, "*", {"kind": "down"})
            assert await scene.market.trading_rules()
            await asyncio.to_thread(process.faults, "*")
            assert (await scene.venue.place(scene.order("a"))).status == "open"

        play(house, "stale", scenario)


@pytest.mark.parametrize("code", [-1000, -1001, -1003, -1006, -1007, -1015])
@pytest.mark.parametrize("status", [400, 429, 503])
def test_a_server_that_failed_proves_nothing(house: BinanceHouse, code: int, status: int) -> None:
    async def scenario(scene: Scene) -> None:
        rule = {"kind": "reject", "code": code, "text": "Something.", "status": status}
        await asyncio.to_thread(house.process.faults, scene.account, rule)
        with pytest.raises(VenueUnreachable):
            await scene.venue.place(scene.order("a"))

    play(house, f"fails{code}{status}", scenario)


@pytest.mark.parametrize("status", [418, 429])
def test_a_venue_that_bans_says_for_how_long(house: BinanceHouse, status: int) -> None:
    async def scenario(scene: Scene) -> None:
        rule = {"kind": "reject", "code": -1003, "text": "Slow.", "status": status, "seconds": 77}
        await asyncio.to_thread(house.process.faults, scene.account, rule)
        with pytest.raises(VenueBusy) as caught:
            await scene.venue.place(scene.order("a"))
        assert caught.value.retry_after_seconds == 77.0

    play(house, f"bans{status}", scenario)


def test_orders_that_waited_too_long_for_the_rate_limit_keep_nothing_waiting(
    house: BinanceHouse,
) -> None:
    """They are refused before they are sent: else they would make the next ones late as well."""
    weight, per_second = {"binance": 0.2, "binance_perpetual": 4.0}[house.connector], 5.0

    async def ask() -> None:
        settings = msgspec.structs.replace(
            house.settings, venue_rates={house.connector: weight * per_second}
        )
        scene = Scene(house, "crowd")
        venue = private_venue(settings, house.connector, "a", house.credential("crowd"))
        try:
            await venue.order(scene.pair, "nothing")
            orders = [scene.order(f"crowd{n}", expires_in_seconds=2.0) for n in range(60)]
            began = time.monotonic()
            ends = await asyncio.gather(
                *(venue.place(order) for order in orders), return_exceptions=True
            )
            assert time.monotonic() - began < 0.8 * 60 / per_second
            refused = [end for end in ends if isinstance(end, VenueRefused)]
            assert {refusal.code for refusal in refused} == {"request_expired"}
            assert len(refused) > 30
        finally:
            await scene.close()
            await venue.close()

    asyncio.run(ask())


def test_all_accounts_share_one_rate_limit(house: BinanceHouse) -> None:
    async def scenario() -> None:
        scenes = [Scene(house, f"limited-{n}") for n in range(3)]
        lines = [scene.venue.line for scene in scenes]  # type: ignore[attr-defined]
        lines += [scene.market.line for scene in scenes]  # type: ignore[attr-defined]
        try:
            assert len({(await line.exchange()).throttler for line in lines}) == 1
        finally:
            await asyncio.gather(*(scene.close() for scene in scenes))

    asyncio.run(scenario())


def test_a_proxy_is_used_for_requests_and_streams(house: BinanceHouse) -> None:
    """What is asked of a proxy stands whole in the request, so that passing it on is enough."""

    async def scenario() -> None:
        asked: list[bytes] = []
        served: list[asyncio.Task[None] | None] = []
        host, _, port = house.process.url.removeprefix("http://").partition(":")

        async def forward(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            while part := await source.read(65536):
                sink.write(part)
            sink.close()

        async def serve(client: asyncio.StreamReader, answer: asyncio.StreamWriter) -> None:
            served.append(asyncio.current_task())
            first = await client.readuntil(b"\r\n")
            asked.append(first)
            from_venue, to_venue = await asyncio.open_connection(host, port)
            to_venue.write(first)
            await asyncio.gather(forward(client, to_venue), forward(from_venue, answer))

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        proxy = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        settings = msgspec.structs.replace(house.settings, venue_proxies={house.connector: proxy})
        name = house.connector
        venue = private_venue(settings, name, "a", house.credential("proxied"))
        try:
            await venue.balances()
            stream = venue.updates()
            assert await anext(stream) == StreamConnected()
            await stream.aclose()  # type: ignore[attr-defined]
        finally:
            await venue.close()
            server.close()
            await asyncio.gather(*(task for task in served if task is not None))
        assert asked
        assert all(house.process.url.removeprefix("http").encode() in line for line in asked)
        assert any(b"ws" in line.split()[1].split(b"/", 3)[3][:10] for line in asked)

    asyncio.run(scenario())


def test_markets_are_read_once_for_all_accounts(house: BinanceHouse) -> None:
    async def scenario() -> None:
        house.process.control("requests", reset=True)
        scenes = [Scene(house, f"shared-{n}") for n in range(5)]
        try:
            await asyncio.gather(*(scene.venue.balances() for scene in scenes))
            await asyncio.gather(*(scene.market.trading_rules() for scene in scenes))
        finally:
            await asyncio.gather(*(scene.close() for scene in scenes))
        counts = house.process.control("requests")
        assert sum(n for path, n in counts.items() if path.endswith("exchangeInfo")) == 1

    asyncio.run(scenario())


def test_rules_are_the_exchanges_own_filters(house: BinanceHouse) -> None:
    async def scenario(scene: Scene) -> None:
        line = scene.market.line  # type: ignore[attr-defined]
        rules = {rule.pair: rule for rule in await scene.market.trading_rules()}
        assert len(rules) >= 2
        for pair, market in line.markets.items():
            rule = rules[pair]
            filters = {row["filterType"]: row for row in market["info"]["filters"]}
            assert rule.tick == Decimal(filters["PRICE_FILTER"]["tickSize"])
            lot = filters["LOT_SIZE"]
            assert rule.lot == Decimal(lot["stepSize"])
            assert rule.quantity_min == Decimal(lot["minQty"])
            assert rule.quantity_max == Decimal(lot["maxQty"])
            if house.connector == "binance":
                assert rule.notional_min == Decimal(filters["NOTIONAL"]["minNotional"])
            else:
                assert rule.notional_min == Decimal(filters["MIN_NOTIONAL"]["notional"])

    play(house, "filters", scenario)


def test_candles_keep_every_field(house: BinanceHouse) -> None:
    async def scenario(scene: Scene) -> None:
        await scene.venue.place(scene.taking("a"))
        (trade, *_) = await scene.venue.trades_of(scene.pair, "a")
        start_us = trade.executed_at_us // 60_000_000 * 60_000_000
        (last,) = await scene.market.candles(scene.pair, "1m", start_us, limit=1)
        assert last.start_us == start_us
        assert last.trades
        assert last.quote_volume
        assert last.taker_base_volume is not None
        assert last.taker_quote_volume is not None
        many = await scene.market.candles(scene.pair, "1m", limit=1500)
        starts = [candle.start_us for candle in many]
        assert starts == list(range(starts[0], starts[0] + 1500 * 60_000_000, 60_000_000))

    play(house, "candles", scenario)


def test_trades_of_orders_placed_elsewhere_are_told_with_their_ids(house: BinanceHouse) -> None:
    async def scenario(scene: Scene) -> None:
        for n in range(5):
            await scene.venue.place(scene.taking(f"elsewhere-{n}"))
        fresh = Scene(house, scene.account)
        try:
            page = await fresh.venue.trades_since(None, [scene.pair])
            told = {trade.client_order_id for trade in page.trades}
            assert told == {f"elsewhere-{n}" for n in range(5)}
        finally:
            await fresh.close()

    play(house, "elsewhere", scenario)


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_the_trades_of_several_pairs_come_page_by_page(house: BinanceHouse, limit: int) -> None:
    async def scenario(scene: Scene) -> None:
        pairs = (scene.pair, "ETH-USDT")
        for n in range(6):
            request = scene.taking(f"n{n}", quantity=Decimal("0.01"))
            await scene.venue.place(msgspec.structs.replace(request, pair=pairs[n % 2]))
        told: list[tuple[str, str]] = []
        cursor: str | None = None
        has_more = True
        while has_more:
            page = await scene.venue.trades_since(cursor, [pairs[0]] if cursor else pairs, limit)
            assert len(page.trades) <= limit
            told += [(trade.pair, trade.client_order_id) for trade in page.trades]
            cursor, has_more = page.cursor, page.has_more
        by_pair = [
            (pair, f"n{n}") for pair in sorted(pairs) for n in range(6) if pairs[n % 2] == pair
        ]
        assert told == by_pair

    play(house, f"pairs-{limit}", scenario)
