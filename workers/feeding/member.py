"""Feeds read models from Kafka: a consumer group whose offsets are saved with the rows.

A page is what one poll gave, over all partitions of this member. Kafka only says who reads which
partition; that nothing is folded twice, whoever believes to own a partition, is the database's
compare-and-set on the offset.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from msgspec import Struct

from adapters.kafka.consumer import Group, GroupLimits, RecordsGone
from adapters.kafka.records import source_of
from adapters.kafka.topics import Found, Partition, Topics
from adapters.postgres import feeds, relays
from adapters.postgres.feeds import FeedMoved, Key, Standing
from adapters.postgres.rows import load_parked
from adapters.settings import Settings
from commands.crashpoint import crashpoint
from domain.log import Recorded
from projections import PROJECTIONS
from projections.projection import Projection
from workers.feeding import checks as feed_checks
from workers.feeding.pages import Arrival, Reading, Take, Unusable, admit, begin, event_of, read
from workers.feeding.stops import RETRY_SECONDS, Stops
from workers.projecting.projector import CHANNEL
from workers.projecting.saving import REFUSED, fold_and_save
from workers.relaying.relay import name_of

_log = logging.getLogger(__name__)
PAUSE_SECONDS = 0.1
PASSING = (
    FeedMoved,
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.SerializationFailure,
)
"""Nothing was saved, and beginning again from what the database says is the whole cure."""


class FeedLimits(Struct, frozen=True):
    group: GroupLimits = GroupLimits()
    poll_ms_first: int = 4
    poll_ms_max: int = 50
    """Polls that bring nothing take longer and longer; each then looks where the relay is."""
    commit_seconds: float = 5.0
    retry_seconds: float = RETRY_SECONDS


class FeedsChanged(Exception):  # noqa: N818 - says what is so
    """Other read models follow Kafka now, or none."""


class Member:
    """One member of the group, on one connection; `step` folds one page."""

    def __init__(
        self,
        settings: Settings,
        connection: psycopg.Connection[Any],
        projections: Sequence[Projection] = PROJECTIONS,
        limits: FeedLimits | None = None,
    ) -> None:
        self._limits = limits or FeedLimits()
        self._stops = Stops(self._limits.retry_seconds)
        self._connection = connection
        self._projections = {p.name: p for p in projections if p.is_keyed_by_stream}
        self._fed = feeds.load_reach(connection, "", tuple(self._projections)).fed
        standings = feeds.load_standings(connection, self._fed)
        if not standings:
            raise FeedsChanged("No read model follows Kafka.")
        self._topics = {topic for _, topic, _ in standings}
        with Topics(settings) as topics:
            self.relay = name_of(topics.cluster_id(), settings.kafka_topic_prefix)
            feed_checks.check_relay(connection, self._fed, self.relay)
            feed_checks.check_partitions(standings, topics.partition_counts(sorted(self._topics)))
        self._source = b""
        self._standings: dict[Key, Standing] = {}
        self._readings: dict[Partition, Reading] = {}
        self._relayed = self._shown = 0
        self._poll_ms = self._limits.poll_ms_first
        self._commit_at = time.monotonic() + self._limits.commit_seconds
        self._group = Group(settings, self._topics, self._limits.group)

    @property
    def position(self) -> int | None:
        """What every read model has seen of every partition of this member."""
        return min((standing.position for standing in self._standings.values()), default=None)

    @property
    def stopped(self) -> Mapping[Partition, str]:
        """Why partitions are read no further."""
        return self._stops.texts

    @property
    def partitions(self) -> int:
        return len(self._readings)

    def close(self) -> None:
        self._group.close()

    def step(self) -> int:
        """Fold what one poll gives; answers the records read.

        Raises FeedsChanged, codec.LogIsNewer, CannotFollow, KafkaError or psycopg.Error.
        """
        try:
            polled = self._group.poll(self._poll_ms)
        except RecordsGone as gone:
            self._stop(gone.texts)
            polled = {}
        if self._group.has_changed() or self._stops.is_trial_due():
            self._begin()
            return 0
        try:
            taken = self._take(polled)
            if taken.arrivals:
                self._settle(taken.arrivals)
                self._poll_ms = self._limits.poll_ms_first
            else:
                self._look_around()
                self._poll_ms = min(2 * self._poll_ms, self._limits.poll_ms_max)
        except PASSING as error:
            _log.warning("Begins again at what is saved: %s", error)
            time.sleep(PAUSE_SECONDS)
            self._begin()
            return 0
        self._stops.free({arrival.place for arrival in taken.arrivals})
        self._stop(taken.stopped)
        if taken.newer is not None:
            raise taken.newer
        self._commit()
        return len(taken.arrivals)

    def _begin(self) -> None:
        """Read the assigned partitions from where the database says that they were saved."""
        self._fed = feeds.load_reach(self._connection, self.relay, tuple(self._projections)).fed
        assigned = self._group.assigned()
        standings = feeds.load_standings(self._connection, self._fed)
        if {topic for _, topic, _ in standings} != self._topics:
            raise FeedsChanged(f"These read models follow Kafka now: {', '.join(self._fed)}.")
        feed_checks.check_relay(self._connection, self._fed, self.relay)
        self._standings = {key: at for key, at in standings.items() if key[1:] in assigned}
        self._readings = {}
        for place in assigned:
            here = [at for key, at in self._standings.items() if key[1:] == place]
            if not here:
                raise feed_checks.CannotFollow(feed_checks.more_partitions(place))
            self._readings[place] = begin(here)
        self._stops.try_again(assigned)
        self._group.seek({place: at.next_offset for place, at in self._readings.items()})

    def _take(self, polled: Mapping[Partition, Sequence[Found]]) -> Take:
        if polled and not self._source:
            self._source = self._load_source()
        events: dict[Partition, list[tuple[int, Recorded]]] = {}
        stopped: dict[Partition, str] = {}
        for place, records in polled.items():
            if place not in self._readings or self._stops.is_stopped(place):
                continue
            expected = self._readings[place].next_offset
            known = events[place] = []
            for record in records:
                if record.offset < expected:
                    continue  # Fetched before we sought.
                try:
                    known.append((record.offset, event_of(record, expected, self._source)))
                except Unusable as error:
                    stopped[place] = f"offset {record.offset}: {error}"
                    break
                expected += 1
        unmet: set[tuple[str, int]] = set()
        for place, found in events.items():
            unmet |= self._readings[place].unmet(event for _, event in found)
        earlier = feeds.load_positions(self._connection, unmet) if unmet else {}
        positions = [event.position for found in events.values() for _, event in found]
        seals = relays.load_seals(self._connection, positions) if positions else {}
        taken = read(events, self._readings, earlier, seals)
        taken.stopped = stopped | taken.stopped  # A hole comes before what ended the poll.
        return taken

    def _load_source(self) -> bytes:
        """The log may have been empty when this member began; with records it is not."""
        seal = relays.load_seals(self._connection, [1]).get(1)
        return source_of(seal).encode() if seal else b""

    def _settle(self, arrivals: Sequence[Arrival]) -> None:
        """Save; where a table cannot hold a row, halve until the event to park stands alone."""
        try:
            self._save(arrivals)
        except REFUSED:
            if len(arrivals) == 1:
                self._save(arrivals, is_alone=True)
            else:
                self._settle(arrivals[: len(arrivals) // 2])
                self._settle(arrivals[len(arrivals) // 2 :])

    def _save(self, arrivals: Sequence[Arrival], *, is_alone: bool = False) -> None:
        connection = self._connection
        with connection.transaction():
            feeds.lock_shared(connection, self._fed)
            fed = feeds.hold_fed(connection, tuple(self._projections))
            if set(fed) != set(self._fed):
                raise FeedMoved(f"{', '.join(fed) or 'No read model'} follows Kafka now.")
            now = feeds.load_standings(connection, self._fed, self._readings, for_update=True)
            self._compare(now)
            parked = load_parked(connection, self._fed)
            new = dict(now)
            for name in self._fed if arrivals else ():
                facts, reached = admit(name, now, arrivals)
                new |= reached
                projection = self._projections[name]
                fold_and_save(connection, projection, facts, parked, is_alone=is_alone)
                crashpoint("feed-after-rows")
            saved = feeds.save_standings(connection, self.relay, now, new)
            crashpoint("feed-after-offsets")
            feeds.announce(connection, CHANNEL)
        crashpoint("feed-after-commit")
        self._standings = saved
        for place, reading in self._readings.items():
            reading.forget(at for key, at in saved.items() if key[1:] == place)

    def _compare(self, now: Mapping[Key, Standing]) -> None:
        """A rebuild may have moved positions; an offset that moved was moved by another member."""
        for key, believed in self._standings.items():
            found = now.get(key)
            if found is None or found.next_offset != believed.next_offset:
                raise FeedMoved(f"{key}: expected offset {believed.next_offset}, found {found}.")

    def _look_around(self) -> None:
        """Nothing came: see whether the relay went on, and whether somebody moved a read model."""
        reach = feeds.load_reach(self._connection, self.relay, tuple(self._projections))
        if set(reach.fed) != set(self._fed):
            self._begin()
        elif reach.relayed != self._relayed and self._readings:
            self._save(())
            self._relayed = reach.relayed
        if reach.shown != self._shown:
            feeds.announce(self._connection, CHANNEL)
            self._shown = reach.shown

    def _stop(self, stopped: Mapping[Partition, str]) -> None:
        for (topic, number), text in stopped.items():
            _log.error("Partition %s of topic %s is read no further: %s", number, topic, text)
            self._group.stop((topic, number))
        self._stops.add(stopped)

    def _commit(self) -> None:
        if time.monotonic() >= self._commit_at:
            self._group.commit({p: at.next_offset for p, at in self._readings.items()})
            self._commit_at = time.monotonic() + self._limits.commit_seconds
