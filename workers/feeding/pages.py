"""What a read model makes of records from Kafka: each event once, in order, none missing. No I/O.

Records come more than once and partitions interleave; within a partition the first occurrences of
events are in the order of the log.
"""

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from adapters.kafka.records import NotOurs, to_recorded
from adapters.kafka.topics import Found, Partition
from adapters.postgres.feeds import Key, Standing
from commands.codec import LogIsNewer
from domain.log import Recorded
from projections.projection import Fact
from workers.projecting.folding import facts_of

STREAMS_MAX = 200_000
"""Streams remembered for a partition; then it begins anew from what is saved."""
_SOURCE = "ce_source"
_ELSEWHERE = (
    "Set AVIARY_KAFKA_TOPIC_PREFIX to a new prefix for the relay, and run `aviary feed set NAME "
    "log` for the read models that follow the old one."
)


class Unusable(Exception):  # noqa: N818 - says what is so
    """A record that must not be folded and must not be passed over: its partition stops there."""


class Arrival(Struct, frozen=True):
    """A record, read."""

    place: Partition
    offset: int
    tag: str
    fact: Fact


class Reading(Struct):
    """What one member has read of one partition since it last began.

    A standing promises that all events above its position come at its offset or later. One that
    stands further on may promise less than those before it have read, so it counts from its own
    offset on.
    """

    next_offset: int
    since: int
    """Every event up to this position was in the rows when `versions` was empty."""
    later: list[Standing] = []
    """Of read models that stand further on, by offset."""
    reached: int = 0
    versions: dict[str, int] = {}
    """Of each stream met since."""

    def unmet(self, events: Iterable[Recorded]) -> set[tuple[str, int]]:
        """(stream, version) of the events before those whose stream is met for the first time."""
        lowest = min([self.since, *(standing.position for standing in self.later)])
        return {
            (event.stream, event.version - 1)
            for event in events
            if event.position > lowest
            and event.version > 1
            and (self.later or event.stream not in self.versions)
        }

    def enter(self, offset: int) -> None:
        """Come to an offset: where another read model stands, its promise is kept from here on."""
        while self.later and offset >= self.later[0].next_offset:
            self.since = min(max(self.since, self.reached), self.later.pop(0).position)
            self.versions = {}

    def take(self, event: Recorded, earlier: Mapping[tuple[str, int], int]) -> None:
        """Note an event; `earlier` has the positions of `unmet`. Raises Unusable at a hole."""
        if event.position <= self.since:
            return  # Sent again; its stream may have gone on before `since`.
        known = self.versions.get(event.stream)
        if known is None:
            if event.version > 1:
                before = earlier.get((event.stream, event.version - 1))
                if before is None or before > self.since:
                    raise _hole(event, None)
            self.versions[event.stream] = event.version
        elif event.version == known + 1:
            self.versions[event.stream] = event.version
        elif event.version > known:
            raise _hole(event, known)
        self.reached = max(self.reached, event.position)

    def forget(self, standings: Iterable[Standing]) -> None:
        """Bound the memory once everything read is saved."""
        if len(self.versions) > STREAMS_MAX:
            begun = begin(standings)
            self.since, self.later, self.versions = begun.since, begun.later, {}


def begin(standings: Iterable[Standing]) -> Reading:
    """Of one partition, from where its read models stand."""
    first, *later = sorted(standings, key=lambda at: (at.next_offset, at.position))
    return Reading(first.next_offset, first.position, later)


def _hole(event: Recorded, known: int | None) -> Unusable:
    before = "none before it came" if known is None else f"version {known} came before it"
    return Unusable(
        f"Version {event.version} of {event.stream} (position {event.position}) is here, and "
        f"{before}: records are missing."
    )


def _check_seal(event: Recorded, ours: bytes | None) -> None:
    if event.seal != ours:
        has = "ends before it" if ours is None else "has another event there"
        raise Unusable(
            f"{event.tag} of {event.stream} has position {event.position} and our log {has}: "
            "Postgres was restored from an older backup, or another installation publishes to the "
            f"same topics. {_ELSEWHERE} Run `aviary rebuild NAME` for read models that have shown "
            "what the log does not have."
        )


def event_of(record: Found, expected_offset: int, source: bytes) -> Recorded:
    """The event of a record; raises Unusable where it is not what must stand there."""
    if record.offset != expected_offset:
        raise Unusable(f"Expected offset {expected_offset}, got {record.offset}: records are gone.")
    theirs = next((value for name, value in record.headers if name == _SOURCE), b"")
    if theirs != source:
        raise Unusable(
            f"Its {_SOURCE} is {theirs!r} and ours {source!r}: it is of another log. {_ELSEWHERE}"
        )
    try:
        return to_recorded(record.value, record.headers)
    except NotOurs as error:
        raise Unusable(str(error)) from error


class Take(Struct):
    """What could be read of the records of one poll, and why the rest could not."""

    arrivals: list[Arrival]
    stopped: dict[Partition, str]
    newer: LogIsNewer | None = None


def read(
    polled: Mapping[Partition, Sequence[tuple[int, Recorded]]],
    readings: Mapping[Partition, Reading],
    earlier: Mapping[tuple[str, int], int],
    seals: Mapping[int, bytes],
) -> Take:
    """Decode and check events by partition and offset; what is wrong ends its partition there.

    `seals` has the log's own by position.
    """
    take = Take([], {})
    for place, events in polled.items():
        reading = readings[place]
        for offset, event in events:
            try:
                _check_seal(event, seals.get(event.position))
                reading.enter(offset)
                reading.take(event, earlier)
                ((tag, fact),) = facts_of((event,))
            except Unusable as error:
                take.stopped[place] = f"offset {offset}: {error}"
                break
            except LogIsNewer as error:
                take.newer = error
                break
            take.arrivals.append(Arrival(place, offset, tag, fact))
            reading.next_offset = offset + 1
    return take


def admit(
    name: str, standings: Mapping[Key, Standing], arrivals: Sequence[Arrival]
) -> tuple[list[tuple[str, Fact]], dict[Key, Standing]]:
    """The facts that this read model has not folded yet, and where it stands after them.

    A record may be known by its offset (it was read before a restart) or by its position (it was
    sent twice, or folded from the log).
    """
    facts: list[tuple[str, Fact]] = []
    reached: dict[Partition, tuple[int, int]] = {}
    for arrival in arrivals:
        place = arrival.place
        if place in reached:
            offset, position = reached[place]
        elif (standing := standings.get((name, *place))) is not None:
            offset, position = standing.next_offset, standing.position
        else:
            continue  # A topic that only other read models follow.
        if arrival.offset >= offset:
            offset = arrival.offset + 1
            if arrival.fact.position > position:
                position = arrival.fact.position
                facts.append((arrival.tag, arrival.fact))
        reached[place] = (offset, position)
    return facts, {(name, *place): Standing(*at) for place, at in reached.items()}
