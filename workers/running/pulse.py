"""Each worker's sign of life: what it is doing and how far it has come, for /ready and metrics."""

import os
import socket
import time

from msgspec import Struct


class Pulse(Struct):
    """Written by its worker, read by the runner that stores it."""

    name: str
    state: str = "starting"
    position: int | None = None
    detail: dict[str, int] = {}
    beaten_at: float = 0.0
    """Monotonic seconds of the last beat: a worker that stopped beating is not alive."""

    def beat(
        self,
        state: str,
        *,
        position: int | None = None,
        detail: dict[str, int] | None = None,
    ) -> None:
        self.state = state
        self.beaten_at = time.monotonic()
        if position is not None:
            self.position = position
        if detail is not None:
            self.detail = detail


def process_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
