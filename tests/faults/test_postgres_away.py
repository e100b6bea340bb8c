"""Postgres ends in the middle of a burst and comes back; processes are not started again."""

import shutil
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path

import pytest

from adapters.postgres.embedded import EmbeddedPostgres, StopMode
from tests.faults.burst import run_burst
from tests.faults.clients import HttpClient, Insistent
from tests.faults.judge import judge
from tests.faults.processes import until
from tests.faults.world import World, fresh_world, seeded_database
from tests.postgres_fixture import Database, fresh_database

pytestmark = [pytest.mark.faults, pytest.mark.postgres]


@pytest.fixture(scope="module")
def own_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """A server with every safety on, that may be stopped."""
    folder = tmp_path_factory.mktemp("own")
    with EmbeddedPostgres(folder) as server:
        yield server
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def own_template(own_cluster: EmbeddedPostgres) -> Database:
    return seeded_database(own_cluster)


@pytest.fixture
def own_scene(
    tmp_path: Path, own_cluster: EmbeddedPostgres, own_template: Database
) -> Iterator[World]:
    def make(template: Database) -> Database:
        return fresh_database(own_cluster, template)

    with fresh_world(tmp_path, make, own_template) as made:
        yield made


def end(server: EmbeddedPostgres, mode: StopMode) -> None:
    server.request_stop(mode)
    until(lambda: server.poll() is not None, f"Postgres ends ({mode})")


def begin(server: EmbeddedPostgres) -> None:
    server.launch()
    until(server.ready, "Postgres is back")


class Outages:
    """One short absence, and one that lasts until a client has been told of it."""

    def __init__(self, server: EmbeddedPostgres, mode: StopMode, client: HttpClient) -> None:
        self.done = 0
        self.read_statuses: set[int] = set()
        self._server, self._mode, self._client = server, mode, client
        self._retries = 0

    def tend(self, sender: Insistent) -> None:
        if self.done == 2 or len(sender.placed) < 20 * (self.done + 1):
            return
        end(self._server, self._mode)
        if self.done:
            known = sender.retries
            until(lambda: sender.retries > known, "a client is told that the store is away")
            search = self._client.call("POST", "/trading/orders/search", {"limit": 10})
            self.read_statuses = {search.status, self._client.call("GET", "/ready").status}
        begin(self._server)
        self.done += 1


@pytest.mark.parametrize("mode", ["fast", "immediate"])
def test_orders_survive_postgres_stopping_and_everyone_resumes_alone(
    own_scene: World, own_cluster: EmbeddedPostgres, mode: StopMode
) -> None:
    worker = own_scene.worker().start()
    door = own_scene.door("api").start()
    client = HttpClient(own_scene.door_port)
    outages = Outages(own_cluster, mode, client)
    sender = run_burst(own_scene, client, 21, tend=outages.tend, is_over=lambda: outages.done == 2)
    assert outages.read_statuses == {HTTPStatus.SERVICE_UNAVAILABLE}
    until(lambda: client.call("GET", "/ready").status == HTTPStatus.OK, "the API is ready again")
    assert (worker.poll(), door.poll()) == (None, None)
    judge(own_scene, sender)
