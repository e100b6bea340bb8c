"""How much of an account's stream is read to find its last snapshot by a position."""

from typing import Any

import psycopg
import pytest

from domain import portfolio
from domain.portfolio import PortfolioObserved
from projections import queries
from tests.api.conftest import live
from tests.api.holding import NOON_US, observe
from tests.api.live import Live

__all__ = ["live"]
pytestmark = pytest.mark.postgres
MAIN = "master_account"


def removed(plan: dict[str, Any]) -> int:
    """Rows that were looked at in vain, in the plan and all below it."""
    own = sum(plan.get(name, 0) for name in plan if name.startswith("Rows Removed"))
    return int(own * plan["Actual Loops"]) + sum(map(removed, plan.get("Plans", ())))


def test_an_early_snapshot_is_found_without_a_walk_over_all_later_ones(live: Live) -> None:
    early = observe(live, MAIN, NOON_US, {"paper": {"EUR": ("1", "1")}})
    for number in range(1, 300):
        observe(live, MAIN, NOON_US + number, {"paper": {"EUR": (str(number), "1")}})
    query = queries.load("pnl")["observed"]
    values = {
        "streams": [portfolio.stream(MAIN), portfolio.stream("nobody")],
        "tag": str(PortfolioObserved.__struct_config__.tag),
        "position": early,
    }
    with psycopg.connect(live.database.owner_dsn) as reader:
        reader.execute("set enable_seqscan = off")  # So few events that a scan costs nothing.
        for position in (early, early + 150, live.head()):
            values["position"] = position
            ((found, *_),) = reader.execute(query.encode(), values).fetchall()
            assert found == position
            explained = reader.execute(f"explain (analyze, format json) {query}".encode(), values)
            ((((whole,),),)) = explained.fetchall()
            assert removed(whole["Plan"]) < 100, position
        values["position"] = early - 1
        assert reader.execute(query.encode(), values).fetchall() == []
