"""Decisions of the matching engine, one rule a test, without I/O or clock."""

from decimal import Decimal

import msgspec
import pytest

from adapters.venues.paper.engine import Engine
from adapters.venues.paper.settings import EUR_USD, HOUSE, Terms
from adapters.venues.port import (
    OrderRequest,
    OrderType,
    Side,
    TradeUpdate,
    VenueOrder,
    VenueRefused,
    VenueTrade,
)

PAIR = "EUR-USD"
QUIET = msgspec.structs.replace(EUR_USD, levels=0)
"""No synthetic liquidity: users meet only each other."""


def request(
    client_order_id: str,
    side: Side,
    quantity: str,
    price: str | None = None,
    order_type: OrderType | None = None,
    expires_at_us: int = 1_000_000,
) -> OrderRequest:
    return OrderRequest(
        client_order_id=client_order_id,
        pair=PAIR,
        side=side,
        order_type=order_type or ("LIMIT" if price else "MARKET"),
        quantity=Decimal(quantity),
        price=None if price is None else Decimal(price),
        expires_at_us=expires_at_us,
    )


def quiet(**changes: object) -> Engine:
    return Engine(msgspec.structs.replace(Terms(pairs=(QUIET,)), **changes))


def lively(level_quantity: str = "100", levels: int = 2) -> Engine:
    """Synthetic liquidity around 1.10000: bid 1.09994, ask 1.10006, next levels 5 ticks away."""
    pair = msgspec.structs.replace(EUR_USD, levels=levels, level_quantity=Decimal(level_quantity))
    engine = Engine(Terms(pairs=(pair,)))
    engine.advance(PAIR, Decimal("1.1"), 0)
    return engine


def trades(engine: Engine) -> list[VenueTrade]:
    updates = engine.take_changes().updates
    return [update.trade for _, update in updates if isinstance(update, TradeUpdate)]


def refusal(engine: Engine, asked: OrderRequest, now_us: int = 0) -> str:
    with pytest.raises(VenueRefused) as caught:
        engine.place("bob", asked, now_us)
    return caught.value.code


def funds(engine: Engine, account: str) -> dict[str, tuple[Decimal, Decimal]]:
    return {seen.token: (seen.total, seen.available) for seen in engine.wallet.balances(account)}


def facts(order: VenueOrder) -> tuple[str, int, str | None]:
    return order.status, int(order.filled_quantity), order.reason


def test_the_better_price_fills_first_then_the_older_order() -> None:
    engine = quiet()
    engine.place("ann", request("worse", "SELL", "10", "1.2"), 1)
    engine.place("ann", request("older", "SELL", "10", "1.1"), 2)
    engine.place("ann", request("younger", "SELL", "10", "1.1"), 3)
    engine.take_changes()
    engine.place("bob", request("b", "BUY", "25", "1.2"), 4)
    makers = [
        (trade.client_order_id, int(trade.quantity)) for trade in trades(engine) if trade.is_maker
    ]
    assert makers == [("older", 10), ("younger", 10), ("worse", 5)]


def test_the_taker_pays_the_makers_price_and_gets_the_rest_of_its_lock_back() -> None:
    engine = quiet()
    engine.place("ann", request("a", "SELL", "100", "1.1"), 1)
    engine.place("bob", request("b", "BUY", "100", "1.5"), 2)
    assert funds(engine, "bob")["USD"] == (Decimal(999_890), Decimal(999_890))


def test_fees_are_charged_in_the_token_received() -> None:
    engine = quiet()
    engine.place("ann", request("a", "SELL", "100", "1.1"), 1)
    engine.place("bob", request("b", "BUY", "100", "1.1"), 2)
    fees = {trade.is_maker: (trade.fee, trade.fee_token) for trade in trades(engine)}
    assert fees == {True: (Decimal("0.022"), "USD"), False: (Decimal("0.05"), "EUR")}
    assert funds(engine, HOUSE) == {
        "USD": (Decimal("0.022"), Decimal("0.022")),
        "EUR": (Decimal("0.05"), Decimal("0.05")),
    }


def test_a_self_trade_shows_one_trade_id_on_two_orders() -> None:
    engine = quiet()
    engine.place("ann", request("a", "SELL", "100", "1.1"), 1)
    engine.place("ann", request("b", "BUY", "100", "1.1"), 2)
    first, second = trades(engine)
    assert first.trade_id == second.trade_id
    assert first.sequence < second.sequence
    assert {first.client_order_id, second.client_order_id} == {"a", "b"}


def test_a_market_order_without_liquidity_is_refused() -> None:
    assert refusal(quiet(), request("b", "BUY", "1")) == "no_liquidity"


