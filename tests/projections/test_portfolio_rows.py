"""Snapshots to rows: what the wire has of them, silences, minutes, deletions."""

from decimal import Decimal

import msgspec

from domain.account import AccountDeleted
from domain.events import Event
from domain.log import Metadata
from domain.portfolio import ConnectorHeld, PortfolioObserved, PortfolioVenueSilent, TokenHeld
from projections import portfolio_snapshots, portfolios
from projections.portfolios import PortfolioRow, Silence, silences
from projections.projection import Fact

AT_US = 1_750_000_020_000_001
BTC = TokenHeld("BTC", Decimal("0.50"), Decimal("0.25"), Decimal("60000.10"))
XYZ = TokenHeld("XYZ", Decimal("1E-18"), Decimal(0), None)


def fact(event: Event, position: int = 1) -> Fact:
    metadata = Metadata(command_id="c", correlation_id="c", actor="w", recorded_at_us=AT_US)
    return Fact(position, "portfolio-main", position, event, metadata)


def observed(*held: ConnectorHeld, at_us: int = AT_US) -> PortfolioObserved:
    return PortfolioObserved("main", "USDT", "interval", at_us, held)


def silent(connector: str, at_us: int = AT_US) -> PortfolioVenueSilent:
    return PortfolioVenueSilent("main", connector, "timed out", at_us)


def folded(*events: Event) -> PortfolioRow | None:
    row: PortfolioRow | None = None
    for position, event in enumerate(events, 1):
        its = fact(event, position)
        assert portfolios.keys(its) == ("main",)
        row = portfolios.evolve(row, its, "main")
    return row


def test_the_document_is_what_the_wire_has() -> None:
    row = folded(
        observed(ConnectorHeld("binance", AT_US, (BTC, XYZ)), ConnectorHeld("paper", 1, ()))
    )
    assert row is not None
    assert row.document == (
        '{"binance":[{"token":"BTC","units":0.50,"price":60000.10,"value":30000.0500,'
        '"available_units":0.25},{"token":"XYZ","units":1E-18,"price":null,"available_units":0}],'
        '"paper":[]}'
    )
    assert (row.quote, row.asked_at_us, row.silences, row.position) == ("USDT", AT_US, "{}", 1)


def test_what_is_carried_over_is_stale() -> None:
    held = ConnectorHeld("binance", 1, (BTC,), is_carried=True)
    row = folded(observed(held))
    assert row is not None
    (item,) = msgspec.json.decode(row.document)["binance"]
    assert item["is_stale"] is True


def test_silences_are_those_of_the_last_snapshot() -> None:
    later_us = AT_US + 60_000_000
    row = folded(silent("okx"), silent("binance"), observed())
    assert row is not None
    assert silences(row) == {
        "binance": Silence("timed out", AT_US),
        "okx": Silence("timed out", AT_US),
    }
    row = folded(silent("okx"), observed(), silent("paper", later_us), observed(at_us=later_us))
    assert row is not None
    assert silences(row) == {"paper": Silence("timed out", later_us)}
    row = folded(silent("okx"), observed(), observed(at_us=later_us))
    assert row is not None
    assert silences(row) == {}


def test_a_silence_leaves_what_is_held_as_it_was() -> None:
    row = folded(observed(ConnectorHeld("okx", AT_US, (BTC,))), silent("okx", AT_US + 1))
    assert row is not None
    assert "BTC" in row.document
    assert silences(row) == {"okx": Silence("timed out", AT_US + 1)}


def test_a_deleted_account_has_no_row() -> None:
    deleted = AccountDeleted("main", 1)
    assert folded(observed(), deleted) is None
    assert folded(deleted) is None


def test_a_snapshot_has_a_row_for_each_connector_and_minute() -> None:
    event = observed(ConnectorHeld("binance", 5, (BTC, XYZ)), ConnectorHeld("paper", AT_US, ()))
    keys = portfolio_snapshots.keys(fact(event))
    assert keys == ("main/binance/1750000020000000", "main/paper/1750000020000000")
    row = portfolio_snapshots.evolve(None, fact(event), keys[0])
    assert (row.account, row.connector, row.minute_us) == ("main", "binance", 1_750_000_020_000_000)
    assert row.value == Decimal("30000.05")
    assert [item["token"] for item in msgspec.json.decode(row.document)] == ["BTC", "XYZ"]
    empty = portfolio_snapshots.evolve(None, fact(event), keys[1])
    assert (empty.document, empty.value) == ("[]", Decimal(0))


def test_figures_keep_all_their_digits() -> None:
    units, price = Decimal("123456789012345678.123456789012345678"), Decimal("0.000000000000000003")
    held = ConnectorHeld("paper", 1, (TokenHeld("AAA", units, units, price),) * 2)
    event = observed(held)
    (key,) = portfolio_snapshots.keys(fact(event))
    row = portfolio_snapshots.evolve(None, fact(event), key)
    assert row.value == Decimal("0.740740734074074068740740734074074068")
