"""The event-sourcing library's own reading interface sees the log as we do."""

from collections.abc import Iterator

import pytest
from eventsourcing.persistence import Notification, ProgrammingError, StoredEvent

from adapters.postgres.log import PostgresLog
from commands.committer import Committer
from tests.postgres_fixture import Database
from tests.stores import check_log, empty, opening, placing

pytestmark = pytest.mark.postgres


@pytest.fixture
def log(shared: Database) -> Iterator[PostgresLog]:
    empty(shared)
    store = PostgresLog(shared.app_dsn)
    committer = Committer(store)
    for request in [*opening(), placing("av1"), placing("av2"), *opening("other")]:
        committer.execute(request)
    committer.close()
    yield store
    store.close()


def test_the_library_s_notifications_are_the_log(log: PostgresLog) -> None:
    found = log.recorder.select_notifications(start=1, limit=100)
    assert [(n.id, n.originator_id, n.originator_version, n.topic, n.state) for n in found] == [
        (e.position, e.stream, e.version, e.tag, e.payload) for e in check_log(log)
    ]
    assert all(isinstance(n, Notification) for n in found)


def test_the_library_s_pages_are_the_log_s_pages(log: PostgresLog) -> None:
    found = log.recorder.select_notifications(start=2, limit=3)
    assert [n.id for n in found] == [e.position for e in log.read_log(1, 3)] == [2, 3, 4]
    named = log.recorder.select_notifications(start=1, limit=9, topics=["order.placed.v1"])
    assert [n.id for n in named] == [3, 4]


def test_the_library_s_last_position_is_the_head(log: PostgresLog) -> None:
    assert log.recorder.max_notification_id() == log.head().position == 6


def test_the_library_s_streams_are_ours(log: PostgresLog) -> None:
    found = log.recorder.select_events("account-main")
    assert [(e.originator_version, e.topic, e.state) for e in found] == [
        (e.version, e.tag, e.payload) for e in log.read_stream("account-main")
    ]
    later = log.recorder.select_events("account-main", gt=1, limit=1)
    assert [e.originator_version for e in later] == [2]


def test_the_library_cannot_write_what_was_not_decided(log: PostgresLog) -> None:
    with pytest.raises(ProgrammingError, match="without receipt and seal were not stored"):
        log.recorder.insert_events([StoredEvent("account-main", 3, "t.v1", b"{}")])
    assert len(check_log(log)) == 6


def test_the_library_s_unlocked_functions_are_off(log: PostgresLog) -> None:
    assert log.recorder.datastore.enable_db_functions is False
