"""The exchange's memory: an SQLite file, committed before anything is answered or told.

One table a kind, one row a thing, as JSON. It survives the end of this process at any moment, not
that of the machine.
"""

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

import msgspec

from tests.doubles.binance.records import (
    Account,
    Funds,
    Income,
    Order,
    Position,
    RequestRow,
    Trade,
)

Row = TypeVar("Row", bound=msgspec.Struct)
TABLES: dict[type[msgspec.Struct], str] = {
    Account: "accounts",
    Order: "orders",
    Trade: "trades",
    Funds: "funds",
    Position: "positions",
    Income: "incomes",
    RequestRow: "requests",
}


class Ledger:
    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file, isolation_level=None)
        self._connection.execute("pragma journal_mode = wal")
        self._connection.execute("pragma synchronous = normal")
        self._connection.execute("pragma wal_autocheckpoint = 10000")
        for table in (*TABLES.values(), "notes"):
            self._connection.execute(
                f"create table if not exists {table} (id text primary key, body blob) without rowid"
            )
        self._encode = msgspec.json.Encoder(decimal_format="string").encode
        self._waiting: list[tuple[str, str, bytes]] = []

    def put(self, key: str, row: msgspec.Struct) -> None:
        self._waiting.append((TABLES[type(row)], key, self._encode(row)))

    def forget(self, row: msgspec.Struct, key: str) -> None:
        self._connection.execute(f"delete from {TABLES[type(row)]} where id = ?", (key,))

    def note(self, name: str, value: object) -> None:
        self._waiting.append(("notes", name, self._encode(value)))

    def commit(self) -> None:
        """Write what was put since the last time; raises sqlite3.Error when it cannot."""
        if not self._waiting:
            return
        rows, self._waiting = self._waiting, []
        by_table: dict[str, list[tuple[str, bytes]]] = {}
        for table, key, body in rows:
            by_table.setdefault(table, []).append((key, body))
        self._connection.execute("begin immediate")
        try:
            for table, values in by_table.items():
                self._connection.executemany(
                    f"insert or replace into {table} values (?, ?)", values
                )
        except BaseException:
            self._connection.execute("rollback")
            raise
        self._connection.execute("commit")

    def read(self, kind: type[Row]) -> Iterable[tuple[str, Row]]:
        decode = msgspec.json.Decoder(kind).decode
        for key, body in self._connection.execute(
            f"select id, body from {TABLES[kind]} order by id"
        ):
            yield key, decode(body)

    def notes(self) -> dict[str, object]:
        found = self._connection.execute("select id, body from notes")
        return {key: msgspec.json.decode(body) for key, body in found}

    def close(self) -> None:
        self._connection.close()
