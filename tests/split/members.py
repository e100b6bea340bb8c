"""Every part as a process of its own, as on several machines: two API processes share secrets that
lie in files, and nothing else. Killed members are started again, as their containers would be.
"""

import base64
import itertools
import secrets
from pathlib import Path

from psycopg import connect

from tests.faults.clients import Answer, HttpClient, Reply, Unanswered
from tests.faults.intents import Intent
from tests.faults.processes import Process, until
from tests.faults.world import World
from tests.ports import free_port
from tests.postgres_fixture import Database

WORKERS = ("dispatcher", "projector", "scheduler", "relay")
PASSWORD = "correct horse"
START_SECONDS = 120.0


class Split(World):
    """A world whose door is two API processes, with a Kafka behind them."""

    def __init__(self, folder: Path, database: Database, bootstrap: str) -> None:
        super().__init__(folder, database)
        self.prefix = f"split-{secrets.token_hex(4)}"
        del self.environment["DATABASE_URL"], self.environment["AVIARY_MIGRATE_DATABASE_URL"]
        self.environment |= {
            "DATABASE_URL_FILE": self._secret("database_url", database.app_dsn),
            "AVIARY_MIGRATE_DATABASE_URL_FILE": self._secret("owner_url", database.owner_dsn),
            "PASSWORD_FILE": self._secret("password", PASSWORD),
            "AVIARY_MASTER_KEY_FILE": self._secret("key", base64.b64encode(b"k" * 32).decode()),
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "AVIARY_KAFKA_TOPIC_PREFIX": self.prefix,
            "AVIARY_KAFKA_PARTITIONS": "3",
        }
        self.ports = (free_port(), free_port())
        self.apis = [
            self.door("api", port, AVIARY_DATA_DIR=str(folder / f"host-{number}"))
            for number, port in enumerate(self.ports)
        ]
        self.clients = [HttpClient(port, login_of("admin", PASSWORD)) for port in self.ports]

    def _secret(self, name: str, value: str) -> str:
        path = self.folder / name
        path.write_text(value + "\n")
        return str(path)

    def start(self, *workers: str) -> list[Process]:
        """Both API processes and workers of these names; answers all once both say ready."""
        members = [api.start() for api in self.apis]
        for number, name in enumerate(workers):
            members.append(self.worker(name, alias=f"worker-{name}-{number}").start())
        return members

    def until_ready(self) -> None:
        for client in self.clients:
            until(lambda client=client: is_ready(client), "the API is ready", START_SECONDS)  # type: ignore[misc]

    def feeds(self) -> list[tuple[object, ...]]:
        return self.rows("select projection, feed from checkpoints")

    def least_read(self) -> int:
        """How far the read model is that is least far."""
        return int(str(self.value("select min(position) from read_positions")))

    def relayed(self) -> int:
        return int(str(self.value("select position from relays")))

    def rows(self, query: str) -> list[tuple[object, ...]]:
        with connect(self.database.owner_dsn) as owner:
            return owner.execute(query.encode()).fetchall()

    def value(self, query: str) -> object:
        return self.rows(query)[0][0]


def login_of(username: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def is_ready(client: HttpClient) -> bool:
    try:
        return client.call("GET", "/ready").status == 200
    except Unanswered:
        return False


class BothDoors:
    """Sends by turns to either API, so that a request is repeated at the other one."""

    def __init__(self, clients: list[HttpClient]) -> None:
        self._turns = itertools.cycle(clients)

    def send(self, intent: Intent) -> Answer:
        return next(self._turns).send(intent)


def bearer(port: int, token: str) -> HttpClient:
    return HttpClient(port, f"Bearer {token}")


def answered(reply: Reply, status: int = 200) -> Reply:
    assert reply.status == status, reply
    return reply
