"""The least that a durable group commit can do: one lock, one insert, one NOTIFY a batch.

The limit beside which ours is printed: no receipts, no decisions, no seal, no metadata.
"""

import asyncio
import threading
from collections import deque

from adapters.postgres.connect import connect

TABLE = """
create table if not exists minimal_log (
    seq bigint primary key,
    stream text not null,
    version bigint not null,
    payload bytea not null,
    unique (stream, version)
)
"""
_INSERT = """
with stored as (
    insert into minimal_log
    select * from unnest(%b::bigint[], %b::text[], %b::bigint[], %b::bytea[])
)
select pg_notify('minimal_log', '')
"""
BATCH_MAX = 256


class MinimalLog:
    def __init__(self, dsn: str) -> None:
        self._connection = connect(dsn, "", autocommit=False)
        self._connection.execute(TABLE)
        row = self._connection.execute("select coalesce(max(seq), 0) from minimal_log").fetchone()
        self._seq = row[0] if row else 0
        self._connection.commit()
        self._waiting: deque[tuple[str, bytes, asyncio.Future[int]]] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def append(self, stream: str, payload: bytes) -> "asyncio.Future[int]":
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        with self._wake:
            self._waiting.append((stream, payload, future))
            if len(self._waiting) == 1:
                self._wake.notify()
        return future

    def close(self) -> None:
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while batch := self._take():
            numbers = list(range(self._seq + 1, self._seq + 1 + len(batch)))
            self._connection.execute("select pg_advisory_xact_lock(42)")
            self._connection.execute(
                _INSERT,
                (numbers, [s for s, _, _ in batch], [1] * len(batch), [p for _, p, _ in batch]),
                prepare=True,
            )
            self._connection.commit()
            self._seq = numbers[-1]
            futures = [future for _, _, future in batch]
            futures[0].get_loop().call_soon_threadsafe(_resolve, futures, numbers)

    def _take(self) -> list[tuple[str, bytes, "asyncio.Future[int]"]]:
        with self._wake:
            while not self._waiting and not self._closing:
                self._wake.wait()
            count = min(len(self._waiting), BATCH_MAX)
            return [self._waiting.popleft() for _ in range(count)]


def _resolve(futures: "list[asyncio.Future[int]]", numbers: list[int]) -> None:
    for future, number in zip(futures, numbers, strict=True):
        if not future.done():
            future.set_result(number)
