"""Whose order it is that a venue speaks of: ours by its canonical name, or none of ours.

Asked of the log, since read models may be behind it. The surprising thing: venues that take
shorter client order ids than ours know an order by a prefix of its name.
"""

import base64
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol

import psycopg

from commands.request import COMMAND_ID_BYTES
from domain import order

NAME_PREFIX = "av"
NAME_LENGTH = 28
_REMEMBERED_MAX = 50_000
PREFIX_LENGTH_MIN = 16
"""Of these, 14 carry 70 random bits: no two orders share them by chance."""
_AFTER_ALL = "~"
_EXACT = """
select originator_id from events where originator_id = any(%s) and originator_version = 1
"""
_BY_PREFIX = """
select asked.prefix, min(events.originator_id)
from unnest(%s::text[]) as asked (prefix)
join events
    on originator_id >= asked.prefix
    and originator_id < asked.prefix || %s
    and originator_version = 1
group by asked.prefix
having count(*) = 1
"""


@lru_cache(maxsize=4096)
def command_id_in(client_order_id: str) -> str | None:
    """The command that placed an order, read back from its client order id; None if not ours."""
    if len(client_order_id) != NAME_LENGTH or not client_order_id.startswith(NAME_PREFIX):
        return None
    encoded = client_order_id.removeprefix(NAME_PREFIX).upper() + "======"
    try:
        decoded = base64.b32decode(encoded)
    except ValueError:
        return None
    return decoded.hex() if len(decoded) == COMMAND_ID_BYTES else None


def remember(memory: OrderedDict[str, Any], name: str, value: object) -> None:
    """Keep the latest ones only."""
    memory[name] = value
    memory.move_to_end(name)
    while len(memory) > _REMEMBERED_MAX:
        memory.popitem(last=False)


async def find_orders(
    connection: psycopg.AsyncConnection[Any], names: Iterable[str]
) -> dict[str, str]:
    """Name or prefix to canonical name, for those that are orders of ours."""
    asked = {name for name in names if name}
    short = [name for name in asked if _may_be_prefix(name)]
    streams = [order.stream(name) for name in asked if not _may_be_prefix(name)]
    found: dict[str, str] = {}
    if streams:
        rows = await connection.execute(_EXACT, (streams,), prepare=True)
        async for (stream,) in rows:
            name = stream.removeprefix(order.stream(""))
            found[name] = name
    if short:
        prefixes = [order.stream(name) for name in short]
        rows = await connection.execute(_BY_PREFIX, (prefixes, _AFTER_ALL), prepare=True)
        async for prefix, stream in rows:
            head = order.stream("")
            found[prefix.removeprefix(head)] = stream.removeprefix(head)
    return found


def _may_be_prefix(name: str) -> bool:
    return name.startswith(NAME_PREFIX) and PREFIX_LENGTH_MIN <= len(name) < NAME_LENGTH


class Naming(Protocol):
    async def canonical(self, name: str) -> str | None:
        """The name of an order of ours with us; None for what is not ours."""

    async def all_canonical(self, names: Sequence[str]) -> Mapping[str, str]:
        """Of those that are ours."""


class Names:
    """Remembers what was found, and what was placed by this process."""

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        self._connection = connection
        self._known: OrderedDict[str, str] = OrderedDict()

    def learn(self, name: str, length_max: int) -> None:
        """An order of ours, before the venue says anything of it."""
        remember(self._known, name, name)
        if length_max < len(name):
            remember(self._known, name[:length_max], name)

    async def canonical(self, name: str) -> str | None:
        return (await self.all_canonical([name])).get(name)

    async def all_canonical(self, names: Sequence[str]) -> dict[str, str]:
        found = {name: self._known[name] for name in names if name in self._known}
        missing = set(names) - found.keys()
        if missing:
            for name, canonical in (await find_orders(self._connection, missing)).items():
                remember(self._known, name, canonical)
                found[name] = canonical
        return found
