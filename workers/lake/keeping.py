"""Keeps the lake small: inlined rows flushed to files, small files merged, old snapshots expired.

DuckLake keeps a snapshot for every commit and whatever a snapshot needs. Nobody reads one that is
older than the longest query; files are deleted only when no snapshot names them any more, and
those that no transaction ever committed after a day. Where AVIARY_LAKE_DATA says the place, the
latter stay: strangers' files may lie there too.
"""

import os
import time
from collections.abc import Callable

import psycopg
from psycopg import sql

from adapters.lake.tables import TABLES
from workers.lake.writing import LakeWriter

KEEP_SECONDS = 300.0
READING_MINUTES = 15
_ORPHANED_HOURS = 24
_INLINED_CHECKPOINTS = """
select inlined.table_name
from ducklake_inlined_data_tables inlined
join ducklake_table using (table_id)
where ducklake_table.table_name = 'checkpoints' and end_snapshot is null
"""
_DROP_DEAD = """
delete from {} where end_snapshot <= (select min(snapshot_id) from ducklake_snapshot)
"""


class Keeping:
    """Of one worker. Each step is a transaction of DuckLake's own; killed between, none is lost."""

    def __init__(
        self,
        writer: LakeWriter,
        beat: Callable[[], None] = lambda: None,
        *,
        every_seconds: float = KEEP_SECONDS,
    ) -> None:
        self._writer = writer
        self._beat = beat
        self._every_seconds = every_seconds
        self._due_at = time.monotonic() + every_seconds

    def is_due(self) -> bool:
        return time.monotonic() >= self._due_at

    def keep(self, *, reading_minutes: float = READING_MINUTES) -> int:
        """Answers 0: it takes nothing in. Raises duckdb.Error."""

        def run(statement: str) -> None:
            self._writer.connection.execute(statement)
            self._beat()

        for table in TABLES:
            run(f"call ducklake_flush_inlined_data('lake', table_name => '{table}')")
            run(f"call ducklake_merge_adjacent_files('lake', '{table}')")
        if self._writer.place.is_local:
            os.sync()  # DuckDB does not: what was merged is deleted for good below.
        seconds = int(reading_minutes * 60)
        age = f"now() - to_seconds({seconds})"
        run(f"call ducklake_expire_snapshots('lake', older_than => {age})")
        run(f"call ducklake_cleanup_old_files('lake', older_than => {age})")
        if not self._writer.place.is_shared:
            # It takes every Parquet file there for its own.
            orphaned = f"now() - interval '{_ORPHANED_HOURS} hours'"
            run(f"call ducklake_delete_orphaned_files('lake', older_than => {orphaned})")
        self._drop_dead_checkpoints()
        self._due_at = time.monotonic() + self._every_seconds
        return 0

    def _drop_dead_checkpoints(self) -> None:
        """Rows that no snapshot can read: DuckLake drops those of tables that it flushes only."""
        with psycopg.connect(self._writer.place.dsn, autocommit=True) as catalogue:
            for (name,) in catalogue.execute(_INLINED_CHECKPOINTS).fetchall():
                catalogue.execute(sql.SQL(_DROP_DEAD).format(sql.Identifier(name)))
