"""Read model rows: loaded and saved as JSON, so that a page costs a handful of statements.

A table's columns are the fields of its row struct; numbers stay exact because Postgres writes
`numeric` with its digits and the decoder reads the literal's text.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import psycopg


class CheckpointMoved(Exception):  # noqa: N818 - says what is so
    """Another projector has moved this checkpoint: this one is a zombie and saved nothing."""


def load_rows(
    connection: psycopg.Connection[Any], table: str, row_type: type[Any], keys: Sequence[str]
) -> dict[str, Any]:
    """Rows by key; a key without a row is not in the answer."""
    query = f"select json_agg(t)::text from {table} t where key = any(%s)"
    answer = connection.execute(query, (list(keys),), prepare=True).fetchone()
    if answer is None or answer[0] is None:
        return {}
    rows: list[Any] = msgspec.json.decode(answer[0], type=list[row_type])  # type: ignore[valid-type]
    return {row.key: row for row in rows}


def save_rows(
    connection: psycopg.Connection[Any],
    table: str,
    row_type: type[msgspec.Struct],
    rows: Mapping[str, Any],
) -> None:
    """Insert or replace; a None deletes the key's row."""
    present = [row for row in rows.values() if row is not None]
    gone = [key for key, row in rows.items() if row is None]
    if present:
        columns = row_type.__struct_fields__
        updates = ", ".join(f"{name} = excluded.{name}" for name in columns)
        connection.execute(
            f"""insert into {table} ({", ".join(columns)})
            select {", ".join(columns)} from jsonb_populate_recordset(null::{table}, %s::jsonb)
            on conflict (key) do update set {updates}""",
            (msgspec.json.encode(present).decode(),),
            prepare=True,
        )
    if gone:
        connection.execute(f"delete from {table} where key = any(%s)", (gone,), prepare=True)


_HALTED = "exists (select from halts h where h.projection = checkpoints.projection)"


def load_checkpoints(
    connection: psycopg.Connection[Any], names: Sequence[str], *, halted: bool = False
) -> dict[str, int]:
    """Where each projection fed from the log stands; one that has never run is made to stand at 0.

    Those that follow Kafka are not in the answer, nor those that have halted: or these alone.
    """
    connection.execute(
        """insert into checkpoints (projection, position) select unnest(%s::text[]), 0
        on conflict do nothing""",
        (list(names),),
    )
    found = connection.execute(
        f"""select projection, position from checkpoints
        where projection = any(%s) and feed = 'log' and {_HALTED} = %s""",
        (list(names), halted),
    )
    return dict(found.fetchall())


def find_log_fed(
    connection: psycopg.Connection[Any],
    names: Sequence[str],
    *,
    halted: bool = False,
    for_update: bool = False,
) -> set[str]:
    """Those that follow the log and have not halted, or have; with `for_update` until the end."""
    found = connection.execute(
        f"""select projection from checkpoints
        where projection = any(%s) and feed = 'log' and {_HALTED} = %s
        order by projection {"for update" if for_update else ""}""",
        (list(names), halted),
        prepare=True,
    )
    return {name for (name,) in found}


def move_checkpoints(
    connection: psycopg.Connection[Any], old: Mapping[str, int], position: int
) -> None:
    """Compare and set, all or none: raises CheckpointMoved when another one was here.

    One that is ahead of `position` (it was rebuilt, or another one is new) stays where it is.
    """
    moved = connection.execute(
        """update checkpoints c
        set position = greatest(c.position, %s), updated_at = now()
        from unnest(%s::text[], %s::bigint[]) as old (projection, position)
        where c.projection = old.projection and c.position = old.position and c.feed = 'log'""",
        (position, list(old), list(old.values())),
        prepare=True,
    )
    if moved.rowcount != len(old):
        raise CheckpointMoved(f"Expected checkpoints {dict(old)}; another projector moved them.")


def load_parked(connection: psycopg.Connection[Any], names: Sequence[str]) -> set[tuple[str, str]]:
    """(projection, key) pairs whose events queue behind one that could not be folded."""
    found = connection.execute(
        "select distinct projection, key from parked where projection = any(%s)", (list(names),)
    )
    return {(name, key) for name, key in found}


def park(connection: psycopg.Connection[Any], entries: Sequence[tuple[str, str, int, str]]) -> None:
    """Queue events: (projection, key, position, error)."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """insert into parked (projection, key, position, error) values (%s, %s, %s, %s)
            on conflict do nothing""",
            entries,
        )


def halt(connection: psycopg.Connection[Any], name: str, position: int, error: str) -> None:
    """Note where a read model stops."""
    connection.execute(
        "insert into halts (projection, position, error) values (%s, %s, %s)",
        (name, position, error.replace("\0", "")),
    )


def halt_elsewhere(
    connection: psycopg.Connection[Any], name: str, position: int, error: str
) -> None:
    """Note where one that has halted stops now; nothing, where somebody has let it go on since."""
    connection.execute(
        """update halts set position = %s, error = %s, halted_at = now()
        where projection = %s""",
        (position, error.replace("\0", ""), name),
    )


def lift_halt(connection: psycopg.Connection[Any], name: str) -> None:
    """Let it follow the log again, from its checkpoint on."""
    connection.execute("delete from halts where projection = %s", (name,))
