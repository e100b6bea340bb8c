"""A load client that costs little: HTTP/1.1 over kept connections, one request at a time each.

Latencies are seconds from writing a request to reading the whole of its answer.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable

from msgspec import Struct

MakeRequest = Callable[[], bytes]
OnAnswer = Callable[[bytes, float], None]
"""Gets an answer's head in lower case and when it was whole."""


class Load(Struct):
    latencies: list[float]
    statuses: Counter[int]
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return sum(self.statuses.values()) / self.seconds

    def percentile_ms(self, percent: float) -> float:
        ordered = sorted(self.latencies)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


class _Connection(asyncio.Protocol):
    """Sends the next request as soon as the last answer is whole."""

    def __init__(
        self, make: MakeRequest, load: Load, stop_at: float, pause: float, on_answer: OnAnswer
    ) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._make, self._load, self._stop_at, self._pause = make, load, stop_at, pause
        self._on_answer = on_answer
        self._buffer = b""
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        if time.perf_counter() >= self._stop_at:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(self._make())  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, separator, body = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        lower = head.lower()
        at = lower.index(b"content-length:") + 15
        if len(body) < int(lower[at:].split(b"\r\n", 1)[0]):
            return
        self._buffer = b""
        now = time.perf_counter()
        self._load.latencies.append(now - self._sent_at)
        self._on_answer(lower, now)
        self._load.statuses[int(head[9:12])] += 1
        rest = self._sent_at + self._pause - now
        if rest > 0:
            asyncio.get_running_loop().call_later(rest, self._send)
        else:
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            if exc is None:
                self.done.set_result(None)
            else:
                self.done.set_exception(exc)


async def run_load(
    address: tuple[str, int],
    make: MakeRequest,
    *,
    connections: int,
    seconds: float,
    per_second: float | None = None,
    on_answer: OnAnswer = lambda _head, _at: None,
) -> Load:
    """Send for so long; with `per_second` each connection keeps to its share of that rate."""
    load = Load([], Counter())
    loop = asyncio.get_running_loop()
    started = time.perf_counter()
    pause = connections / per_second if per_second else 0.0
    made = []
    for _ in range(connections):
        made.append(
            await loop.create_connection(
                lambda: _Connection(make, load, started + seconds, pause, on_answer), *address
            )
        )
        if per_second:
            await asyncio.sleep(pause / connections)
    await asyncio.gather(*(protocol.done for _, protocol in made))
    load.seconds = time.perf_counter() - started
    return load


def post(path: str, body: bytes, authorization: str) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
