"""Publishes the log to Kafka, page by page: every event at least once, in order for each stream.

The checkpoint moves only when every record up to it is acknowledged. Whatever goes wrong, nothing
more is sent and the relay starts again from the checkpoint. One relay is active; others stand by.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from kafka.errors import KafkaError
from msgspec import Struct, structs

from adapters.kafka.producer import Producer, ProducerLimits
from adapters.kafka.records import Record, source_of, to_record
from adapters.kafka.topics import CannotPublish, Topics, partition_of
from adapters.postgres import relays
from adapters.postgres.append import CHANNEL
from adapters.postgres.connect import PROJECTOR_OPTIONS, connect
from adapters.settings import Settings
from commands.catalogue import topic_of
from commands.codec import LogIsNewer
from commands.crashpoint import crashpoint
from domain.log import Recorded
from workers.relaying import checks as relay_checks
from workers.relaying import offsets as relay_offsets
from workers.running.pulse import Pulse
from workers.running.threads import run_in_thread
from workers.running.waking import wait_for_log

_log = logging.getLogger(__name__)
BEAT_SECONDS = 0.5


class RelayLimits(Struct, frozen=True):
    page_events: int = 2000
    page_bytes: int = 8 << 20
    gather_below_events: int = 100
    gather_seconds: float = 0.01
    """After a small page: what arrives meanwhile shares the next round."""
    recheck_seconds: float = 10.0
    """After a refusal, until the topics are looked at again."""
    producer: ProducerLimits = ProducerLimits()


class KafkaFailed(Exception):  # noqa: N818 - says what is so
    """Kafka is away or said no; its client's own frames tell nothing more."""


class _Stopped(Exception):  # noqa: N818 - says what is so
    """Asked to stop."""


def name_of(cluster_id: str, prefix: str) -> str:
    return f"{cluster_id}/{prefix}"


def relay(
    settings: Settings,
    dsn: str,
    pulse: Pulse,
    stopping: threading.Event,
    limits: RelayLimits | None = None,
) -> None:
    """Publish until stopped. Raises what Kafka or Postgres raised; the runner starts it again."""
    limits = limits or RelayLimits()
    try:
        while not stopping.is_set():
            try:
                _Run(settings, dsn, pulse, stopping, limits).run()
            except CannotPublish as error:
                _log.error("The relay sends nothing: %s", error)
                _count_failure(pulse)
                _stay_refused(pulse, str(error), stopping, limits.recheck_seconds)
    except _Stopped:
        return
    except KafkaError as error:
        _count_failure(pulse)
        servers = ", ".join(settings.kafka_bootstrap_servers)
        raise KafkaFailed(f"{servers}: {type(error).__name__}: {error}") from None
    except Exception:
        _count_failure(pulse)
        raise


def _count_failure(pulse: Pulse) -> None:
    detail = {"relay_failures": pulse.detail.get("relay_failures", 0) + 1}
    pulse.detail = pulse.detail | detail


