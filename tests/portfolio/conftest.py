from collections.abc import Callable, Iterator

import pytest

from api.accounts import asking
from tests.portfolio.world import World, world_on
from tests.postgres_fixture import Database
from workers.dispatching import portfolios
from workers.dispatching.portfolio_looks import Patience


@pytest.fixture
def world(migrated: Callable[[], Database], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The master account with the paper connector, and nothing observed yet."""
    monkeypatch.setattr(portfolios, "AFTER_FILL_SECONDS", 0.3)
    # Who is silent here is so because a test wants it, never because the machine is slow.
    monkeypatch.setattr(portfolios, "IN_TURN", Patience(20.0, 60.0, 60.0))
    monkeypatch.setattr(portfolios, "AT_ONCE", Patience(20.0, 60.0, 0.0))
    monkeypatch.setattr(asking, "TAKEN_SECONDS", 60.0)
    monkeypatch.setattr(asking, "ANSWERED_SECONDS", 90.0)
    with world_on(migrated()) as found:
        yield found
