"""Snapshots as dispatchers take them, on a real log, at venues that hold what a test says."""

from decimal import Decimal

import msgspec
import psycopg
import pytest

from adapters.postgres.questions import Snapshot, snapshot_of
from adapters.venues.port import VenueBusy, VenueRefused, VenueUnreachable
from api.accounts import asking as asking_module
from api.errors import Failure
from commands.codec import decode_recorded
from domain import account, credential, portfolio
from domain import reconciliation as reconciling
from domain.account import AddConnector, OpenAccount
from domain.credential import DeleteCredential
from domain.portfolio import PortfolioObserved, TokenHeld
from domain.reconciliation import RequestReconciliation
from tests.portfolio.world import World, until
from tests.workers.stage import ACCOUNT
from workers.dispatching import portfolio_prices, portfolios
from workers.dispatching.portfolio_looks import Patience

pytestmark = pytest.mark.postgres
NEVER, OFTEN = 40 * 365 * 86_400.0, 0.3
"""Seconds; the grid of the first has a point in 2009 and one in 2049, and none at midnight."""
EUR = TokenHeld("EUR", Decimal("10.50"), Decimal("4.5"), Decimal("1.25"))
USDT = TokenHeld("USDT", Decimal(100), Decimal(100), Decimal(1))
UNKNOWN = TokenHeld("UNKNOWN", Decimal(3), Decimal(3), None)


def reconciliation() -> tuple[str, RequestReconciliation, str]:
    command = RequestReconciliation(ACCOUNT, "paper", 1)
    return reconciling.stream(ACCOUNT, "paper", 1), command, "reconcile"


def test_a_snapshot_holds_balances_and_prices_and_nothing_that_is_empty(world: World) -> None:
    async def body() -> None:
        await until(world.snapshots)

    world.run(body, NEVER)
    (snapshot,) = world.snapshots()
    assert (snapshot.account, snapshot.quote, snapshot.cause) == (ACCOUNT, "USDT", "interval")
    (held,) = snapshot.held
    assert (held.connector, held.is_carried, held.tokens) == ("paper", False, (EUR, UNKNOWN, USDT))
    assert snapshot.asked_at_us <= held.observed_at_us
    assert world.silences() == []


def test_at_every_interval_there_is_a_snapshot_whether_or_not_anything_changed(
    world: World,
) -> None:
    async def body() -> None:
        await until(lambda: len(world.snapshots()) >= 4)

    world.run(body, OFTEN)
    snapshots = world.snapshots("interval")
    points = world.points()
    assert points == sorted(set(points)), "one for each point of the grid at most"
    assert {point % 300_000 for point in points} == {0}
    assert {its.held[0].tokens for its in snapshots} == {(EUR, UNKNOWN, USDT)}
    assert world.counts[0].detail["portfolios_observed"] >= 3


def test_fills_that_come_together_have_one_snapshot_after_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portfolios, "AFTER_FILL_SECONDS", 2.0)

    async def body() -> None:
        await until(world.snapshots)
        venue = world.venues["paper"]
        names = [world.on.place(f"k{number}") for number in range(5)]
        await until(lambda: all(name in venue.orders for name in names))
        venue.give("EUR", "11")
        for name in names:
            venue.fill(name)
        world.on.say(*reconciliation())
        await until(lambda: world.snapshots("fill"))
        await until(lambda: all(world.on.order(name).status == "filled" for name in names))

    world.run(body, NEVER)
    held = world.held()
    assert held is not None
    assert held.tokens[0] == TokenHeld("EUR", Decimal(11), Decimal(11), Decimal("1.25"))
    assert len(world.snapshots("fill")) == 1
    assert len(world.snapshots("interval")) == 1


def test_a_fill_from_before_a_start_is_followed_by_a_snapshot(world: World) -> None:
    async def first() -> None:
        await until(world.snapshots)
        venue = world.venues["paper"]
        name = world.on.place("k")
        await until(lambda: name in venue.orders)
        venue.fill(name)

    async def second() -> None:
        await until(lambda: world.snapshots("fill"))

    world.run(first, NEVER)
    world.run(second, NEVER)
    assert [its.cause for its in world.snapshots()] == ["interval", "fill"]


def test_a_start_within_an_interval_takes_no_second_snapshot_of_it(world: World) -> None:
    async def first() -> None:
        await until(world.snapshots)

    async def second() -> None:
        venue = world.venues["paper"]
        asked = venue.asked
        async with world.asking() as asking:
            await asking.ask(snapshot_of(ACCOUNT))
        assert venue.asked == asked + 1

    world.run(first, NEVER)
    world.run(second, NEVER)
    assert [its.cause for its in world.snapshots()] == ["interval", "asked"]


