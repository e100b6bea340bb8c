"""Postgres on a disk that fills up: writes are refused whole, reads go on, and space is the cure.

When the write-ahead log itself finds no room the server ends itself and cannot start again before
there is some; whoever supervises it tries until it can, as the test does here.
"""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path

import psycopg
import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.installation import EmbeddedPostgresError
from adapters.settings import load
from tests.faults.clients import HttpClient, Insistent
from tests.faults.intents import Place
from tests.faults.judge import fold_orders, judge, read_log, settle
from tests.faults.processes import until
from tests.faults.world import World, seeded_database, world
from workers.tools.checking import verify_database

pytestmark = [pytest.mark.faults, pytest.mark.postgres]

DISK = "160m"
ORDERS_MAX = 3000


class Disk:
    """A small file system of its own, and the ballast that fills it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        with self._ballast.open("ab", buffering=0) as ballast:
            for size in (1 << 20, 4096):
                try:
                    while True:
                        ballast.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise

    def free(self) -> None:
        self._ballast.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk")
    try:
        yield Disk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S607


@pytest.fixture
def server(disk: Disk) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(disk.folder) as started:
        yield started


@pytest.fixture
def small(tmp_path: Path, server: EmbeddedPostgres) -> Iterator[World]:
    """A world whose database lies on the small disk, with one order that is settled."""
    with world(tmp_path, seeded_database(server)) as made:
        made.worker().start()
        made.door("api").start()
        yield made


def place_until_refused(client: HttpClient, sender: Insistent) -> Place:
    """Orders until the store takes no more; answers the one that it refused."""
    for number in range(ORDERS_MAX):
        place = Place(f"fills-{number}")
        reply = client.request(place)
        if reply.status == HTTPStatus.SERVICE_UNAVAILABLE:
            assert reply.body["code"] == "store_unavailable", reply
            return place
        assert reply.status == HTTPStatus.CREATED, reply
        sender.send(place)
    raise AssertionError(f"the disk took {ORDERS_MAX} orders")


def test_on_a_full_disk_nothing_is_half_written_and_reads_go_on(
    small: World, server: EmbeddedPostgres, disk: Disk
) -> None:
    client = HttpClient(small.door_port)
    sender = Insistent(client)
    sender.send(Place("first"))
    settle(small)
    pid = server.pid
    disk.fill()
    refused = place_until_refused(client, sender)

    assert refused.order not in fold_orders(read_log(small.database.app_dsn))
    code, text = verify_database(load(small.environment, env_file=None), lambda *_: None)
    assert code == 0, text
    assert client.call("POST", "/trading/orders/search", {}).status == HTTPStatus.OK
    assert client.request(refused).status == HTTPStatus.SERVICE_UNAVAILABLE

    disk.free()
    assert not sender.send(refused).is_replay
    assert (server.pid, server.poll()) == (pid, None)
    assert [process.poll() for process in small.processes] == [None, None]
    judge(small, sender)


def test_without_room_for_the_write_ahead_log_all_wait_for_space_and_resume(
    small: World, server: EmbeddedPostgres, disk: Disk
) -> None:
    client = HttpClient(small.door_port)
    sender = Insistent(client)
    sender.send(Place("first"))
    settle(small)
    with psycopg.connect(server.dsn("superuser"), autocommit=True) as superuser:
        superuser.execute("select 1")  # A new session would need room on the disk.
        disk.fill()
        # Another session's next write ends the server, at times before this one was answered.
        with suppress(psycopg.OperationalError):
            superuser.execute("select pg_switch_wal()")
    refused = place_until_refused(client, sender)
    until(lambda: server.poll() is not None, "Postgres ends")
    assert client.call("POST", "/trading/orders/search", {}).status != HTTPStatus.OK

    disk.free()
    until(lambda: starts(server), "Postgres is back")
    assert not sender.send(refused).is_replay
    assert [process.poll() for process in small.processes] == [None, None]
    judge(small, sender)


def starts(server: EmbeddedPostgres) -> bool:
    """Try as a supervisor does; answers whether the server takes commands."""
    try:
        if server.poll() is not None:
            server.launch()
        return server.ready()
    except EmbeddedPostgresError:
        return False
