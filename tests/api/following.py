"""A client of the log's stream that reads frame after frame."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx
import msgspec
import psycopg

from tests.api.live import Live


class Frame(NamedTuple):
    id: int
    event: str
    data: Any


class Following:
    """An open stream. `events` are what happened, `next` also says positions and the end."""

    def __init__(self, answer: httpx.Response) -> None:
        self.answer = answer
        self._lines = answer.iter_lines()

    def next(self) -> Frame | None:
        """The next frame, or None when the server has ended the stream."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if not line and "data" in fields:
                data = msgspec.json.decode(fields["data"])
                return Frame(int(fields["id"]), fields["event"], data)
            if line and not line.startswith(":"):
                name, _, value = line.partition(": ")
                assert name not in fields, "a frame has each field once"
                fields[name] = value
        return None

    def wait_for_comment(self) -> list[int]:
        """Read to the next sign of life; answers the events' positions on the way."""
        found = []
        for line in self._lines:
            if line == ":":
                break
            if line.startswith("id: "):
                found.append(int(line[4:]))
        return found

    def events(self) -> Iterator[Frame]:
        while (frame := self.next()) is not None:
            if frame.event not in ("position", "end"):
                yield frame

    def until(self, position: int) -> list[int]:
        """Positions of the events up to this one."""
        found: list[int] = []
        for frame in self.events():
            found.append(frame.id)
            if frame.id >= position:
                break
        return found


@contextmanager
def following(
    live: Live, last_seen: object = None, client: httpx.Client | None = None, **query: Any
) -> Iterator[Following]:
    headers = {} if last_seen is None else {"Last-Event-ID": str(last_seen)}
    with (client or live.client).stream(
        "GET", "/audit/stream", params=query, headers=headers
    ) as answer:
        if answer.status_code != 200:
            answer.read()
        yield Following(answer)


_LISTENERS = r"""
from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid()
    and query ~ 'notification_id > .1\s+order by'
"""


def listeners(live: Live) -> int:
    """How many connections listen to the log."""
    return _counted(live, f"select count(*) {_LISTENERS}")


def cut_listener(live: Live) -> int:
    """End the connection that listens to the log, once it does; answers how many there were."""
    give_up_at = time.monotonic() + 30
    while not (cut := _counted(live, f"select count(pg_terminate_backend(pid)) {_LISTENERS}")):
        assert time.monotonic() < give_up_at, "nobody listens to the log"
        time.sleep(0.01)
    return cut


def _counted(live: Live, query: str) -> int:
    with psycopg.connect(live.database.app_dsn, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
        return int(row[0]) if row else 0
