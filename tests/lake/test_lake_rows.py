import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from adapters.lake.tables import FOLDED, TABLES
from domain.account import AccountDeleted
from domain.funding import FundingPaid
from domain.log import Metadata
from domain.order_messages import OrderFilled
from domain.portfolio import ConnectorHeld, PortfolioObserved, TokenHeld
from projections import lake_rows
from projections.projection import Fact
from tests.messages import PLACED, filled

METADATA = Metadata(
    command_id="c",
    correlation_id="c",
    actor="a",
    recorded_at_us=9,
    account="main",
    connector="paper",
    pair="BTC-USDT",
)
PAID = FundingPaid(
    *("main", "paper", "p1", "BTC-USDT", Decimal("-0.01"), "USDT", None, None, None, 8)
)


def fact(event: object, stream: str = "order-av1", position: int = 7) -> Fact:
    return Fact(position, stream, 1, event, METADATA)  # type: ignore[arg-type]


def observed(units: Decimal, price: Decimal | None) -> PortfolioObserved:
    held = (ConnectorHeld("paper", 5, (TokenHeld("BTC", units, units, price),), is_carried=True),)
    return PortfolioObserved("main", "USDT", "interval", 6, held)


def test_every_column_has_a_value_and_no_other() -> None:
    rows = {
        "trades": lake_rows.trade_of(fact(filled("t1", "2"))),
        "orders": lake_rows.order_after(None, fact(PLACED))[1],
        "portfolio": next(iter(lake_rows.holdings_of(fact(observed(Decimal(1), None))))),
        "portfolio_values": next(iter(lake_rows.values_of(fact(observed(Decimal(1), None))))),
        "funding": lake_rows.payment_of(fact(PAID)),
    }
    assert set(rows) == set(FOLDED) == set(lake_rows.TAGS)
    for table, row in rows.items():
        assert set(row) == set(TABLES[table])


def test_a_trade_says_its_notional() -> None:
    row = lake_rows.trade_of(fact(filled("t1", "0.2", "50000.5")))
    figures = Decimal("0.2"), Decimal("50000.5"), Decimal("10000.10")
    assert (row["quantity"], row["price"], row["notional"]) == figures
    assert row["exact"] is None


def test_a_token_without_a_price_has_no_value() -> None:
    (row,) = lake_rows.holdings_of(fact(observed(Decimal("1.5"), None)))
    assert (row["units"], row["price"], row["value"]) == (Decimal("1.5"), None, None)
    assert row["is_carried"] is True
    (row,) = lake_rows.holdings_of(fact(observed(Decimal("1.5"), Decimal(0))))
    assert row["value"] == 0


def test_a_deleted_account_holds_nothing_from_then_on() -> None:
    (row,) = lake_rows.holdings_of(fact(AccountDeleted("main", 1), "account-main"))
    assert set(row) == set(TABLES["portfolio"])
    assert (row["position"], row["account"], row["token"]) == (7, "main", "")
    assert (row["observed_at_us"], row["value"]) == (METADATA.recorded_at_us, 0)


def test_an_order_goes_on_from_what_it_was() -> None:
    order, first = lake_rows.order_after(None, fact(PLACED))
    order, second = lake_rows.order_after(order, fact(filled("t1", "0.4"), position=8))
    assert (first["outcome"], first["filled"]) == ("requested", 0)
    assert (second["position"], second["filled"]) == (8, Decimal("0.4"))


def test_an_event_before_its_order_was_placed_is_an_error() -> None:
    with pytest.raises(ValueError, match="before it was placed"):
        lake_rows.order_after(None, fact(filled("t1", "0.4")))


@given(st.decimals(-(10**40), 10**40))
def test_a_figure_is_stored_exactly_or_as_text(units: Decimal) -> None:
    event = structs.replace(filled("t1", "1"), fee=units)
    assert isinstance(event, OrderFilled)
    row = lake_rows.trade_of(fact(event))
    scaled = Fraction(units) * 10**18
    if scaled.denominator != 1 or abs(scaled) >= 10**38:
        assert row["fee"] is None
        assert Decimal(json.loads(str(row["exact"]))["fee"]) == units
    else:
        assert row["fee"] == units
        assert row["exact"] is None
