"""One measured row of the table, and the way it is printed."""

from collections.abc import Sequence

from msgspec import Struct
from rich.console import Console
from rich.table import Table


class Row(Struct, frozen=True):
    what: str
    must_reach: str
    measured: str
    limit: str
    is_reached: bool


def show(rows: Sequence[Row]) -> None:
    table = Table("what", "must reach", "measured", "limit in the same run", "reached")
    for row in rows:
        reached = "yes" if row.is_reached else "NO"
        table.add_row(row.what, row.must_reach, row.measured, row.limit, reached)
    Console(width=160).print(table)


def rate(number: float) -> str:
    return f"{number:,.0f}/s"