def test_a_market_remainder_is_cancelled_and_its_money_free() -> None:
    engine = quiet()
    engine.place("ann", request("a", "SELL", "10", "1.1"), 1)
    placed = engine.place("bob", request("b", "BUY", "100"), 2)
    assert facts(placed) == ("cancelled", 10, "no_liquidity_left")
    total, available = funds(engine, "bob")["USD"]
    assert total == available == Decimal(999_989)


def test_a_market_order_that_cannot_be_paid_is_refused() -> None:
    engine = quiet()
    engine.place("ann", request("a", "SELL", "1000000", "1.1"), 1)
    assert refusal(engine, request("b", "BUY", "1000000")) == "insufficient_balance"


def test_limit_maker_refuses_to_cross_and_rests_otherwise() -> None:
    engine = lively()
    assert refusal(engine, request("b", "BUY", "10", "1.10006", "LIMIT_MAKER")) == "would_cross"
    placed = engine.place("bob", request("b", "BUY", "10", "1.10005", "LIMIT_MAKER"), 1)
    assert facts(placed) == ("open", 0, None)


def test_expiry_counts_by_the_time_of_arrival() -> None:
    engine = quiet()
    assert refusal(engine, request("b", "BUY", "1", "1", expires_at_us=5), 6) == "request_expired"
    assert engine.place("bob", request("b", "BUY", "1", "1", expires_at_us=5), 5).status == "open"


def test_a_closed_orders_client_id_places_again() -> None:
    engine = quiet()
    engine.place("bob", request("b", "BUY", "1", "1"), 1)
    assert refusal(engine, request("b", "BUY", "1", "1")) == "duplicate_client_order_id"
    engine.close(("bob", PAIR, "b"), 2)
    assert engine.place("bob", request("b", "BUY", "1", "1"), 3).exchange_order_id == "2"


def test_open_orders_are_limited_per_account() -> None:
    engine = quiet(open_orders_max=1)
    engine.place("bob", request("1", "BUY", "1", "1"), 1)
    assert refusal(engine, request("2", "BUY", "1", "1")) == "too_many_orders"
    assert engine.place("ann", request("1", "BUY", "1", "1"), 1).status == "open"


def test_a_price_that_moves_through_a_resting_order_fills_it_as_maker_in_parts() -> None:
    engine = lively(level_quantity="100", levels=2)
    engine.place("bob", request("b", "BUY", "250", "1.05"), 1)
    engine.take_changes()
    engine.advance(PAIR, Decimal("1.04"), 2)
    filled = trades(engine)
    assert [(int(trade.quantity), trade.price) for trade in filled] == [
        (100, Decimal("1.05")),
        (100, Decimal("1.05")),
    ]
    assert all(trade.is_maker for trade in filled)
    engine.advance(PAIR, Decimal("1.04"), 3)
    assert trades(engine) == []  # Consumed, and neither moved nor refilled yet.
    engine.advance(PAIR, Decimal("1.04"), 1_000_002)
    assert [trade.quantity for trade in trades(engine)] == [50]


def test_consumed_levels_refill_when_the_price_moves() -> None:
    engine = lively(level_quantity="100", levels=1)
    assert facts(engine.place("bob", request("1", "BUY", "100"), 1)) == ("filled", 100, None)
    assert refusal(engine, request("2", "BUY", "100")) == "no_liquidity"
    engine.advance(PAIR, Decimal("1.1"), 2)
    assert refusal(engine, request("2", "BUY", "100")) == "no_liquidity"
    engine.advance(PAIR, Decimal("1.10001"), 3)
    assert facts(engine.place("bob", request("2", "BUY", "100"), 4)) == ("filled", 100, None)


def test_users_come_before_synthetic_liquidity_at_the_same_price() -> None:
    engine = lively()
    engine.place("ann", request("a", "SELL", "10", "1.10006"), 1)
    engine.take_changes()
    engine.place("bob", request("b", "BUY", "15", "1.10006"), 2)
    assert [(trade.client_order_id, int(trade.quantity)) for trade in trades(engine)] == [
        ("a", 10),
        ("b", 10),
        ("b", 5),
    ]


def test_the_venue_can_expire_an_order_from_its_side() -> None:
    engine = quiet()
    engine.place("bob", request("b", "BUY", "1", "1"), 1)
    expired = engine.close(("bob", PAIR, "b"), 2, "expired", "cancelled by the venue")
    assert expired is not None
    assert facts(expired) == ("expired", 0, "cancelled by the venue")
    assert engine.close(("bob", PAIR, "b"), 3) is None


def test_money_of_a_refused_order_is_untouched() -> None:
    engine = quiet()
    assert refusal(engine, request("b", "SELL", "2000000", "1")) == "insufficient_balance"
    assert funds(engine, "bob")["EUR"] == (Decimal(1_000_000), Decimal(1_000_000))
