"""Rows into a DuckDB as columns: every figure that fits is stored to its last digit."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.lake.tables import FIGURE, TABLES, definition
from workers.lake.columns import BadRow
from workers.lake.writing import insert

COLUMNS = {
    "number": "BIGINT",
    "figure": FIGURE,
    "seal": "BLOB",
    "is_so": "BOOLEAN",
    "said": "VARCHAR",
}
LARGEST = Decimal("99999999999999999999.999999999999999999")
LEAST = LARGEST.copy_negate()


@pytest.fixture(scope="module")
def lake() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        connection.execute(definition("things", COLUMNS))
        yield connection


def row(**changed: Any) -> dict[str, Any]:
    return {"number": 1, "figure": None, "seal": b"", "is_so": None, "said": ""} | changed


def stored(lake: duckdb.DuckDBPyConnection, *rows: dict[str, Any]) -> list[tuple[Any, ...]]:
    lake.execute("delete from things")
    insert(lake, "things", COLUMNS, rows)
    return lake.execute("select * from things order by number").fetchall()


@given(st.lists(st.decimals(LEAST, LARGEST, places=18), min_size=1, max_size=20))
@example([LARGEST, LEAST, Decimal("1e-18"), Decimal("-1e-18"), Decimal("-0"), Decimal("1E+3")])
@example(
    [Decimal(2**63), Decimal(-(2**63) - 1), Decimal("-0.5"), Decimal("18446744073709551616.5")]
)
def test_a_figure_keeps_all_its_digits(
    lake: duckdb.DuckDBPyConnection, figures: list[Decimal]
) -> None:
    rows = [row(number=number, figure=figure) for number, figure in enumerate(figures)]
    assert [found[1] for found in stored(lake, *rows)] == figures
    rows = [row(number=number, figure=str(figure)) for number, figure in enumerate(figures)]
    assert [found[1] for found in stored(lake, *rows)] == figures


def test_other_values_come_as_they_are(lake: duckdb.DuckDBPyConnection) -> None:
    said = 'quotes " and \\ and \u0000, \U0001f600'
    rows = [
        row(number=-(2**63), seal=b"\x00\xff", is_so=True, said=said),
        row(number=2**63 - 1, seal="00ff", is_so=False, said=None),
    ]
    assert stored(lake, *rows) == [
        (-(2**63), None, b"\x00\xff", True, said),
        (2**63 - 1, None, b"\x00\xff", False, None),
    ]


def test_many_rows_are_one_insert_into_the_table(lake: duckdb.DuckDBPyConnection) -> None:
    rows = [row(number=number, figure=Decimal(number) / 8) for number in range(5001)]
    assert [found[:2] for found in stored(lake, *rows)] == [
        (number, Decimal(number) / 8) for number in range(5001)
    ]
    assert lake.execute("select count(*) from duckdb_temporary_files()").fetchone() == (0,)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("figure", "many"),
        ("figure", "NaN"),
        ("figure", "Infinity"),
        ("figure", LARGEST + 1),
        ("figure", Decimal("1e-19")),
        ("figure", []),
        ("number", "one"),
        ("number", 2**63),
        ("is_so", "perhaps"),
        ("seal", "zz"),
    ],
)
def test_what_a_column_does_not_take_is_a_bad_row(
    lake: duckdb.DuckDBPyConnection, column: str, value: object
) -> None:
    with pytest.raises(BadRow):
        stored(lake, row(), row(**{column: value}))
    assert lake.execute("select count(*) from things").fetchone() == (0,)


def test_every_kind_of_column_is_known() -> None:
    known = {*COLUMNS.values()}
    assert {kind for columns in TABLES.values() for kind in columns.values()} <= known
