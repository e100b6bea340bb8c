"""Events to the JSON bytes that are stored, sealed and carried by Kafka, and back.

Tags are storage: bytes written under a tag are read for ever. A shape that must change gets a new
tag and an entry in `UPCASTS`. An unknown tag is not poison: it means that the log is newer.
"""

from collections.abc import Callable, Mapping
from typing import Any, get_args

import msgspec

from domain.events import Event
from domain.log import Metadata, Recorded

Upcast = Callable[[dict[str, Any]], tuple[str, dict[str, Any]]]

EVENT_TYPES: Mapping[str, type[Event]] = {
    str(kind.__struct_config__.tag): kind for kind in get_args(Event)
}
UPCASTS: Mapping[str, Upcast] = {}
"""Old tag to a function from its JSON object to the next tag and object. Published to consumers."""

_encoder = msgspec.json.Encoder()
_decoders = {tag: msgspec.json.Decoder(kind) for tag, kind in EVENT_TYPES.items()}
_tags = {kind: tag for tag, kind in EVENT_TYPES.items()}
_metadata = msgspec.json.Decoder(Metadata)
encode_metadata = _encoder.encode


class LogIsNewer(Exception):  # noqa: N818 - says what is so
    """The log holds an event that this version of Aviary cannot read; upgrade this process."""

    def __init__(self, tag: str, position: int = 0) -> None:
        super().__init__(
            f"The event at position {position} has the unknown tag {tag!r}: the log was written by "
            "a newer Aviary. Upgrade this process."
        )
        self.tag = tag
        self.position = position


def tag_of(event: Event) -> str:
    return _tags[type(event)]


def encode(event: Event) -> bytes:
    return _encoder.encode(event)


def decode(tag: str, payload: bytes, position: int = 0) -> Event:
    """Return the event, upcast to its newest shape; LogIsNewer where the tag is unknown."""
    decoder = _decoders.get(tag)
    if decoder is not None:
        return decoder.decode(payload)
    if tag not in UPCASTS:
        raise LogIsNewer(tag, position)
    shape: dict[str, Any] = msgspec.json.decode(payload)
    while tag in UPCASTS:
        tag, shape = UPCASTS[tag](shape)
    if tag not in EVENT_TYPES:
        raise LogIsNewer(tag, position)
    return msgspec.convert({**shape, "type": tag}, EVENT_TYPES[tag])


def decode_recorded(recorded: Recorded) -> Event:
    return decode(recorded.tag, recorded.payload, recorded.position)


def decode_metadata(metadata: bytes) -> Metadata:
    return _metadata.decode(metadata)
