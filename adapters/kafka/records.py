"""A stored event as a Kafka record and back: stored bytes as value, CloudEvents binary headers.

`ce_id` is the event's seal and `ce_source` names the log by the seal of its first event, so two
records with the same pair are the same event, sent twice.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec
from msgspec import Struct

from domain.log import Metadata, Recorded

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
METADATA = "aviary_metadata"
"""The sealed metadata, byte for byte: with it a consumer can check the seal."""

_decode_metadata = msgspec.json.Decoder(Metadata).decode

Headers = Sequence[tuple[str, bytes]]


class Record(Struct, frozen=True):
    topic: str
    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]
    timestamp_ms: int
    position: int
    """Of the event in the log."""


class NotOurs(ValueError):  # noqa: N818 - says what is so
    """A record on one of our topics was not written by a relay."""


def source_of(first_seal: bytes) -> str:
    """Name a log by the seal of its first event."""
    return f"/aviary/{first_seal.hex()[:32]}"


def to_record(event: Recorded, topic: str, source: str) -> Record:
    metadata = _decode_metadata(event.metadata)
    at = _EPOCH + timedelta(microseconds=metadata.recorded_at_us)
    headers = {
        "ce_specversion": "1.0",
        "ce_id": event.seal.hex(),
        "ce_source": source,
        "ce_type": event.tag,
        "ce_subject": event.stream,
        "ce_time": at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "ce_sequence": str(event.version),
        "ce_position": str(event.position),
        "ce_correlationid": metadata.correlation_id,
        "ce_causationid": metadata.causation_id,
        "content-type": "application/json",
    }
    return Record(
        topic,
        event.stream.encode(),
        event.payload,
        [(name, text.encode()) for name, text in headers.items() if text is not None]
        + [(METADATA, event.metadata)],
        metadata.recorded_at_us // 1000,
        event.position,
    )


def to_recorded(value: bytes | None, headers: Headers) -> Recorded:
    """The stored event of a record; raises NotOurs for a record that no relay wrote."""
    found: Mapping[str, bytes] = dict(headers)
    try:
        return Recorded(
            int(found["ce_position"]),
            found["ce_subject"].decode(),
            int(found["ce_sequence"]),
            found["ce_type"].decode(),
            value or b"",
            found[METADATA],
            bytes.fromhex(found["ce_id"].decode()),
        )
    except (KeyError, ValueError) as error:
        raise NotOurs(f"A record that no relay wrote: {type(error).__name__}: {error}") from error
