"""The WebSockets of market data that are open in this process: how many may be, what they took."""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

HEARTBEAT_SECONDS = 30.0
STALL_SECONDS = 20.0


class Open(Protocol):
    """What is asked of a connection from outside."""

    @property
    def sent(self) -> int:
        """Frames."""

    @property
    def dropped(self) -> int:
        """Frames and trades that it did not get, and was told so."""

    @property
    def subscribed(self) -> int: ...

    async def end(self) -> None:
        """Say goodbye; the server stops."""


class OpenSockets:
    def __init__(
        self,
        connections_max: int,
        *,
        heartbeat_seconds: float = HEARTBEAT_SECONDS,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        """A client that takes nothing for `stall_seconds` is cut."""
        self.heartbeat_seconds = heartbeat_seconds
        self.stall_seconds = stall_seconds
        self.is_ending = False
        self.refused = 0
        self._connections_max = connections_max
        self._open: dict[Open, str] = {}
        self._by_caller = Counter[str]()
        self._sent = 0
        self._dropped = 0

    def full(self, caller: str) -> str | None:
        """Why there is no place, if there is none."""
        most, own = self._connections_max, self._by_caller[caller]
        if self.is_ending:
            return "The server stops. Try again shortly."
        if len(self._open) >= most:
            return f"{most} connections are open, as many as may. Try again later."
        if own >= most - most // 2:
            return f"{own} of {most} places are {caller}'s already. The others are for others."
        return None

    def add(self, opened: Open, caller: str) -> None:
        self._open[opened] = caller
        self._by_caller[caller] += 1

    def discard(self, closed: Open) -> None:
        caller = self._open.pop(closed)
        self._by_caller[caller] -= 1
        if not self._by_caller[caller]:
            del self._by_caller[caller]
        self._sent += closed.sent
        self._dropped += closed.dropped

    async def end(self) -> None:
        """Let nobody in any more and say goodbye to all."""
        self.is_ending = True
        await asyncio.gather(*(opened.end() for opened in self._open))

    def families(self) -> Iterable[Metric]:
        subscribed = sum(opened.subscribed for opened in self._open)
        sent = self._sent + sum(opened.sent for opened in self._open)
        dropped = self._dropped + sum(opened.dropped for opened in self._open)
        yield GaugeMetricFamily("sockets", "Open WebSockets of market data.", value=len(self._open))
        yield GaugeMetricFamily("socket_subscriptions", "What they listen to.", value=subscribed)
        yield CounterMetricFamily("socket_frames", "Frames sent to them.", value=sent)
        text = "Frames and trades that slow clients did not get; they were told how many."
        yield CounterMetricFamily("socket_dropped", text, value=dropped)
        text = "WebSockets that were not let in."
        yield CounterMetricFamily("sockets_refused", text, value=self.refused)
