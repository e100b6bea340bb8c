"""The event-sourcing library's Postgres recorder, with dense positions, metadata and a seal.

The library's own insert takes an EXCLUSIVE table lock and lets a sequence number the events. Here
the log's advisory lock comes first and positions are given explicitly, so their order is the order
of commits and none is missing. The library's database functions take no lock and are never enabled.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from eventsourcing.persistence import ProgrammingError, StoredEvent
from eventsourcing.postgres import PostgresApplicationRecorder, PostgresDatastore
from psycopg.conninfo import conninfo_to_dict

from domain.log import Metadata, Recorded

LOG_LOCK = 0x617669617279  # "aviary": the advisory lock of this database's log

_INSERT_EVENTS = """
insert into events (
    originator_id, originator_version, topic, state, notification_id, metadata, seal,
    actor, correlation_id, recorded_at_us
)
select * from unnest(
    %b::text[], %b::bigint[], %b::text[], %b::bytea[], %b::bigint[], %b::bytea[], %b::bytea[],
    %b::text[], %b::text[], %b::bigint[]
)
"""  # not COPY: a session that waits inside COPY is ended by none of the server's time limits
_decode_metadata = msgspec.json.Decoder(Metadata).decode


class LogDatastore(PostgresDatastore):
    """The library's pool, speaking as one of our roles and with our time limits."""

    def __init__(self, dsn: str, options: str, pool_size: int = 1) -> None:
        parts = {name: str(value) for name, value in conninfo_to_dict(dsn).items()}
        super().__init__(
            dbname=parts.pop("dbname"),
            host=parts.pop("host", ""),
            port=parts.pop("port", "5432"),
            user=parts.pop("user", ""),
            password=parts.pop("password", ""),
            idle_in_transaction_session_timeout=2.0,
            pool_size=pool_size,
            originator_id_type="text",
            enable_db_functions=False,
        )
        if isinstance(self.pool.kwargs, dict):
            self.pool.kwargs.update(parts | {"options": options})

    def register_type_adapters(self) -> None:
        """Nothing to register: arrays of plain types carry the events."""


class LogRecorder(PostgresApplicationRecorder):
    """Reads as the library does; writes only events that were decided and sealed."""

    def __init__(self, datastore: PostgresDatastore) -> None:
        super().__init__(datastore, events_table_name="events")

    def create_table(self) -> None:
        """Nothing to create: the schema belongs to the migrations."""

    def insert_events(self, stored_events: Sequence[StoredEvent], **_: Any) -> Sequence[int] | None:
        raise ProgrammingError(
            f"{len(stored_events)} events without receipt and seal were not stored. "
            "Commands reach the log through commands.execute."
        )

    def insert_sealed(self, cursor: psycopg.Cursor[Any], events: Sequence[Recorded]) -> None:
        """Insert under the lock that the caller's transaction holds."""
        known = [_decode_metadata(event.metadata) for event in events]
        cursor.execute(
            _INSERT_EVENTS,
            (
                [event.stream for event in events],
                [event.version for event in events],
                [event.tag for event in events],
                [event.payload for event in events],
                [event.position for event in events],
                [event.metadata for event in events],
                [event.seal for event in events],
                [metadata.actor for metadata in known],
                [metadata.correlation_id for metadata in known],
                [metadata.recorded_at_us for metadata in known],
            ),
            prepare=True,
        )
