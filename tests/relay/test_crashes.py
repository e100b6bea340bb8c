"""A relay that is killed at every point of its round, under load, and started again."""

import re
from typing import Any

import psycopg
import pytest

from tests.faults.processes import ROOT, until
from tests.relay.stage import Stage, check

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.faults]

SOURCE = (ROOT / "workers/relaying/relay.py").read_text()
POINTS = sorted(re.findall(r'crashpoint\("(relay-[a-z-]+)"\)', SOURCE))
OCCURRENCES = (1, 2, 7)


def test_there_are_points_to_crash_at() -> None:
    assert POINTS == [
        "relay-after-checkpoint",
        "relay-after-flush",
        "relay-after-send",
        "relay-before-checkpoint",
    ]


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_point_it_loses_nothing_and_keeps_the_order(stage: Stage, point: str) -> None:
    head = stage.filler.append(1000)
    process = stage.relay(patient=True)
    for occurrence in OCCURRENCES:
        process.start(AVIARY_CRASH=f"{point}:{occurrence}")
        until(lambda: stage.filler.append(100) and process.poll() is not None, "its death")
        assert process.poll() == -9
    process.start()
    head = stage.filler.append(500)
    stage.await_position(head)
    repeated = check(stage)
    if point == "relay-before-checkpoint":
        assert repeated > 0
    if point == "relay-after-checkpoint":
        assert repeated == 0


def test_a_relay_whose_sessions_are_cut_goes_on(stage: Stage) -> None:
    """As a Postgres that starts anew would cut them."""
    stage.relay(patient=True).start()
    for _ in range(5):
        stage.await_position(stage.filler.append(500))
        head = stage.filler.append(500)
        with psycopg.connect(stage.database.app_dsn, autocommit=True) as login:
            until(lambda: len(sessions(login)) == 2, "one that reads and one that listens")
            cut = login.execute("select pg_terminate_backend(unnest(%s))", (sessions(login),))
            # The second may end itself once it sees the first cut.
            assert (True,) in cut.fetchall()
    stage.await_position(head)
    check(stage)


def sessions(login: psycopg.Connection[Any]) -> list[int]:
    found = login.execute(
        """select pid from pg_stat_activity
        where datname = current_database() and (
            query ilike 'listen%'
            or pid in (
                select pid from pg_locks
                where locktype = 'advisory' and database = datid and classid = 1919249505
            )
        )"""
    )
    return [pid for (pid,) in found]
