"""Logs of fills of some pairs at two accounts, written by commands, and their figures by row."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import psycopg
from hypothesis import strategies as st
from msgspec import structs

from commands import codec
from commands.request import Request
from domain.account import AddConnector
from domain.log import Recorded
from domain.order_messages import OrderFilled, RecordFill
from tests.messages import PLACE, fill_of
from tests.pnl.brute_force import Counted, count
from tests.postgres_fixture import Database
from tests.stores import opening, request_for

PERPETUAL = "paper_perpetual"
BOOKS = (
    ("main", "paper", "BTC-USDT"),
    ("main", PERPETUAL, "BTC-USDT"),
    ("main", "paper", "ETH-BTC"),
    ("other", "paper", "BTC-USDT"),
)
Trade = tuple[int, RecordFill]
"""Of which of BOOKS, and what the venue told."""

_amounts = st.one_of(
    st.sampled_from([Decimal(1), Decimal(2), Decimal("0.5")]), st.decimals("0.001", "9", places=5)
)
trades: st.SearchStrategy[Trade] = st.tuples(
    st.integers(0, len(BOOKS) - 1),
    st.builds(
        RecordFill,
        st.uuids().map(str),
        st.sampled_from(["BUY", "SELL"]),
        _amounts,
        _amounts,
        st.one_of(st.just(Decimal(0)), st.decimals("-0.01", "0.1", places=6)),
        st.sampled_from(["BTC", "USDT", "ETH", "BNB"]),
        st.booleans(),
        st.integers(1, 2**50),
    ),
)


def requests_of(history: Sequence[Trade]) -> list[Request]:
    """One order for each book, that is filled far beyond what it asked for: fills are facts."""
    placed = [
        request_for(
            f"order-av{number}",
            structs.replace(
                PLACE, account=account, connector=name, pair=pair, client_order_id=f"av{number}"
            ),
            f"place {number}",
        )
        for number, (account, name, pair) in enumerate(BOOKS)
    ]
    perpetual = request_for("account-main", AddConnector("main", PERPETUAL), "connect")
    fills = [
        request_for(f"order-av{number}", fill, f"fill {at}")
        for at, (number, fill) in enumerate(history)
    ]
    return [*opening(), *opening("other"), perpetual, *placed, *fills]


def some(*fills: tuple[str, str]) -> list[Trade]:
    """Buys of (quantity, price) in the first book."""
    return [(0, fill_of(f"t{at}", *fill, fee="0")) for at, fill in enumerate(fills)]


def counted(log: Sequence[Recorded]) -> dict[str, Counted]:
    """By brute force over the whole log."""
    fills: dict[str, list[OrderFilled]] = {}
    for recorded in log:
        event = codec.decode_recorded(recorded)
        if isinstance(event, OrderFilled):
            book = BOOKS[int(recorded.stream.removeprefix("order-av"))]
            fills.setdefault("/".join(book), []).append(event)
    return {key: count(own, *key.split("/")[1:]) for key, own in fills.items()}


def rows(database: Database) -> dict[str, dict[str, Any]]:
    """The read model's rows by key, figures exact."""
    with psycopg.connect(database.owner_dsn) as owner, owner.cursor() as cursor:
        cursor.execute("select * from pnl")
        names = [column.name for column in cursor.description or ()]
        found = [dict(zip(names, row, strict=True)) for row in cursor]
    return {row["key"]: row for row in found}


def check(row: dict[str, Any], right: Counted) -> None:
    bound = Fraction(right.reductions, 2 * 10**36)
    assert abs(Fraction(row["realised"]) - right.average_realised) <= bound
    assert abs(Fraction(row["cost"]) - right.average_cost) <= bound
    exact = {
        "quantity": right.quantity,
        "fifo_realised": right.fifo_realised,
        "fifo_cost": right.fifo_cost,
        "bought": right.bought,
        "bought_notional": right.bought_notional,
        "sold": right.sold,
        "sold_notional": right.sold_notional,
        "fees_quote": right.fees_quote,
        "trades": right.trades,
    }
    assert {name: Fraction(row[name]) for name in exact} == exact
    assert {token: Fraction(fee) for token, fee in row["fees"].items()} == right.fees
