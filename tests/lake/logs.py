"""Logs with everything that the lake folds, and what Postgres says of the same."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import psycopg

from adapters.lake.tables import FOLDED
from adapters.postgres.log import PostgresLog
from commands.codec import decode_recorded
from commands.committer import Committer
from commands.request import Request
from domain import funding, portfolio
from domain.funding import RecordFunding
from domain.log import Recorded
from domain.portfolio import ConnectorHeld, ObservePortfolio, TokenHeld
from tests.messages import fill_of
from tests.postgres_fixture import Database
from tests.stores import cancelling, opening, placing, request_for

FINE = Decimal("0.1234567890123456789")
"""One digit more than the lake's figures have."""
HELD = (
    TokenHeld("BTC", Decimal("1.5"), Decimal(1), Decimal("50000.25")),
    TokenHeld("DUST", FINE, FINE, None),
    TokenHeld("USDT", Decimal(100), Decimal(100), Decimal(1)),
)


def observing(number: int) -> Request:
    at_us = 1_700_000_000_000_000 + number * 60_000_000
    look = ObservePortfolio(
        "main", "USDT", "interval", at_us, (ConnectorHeld("paper", at_us, HELD),)
    )
    return request_for(portfolio.stream("main"), look, f"look {number}")


def paying(number: int) -> Request:
    at_us = 20_000 * funding.DAY_US + number
    paid = RecordFunding(
        account="main",
        connector="paper_perpetual",
        payment_id=f"p{number}",
        pair="BTC-USDT",
        amount=Decimal("-0.01"),
        token="USDT",
        rate=None,
        position_quantity=None,
        position_side=None,
        paid_at_us=at_us,
    )
    stream = funding.stream("main", "paper_perpetual", at_us)
    return request_for(stream, paid, f"payment {number}")


def history(orders: int, label: str = "av") -> list[Request]:
    """Of each order two fills (one told twice), some cancelled; snapshots and payments between."""
    names = [f"{label}{number}" for number in range(orders)]
    requests = [placing(name) for name in names]
    for round_, trade in enumerate(("t1", "t1", "t2")):
        requests += [
            request_for(f"order-{name}", fill_of(trade, "0.2"), f"{name} {trade} {round_}")
            for name in names
        ]
        requests += [observing(round_ + 10 * len(label)), paying(round_ + 10 * len(label))]
    return requests + [cancelling(name) for name in names[::3]]


def write(database: Database, requests: Sequence[Request]) -> list[Recorded]:
    """Execute them, and answer the whole log."""
    store = PostgresLog(database.app_dsn)
    committer = Committer(store)
    for request in requests:
        committer.execute(request)
    committer.close()
    log = list(store.read_log(0, 1_000_000))
    store.close()
    return log


def begin(database: Database, orders: int = 8) -> list[Recorded]:
    return write(database, [*opening(), *history(orders)])


def expected_counts(log: Sequence[Recorded], until: int) -> dict[str, int]:
    """Rows by table, up to a position."""
    counts = dict.fromkeys(FOLDED, 0)
    for event in log:
        if event.position > until:
            continue
        match event.tag.split(".")[0]:
            case "order":
                counts["orders"] += 1
                counts["trades"] += event.tag == "order.filled.v1"
            case "portfolio":
                seen = decode_recorded(event)
                held = getattr(seen, "held", None)
                counts["portfolio"] += sum(len(c.tokens) for c in held or ())
                counts["portfolio_values"] += 0 if held is None else max(1, len(held))
            case "account":
                for table in ("portfolio", "portfolio_values"):
                    counts[table] += event.tag == "account.deleted.v1"
            case "funding":
                counts["funding"] += 1
    return counts


def rows_of(database: Database, query: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(database.owner_dsn) as owner:
        return owner.execute(query.encode()).fetchall()
