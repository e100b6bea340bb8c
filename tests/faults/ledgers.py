"""What venues themselves say they did: the paper venue's ledger, and the Binance double's."""

import sqlite3
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tests.doubles.binance.records import Order, RequestRow, Trade

Row = Mapping[str, Any]


class Ledger(Struct, frozen=True):
    """The venue's own account of things."""

    orders: list[Row]
    trades: list[Row]
    requests: list[Row]

    def of(self, order: str) -> list[Row]:
        return [row for row in self.orders if row["client_order_id"] == order]

    def accepted(self, kind: str = "place") -> Counter[str]:
        """How many requests of a kind the venue accepted, by client order id."""
        return Counter(
            row["client_order_id"]
            for row in self.requests
            if row["kind"] == kind and row["outcome"] == "accepted"
        )

    def filled(self, order: str) -> Decimal:
        parts = [Decimal(row["quantity"]) for row in self.trades if row["client_order_id"] == order]
        return sum(parts, Decimal(0))


def read_ledger(file: Path) -> Ledger:
    """What is durable at the venue, read from its file, whether it runs or not."""
    reader = sqlite3.connect(file, timeout=10)
    reader.row_factory = sqlite3.Row
    try:
        tables: list[list[Row]] = [
            [dict(row) for row in reader.execute(f"select * from {table} order by 1")]
            for table in ("orders", "trades", "requests")
        ]
    finally:
        reader.close()
    return Ledger(*tables)


_STATUS = {
    "NEW": "open",
    "PARTIALLY_FILLED": "open",
    "FILLED": "filled",
    "CANCELED": "cancelled",
    "EXPIRED": "expired",
    "REJECTED": "rejected",
}
_METHODS = {"POST": "place", "DELETE": "cancel"}


def read_binance(file: Path, account: str) -> Ledger:
    """The same of the Binance double, one account's spot trading."""
    with closing(sqlite3.connect(file, timeout=10)) as reader:

        def read(kind: type[Any], table: str) -> list[Any]:
            decode = msgspec.json.Decoder(kind).decode
            found = [decode(body) for (body,) in reader.execute(f"select body from {table}")]
            return [row for row in found if row.account == account]

        return Ledger(
            orders=[
                {"client_order_id": row.client_order_id, "status": _STATUS[row.status]}
                for row in read(Order, "orders")
            ],
            trades=[
                {
                    "client_order_id": row.client_order_id,
                    "trade_id": str(row.trade_id),
                    "side": row.side,
                    "quantity": row.quantity,
                    "price": row.price,
                    "fee": row.fee,
                }
                for row in read(Trade, "trades")
            ],
            requests=[
                {
                    "client_order_id": row.client_order_id,
                    "kind": _METHODS[row.method],
                    "outcome": row.outcome,
                }
                for row in read(RequestRow, "requests")
                if row.method in _METHODS
            ],
        )
