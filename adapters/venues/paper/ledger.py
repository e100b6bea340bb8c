"""The venue's own SQLite file: orders, trades, balances and every request that arrived.

Amounts are kept as decimal text, times as integer UTC microseconds. What a commit has written
survives kill -9 of the process, not a power cut: WAL with `synchronous=normal` leaves the flush to
the kernel. One process per file: a lock file beside it makes a second one fail.
"""

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from adapters.venues.paper.book import Order
from adapters.venues.paper.engine import Changes, Numbers
from adapters.venues.port import Balance, OrderUpdate, VenueOrder, VenueTrade

_SQL = {
    name: text.strip()
    for name, _, text in (
        part.partition("\n")
        for part in Path(__file__).with_suffix(".sql").read_text("utf-8").split("-- name: ")[1:]
    )
}


class RequestRow(NamedTuple):
    """One request that arrived. `outcome` is accepted, a refusal's code, or fault:<kind>."""

    arrived_at_us: int
    account: str
    kind: str
    pair: str
    client_order_id: str
    outcome: str


class Ledger:
    """Two connections: `commit` writes, from one thread; everything else reads what is durable."""

    def __init__(self, file: Path) -> None:
        self._lock = os.fdopen(_for_us_alone(file.with_name(file.name + ".lock")), "r+b")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise SystemExit(
                f"{file} belongs to a running venue. Stop it, or name another file."
            ) from None
        os.close(_for_us_alone(file))
        self._writer = _connect(file)
        self._writer.executescript(_SQL["schema"])
        self._reader = _connect(file)

    def close(self) -> None:
        self._reader.close()
        self._writer.close()
        self._lock.close()

    def commit(self, changes: Changes, requests: Sequence[RequestRow]) -> None:
        """Write a batch in one transaction: the last state of each order, all trades."""
        orders: dict[str, tuple[Any, ...]] = {}
        trades: list[tuple[Any, ...]] = []
        for account, update in changes.updates:
            if isinstance(update, OrderUpdate):
                order = update.order
                orders[order.exchange_order_id] = _order_row(account, order)
            else:
                trades.append(_trade_row(account, update.trade))
        balances = [
            (account, seen.token, str(seen.total), str(seen.available))
            for account, seen in changes.balances
        ]
        writer = self._writer
        writer.execute("begin immediate")
        try:
            writer.executemany(_SQL["save_order"], orders.values())
            writer.executemany(_SQL["save_trade"], trades)
            writer.executemany(_SQL["save_balance"], balances)
            writer.executemany(_SQL["save_request"], requests)
            writer.execute("commit")
        except BaseException:
            writer.execute("rollback")
            raise

    def save_note(self, name: str, content: str) -> None:
        """Remember a setting. Only while no commit can run: at start, or on the commit thread."""
        self._writer.execute(_SQL["save_note"], (name, content))

    def note(self, name: str) -> str | None:
        row = self._reader.execute(_SQL["note"], (name,)).fetchone()
        return None if row is None else str(row["content"])

    def numbers(self) -> Numbers:
        return Numbers(*self._reader.execute(_SQL["last_numbers"]).fetchone())

    def resting(self, ticks: dict[str, Decimal]) -> list[Order]:
        """Return every open order as the engine holds it, oldest first; `ticks` by pair."""
        rows = self._reader.execute(_SQL["all_open_orders"])
        return [_resting(row["account"], _order(row), ticks) for row in rows]

    def all_balances(self) -> list[tuple[str, Balance]]:
        return [
            (row["account"], _balance(row)) for row in self._reader.execute(_SQL["all_balances"])
        ]

    def newest_order(self, account: str, pair: str, client_order_id: str) -> VenueOrder | None:
        found = self._reader.execute(_SQL["newest_order"], (account, pair, client_order_id))
        row = found.fetchone()
        return None if row is None else _order(row)

    def open_orders(self, account: str) -> list[VenueOrder]:
        return [_order(row) for row in self._reader.execute(_SQL["open_orders"], (account,))]

    def trades_since(self, account: str, sequence: int, limit: int) -> list[VenueTrade]:
        rows = self._reader.execute(_SQL["trades_since"], (account, sequence, limit))
        return [_trade(row) for row in rows]

    def trades_of(self, order: VenueOrder) -> list[VenueTrade]:
        rows = self._reader.execute(_SQL["trades_of_order"], (int(order.exchange_order_id),))
        return [_trade(row) for row in rows]

    def balances(self, account: str) -> list[Balance]:
        return [_balance(row) for row in self._reader.execute(_SQL["balances"], (account,))]

    def dump(self) -> dict[str, list[dict[str, Any]]]:
        """Return everything, for the judge of a test: orders, trades, requests, balances."""
        return {
            table: [dict(row) for row in self._reader.execute(_SQL[f"all_{table}"])]
            for table in ("orders", "trades", "requests", "balances")
        }


