"""What holds after every random history of the matching engine, and after a reload half way."""

from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.venues.paper.engine import Changes, Engine
from adapters.venues.paper.ledger import Ledger
from adapters.venues.paper.settings import EUR_USD, HOUSE, Terms
from adapters.venues.port import (
    OrderRequest,
    OrderType,
    OrderUpdate,
    Side,
    TradeUpdate,
    VenueOrder,
    VenueRefused,
)

PAIR = "EUR-USD"
TICK = Decimal("0.00001")
REFILLED_US = 10_000_000
"""Late enough for consumed levels, which no ledger keeps, to be full again."""
DEPOSIT = Decimal(500)
TERMS = Terms(
    pairs=(msgspec.structs.replace(EUR_USD, levels=3, level_quantity=Decimal(20)),),
    deposits=(("EUR", DEPOSIT), ("USD", DEPOSIT)),
)


class Place(NamedTuple):
    account: str
    client_order_id: str
    side: Side
    order_type: OrderType
    quantity: Decimal
    price: Decimal


class Cancel(NamedTuple):
    account: str
    client_order_id: str


class Move(NamedTuple):
    mid: Decimal


Step = Place | Cancel | Move
accounts = st.sampled_from(["ann", "bob", "cid"])
ids = st.integers(1, 12).map(str)
sides: st.SearchStrategy[Side] = st.sampled_from(("BUY", "SELL"))
types: st.SearchStrategy[OrderType] = st.sampled_from(("LIMIT", "MARKET", "LIMIT_MAKER"))
prices = st.integers(99_960, 100_040).map(lambda ticks: ticks * TICK)
quantities = st.integers(100, 8_000).map(lambda lots: lots * Decimal("0.01"))
steps: st.SearchStrategy[Step] = st.one_of(
    st.builds(Place, accounts, ids, sides, types, quantities, prices),
    st.builds(Cancel, accounts, ids),
    st.builds(Move, prices),
)
histories = st.lists(steps, max_size=60)


def take(engine: Engine, step: Step, now_us: int) -> None:
    match step:
        case Place(account, client_order_id, side, order_type, quantity, price):
            asked = OrderRequest(
                client_order_id=client_order_id,
                pair=PAIR,
                side=side,
                order_type=order_type,
                quantity=quantity,
                price=None if order_type == "MARKET" else price,
                expires_at_us=now_us,
            )
            try:
                engine.place(account, asked, now_us)
            except VenueRefused:
                return
        case Cancel(account, client_order_id):
            engine.close((account, PAIR, client_order_id), now_us)
        case Move(mid):
            engine.advance(PAIR, mid, now_us)


def check_money(engine: Engine, orders: dict[str, tuple[str, VenueOrder]]) -> None:
    """Nothing is made or lost, nothing is negative, locks are what open orders need."""
    users = [account for account in engine.wallet.accounts() if account != HOUSE]
    totals = {"EUR": Decimal(0), "USD": Decimal(0)}
    for account in (*users, HOUSE):
        for balance in engine.wallet.balances(account):
            totals[balance.token] += balance.total
            if account != HOUSE:
                assert 0 <= balance.available <= balance.total
                assert balance.total - balance.available == locked(orders, account, balance.token)
    assert totals == {"EUR": DEPOSIT * len(users), "USD": DEPOSIT * len(users)}


def locked(orders: dict[str, tuple[str, VenueOrder]], account: str, token: str) -> Decimal:
    total = Decimal(0)
    for owner, order in orders.values():
        if owner != account or order.status != "open" or order.price is None:
            continue
        left = order.quantity - order.filled_quantity
        if order.side == "BUY" and token == "USD":
            total += left * order.price
        if order.side == "SELL" and token == "EUR":
            total += left
    return total


