"""Bodies and answers of the analytics routes."""

from typing import Annotated, Any

from msgspec import Meta, Struct


class QueryBody(Struct, frozen=True):
    sql: Annotated[str, Meta(min_length=1, max_length=100_000)]
    """One SELECT in DuckDB's SQL, without parameters."""


class ResultColumn(Struct, frozen=True):
    name: str
    type: str
    """DuckDB's: DECIMAL(38,18), BIGINT, VARCHAR, ..."""


class QueryResult(Struct, frozen=True):
    columns: list[ResultColumn]
    rows: list[list[Any]]
    """DECIMAL is a string with all its digits, whole numbers are numbers; NaN and infinities are
    null, BLOB is base64, times are ISO 8601."""
    truncated: bool
    truncated_by: str | None
    """`rows` or `bytes` where AVIARY_ANALYTICS_ROWS_MAX or _BYTES_MAX left rows out."""
    row_count: int
    position: int
    """Up to where in the log every table of the query is whole."""


class TableColumn(Struct, frozen=True):
    name: str
    type: str
    unit: str | None


class Table(Struct, frozen=True):
    name: str
    kind: str
    """`folded` from the log, `exported` from it every night, or `collected` from outside."""
    columns: list[TableColumn]
    position: int | None
    """Up to where in the log the table is whole; null of what was collected."""


class TableList(Struct, frozen=True):
    data: list[Table]