def test_a_venue_that_is_silent_is_carried_over_until_it_is_back(world: World) -> None:
    world.add("binance").give("BTC", "2")

    async def body() -> None:
        await until(lambda: world.snapshots() and world.held("binance"))
        before = world.held("binance")
        assert before is not None
        world.venues["binance"].error = VenueUnreachable("timed out")
        world.venues["paper"].give("EUR", "1")
        await until(lambda: len(world.silences()) >= 2)
        carried = world.held("binance")
        assert carried is not None
        assert carried.is_carried
        assert (carried.tokens, carried.observed_at_us) == (before.tokens, before.observed_at_us)
        paper = world.held("paper")
        assert paper is not None
        assert not paper.is_carried
        assert paper.tokens[0].units == 1
        await until(lambda: world.counts[0].detail["portfolio_venues_silent"] == 1)
        world.venues["binance"].error = None
        world.venues["binance"].give("BTC", "3")
        await until(lambda: world.snapshots()[-1].held[0] != carried)
        back = world.held("binance")
        assert back is not None
        assert (back.is_carried, back.tokens[0].units) == (False, Decimal(3))
        await until(lambda: world.counts[0].detail["portfolio_venues_silent"] == 0)

    world.run(body, OFTEN)
    assert {(its.connector, its.error) for its in world.silences()} == {("binance", "timed out")}


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (VenueRefused("-2015", "Invalid API-key"), "-2015: Invalid API-key"),
        (VenueUnreachable("x" * 1000), "x" * 300),
        (VenueBusy("429", 0.1), "429"),
        (ZeroDivisionError("secret"), "ZeroDivisionError"),
    ],
)
def test_of_a_venue_that_never_answered_only_its_silence_is_recorded(
    world: World, error: Exception, text: str
) -> None:
    world.venues["paper"].error = error

    async def body() -> None:
        await until(world.silences)

    world.run(body, NEVER)
    assert [its.error for its in world.silences()] == [text]
    assert world.snapshots() == []


def test_a_venue_that_hangs_is_silent_and_the_others_are_told(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portfolios, "IN_TURN", Patience(2.0, 60.0, 60.0))
    world.add("binance").may_answer.clear()

    async def body() -> None:
        await until(world.snapshots)

    world.run(body, NEVER)
    assert [its.connector for its in world.snapshots()[0].held] == ["paper"]
    assert [its.error for its in world.silences()] == ["no answer within 2 s"]


def test_a_connector_without_a_venue_is_silent(world: World) -> None:
    world.on.accept_credential("kraken", "s1")

    async def body() -> None:
        await until(world.snapshots)

    world.run(body, NEVER)
    assert [its.connector for its in world.snapshots()[0].held] == ["paper"]
    assert [(its.connector, its.error) for its in world.silences()] == [("kraken", "no venue")]


def test_a_connector_whose_credential_was_deleted_is_gone(world: World) -> None:
    world.add("binance")

    async def body() -> None:
        await until(lambda: world.snapshots() and world.held("binance"))
        command = DeleteCredential(ACCOUNT, "binance", 1)
        world.on.say(credential.stream(ACCOUNT, "binance"), command, "delete")
        await until(lambda: world.held("binance") is None)

    world.run(body, OFTEN)
    assert [its.connector for its in world.snapshots()[-1].held] == ["paper"]


def test_an_account_without_connectors_is_not_observed_and_one_that_lost_them_once_more(
    world: World,
) -> None:
    world.on.say(account.stream("empty"), OpenAccount("empty"), "open empty")
    world.on.say(account.stream("lost"), OpenAccount("lost"), "open lost")
    connect = AddConnector("lost", "binance")
    world.on.say(account.stream("lost"), connect, "connect lost")
    world.venues["binance"] = world.venues["paper"]

    def of(name: str) -> list[tuple[str, ...]]:
        stream = world.on.store.read_stream(portfolio.stream(name))
        events = [decode_recorded(each) for each in stream]
        return [
            tuple(its.connector for its in event.held)
            for event in events
            if isinstance(event, PortfolioObserved)
        ]

    async def body() -> None:
        await until(lambda: of("lost") == [("binance",)])
        stream = credential.stream("lost", "binance")
        world.on.say(stream, DeleteCredential("lost", "binance"), "delete")
        await until(lambda: of("lost") == [("binance",), ()])
        await until(world.snapshots)

    world.run(body, NEVER)
    assert of("empty") == []


