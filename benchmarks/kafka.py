"""The relay, what is read behind it, and a read model fed from Kafka, with a real broker."""

import asyncio
import multiprocessing
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from adapters.kafka.producer import ProducerLimits
from adapters.kafka.records import to_record
from adapters.postgres.connect import READER_OPTIONS, connect
from adapters.postgres.log import PostgresLog, read_log
from adapters.settings import Settings
from benchmarks.place import number, place_many, place_request
from benchmarks.processes import aviary, running
from benchmarks.rows import Row, rate
from commands.catalogue import topic_of, topics
from commands.committer import Committer
from tests.kafka_broker import Broker
from workers.feeding import feed
from workers.feeding.moves import move_to_kafka
from workers.projecting.projector import catch_up
from workers.running.database import Dsns

IN_FLIGHT = 256
EVENTS = 200 * IN_FLIGHT
PER_SECOND = 300
SECONDS = 15.0
PREFIX = "bench"
FED = ("orders", "trades")
_WAIT_SECONDS = 120.0


def measure(dsns: Dsns) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="aviary-bench-kafka-") as folder:
        broker = Broker(Path(folder)).start()
        try:
            return _measure(dsns, broker.bootstrap)
        finally:
            broker.close()


def _measure(dsns: Dsns, bootstrap: str) -> list[Row]:
    settings = Settings(kafka_bootstrap_servers=(bootstrap,), kafka_topic_prefix=PREFIX)
    environment = {
        "DATABASE_URL": dsns.app,
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "AVIARY_KAFKA_TOPIC_PREFIX": PREFIX,
    }
    store = PostgresLog(dsns.app)
    committer = Committer(store)
    with running(aviary("worker", "relay"), environment):
        _await_relayed(dsns.app, store.head().position)
    catch_up(dsns.app)
    for name in FED:
        move_to_kafka(settings, dsns.app, name)
    uvloop.run(place_many(committer, EVENTS, IN_FLIGHT))
    with running(aviary("worker", "relay"), environment):
        relayed = _relayed_per_second(dsns.app, store.head().position)
        bare = _bare(dsns.app, bootstrap)
        fed = _fed_per_second(settings, dsns.app)
        polled = _polled_per_second(bootstrap)
        delay_ms = _delay_ms(committer, bootstrap)
    committer.close()
    store.close()
    return [
        Row(
            "relay to a real broker",
            "10,000/s",
            rate(relayed),
            f"{rate(bare)} the same records, a bare producer",
            relayed >= 10_000,  # noqa: PLR2004 - the promise of this row
        ),
        Row(
            f"append to a consumer's hands, at {PER_SECOND}/s",
            "p99 under 300 ms",
            f"p99 {delay_ms:.0f} ms",
            "",
            delay_ms < 300,  # noqa: PLR2004
        ),
        Row(
            f"Kafka-fed projector, one member, {' and '.join(FED)}",
            "10,000/s",
            rate(fed),
            f"{rate(polled)} a bare consumer",
            fed >= 10_000,  # noqa: PLR2004
        ),
    ]


def _relayed(dsn: str) -> int:
    return number(dsn, "select coalesce(max(position), 0) from relays")


def _await_relayed(dsn: str, head: int) -> None:
    deadline = time.monotonic() + _WAIT_SECONDS
    while _relayed(dsn) < head:
        if time.monotonic() > deadline:
            raise TimeoutError(f"The relay is at {_relayed(dsn)} of {head}.")
        time.sleep(0.02)


def _relayed_per_second(dsn: str, head: int) -> float:
    """From its first page to its last: starting up is not counted."""
    before = _relayed(dsn)
    while (first := _relayed(dsn)) == before:
        time.sleep(0.005)
    started = time.perf_counter()
    _await_relayed(dsn, head)
    return (head - first) / (time.perf_counter() - started)


def _bare(dsn: str, bootstrap: str) -> float:
    """The same records by kafka-python alone: nothing read meanwhile, checked or checkpointed."""
    with connect(dsn, READER_OPTIONS, autocommit=True) as connection:
        events = read_log(connection, 0, EVENTS)
    limits = ProducerLimits()
    producer = KafkaProducer(
        bootstrap_servers=[bootstrap],
        linger_ms=int(limits.linger_seconds * 1000),
        batch_size=limits.batch_bytes,
    )
    records = [to_record(event, topic_of(event, PREFIX), "/bench") for event in events]
    other = f"{PREFIX}.accounts"  # Nobody reads it here.
    started = time.perf_counter()
    for record in records:
        producer.send(other, record.value, record.key, record.headers)
    producer.flush()
    elapsed = time.perf_counter() - started
    producer.close()
    return len(records) / elapsed


def _fed_per_second(settings: Settings, dsn: str) -> float:
    started = time.perf_counter()
    records = feed.catch_up(settings, dsn)
    return records / (time.perf_counter() - started)


def _consumer(bootstrap: str, *, at_end: bool) -> KafkaConsumer:
    consumer = KafkaConsumer(bootstrap_servers=[bootstrap], auto_offset_reset="earliest")
    names = [name for name in topics(PREFIX) if name.endswith(".orders")]
    places = [
        TopicPartition(name, part) for name in names for part in consumer.partitions_for_topic(name)
    ]
    consumer.assign(places)
    if at_end:
        consumer.seek_to_end(*places)
        for place in places:
            consumer.position(place)
    return consumer


def _polled_per_second(bootstrap: str) -> float:
    consumer = _consumer(bootstrap, at_end=False)
    records = 0
    started = time.perf_counter()
    while records < EVENTS:
        records += sum(len(found) for found in consumer.poll(timeout_ms=1000).values())
    elapsed = time.perf_counter() - started
    consumer.close()
    return records / elapsed


def _delay_ms(committer: Committer, bootstrap: str) -> float:
    """p99 from an order's answer to its record in the hands of another process."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    count = int(PER_SECOND * SECONDS)
    reader = context.Process(target=_receive, args=(theirs, bootstrap, count))
    reader.start()
    ours.recv()
    answered = uvloop.run(_place_steadily(committer, count))
    if not ours.poll(_WAIT_SECONDS):
        raise TimeoutError("The consumer did not get every event.")
    received: dict[str, float] = ours.recv()
    reader.join()
    delays = sorted(max(0.0, received[stream] - at) for stream, at in answered.items())
    return 1000 * delays[int(len(delays) * 0.99)]


async def _place_steadily(committer: Committer, count: int) -> dict[str, float]:
    answered: dict[str, float] = {}

    async def place() -> None:
        request = place_request()
        await committer.submit(request)
        answered[request.stream] = time.time()

    async with asyncio.TaskGroup() as tasks:
        started = time.monotonic()
        for nth in range(count):
            await asyncio.sleep(max(0.0, started + nth / PER_SECOND - time.monotonic()))
            tasks.create_task(place())
    return answered


def _receive(pipe: Connection, bootstrap: str, count: int) -> None:
    consumer = _consumer(bootstrap, at_end=True)
    received: dict[str, float] = {}
    pipe.send("ready")
    while len(received) < count:
        for found in consumer.poll(timeout_ms=1000).values():
            now = time.time()
            for record in found:
                received.setdefault(record.key.decode(), now)
    consumer.close()
    pipe.send(received)
