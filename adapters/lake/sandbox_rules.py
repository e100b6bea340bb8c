"""What one query of an analyst may be: a single SELECT over the lake's tables, and nothing else.

The text is parsed by DuckDB itself and looked at as a tree. Tables and table functions are those
named here; so nothing reaches files, the catalogue behind the lake, other servers or settings,
whatever of that DuckDB would allow. This is the first wall; see sandbox_walls.py for the others.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from adapters.lake.tables import TABLES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

READABLE = frozenset({*TABLES, "checkpoints"})
_PLACES = frozenset({("", ""), ("", "main"), ("", "lake"), ("lake", "main")})
_TABLE_FUNCTIONS = frozenset(
    {"range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree"}
)
_REFUSED_FUNCTIONS = frozenset(
    {
        "currval",
        "current_query",
        "current_setting",
        "getenv",
        "getvariable",
        "json_serialize_plan",
        "nextval",
        "sleep_ms",
        "stats",
        "write_log",
    }
)
_CTE_NAME = re.compile(
    r"(?!duckdb_|ducklake_|pg_|postgres_|pragma_|sqlite_|__)[a-z_]\w*", re.ASCII | re.IGNORECASE
)
_SHOWN = frozenset({"DESCRIBE", "SUMMARY"})
_DESCRIBED = "Only the tables of GET /analytics/tables can be read."


class NotAllowed(Exception):  # noqa: N818 - says what is so
    """The query may not run; str() says why."""


def tables_of(connection: "DuckDBPyConnection", sql: str) -> frozenset[str]:
    """The lake's tables that a query names. Raises NotAllowed, or duckdb.Error for bad syntax."""
    import duckdb

    found = connection.extract_statements(sql)
    if len(found) != 1:
        raise NotAllowed(f"One statement is allowed, and these are {len(found)}.")
    if found[0].type != duckdb.StatementType.SELECT:
        kind = str(found[0].type).rpartition(".")[2]
        raise NotAllowed(f"Only SELECT is allowed, and this is {kind}.")
    row = connection.execute("select json_serialize_sql(?)", [sql]).fetchone()
    try:
        tree = json.loads(row[0]) if row else {}
    except RecursionError:
        raise NotAllowed("The query is nested too deeply.") from None
    if tree.get("error"):
        raise NotAllowed(f"Only plain SELECT is allowed: {tree.get('error_message')}")
    if len(tree["statements"]) != 1:
        raise NotAllowed("One statement is allowed.")
    return _checked(list(_nodes(tree)))


def _checked(nodes: list[Mapping[str, Any]]) -> frozenset[str]:
    own = {
        str(entry.get("key"))
        for node in nodes
        if isinstance(node.get("cte_map"), dict)
        for entry in node["cte_map"].get("map", ())
    }
    for name in own:
        if not _CTE_NAME.fullmatch(name):
            raise NotAllowed(f"{name!r} is not allowed as the name of a WITH query.")
    used: set[str] = set()
    for node in nodes:
        match node.get("type"):
            case "BASE_TABLE":
                used.add(_table(node, own))
            case "TABLE_FUNCTION":
                _check_table_function(node)
            case "SHOW_REF" if node.get("table_name") or node.get("show_type") not in _SHOWN:
                raise NotAllowed(f"SHOW is not allowed. {_DESCRIBED}")
        name = str(node.get("function_name", "")).lower()
        if name in _REFUSED_FUNCTIONS:
            raise NotAllowed(f"The function {name} is not allowed.")
    return frozenset(used & READABLE)


def _table(node: Mapping[str, Any], own: set[str]) -> str:
    place = (str(node.get("catalog_name", "")).lower(), str(node.get("schema_name", "")).lower())
    name = str(node.get("table_name", ""))
    if place == ("", "") and name.lower() in {one.lower() for one in own}:
        return ""
    if place not in _PLACES or name.lower() not in READABLE:
        shown = ".".join(part for part in (*place, name) if part)
        raise NotAllowed(f"The table {shown!r} cannot be read. {_DESCRIBED}")
    return name.lower()


def _check_table_function(node: Mapping[str, Any]) -> None:
    function = node.get("function")
    name = str(function.get("function_name", "")).lower() if isinstance(function, dict) else ""
    place = (function.get("catalog"), function.get("schema")) if isinstance(function, dict) else ()
    if name not in _TABLE_FUNCTIONS or any(place):
        raise NotAllowed(f"The table function {name!r} is not allowed. {_DESCRIBED}")


def _nodes(tree: object) -> Iterator[Mapping[str, Any]]:
    """Every object of the tree; without recursion, for its depth is the analyst's choice."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
