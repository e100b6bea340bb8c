"""The one producer: in each partition stands what it was given, in that order, and no gap.

kafka-python goes on with a partition's next batch when one has failed for good. An event would
then stand before an earlier one of its stream, so the first failure stops the sending thread from
inside, before it can send anything else. After that only `close` is of use.
"""

import contextlib
import functools
import logging
import time
from collections.abc import Sequence
from typing import Any

from kafka import KafkaProducer
from kafka import errors as kafka_errors
from msgspec import Struct

from adapters.kafka.connect import opened, options
from adapters.kafka.records import Record
from adapters.kafka.topics import CALL_SECONDS, CannotPublish
from adapters.settings import Settings

_log = logging.getLogger(__name__)
_TOO_LARGE = (kafka_errors.MessageSizeTooLargeError, kafka_errors.RecordListTooLargeError)


class ProducerLimits(Struct, frozen=True):
    delivery_seconds: float = 30.0
    """From sending to the answer, all attempts together."""
    request_seconds: float = 10.0
    linger_seconds: float = 1.0
    """For long: a round goes out whole, when it is waited for."""
    batch_bytes: int = 512 << 10
    """Of one partition's records sent in one piece; brokers take 1 MiB unless told otherwise."""
    record_bytes: int = 64 << 20
    """Of one record before it is even tried."""
    metadata_seconds: float = 5.0
    """How old what we know of the topics may be."""
    close_seconds: float = 2.0


class DeliveryFailed(Exception):  # noqa: N818 - says what is so
    """A record was not acknowledged; it may have been written all the same."""


class Placed(Struct, frozen=True):
    """Where a record stands, as Kafka acknowledged it."""

    topic: str
    partition: int
    offset: int
    """-1 where Kafka only said that it had the record already."""
    position: int
    """Of the event in the log."""


class Producer:
    """Sends a round of records, waits until all are acknowledged, and tells where they stand."""

    def __init__(self, settings: Settings, limits: ProducerLimits) -> None:
        self._limits = limits
        self._failure: tuple[Record, BaseException] | None = None
        self._round: list[tuple[Record, Any]] = []
        self._kafka: Any = opened(
            KafkaProducer,
            **options(settings),
            enable_idempotence=True,
            acks="all",
            allow_auto_create_topics=False,
            linger_ms=int(limits.linger_seconds * 1000),
            batch_size=limits.batch_bytes,
            max_request_size=limits.record_bytes,
            request_timeout_ms=int(limits.request_seconds * 1000),
            delivery_timeout_ms=int(limits.delivery_seconds * 1000),
            max_block_ms=int(CALL_SECONDS * 1000),
            metadata_max_age_ms=int(limits.metadata_seconds * 1000),
            metrics_enabled=False,
        )

    def partitions(self, topic: str) -> int:
        """As the cluster said lately. Raises KafkaTimeoutError where the topic is gone."""
        return len(self._kafka.partitions_for(topic))

    def is_answered(self) -> bool:
        """Whether Kafka, which is asked every `metadata_seconds`, has not missed three times."""
        told_at = self._kafka._metadata._last_successful_refresh_ms / 1000  # noqa: SLF001 - no other
        silent_seconds = time.monotonic() - told_at
        return bool(silent_seconds <= 3 * self._limits.metadata_seconds)

    def send(self, record: Record, partition: int) -> None:
        """Hand over; returns at once."""
        try:
            future = self._kafka.send(
                record.topic,
                record.value,
                record.key,
                record.headers,
                partition,
                record.timestamp_ms,
            )
        except _TOO_LARGE as error:
            raise _too_large(record, error) from error
        future.add_errback(functools.partial(self._failed, record))
        self._round.append((record, future))

    def is_settled(self, wait_seconds: float) -> bool:
        """Send what is left and wait; whether all of the round are acknowledged by now.

        Raises DeliveryFailed, or CannotPublish for a record that the broker will never take.
        """
        # Still under way, or a batch was cut in two: the futures tell.
        with contextlib.suppress(kafka_errors.KafkaTimeoutError, kafka_errors.UnknownError):
            self._kafka.flush(wait_seconds)
        if self._failure is not None:
            record, error = self._failure
            if isinstance(error, _TOO_LARGE):
                raise _too_large(record, error) from error
            raise DeliveryFailed(
                f"Kafka did not take the event at position {record.position} for {record.topic}: "
                f"{type(error).__name__}: {error}"
            ) from error
        return all(future.is_done for _, future in self._round)

    def take_round(self) -> Sequence[Placed]:
        """Where the settled round stands, in the order of sending; the next one begins."""
        placed = []
        for record, future in self._round:
            done = future.get(0)  # Raises, should one have failed after all.
            placed.append(Placed(done.topic, done.partition, done.offset, record.position))
        self._round = []
        return placed

    def close(self) -> None:
        """Drop what has not been sent."""
        sender = self._kafka._sender  # noqa: SLF001 - see `_failed`
        sender.force_close()
        sender.join(self._limits.close_seconds)
        if sender.is_alive():
            _log.warning("Kafka's sending thread is still busy and will end by itself.")
        else:
            self._kafka.close(0)

    def _failed(self, record: Record, error: BaseException) -> None:
        """On the sending thread, before it can take up the next batch.

        The public `close` waits for what is under way and would not stop it from here.
        """
        if self._failure is None:
            self._failure = (record, error)
            self._kafka._sender.force_close()  # noqa: SLF001


def _too_large(record: Record, error: BaseException) -> CannotPublish:
    size = len(record.value) + sum(len(name) + len(value) for name, value in record.headers)
    return CannotPublish(
        f"The event at position {record.position} (stream {record.key.decode()}, {size} bytes) is "
        f"larger than topic {record.topic} takes: {type(error).__name__}. Nothing behind it is "
        f"sent. Raise the limit: kafka-configs --alter --entity-type topics --entity-name "
        f"{record.topic} --add-config max.message.bytes={2 * size + 1024}"
    )
