"""Stored events as the audit routes show them: nothing left out, bytes as JSON."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from api.audit.schemas import EventItem
from commands.codec import decode_metadata
from domain.log import Recorded

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(time_us: int) -> str:
    return (_EPOCH + timedelta(microseconds=time_us)).isoformat()


def shown(rows: Iterable[tuple[Any, ...]]) -> list[EventItem]:
    """Rows have the columns of `audit.sql`."""
    return [item(Recorded(*row)) for row in rows]


def item(recorded: Recorded) -> EventItem:
    metadata = decode_metadata(recorded.metadata)
    content: dict[str, Any] = msgspec.json.decode(recorded.payload)
    content.pop("type", None)
    return EventItem(
        position=recorded.position,
        stream=recorded.stream,
        version=recorded.version,
        tag=recorded.tag,
        recorded_at=iso(metadata.recorded_at_us),
        recorded_at_us=metadata.recorded_at_us,
        actor=metadata.actor,
        command_id=metadata.command_id,
        correlation_id=metadata.correlation_id,
        causation_id=metadata.causation_id,
        account=metadata.account,
        connector=metadata.connector,
        pair=metadata.pair,
        code_version=metadata.code_version,
        data=content,
        seal=recorded.seal.hex(),
    )
