"""Both stores behind one face, a migrated database to copy, and ways to hold or break a store."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from decimal import Decimal

import psycopg
import pytest
from msgspec import Struct, structs

from adapters.memory import MemoryStore
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.log import PostgresLog
from commands.request import Command, Request, command_id_of
from commands.seal import verify_page
from commands.store import Append, Store
from domain.account import AddConnector, OpenAccount
from domain.log import Fence, Head, Receipt, Recorded, StoreUnavailable
from domain.order_messages import CancelOrder, PlaceOrder
from tests.messages import PLACE
from tests.postgres_fixture import Database, fresh_database
from workers.running.database import Dsns, migrate_for


@pytest.fixture(scope="session")
def migrated(cluster: EmbeddedPostgres) -> Callable[[], Database]:
    """Return the factory of databases with every migration applied."""
    template = fresh_database(cluster)
    migrate_for(Dsns(template.app_dsn, template.owner_dsn))
    return lambda: fresh_database(cluster, template)


_EMPTY = """
truncate events, receipts, leases, checkpoints, parked, orders, trades, open_effects, api_keys,
    relays, relay_partitions, feed_partitions, questions, accounts, credentials, vault, vault_salt,
    tallies, switches, limits, positions, position_baselines, net_fills, perpetuals, funding,
    position_looks, funding_cursors, pnl, halts, position_changes,
    portfolios, portfolio_snapshots, candles, candle_spans, candle_archives, lake_spool;
update lake_exports set night_us = 0, asked = 0, is_afresh = false;
update log_head set position = 0, seal = decode(repeat('00', 32), 'hex'), tallied = 0
"""


def empty(database: Database) -> None:
    """Take a database back to where migrations left it, faster than a new one is made."""
    with psycopg.connect(database.owner_dsn) as owner:
        owner.execute(_EMPTY)


@pytest.fixture(scope="session")
def shared(migrated: Callable[[], Database]) -> Database:
    """Return one migrated database for all tests that empty it first."""
    return migrated()


class Opened(Struct, frozen=True):
    """A store under test; `again` opens it once more, as another process would."""

    store: Store
    again: Callable[[], Store]
    lend: Callable[[str, int], None]
    """Give an account's lease this number."""
    database: Database | None = None


@contextmanager
def open_memory() -> Iterator[Opened]:
    store = MemoryStore()
    yield Opened(store, lambda: store, store.leases.__setitem__)


@contextmanager
def open_postgres(database: Database) -> Iterator[Opened]:
    opened: list[PostgresLog] = []

    def again() -> PostgresLog:
        opened.append(PostgresLog(database.app_dsn))
        return opened[-1]

    def lend(account: str, lease: int) -> None:
        with psycopg.connect(database.owner_dsn) as owner:
            owner.execute(
                """insert into leases values (%s, %s, 'test', now() + interval '1 hour')
                on conflict (account) do update set lease = excluded.lease""",
                (account, lease),
            )

    try:
        yield Opened(again(), again, lend, database)
    finally:
        for store in opened:
            store.close()


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.postgres)])
def opened(request: pytest.FixtureRequest) -> Iterator[Opened]:
    if request.param == "memory":
        with open_memory() as memory:
            yield memory
    else:
        database: Database = request.getfixturevalue("shared")
        empty(database)
        with open_postgres(database) as postgres:
            yield postgres


class WatchedStore:
    """A store that tells when a transaction begins, and can break around COMMIT on order.

    `faults` is used up one a commit: "before" fails without storing, "after" stores and then
    loses the answer, "" lets it pass.
    """

    def __init__(self, store: Store) -> None:
        self.began = threading.Semaphore(0)
        self.faults: list[str] = []
        self.batches: list[int] = []
        """Receipts written, by transaction that committed."""
        self._store = store

    @contextmanager
    def append(self) -> Iterator[Append]:
        self.began.release()
        with self._store.append() as append:
            yield WatchedAppend(append, self)

    def head(self) -> Head:
        return self._store.head()

    def read_stream(
        self, stream: str, after: int = 0, limit: int | None = None
    ) -> Sequence[Recorded]:
        return self._store.read_stream(stream, after, limit)

    def last_of(self, stream: str, tags: Sequence[str]) -> int:
        return self._store.last_of(stream, tags)

    def read_log(self, after: int, limit: int) -> Sequence[Recorded]:
        return self._store.read_log(after, limit)

    def read_tallies(self) -> Mapping[str, bytes]:
        return self._store.read_tallies()

    def find_receipts(self, command_ids: Sequence[str]) -> Mapping[str, Receipt]:
        return self._store.find_receipts(command_ids)

    def close(self) -> None:
        self._store.close()


class WatchedAppend:
    def __init__(self, append: Append, watched: WatchedStore) -> None:
        self.lock = append.lock
        self.look = append.look
        self.write_tallies = append.write_tallies
        self.drop_tallies = append.drop_tallies
        self.write_events = append.write_events
        self._append = append
        self._watched = watched
        self._receipts = 0

    def write_receipts(self, receipts: Sequence[Receipt]) -> None:
        self._receipts = len(receipts)
        self._append.write_receipts(receipts)

    def commit(self) -> None:
        fault = self._watched.faults.pop(0) if self._watched.faults else ""
        if fault == "before":
            raise StoreUnavailable("The connection broke before COMMIT was sent.")
        self._append.commit()
        if fault == "after":
            raise StoreUnavailable("The connection broke before COMMIT was answered.")
        self._watched.batches.append(self._receipts)


@contextmanager
def held(opened: Opened) -> Iterator[None]:
    """Hold the log's lock as another writer would, and leave without a trace."""
    context: AbstractContextManager[Append] = opened.again().append()
    with context as append:
        append.lock()
        yield


def request_for(
    stream: str,
    command: Command,
    key: str,
    *,
    actor: str = "alice",
    body: bytes = b"",
    fence: Fence | None = None,
) -> Request:
    """Make a client's request, whose command id is a function of actor and key."""
    command_id = command_id_of(actor, key)
    return Request(
        command_id=command_id,
        actor=actor,
        stream=stream,
        command=command,
        request_hash=body or repr(command).encode(),
        correlation_id=command_id,
        fence=fence,
    )


def opening(account: str = "main") -> list[Request]:
    """Requests that open an account with the paper connector."""
    return [
        request_for(f"account-{account}", OpenAccount(account), f"open {account}"),
        request_for(f"account-{account}", AddConnector(account, "paper"), f"connect {account}"),
    ]


def placing(
    order: str, key: str | None = None, *, actor: str = "alice", quantity: str = "1.0"
) -> Request:
    command: PlaceOrder = structs.replace(PLACE, client_order_id=order, quantity=Decimal(quantity))
    return request_for(f"order-{order}", command, key or f"place {order}", actor=actor)


def cancelling(order: str, key: str | None = None) -> Request:
    return request_for(f"order-{order}", CancelOrder(), key or f"cancel {order}")


def check_log(store: Store) -> list[Recorded]:
    """Assert that positions are dense, versions without holes and seals right; return the log."""
    log = list(store.read_log(0, 1_000_000))
    assert [event.position for event in log] == list(range(1, len(log) + 1))
    versions: dict[str, int] = {}
    for event in log:
        assert event.version == versions.get(event.stream, 0) + 1
        versions[event.stream] = event.version
    assert verify_page(Head(), log) == store.head()
    return log