def check_fills(changes: Changes, orders: dict[str, tuple[str, VenueOrder]]) -> None:
    """Each order's fills add up to what it says, at prices it accepted."""
    filled: dict[str, Decimal] = {}
    for account, update in changes.updates:
        if isinstance(update, OrderUpdate):
            orders[update.order.exchange_order_id] = (account, update.order)
            continue
        trade = update.trade
        filled[trade.exchange_order_id] = (
            filled.get(trade.exchange_order_id, Decimal(0)) + trade.quantity
        )
        limit = orders[trade.exchange_order_id][1].price
        assert limit is None or (
            trade.price <= limit if trade.side == "BUY" else trade.price >= limit
        )
    for number, (_, order) in orders.items():
        assert order.filled_quantity <= order.quantity
        assert (order.status == "filled") == (order.filled_quantity == order.quantity)
        assert order.filled_quantity >= filled.get(number, 0)


def check_priority(changes: Changes, orders: dict[str, tuple[str, VenueOrder]]) -> None:
    """No maker fills while an older order, or one at a better price, rests on its side."""
    for _, update in changes.updates:
        if isinstance(update, OrderUpdate):
            orders[update.order.exchange_order_id] = ("", update.order)
        if not isinstance(update, TradeUpdate) or not update.trade.is_maker:
            continue
        maker = orders[update.trade.exchange_order_id][1]
        sign = -1 if maker.side == "BUY" else 1
        assert maker.price is not None
        rank = (sign * maker.price, int(maker.exchange_order_id))
        for _, other in orders.values():
            if other.side == maker.side and other.status == "open" and other.price is not None:
                assert rank <= (sign * other.price, int(other.exchange_order_id))


@settings(max_examples=150, deadline=None)
@given(histories)
def test_money_is_conserved_and_fills_fit_their_orders(history: list[Step]) -> None:
    engine = Engine(TERMS)
    orders: dict[str, tuple[str, VenueOrder]] = {}
    engine.advance(PAIR, Decimal(1), 0)
    for now_us, step in enumerate(history, 1):
        take(engine, step, now_us)
        check_fills(engine.take_changes(), orders)
        check_money(engine, orders)


@settings(max_examples=150, deadline=None)
@given(histories)
def test_makers_fill_in_the_order_of_price_then_time(history: list[Step]) -> None:
    engine = Engine(TERMS)
    orders: dict[str, tuple[str, VenueOrder]] = {}
    engine.advance(PAIR, Decimal(1), 0)
    for now_us, step in enumerate(history, 1):
        take(engine, step, now_us)
        check_priority(engine.take_changes(), orders)


def told(engine: Engine) -> tuple[object, object]:
    """All updates since the last commit, and what every account then has."""
    updates = engine.take_changes().updates
    accounts_now = engine.wallet.accounts()
    return updates, {account: engine.wallet.balances(account) for account in accounts_now}


def reloaded(ledger: Ledger) -> Engine:
    engine = Engine(TERMS, ledger.numbers())
    for account, balance in ledger.all_balances():
        engine.wallet.restore(account, balance)
    for order in ledger.resting({PAIR: TICK}):
        engine.restore(order)
    engine.take_changes()
    return engine


@settings(max_examples=40, deadline=None)
@given(histories, histories)
def test_a_reloaded_engine_goes_on_as_if_nothing_had_happened(
    before: list[Step], after: list[Step]
) -> None:
    with TemporaryDirectory() as folder:
        ledger = Ledger(Path(folder) / "venue.sqlite")
        try:
            engine = Engine(TERMS)
            for now_us, step in enumerate(before, 1):
                take(engine, step, now_us)
            ledger.commit(engine.take_changes(), [])
            twin = reloaded(ledger)
            engine.advance(PAIR, Decimal(1), REFILLED_US)
            twin.advance(PAIR, Decimal(1), REFILLED_US)
            for now_us, step in enumerate(after, REFILLED_US + 1):
                take(engine, step, now_us)
                take(twin, step, now_us)
            assert told(engine) == told(twin)
        finally:
            ledger.close()