def _stay_refused(pulse: Pulse, text: str, stopping: threading.Event, seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pulse.beat(f"refused: {text}")
        if stopping.wait(min(BEAT_SECONDS, seconds)):
            return


class _Run:
    """From one start to the next: waits for its turn, checks, and publishes."""

    def __init__(
        self,
        settings: Settings,
        dsn: str,
        pulse: Pulse,
        stopping: threading.Event,
        limits: RelayLimits,
    ) -> None:
        self._settings = settings
        self._dsn = dsn
        self._pulse = pulse
        self._stopping = stopping
        self._limits = limits

    def run(self) -> None:
        with Topics(self._settings) as topics:
            name = name_of(topics.cluster_id(), self._settings.kafka_topic_prefix)
        with connect(self._dsn, relays.OPTIONS, autocommit=True) as session:
            while not relays.try_lock(session, name):
                self._beat(session, "standby")
                self._stopping.wait(BEAT_SECONDS)
            self._pulse.position = relays.load_position(session, name)
            with Topics(self._settings) as topics:
                route = relay_checks.examine(
                    topics, session, name, self._settings, lambda: self._beat(session, "checking")
                )
            producer = Producer(self._settings, self._fitting(route.batch_bytes_max))
            try:
                rounds = _Rounds(session, name, self._settings, route, producer, self._limits)
                self._follow(session, rounds)
            finally:
                producer.close()

    def _fitting(self, batch_bytes_max: int) -> ProducerLimits:
        limits = self._limits.producer
        return structs.replace(limits, batch_bytes=min(limits.batch_bytes, batch_bytes_max))

    def _follow(self, session: psycopg.Connection[Any], rounds: "_Rounds") -> None:
        relayed = self._pulse.detail.get("events_relayed", 0)
        beat_at = 0.0
        with connect(self._dsn, PROJECTOR_OPTIONS, autocommit=True) as wake:
            wake.execute(f"listen {CHANNEL}")
            while True:
                if time.monotonic() - beat_at >= BEAT_SECONDS:
                    self._beat(session, rounds.state())
                    rounds.check_partitions()
                    beat_at = time.monotonic()
                events = rounds.publish(lambda: self._beat(session, rounds.state()))
                relayed += events
                self._pulse.beat(
                    rounds.state(),
                    position=rounds.position,
                    detail=self._pulse.detail | {"events_relayed": relayed},
                )
                wait_for_log(wake, 0 if events else BEAT_SECONDS)
                if 0 < events < self._limits.gather_below_events:
                    time.sleep(self._limits.gather_seconds)

    def _beat(self, session: psycopg.Connection[Any], state: str) -> None:
        """Keep the session, and with it the lock; show how far we are."""
        if self._stopping.is_set():
            raise _Stopped
        head = relays.load_head(session)
        position = self._pulse.position or 0
        detail = {"relay_position": position, "relay_lag_events": head - position}
        self._pulse.beat(state, detail=self._pulse.detail | detail)


class _Rounds:
    """One page of the log after another: sent, acknowledged, checkpointed."""

    def __init__(
        self,
        session: psycopg.Connection[Any],
        name: str,
        settings: Settings,
        route: relay_checks.Route,
        producer: Producer,
        limits: RelayLimits,
    ) -> None:
        self.position = relays.load_position(session, name)
        self._session = session
        self._name = name
        self._prefix = settings.kafka_topic_prefix
        self._partitions = route.partitions
        self._ends = dict(route.ends)
        self._producer = producer
        self._limits = limits
        self._source = ""
        self._ahead: Sequence[Recorded] = ()

    def state(self) -> str:
        """A relay with nothing to send would not notice otherwise."""
        return "running" if self._producer.is_answered() else "waiting: Kafka does not answer"

    def check_partitions(self) -> None:
        for topic, count in self._partitions.items():
            relay_checks.check_count(topic, count, self._producer.partitions(topic))

    def publish(self, beat: Callable[[], None]) -> int:
        """Publish the next page; answers its events, 0 when nothing was new."""
        page = self._ahead or self._read(self.position)
        self._ahead = ()
        if not page:
            return 0
        records = self._records(page)
        for record in records:
            partition = partition_of(record.key, self._partitions[record.topic])
            self._producer.send(record, partition)
        crashpoint("relay-after-send")
        if len(page) >= self._limits.gather_below_events:
            # Far behind: Kafka takes this page while the next one is read.
            self._ahead = self._read(records[-1].position)
        while not self._producer.is_settled(BEAT_SECONDS):
            beat()
        crashpoint("relay-after-flush")
        reached = relay_offsets.settle(self._producer.take_round(), self._ends)
        crashpoint("relay-before-checkpoint")
        relays.move(self._session, self._name, self.position, records[-1].position, reached)
        crashpoint("relay-after-checkpoint")
        self.position = records[-1].position
        self._ends |= {place: at.next_offset for place, at in reached.items()}
        return len(records)

    def _read(self, after: int) -> Sequence[Recorded]:
        limits = self._limits
        return relays.read_page(self._session, after, limits.page_events, limits.page_bytes)

    def _records(self, page: Sequence[Recorded]) -> Sequence[Record]:
        """Up to the first event that this version has no topic for; LogIsNewer if that is all."""
        if not self._source:
            self._source = source_of(relays.load_seals(self._session, [1])[1])
        records: list[Record] = []
        for event in page:
            try:
                records.append(to_record(event, topic_of(event, self._prefix), self._source))
            except LogIsNewer:
                if not records:
                    raise
                break
        return records


async def run_relay(
    settings: Settings,
    dsn: str,
    pulse: Pulse,
    stopping: asyncio.Event,
    limits: RelayLimits | None = None,
) -> None:
    await run_in_thread(lambda stop: relay(settings, dsn, pulse, stop, limits), stopping)
