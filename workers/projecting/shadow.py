"""A table beside a read model's own, of the same shape, that fills and then takes its place.

What another version of the code has folded into it is thrown away: half a table of each would be
neither.
"""

import hashlib
from pathlib import Path
from typing import Any

import psycopg

import commands
import domain
import projections

_OPTIONS = """
select string_agg(format('%%I = %%L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)), ', ')
from pg_class, unnest(reloptions) as o
where oid = %s::regclass
"""
_INDEXES = """
with found as (
    select
        indrelid,
        indexrelid,
        relname,
        array[shape, indisunique::text, indisprimary::text, (
            row_number() over (
                partition by indrelid, shape, indisunique, indisprimary order by indexrelid
            )
        )::text] as what
    from (
        select
            i.*,
            c.relname,
            substr(d.def, strpos(d.def, ' USING ')) as shape
        from pg_index i
        join pg_class c on c.oid = i.indexrelid
        cross join lateral pg_get_indexdef(c.oid) as d (def)
        where i.indrelid in (%(live)s::regclass, %(shadow)s::regclass)
    ) as described
)
select shadow.relname, live.relname
from found shadow
join found live using (what)
where shadow.indrelid = %(shadow)s::regclass and live.indrelid = %(live)s::regclass
"""


def make(owner: psycopg.Connection[Any], live: str, shadow: str) -> None:
    """Make it, or leave what this code, on this schema, has begun to fill."""
    with owner.transaction():
        made_by = _made_by(owner)
        row = owner.execute(
            "select obj_description(to_regclass(%s), 'pg_class')", (shadow,)
        ).fetchone()
        if row == (made_by,):
            return
        owner.execute(f"drop table if exists {shadow}")
        owner.execute("delete from checkpoints where projection = %s", (shadow,))
        owner.execute("delete from parked where projection = %s", (shadow,))
        owner.execute(f"create table {shadow} (like {live} including all)")
        options = owner.execute(_OPTIONS, (live,)).fetchone()
        if options and options[0]:
            owner.execute(f"alter table {shadow} set ({options[0]})")
        owner.execute(f"grant select on {shadow} to aviary_reader, aviary_writer, aviary_worker")
        owner.execute(f"grant insert, update, delete on {shadow} to aviary_worker")
        owner.execute(f"comment on table {shadow} is '{made_by}'")


def swap_in(owner: psycopg.Connection[Any], live: str, shadow: str) -> None:
    """Drop the live table and give its name, and its indexes' names, to the other."""
    indexes = owner.execute(_INDEXES, {"live": live, "shadow": shadow}).fetchall()
    owner.execute(f"drop table {live}")
    owner.execute(f"alter table {shadow} rename to {live}")
    owner.execute(f"comment on table {live} is null")
    for index, name in indexes:
        owner.execute(f"alter index {index} rename to {name}")


def _made_by(owner: psycopg.Connection[Any]) -> str:
    """The schema's number and a hash of all that a fold depends on.

    Projections import nothing of ours but the domain, and commands decodes the events.
    """
    row = owner.execute("select max(number) from schema_migrations").fetchone()
    digest = hashlib.sha256()
    for package in (commands, domain, projections):
        for path in sorted(Path(str(package.__file__)).parent.glob("*.py")):
            digest.update(path.read_bytes())
    return f"schema {row[0] if row else 0}, code {digest.hexdigest()[:32]}"
