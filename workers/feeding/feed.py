"""The worker that feeds read models from Kafka: a thread with one member of the consumer group."""

import asyncio
import logging
import threading
from collections.abc import Sequence
from typing import Any

import psycopg

from adapters.postgres import feeds
from adapters.postgres.connect import PROJECTOR_OPTIONS, connect
from adapters.settings import Settings
from projections import PROJECTIONS
from projections.projection import Projection
from workers.feeding.checks import CannotFollow
from workers.feeding.member import FeedLimits, FeedsChanged, Member
from workers.running.pulse import Pulse
from workers.running.threads import run_in_thread

_log = logging.getLogger(__name__)
OPTIONS = f"{PROJECTOR_OPTIONS} -c synchronous_commit=off"
UNFED_SECONDS = 1.0


def follow(
    settings: Settings,
    dsn: str,
    pulse: Pulse,
    stopping: threading.Event,
    limits: FeedLimits | None = None,
) -> None:
    """Fold until stopped. Raises what Kafka or Postgres raised; the runner starts it again."""
    said = ""
    with connect(dsn, OPTIONS, autocommit=True) as connection:
        while not stopping.is_set():
            try:
                _follow(settings, connection, pulse, stopping, limits)
            except FeedsChanged as error:
                pulse.beat("running", detail={**pulse.detail, "partitions": 0})
                if str(error) != said:
                    said = str(error)
                    _log.info("%s", said)
                stopping.wait(UNFED_SECONDS)


def _follow(
    settings: Settings,
    connection: psycopg.Connection[Any],
    pulse: Pulse,
    stopping: threading.Event,
    limits: FeedLimits | None,
) -> None:
    member = Member(settings, connection, limits=limits)
    records = pulse.detail.get("records", 0)
    try:
        while not stopping.is_set():
            records += member.step()
            stopped = "; ".join(member.stopped.values())
            pulse.beat(
                f"stopped: {stopped}"[:800] if stopped else "running",
                position=member.position,
                detail={"records": records, "partitions": member.partitions},
            )
    finally:
        member.close()


async def run_kafka_projector(
    settings: Settings,
    dsn: str,
    pulse: Pulse,
    stopping: asyncio.Event,
    limits: FeedLimits | None = None,
) -> None:
    await run_in_thread(lambda stop: follow(settings, dsn, pulse, stop, limits), stopping)


def catch_up(
    settings: Settings,
    dsn: str,
    projections: Sequence[Projection] = PROJECTIONS,
    limits: FeedLimits | None = None,
) -> int:
    """Fold, alone in the group, all that the relay has published; answer the records read.

    Raises CannotFollow where a partition stops.
    """
    with connect(dsn, OPTIONS, autocommit=True) as connection:
        member = Member(settings, connection, projections, limits)
        records = 0
        try:
            relay = member.relay
            names = [projection.name for projection in projections]
            while feeds.count_behind(connection, relay, names):
                records += member.step()
                if member.stopped:
                    raise CannotFollow("; ".join(member.stopped.values()))
        finally:
            member.close()
        return records
