"""How a follower of the log is woken: by what a connection that listens has been told."""

from typing import Any

import psycopg


def wait_for_log(wake: psycopg.Connection[Any], seconds: float) -> None:
    """Until the log has grown, `seconds` at most; 0 takes what has been told and does not wait.

    What is not taken stays on the server, in one queue for all databases: when that is full, no
    transaction that notifies can commit. A follower that is never idle must take it too.
    """
    while list(wake.notifies(timeout=seconds, stop_after=1)):
        seconds = 0  # One call reads no more than a buffer's worth.
