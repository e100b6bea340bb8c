"""The queries that read models are read with: named, in `.sql` files beside their projections.

`-- name: x` begins a query. `{filters}` in one stands for conditions that are snippets of the same
file, joined by `and`.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent
_MARK = "-- name:"


@cache
def load(file: str) -> Mapping[str, str]:
    """Queries of `<file>.sql` by name."""
    found: dict[str, str] = {}
    for part in (_FOLDER / f"{file}.sql").read_text().split(_MARK)[1:]:
        name, _, text = part.partition("\n")
        found[name.strip()] = text.strip().removesuffix(";")
    return found


def listed(file: str, *, is_newest_first: bool) -> Mapping[str, str]:
    """Queries of `<file>.sql`, and those of pages.sql that make pages of its table."""
    own = load(file)
    forward, back, beyond = ("desc", "asc", "<") if is_newest_first else ("asc", "desc", ">")
    blanks = {
        "{table}": file,
        "{key}": own["key"],
        "{item}": own["item"],
        "{direction}": forward,
        "{backwards}": back,
        "{beyond}": beyond,
    }
    pages = dict(load("pages"))
    for name, text in pages.items():
        for blank, value in blanks.items():
            text = text.replace(blank, value)  # noqa: PLW2901
        pages[name] = text
    return {**pages, **own}


def filtered(query: str, conditions: Iterable[str]) -> str:
    return query.replace("{filters}", " and ".join(conditions) or "true")