def _for_us_alone(file: Path) -> int:
    """Open it with the mode 0600, also where it has another; SQLite's files beside it follow."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def _connect(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    connection.row_factory = sqlite3.Row
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = normal")
    connection.execute("pragma busy_timeout = 5000")
    return connection


def _order_row(account: str, order: VenueOrder) -> tuple[Any, ...]:
    return (
        int(order.exchange_order_id),
        account,
        order.client_order_id,
        order.pair,
        order.side,
        order.order_type,
        str(order.quantity),
        None if order.price is None else str(order.price),
        order.status,
        str(order.filled_quantity),
        order.created_at_us,
        order.updated_at_us,
        order.reason,
    )


def _trade_row(account: str, trade: VenueTrade) -> tuple[Any, ...]:
    return (
        trade.sequence,
        trade.trade_id,
        account,
        trade.client_order_id,
        int(trade.exchange_order_id),
        trade.pair,
        trade.side,
        str(trade.quantity),
        str(trade.price),
        str(trade.fee),
        trade.fee_token,
        trade.is_maker,
        trade.executed_at_us,
    )


def _order(row: sqlite3.Row) -> VenueOrder:
    return VenueOrder(
        client_order_id=row["client_order_id"],
        exchange_order_id=str(row["exchange_order_id"]),
        pair=row["pair"],
        side=row["side"],
        order_type=row["order_type"],
        quantity=Decimal(row["quantity"]),
        price=None if row["price"] is None else Decimal(row["price"]),
        status=row["status"],
        filled_quantity=Decimal(row["filled_quantity"]),
        created_at_us=row["created_at_us"],
        updated_at_us=row["updated_at_us"],
        reason=row["reason"],
    )


def _trade(row: sqlite3.Row) -> VenueTrade:
    return VenueTrade(
        trade_id=row["trade_id"],
        sequence=row["sequence"],
        client_order_id=row["client_order_id"],
        exchange_order_id=str(row["exchange_order_id"]),
        pair=row["pair"],
        side=row["side"],
        quantity=Decimal(row["quantity"]),
        price=Decimal(row["price"]),
        fee=Decimal(row["fee"]),
        fee_token=row["fee_token"],
        is_maker=bool(row["is_maker"]),
        executed_at_us=row["executed_at_us"],
    )


def _balance(row: sqlite3.Row) -> Balance:
    return Balance(
        token=row["token"], total=Decimal(row["total"]), available=Decimal(row["available"])
    )


def _resting(account: str, order: VenueOrder, ticks: dict[str, Decimal]) -> Order:
    """Fold a stored order into the engine's form; what it had locked follows from what is left."""
    if order.price is None:
        raise ValueError(f"order {order.exchange_order_id} is open without a price: damaged ledger")
    remaining = order.quantity - order.filled_quantity
    return Order(
        number=int(order.exchange_order_id),
        account=account,
        client_order_id=order.client_order_id,
        pair=order.pair,
        side=order.side,
        order_type=order.order_type,
        quantity=order.quantity,
        price=order.price,
        ticks=int(order.price / ticks[order.pair]),
        remaining=remaining,
        locked=remaining * order.price if order.side == "BUY" else remaining,
        created_at_us=order.created_at_us,
        updated_at_us=order.updated_at_us,
    )
