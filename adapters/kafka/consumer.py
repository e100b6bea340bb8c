"""A member of the consumer group: it reads from where the database says.

Kafka's own committed offsets are written so that its tools show the lag; nothing ever reads them.
Kafka tells of a new assignment on a thread of its own: there it is only noted, and its partitions
give no records until `seek` has said from where.
"""

import logging
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors
from kafka.structs import OffsetAndMetadata
from msgspec import Struct

from adapters.kafka.connect import opened, options
from adapters.kafka.topics import Found, Partition
from adapters.settings import Settings

_log = logging.getLogger(__name__)
_CALL_MS = 5000
_CLOSE_MS = 3000
_UNSOUGHT_SECONDS = 0.05
_REJOINING = (
    kafka_errors.CommitFailedError,
    kafka_errors.RebalanceInProgressError,
    kafka_errors.UnknownMemberIdError,
    kafka_errors.IllegalGenerationError,
)


class RecordsGone(Exception):  # noqa: N818 - says what is so
    """What was to be read next is not in Kafka any more; other partitions can be read."""

    def __init__(self, texts: Mapping[Partition, str]) -> None:
        super().__init__("; ".join(texts.values()))
        self.texts = texts


class GroupLimits(Struct, frozen=True):
    poll_records: int = 1000
    session_timeout_ms: int = 10000
    """A silent member's partitions go to others after this; the database fences it at any time."""
    heartbeat_interval_ms: int = 3000


class Group(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python is not typed
    """One member. Every call but Kafka's own belongs to one thread. Raises KafkaError."""

    def __init__(self, settings: Settings, topics: Collection[str], limits: GroupLimits) -> None:
        self._changed = threading.Event()
        self._consumer: Any = opened(
            KafkaConsumer,
            **options(settings),
            group_id=f"{settings.kafka_topic_prefix}-projector",
            enable_auto_commit=False,
            auto_offset_reset="none",
            allow_auto_create_topics=False,
            max_poll_records=limits.poll_records,
            session_timeout_ms=limits.session_timeout_ms,
            heartbeat_interval_ms=limits.heartbeat_interval_ms,
        )
        try:
            self._consumer.subscribe(sorted(topics), listener=self)
            self._consumer.bootstrap(timeout_ms=_CALL_MS)
            for topic in topics:
                # A leader that knows no partitions yet would assign none at first.
                self._consumer.partitions_for_topic(topic)
        except BaseException:
            self.close()
            raise

    def on_partitions_revoked(self, _revoked: Collection[TopicPartition]) -> None:
        self._changed.set()

    def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        self._consumer.pause(*assigned)
        for place in assigned:
            self._consumer.seek(place, 0)
        self._changed.set()

    def has_changed(self) -> bool:
        """Whether the assignment is another one since last asked: then seek."""
        if not self._changed.is_set():
            return False
        self._changed.clear()  # Only what was seen: Kafka's thread may note one at any moment.
        return True

    def assigned(self) -> frozenset[Partition]:
        return frozenset((place.topic, place.partition) for place in self._consumer.assignment())

    def seek(self, offsets: Mapping[Partition, int]) -> None:
        """Read from these offsets on; partitions lost meanwhile are left out."""
        for partition, offset in offsets.items():
            with self._held(partition) as place:
                self._consumer.seek(place, offset)
                self._consumer.resume(place)

    def stop(self, partition: Partition) -> None:
        """Read no more of it until the next `seek`."""
        with self._held(partition) as place:
            self._consumer.pause(place)
            self._consumer.seek(place, 0)  # One cut behind us would be asked for though paused.

    @contextmanager
    def _held(self, partition: Partition) -> Iterator[TopicPartition]:
        """A partition of ours; one taken away before or meanwhile is left to `has_changed`."""
        try:
            yield TopicPartition(*partition)
        except (ValueError, KeyError):
            self._changed.set()

    def poll(self, timeout_ms: int) -> Mapping[Partition, Sequence[Found]]:
        try:
            polled = self._consumer.poll(timeout_ms=timeout_ms)
        except kafka_errors.NoOffsetForPartitionError:
            # Assigned this very moment, and Kafka's thread has not called us yet.
            time.sleep(_UNSOUGHT_SECONDS)
            return {}
        except (kafka_errors.OffsetOutOfRangeError, kafka_errors.LogTruncationError) as error:
            raise RecordsGone(_gone(error)) from error
        return {
            (place.topic, place.partition): [
                Found(record.topic, record.partition, record.offset, record.value, record.headers)
                for record in records
            ]
            for place, records in polled.items()
        }

    def commit(self, offsets: Mapping[Partition, int]) -> None:
        """Let Kafka's tools see how far we are. A KafkaError means that the group is away."""
        if not offsets:
            return
        told = {
            TopicPartition(*partition): OffsetAndMetadata(offset, "", -1)
            for partition, offset in offsets.items()
        }
        try:
            self._consumer.commit(told, timeout_ms=_CALL_MS)
        except _REJOINING as error:
            _log.info("Not committed while the group changes: %s", type(error).__name__)

    def close(self) -> None:
        self._consumer.close(autocommit=False, timeout_ms=_CLOSE_MS)


def _gone(error: Any) -> dict[Partition, str]:
    """Of OffsetOutOfRangeError or LogTruncationError: the partitions, each with what to do."""
    if isinstance(error, kafka_errors.LogTruncationError):
        places = error.divergent_offsets
    else:
        (places,) = error.args
    return {
        (place.topic, place.partition): (
            f"has no records where reading was to go on ({type(error).__name__}: {at}): the topic "
            "was cut or made anew. Run `aviary feed set NAME log` for the read models that follow "
            "it."
        )
        for place, at in places.items()
    }
