"""The lake's tables: all in the schema lake.main, times in integer UTC microseconds.

Figures are DECIMAL(38,18). One that does not fit exactly is NULL, and its text stands in the
column `exact`, a JSON object by column; `exact` is NULL where all fit. Folded tables are only
appended to and rebuilt from the log: what was so at position p are the rows up to it.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from adapters.lake.attach import NAME

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FIGURE = "DECIMAL(38,18)"
_TEXT = "VARCHAR"
_WHOLE = "BIGINT"

TABLES: Mapping[str, Mapping[str, str]] = {
    "trades": {
        "position": _WHOLE,
        "trade_id": _TEXT,
        "order_id": _TEXT,
        "account": _TEXT,
        "connector": _TEXT,
        "pair": _TEXT,
        "side": _TEXT,
        "quantity": FIGURE,
        "price": FIGURE,
        "notional": FIGURE,
        "fee": FIGURE,
        "fee_token": _TEXT,
        "executed_at_us": _WHOLE,
        "exact": _TEXT,
    },
    "orders": {
        "position": _WHOLE,
        "order_id": _TEXT,
        "account": _TEXT,
        "connector": _TEXT,
        "pair": _TEXT,
        "side": _TEXT,
        "order_type": _TEXT,
        "quantity": FIGURE,
        "price": FIGURE,
        "outcome": _TEXT,
        "filled": FIGURE,
        "filled_notional": FIGURE,
        "created_at_us": _WHOLE,
        "updated_at_us": _WHOLE,
        "exact": _TEXT,
    },
    "portfolio": {
        "position": _WHOLE,
        "observed_at_us": _WHOLE,
        "account": _TEXT,
        "connector": _TEXT,
        "token": _TEXT,
        "units": FIGURE,
        "available": FIGURE,
        "price": FIGURE,
        "value": FIGURE,
        "is_carried": "BOOLEAN",
        "exact": _TEXT,
    },
    "portfolio_values": {
        "position": _WHOLE,
        "observed_at_us": _WHOLE,
        "account": _TEXT,
        "connector": _TEXT,
        "value": FIGURE,
        "is_carried": "BOOLEAN",
        "exact": _TEXT,
    },
    "funding": {
        "position": _WHOLE,
        "account": _TEXT,
        "connector": _TEXT,
        "pair": _TEXT,
        "amount": FIGURE,
        "rate": FIGURE,
        "token": _TEXT,
        "paid_at_us": _WHOLE,
        "payment_id": _TEXT,
        "exact": _TEXT,
    },
    "candles": {
        "connector": _TEXT,
        "pair": _TEXT,
        "interval": _TEXT,
        "opened_at_us": _WHOLE,
        "open": FIGURE,
        "high": FIGURE,
        "low": FIGURE,
        "close": FIGURE,
        "volume": FIGURE,
        "quote_volume": FIGURE,
        "trades": _WHOLE,
        "taker_base_volume": FIGURE,
        "taker_quote_volume": FIGURE,
        "exact": _TEXT,
    },
    "events": {
        "position": _WHOLE,
        "stream": _TEXT,
        "version": _WHOLE,
        "tag": _TEXT,
        "payload": _TEXT,
        "metadata": _TEXT,
        "actor": _TEXT,
        "recorded_at_us": _WHOLE,
        "seal": "BLOB",
    },
}
"""Columns and their types, by table. The checkpoints have a table of their own beside these."""

FOLDED = ("trades", "orders", "portfolio", "portfolio_values", "funding")
SPOOL = "spool"
"""The checkpoint of what was handed over through Postgres; a number of the spool, no position."""
EVENTS = "events"
"""The checkpoint of the export of the log."""
CHECKPOINTS = (*FOLDED, EVENTS, SPOOL)
_INLINED_FOR_EVER = 1_000_000_000


def create(writer: "DuckDBPyConnection") -> None:
    """Make what is missing, in one transaction; rows stay. Raises duckdb.Error."""
    writer.execute("begin")
    try:
        for name, columns in TABLES.items():
            writer.execute(definition(name, columns))
        writer.execute(definition("checkpoints", {"projection": _TEXT, "position": _WHOLE}))
        known = {row[0] for row in writer.execute("select projection from checkpoints").fetchall()}
        for name in CHECKPOINTS:
            if name not in known:
                writer.execute("insert into checkpoints values (?, 0)", [name])
        writer.execute("commit")
    except BaseException:
        writer.execute("rollback")
        raise
    # They stay in the catalogue: each batch replaces them, and lost files must not lose them.
    writer.execute(
        f"call {NAME}.set_option('data_inlining_row_limit', {_INLINED_FOR_EVER}, "
        "table_name => 'checkpoints')"
    )


def definition(name: str, columns: Mapping[str, str]) -> str:
    listed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
    return f"create table if not exists {name} ({listed})"
