"""Counters for Prometheus: of this process, and of the whole as the store shows it.

The names and what they say stand in `_families`; durations are seconds.
"""

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any

from litestar.types import Scope
from msgspec import Struct
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

_LIMITS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_PROCESS = ("worker", "process")


class Seen(Struct, frozen=True, kw_only=True):
    """What the store and the committer say at the moment of the scrape."""

    commands: Mapping[tuple[str, str], int]
    commands_in_flight: int
    followers: int
    events_sent: int
    login_failures: int
    log_position: int
    checkpoints: Sequence[tuple[str, int]]
    unknown_orders: int
    unknown_oldest_seconds: float
    position_differences: int
    portfolios: Sequence[tuple[str, float, Sequence[str]]]
    """Account, seconds since its last snapshot, connectors that were silent then."""
    workers: Sequence[tuple[str, str, float, Mapping[str, Any]]]
    """Name, process, seconds since its last sign of life, its own counts."""
    halted: Sequence[tuple[str, int]]
    """Read models that have stopped, and at which event."""
    parked: Sequence[tuple[str, int]]


class _Route(Struct):
    """Answers of one method and route."""

    statuses: Counter[int]
    by_duration: list[int]
    """How many took at most so long, one for each of the limits and one for all above."""
    seconds: float = 0.0


class Metrics:
    def __init__(self) -> None:
        self.commands_in_flight = 0
        self.sources: list[Callable[[], Iterable[Metric]]] = []
        """Of others, asked at each scrape."""
        self._routes: dict[tuple[str, str], _Route] = {}

    def count(self, scope: Scope, status: int) -> None:
        """Count an answer; the gate has left the time at which the request came."""
        found: Any = scope
        started_at = found.get("state", {}).get("started_at")
        key = (found["method"], found["path_template"] if started_at else "unknown")
        route = self._routes.get(key)
        if route is None:
            route = self._routes[key] = _Route(Counter(), [0] * (len(_LIMITS) + 1))
        route.statuses[status] += 1
        if started_at is not None:
            seconds = time.perf_counter() - started_at
            route.seconds += seconds
            route.by_duration[bisect_left(_LIMITS, seconds)] += 1

    def text(self, seen: Seen) -> bytes:
        registry = CollectorRegistry()
        others = chain.from_iterable(source() for source in self.sources)
        registry.register(_Once([*self._families(), *_families(seen), *others]))
        return generate_latest(registry)

    def _families(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "http_requests", "Answers given.", labels=("method", "route", "status")
        )
        durations = HistogramMetricFamily(
            "http_request_seconds",
            "From the first look at a request to its answer.",
            labels=("method", "route"),
        )
        for labels, route in sorted(self._routes.items()):
            for status, count in sorted(route.statuses.items()):
                requests.add_metric((*labels, str(status)), count)
            reached = accumulate(route.by_duration)
            buckets = list(zip((*map(str, _LIMITS), "+Inf"), reached, strict=True))
            durations.add_metric(labels, buckets, route.seconds)
        yield requests
        yield durations


class _Once:
    """What prometheus_client asks a registry's content to be."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _families(seen: Seen) -> Iterator[Metric]:
    commands = CounterMetricFamily(
        "commands", "Commands of this process.", labels=("command", "outcome")
    )
    for labels, count in sorted(seen.commands.items()):
        commands.add_metric(labels, count)
    yield commands
    yield _gauge("commands_in_flight", "Commands under way.", seen.commands_in_flight)
    yield CounterMetricFamily("login_failures", "Refused credentials.", value=seen.login_failures)
    yield _gauge("log_position", "The last position of the log.", seen.log_position)
    yield _gauge("followers", "Clients that follow the log.", seen.followers)
    yield CounterMetricFamily("followed_events", "Events sent to them.", value=seen.events_sent)
    lag = GaugeMetricFamily(
        "projection_lag_events", "Events not folded yet.", labels=("projection",)
    )
    for name, position in seen.checkpoints:
        lag.add_metric((name,), max(0, seen.log_position - position))
    yield lag
    unknown, oldest = seen.unknown_orders, seen.unknown_oldest_seconds
    yield _gauge("order_outcome_unknown", "Orders with unknown outcome.", unknown)
    yield _gauge("order_outcome_unknown_oldest_seconds", "Age of the oldest of them.", oldest)
    text = "Pairs whose position at the venue is not what our own fills come to."
    yield _gauge("position_differences", text, seen.position_differences)
    yield from _portfolios(seen)
    parked = GaugeMetricFamily("parked_keys", "Keys whose events wait.", labels=("projection",))
    for name, keys in seen.parked:
        parked.add_metric((name,), keys)
    yield parked
    halted = GaugeMetricFamily(
        "halted_position", "Event at which a read model has stopped.", labels=("projection",)
    )
    for name, position in seen.halted:
        halted.add_metric((name,), position)
    yield halted
    yield from _workers(seen)


def _portfolios(seen: Seen) -> Iterator[Metric]:
    ages = GaugeMetricFamily(
        "portfolio_age_seconds", "Since an account's last snapshot.", labels=("account",)
    )
    silent = GaugeMetricFamily(
        "portfolio_venue_silent",
        "Venues that did not tell what an account holds when they were last asked.",
        labels=("account", "connector"),
    )
    for account, seconds, connectors in seen.portfolios:
        ages.add_metric((account,), seconds)
        for connector in connectors:
            silent.add_metric((account, connector), 1)
    yield ages
    yield silent


def _workers(seen: Seen) -> Iterator[Metric]:
    alive = GaugeMetricFamily(
        "worker_alive_seconds", "Since its last sign of life.", labels=_PROCESS
    )
    details: dict[str, GaugeMetricFamily] = {}
    for worker, process, alive_seconds, detail in seen.workers:
        alive.add_metric((worker, process), alive_seconds)
        for name, value in detail.items():
            if isinstance(value, int | float) and name.isidentifier():
                metric = f"worker_{name}"
                family = details.setdefault(
                    name, GaugeMetricFamily(metric, "A worker's own count.", labels=_PROCESS)
                )
                family.add_metric((worker, process), value)
    yield alive
    yield from details.values()


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, text, value=value)