def test_two_dispatchers_take_one_snapshot_of_each_interval(world: World) -> None:
    async def body() -> None:
        await until(lambda: len(world.snapshots()) >= 4)

    world.run(body, OFTEN, dispatchers=2)
    points = world.points()
    assert points == sorted(set(points))
    assert {point % 300_000 for point in points} == {0}


def test_a_dispatcher_that_comes_too_late_records_nothing(world: World) -> None:
    venue = world.venues["paper"]
    venue.may_answer.clear()

    async def body() -> None:
        await until(lambda: venue.asked)
        with psycopg.connect(world.on.database.owner_dsn) as owner:
            owner.execute(
                """update leases
                set lease = lease + 1, holder = 'another', expires_at = now() + interval '1 hour'"""
            )
        venue.may_answer.set()
        await until(lambda: world.counts[0].detail.get("leases_lost"))

    world.run(body, NEVER)
    assert world.events() == []


def test_the_tickers_of_a_connector_are_asked_for_once_for_all_accounts(world: World) -> None:
    names = [f"a{number}" for number in range(8)]
    for name in names:
        world.on.say(account.stream(name), OpenAccount(name), f"open {name}")
        world.on.say(account.stream(name), AddConnector(name, "paper"), f"connect {name}")

    def is_done() -> bool:
        return all(world.on.store.read_stream(portfolio.stream(name)) for name in names)

    async def body() -> None:
        await until(is_done)

    world.run(body, NEVER)
    assert world.market.asked["tickers"] == 1


def test_without_prices_balances_are_recorded_all_the_same(world: World) -> None:
    world.market.is_away = True

    async def body() -> None:
        await until(world.snapshots)

    world.run(body, NEVER)
    held = world.held()
    assert held is not None
    assert {its.token: its.price for its in held.tokens} == {
        "EUR": None,
        "UNKNOWN": None,
        "USDT": Decimal(1),
    }


def test_prices_of_a_moment_ago_count_while_the_venue_tells_no_new_ones(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portfolio_prices, "FRESH_SECONDS", 0.0)

    async def body() -> None:
        await until(world.snapshots)
        world.market.is_away = True
        count = len(world.snapshots())
        await until(lambda: len(world.snapshots()) > count + 1)
        assert world.held() is not None

    world.run(body, OFTEN)
    held = world.held()
    assert held is not None
    assert held.tokens[0] == EUR


def test_whoever_asks_gets_the_position_of_a_new_snapshot(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def body() -> None:
        await until(world.snapshots)
        world.venues["paper"].give("EUR", "7")
        async with world.asking() as asking:
            found = msgspec.json.decode(await asking.ask(snapshot_of(ACCOUNT)), type=Snapshot)
            recorded = world.on.store.read_stream(portfolio.stream(ACCOUNT))[-1]
            assert found.position == recorded.position
            monkeypatch.setattr(asking_module, "TAKEN_SECONDS", 1.0)
            with pytest.raises(Failure, match="No worker holds account 'stranger'"):
                await asking.ask(snapshot_of("stranger"))

    world.run(body, NEVER)
    held = world.held()
    assert held is not None
    assert [its.cause for its in world.snapshots()] == ["interval", "asked"]
    assert held.tokens[0].units == 7


def test_with_an_interval_of_nothing_there_are_snapshots_only_for_who_asks(world: World) -> None:
    async def body() -> None:
        await until(lambda: world.venues["paper"].streams)
        async with world.asking() as asking:
            await asking.ask(snapshot_of(ACCOUNT))

    world.run(body, 0)
    assert [its.cause for its in world.snapshots()] == ["asked"]


def test_whoever_asks_while_a_venue_hangs_gets_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(portfolios, "AT_ONCE", Patience(2.0, 60.0, 0.0))
    binance = world.add("binance")

    async def body() -> None:
        await until(lambda: world.snapshots() and world.held("binance"))
        binance.may_answer.clear()
        world.venues["paper"].give("EUR", "7")
        async with world.asking() as asking:
            await asking.ask(snapshot_of(ACCOUNT))

    world.run(body, NEVER)
    held, paper = world.held("binance"), world.held("paper")
    assert held is not None
    assert paper is not None
    assert (held.is_carried, paper.is_carried) == (True, False)
    assert paper.tokens[0].units == Decimal(7)
