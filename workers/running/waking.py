"""How a follower of the log is woken: by what a connection that listens has been told."""

import select
from typing import Any

import psycopg

from workers.running.threads import Stop


def wait_for_log(
    wake: psycopg.Connection[Any], seconds: float, stopping: Stop | None = None
) -> None:
    """Until the log has grown, `seconds` at most; 0 takes what has been told and does not wait.

    A stop ends the wait at once.

    What is not taken stays on the server, in one queue for all databases: when that is full, no
    transaction that notifies can commit. A follower that is never idle must take it too.
    """
    if seconds and not _take(wake):
        poll = select.poll()
        for file in (wake, stopping) if stopping is not None else (wake,):
            poll.register(file, select.POLLIN)
        poll.poll(seconds * 1000)
    while _take(wake):
        pass  # One call reads no more than a buffer's worth.


def _take(wake: psycopg.Connection[Any]) -> bool:
    return bool(list(wake.notifies(timeout=0, stop_after=1)))
