"""What a read model is: which rows an event touches, and what each row then is. No I/O.

A row is a frozen struct whose first field `key` is the primary key and whose fields are the columns
of the table of the same name. `evolve` gives the row after the event, or None to delete it.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from domain.events import Event
from domain.log import Metadata


class Fact(Struct, frozen=True):
    """One event of the log, decoded."""

    position: int
    stream: str
    version: int
    event: Event
    metadata: Metadata


class Projection(Struct, frozen=True):
    name: str
    row_type: type[Struct]
    tags: frozenset[str]
    """Tags whose events may touch a row; others are passed over without a look."""
    keys: Callable[[Fact], tuple[str, ...]]
    evolve: Callable[[Any, Fact, str], Any]
    is_keyed_by_stream: bool = False
    """Each row comes from the events of one stream alone, so it may be fed from Kafka, where only
    the order within a stream is kept."""
    halts: bool = False
    """It is about money: where an event cannot be folded it stops there, whole, and its reads say
    so, instead of parking a key and going on. Needs the order of the log, so never from Kafka."""

    def __post_init__(self) -> None:
        if self.halts and self.is_keyed_by_stream:
            raise ValueError(f"{self.name} halts, so it cannot be fed from Kafka.")
