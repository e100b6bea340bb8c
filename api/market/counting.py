"""What was asked about markets and how it went, and how old is what we keep, for Prometheus."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from adapters.venues.connectors import connectors
from api.market.rules import Markets
from api.market.tickers import Tickers

ALL = "all"
"""In place of a connector, where the question is about all in use."""
Outcome = Literal["answered", "refused", "unreachable", "late", "failed"]


class MarketRequests:
    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str, Outcome]] = Counter()

    def count(self, connector: str, operation: str, outcome: Outcome) -> None:
        """Connectors that there are not are one: their names come from outside."""
        known = connector if connector in connectors() or connector == ALL else "unknown"
        self._counts[known, operation, outcome] += 1

    def families(self, markets: Markets, tickers: Tickers) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "market_requests",
            "Questions about markets by how they were answered.",
            labels=("connector", "operation", "outcome"),
        )
        for labels, count in sorted(self._counts.items()):
            requests.add_metric(labels, count)
        yield requests
        yield _ages("trading_rules_age_seconds", "Since they were read.", markets.ages())
        yield _ages("tickers_age_seconds", "Since they were fetched.", tickers.ages())


def _ages(name: str, text: str, found: Iterable[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=("connector",))
    for connector, seconds in found:
        family.add_metric((connector,), seconds)
    return family
