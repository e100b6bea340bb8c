from collections.abc import Callable, Iterator

import pytest

from tests.portfolio.world import World, world_on
from tests.postgres_fixture import Database
from workers.dispatching import portfolios


@pytest.fixture
def world(migrated: Callable[[], Database], monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """The master account with the paper connector, and nothing observed yet."""
    monkeypatch.setattr(portfolios, "AFTER_FILL_SECONDS", 0.3)
    with world_on(migrated()) as found:
        yield found
