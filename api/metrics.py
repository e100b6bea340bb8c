"""Counters for Prometheus: of this process, and of the whole as the store shows it.

The names and what they say stand in `_families`; durations are seconds.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Seen(Struct, frozen=True, kw_only=True):
    """What the store and the committer say at the moment of the scrape."""

    commands: Mapping[tuple[str, str], int]
    commands_in_flight: int
    login_failures: int
    log_position: int
    checkpoints: Sequence[tuple[str, int]]
    unknown_orders: int
    unknown_oldest_seconds: float
    workers: Sequence[tuple[str, str, float, int | None, Mapping[str, Any]]]
    parked: Sequence[tuple[str, int]]


class Metrics:
    def __init__(self) -> None:
        self.commands_in_flight = 0
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "aviary_http_requests",
            "Answers given.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self._seconds = Histogram(
            "aviary_http_request_seconds",
            "From the first look at a request to the begin of its answer.",
            ("method", "route"),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        self._children: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}

    def count(self, method: str, route: str, status: int, started_at: float | None) -> None:
        key = (method, route, status)
        child = self._children.get(key)
        if child is None:
            child = (
                self._requests.labels(method, route, str(status)),
                self._seconds.labels(method, route),
            )
            self._children[key] = child
        child[0].inc()
        if started_at is not None:
            child[1].observe(time.perf_counter() - started_at)

    def text(self, seen: Seen) -> bytes:
        registry = CollectorRegistry()
        registry.register(_Once(_families(seen)))
        return generate_latest(self._registry) + generate_latest(registry)


class _Once:
    """What prometheus_client asks a registry's content to be."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families


def _families(seen: Seen) -> Iterator[Metric]:
    commands = CounterMetricFamily(
        "aviary_commands", "Commands of this process.", labels=("command", "outcome")
    )
    for labels, count in sorted(seen.commands.items()):
        commands.add_metric(labels, count)
    yield commands
    yield _gauge("commands_in_flight", "Commands under way.", seen.commands_in_flight)
    yield CounterMetricFamily(
        "aviary_login_failures", "Refused credentials.", value=seen.login_failures
    )
    yield _gauge("log_position", "The last position of the log.", seen.log_position)
    lag = GaugeMetricFamily(
        "aviary_projection_lag_events", "Events not folded yet.", labels=("projection",)
    )
    for name, position in seen.checkpoints:
        lag.add_metric((name,), max(0, seen.log_position - position))
    yield lag
    unknown, oldest = seen.unknown_orders, seen.unknown_oldest_seconds
    yield _gauge("order_outcome_unknown", "Orders with unknown outcome.", unknown)
    yield _gauge("order_outcome_unknown_oldest_seconds", "Age of the oldest of them.", oldest)
    parked = GaugeMetricFamily(
        "aviary_parked_keys", "Keys whose events wait.", labels=("projection",)
    )
    for name, keys in seen.parked:
        parked.add_metric((name,), keys)
    yield parked
    yield from _workers(seen)


def _workers(seen: Seen) -> Iterator[Metric]:
    alive = GaugeMetricFamily(
        "aviary_worker_alive_seconds", "Since its last sign of life.", labels=("worker",)
    )
    details: dict[str, GaugeMetricFamily] = {}
    for worker, _, alive_seconds, _, detail in seen.workers:
        alive.add_metric((worker,), alive_seconds)
        for name, value in detail.items():
            if isinstance(value, int | float) and name.isidentifier():
                metric = f"aviary_worker_{name}"
                family = details.setdefault(
                    name, GaugeMetricFamily(metric, "A worker's own count.", labels=("worker",))
                )
                family.add_metric((worker,), value)
    yield alive
    yield from details.values()


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"aviary_{name}", text, value=value)
