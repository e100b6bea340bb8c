"""Our topics in Kafka: whether they exist, how they are kept, what stands at their ends.

Every call is bounded by `CALL_SECONDS`; a KafkaError means that Kafka is away or said no.
"""

import contextlib
import functools
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.partitioner.default import murmur2
from msgspec import Struct

from adapters.kafka.connect import opened, options
from adapters.settings import Settings

CALL_SECONDS = 5.0
_CALL_MS = int(CALL_SECONDS * 1000)
_SILENT_SECONDS = 10.0
_POLL_MS = 500
_NEW_TOPIC_SECONDS = 0.1
_POLL_RECORDS = 500
_FETCH_BYTES = 4 << 20
KEPT = {"retention.ms": "-1", "retention.bytes": "-1", "cleanup.policy": "delete"}
"""How our topics are kept: for ever, and every record of them."""
_SIZE = "max.message.bytes"
_REPLICAS_FOR_TWO = 3
"""With two, a broker that is away would stop publishing."""

Partition = tuple[str, int]
"""Topic and number."""


class CannotPublish(Exception):  # noqa: N818 - says what is so
    """What stands in Kafka forbids publishing, until somebody acts."""


class Topic(Struct, frozen=True):
    name: str
    partitions: int
    config: Mapping[str, str]
    """The settings named in `KEPT`."""
    record_bytes_max: int
    """The largest batch of records that the broker takes."""


class Found(Struct, frozen=True):
    """A record as it stands in a topic."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@functools.lru_cache(maxsize=1 << 16)
def partition_of(key: bytes, count: int) -> int:
    """Kafka's own choice for a key (murmur2), so that other clients find it where they expect."""
    hashed: int = murmur2(key)
    return (hashed & 0x7FFFFFFF) % count


class Topics:
    """One admin and one consumer connection, for looking; made when first needed."""

    def __init__(self, settings: Settings) -> None:
        self._options = options(settings) | {"request_timeout_ms": _CALL_MS}
        self._admin: Any = opened(KafkaAdminClient, **self._options)
        self._consumer: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._admin.close()
        if self._consumer is not None:
            self._consumer.close(autocommit=False, timeout_ms=_CALL_MS)

    def cluster_id(self) -> str:
        return str(self._admin.describe_cluster()["cluster_id"])

    def partition_counts(self, names: Sequence[str]) -> dict[str, int]:
        """Partitions of those topics that exist."""
        counts = {}
        for topic in self._admin.describe_topics(list(names)):
            error = kafka_errors.for_code(topic["error_code"])
            if error is kafka_errors.NoError:
                counts[str(topic["name"])] = len(topic["partitions"])
            elif error is not kafka_errors.UnknownTopicOrPartitionError:
                raise error(f"Topic {topic['name']} cannot be looked at: {error.__name__}.")
        return counts

    def describe(self, names: Sequence[str]) -> dict[str, Topic]:
        """Those topics that exist."""
        counts = self.partition_counts(names)
        deadline = time.monotonic() + CALL_SECONDS
        while unread := counts.keys() - (configs := self._configs(counts)).keys():
            if time.monotonic() > deadline:
                raise CannotPublish(
                    f"The settings of topic {min(unread)} cannot be read. Give our Kafka user the "
                    "right DescribeConfigs on it."
                )
            time.sleep(_NEW_TOPIC_SECONDS)  # The node asked has not learned of it yet.
        return {
            name: Topic(name, counts[name], {key: config[key] for key in KEPT}, int(config[_SIZE]))
            for name, config in configs.items()
        }

    def _configs(self, names: Iterable[str]) -> dict[str, dict[str, str]]:
        """Those that a node says: it may not know a topic, or not be allowed to tell."""
        wanted = [*KEPT, _SIZE]
        resources = [ConfigResource(ConfigResourceType.TOPIC, name, wanted) for name in names]
        if not resources:
            return {}
        found = self._admin.describe_configs(resources, config_filter="all")["topic"]
        return {
            name: {key: str(entry["value"]) for key, entry in config.items()}
            for name, config in found.items()
            if config.keys() >= set(wanted)
        }

    def create(self, name: str, partitions: int, replication: int) -> Topic:
        """Make a topic that keeps everything; one that exists by now is left as it is.

        With three replicas or more, a record is acknowledged when two have it: Kafka alone would
        be content with one, and that one may be lost.
        """
        configs = dict(KEPT)
        if replication >= _REPLICAS_FOR_TWO:
            configs["min.insync.replicas"] = "2"
        wanted = {
            "num_partitions": partitions,
            "replication_factor": replication,
            "configs": configs,
        }
        with contextlib.suppress(kafka_errors.TopicAlreadyExistsError):
            self._admin.create_topics({name: wanted}, timeout_ms=_CALL_MS)
        deadline = time.monotonic() + CALL_SECONDS
        while name not in (found := self.describe([name])):  # Each node learns it by itself.
            if time.monotonic() > deadline:
                raise kafka_errors.KafkaTimeoutError(
                    f"Topic {name} was made, and the cluster does not show it yet."
                )
            time.sleep(_NEW_TOPIC_SECONDS)
        return found[name]

    def ends(self, partitions: Collection[Partition]) -> dict[Partition, int]:
        """The offset of the next record of each partition."""
        places = [TopicPartition(*partition) for partition in partitions]
        found = self._reader().end_offsets(places, timeout_ms=_CALL_MS)
        return {(place.topic, place.partition): end for place, end in found.items()}

    def read(self, spans: Mapping[Partition, tuple[int, int]]) -> Iterator[list[Found]]:
        """Every record from an offset up to before another, some at a time, or none yet."""
        reader = self._reader()
        open_until = {TopicPartition(*place): end for place, (_, end) in spans.items()}
        reader.assign(list(open_until))
        for place, (start, _) in spans.items():
            reader.seek(TopicPartition(*place), start)
        moved_at = time.monotonic()
        while open_until:
            records = reader.poll(timeout_ms=_POLL_MS, max_records=_POLL_RECORDS)
            yield [
                Found(record.topic, record.partition, record.offset, record.value, record.headers)
                for place, found in records.items()
                for record in found
                if place in open_until and record.offset < open_until[place]
            ]
            for place in list(open_until):
                if (reader.position(place, timeout_ms=_CALL_MS) or 0) >= open_until[place]:
                    del open_until[place]
                    reader.pause(place)
            if records:
                moved_at = time.monotonic()
            elif time.monotonic() - moved_at > _SILENT_SECONDS:
                raise kafka_errors.KafkaTimeoutError(
                    f"Nothing could be read for {_SILENT_SECONDS:g} s from {list(open_until)}."
                )

    def _reader(self) -> Any:
        if self._consumer is None:
            self._consumer = opened(
                KafkaConsumer,
                **self._options,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                fetch_max_bytes=_FETCH_BYTES,
                max_partition_fetch_bytes=_FETCH_BYTES,
            )
        return self._consumer
