"""Reads of the lake: few at a time, in threads of their own, bounded in time and memory.

One DuckDB serves all; it is made at the first query and let go after idle minutes, because it
costs some 60 MB. It holds its limits by itself; the clock is ours: a query over its time is
interrupted, and one that does not heed that is left to its thread, with the DuckDB it runs in.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from adapters.lake.attach import LakeUnavailable, Place, attach, told

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Row = tuple[Any, ...]
AT_ONCE = 2
WAITING_MAX = 20
IDLE_SECONDS = 180.0
_HEED_SECONDS = 2.0
_AGAIN_SECONDS = 0.1
_NOT_CONFIGURED = (
    "No lake is configured. Set AVIARY_LAKE_READER_DSN to the login of its catalogue, or use "
    "`aviary serve` with its own Postgres."
)


class LakeOverLimit(LakeUnavailable):
    """The query took more time or memory than it may, or too many wait already."""


class LakeReader:
    """Of one process and one event loop. `place` None: every query says how to configure one."""

    def __init__(self, place: Place | None, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._place = place
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._database: DuckDBPyConnection | None = None
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._waiting = 0
        self._given_up: set[asyncio.Future[list[Row]]] = set()
        """Threads that heeded nothing, whose turns others have."""
        self._idle: asyncio.TimerHandle | None = None

    @property
    def is_open(self) -> bool:
        return self._database is not None

    async def query(
        self, sql: str, parameters: Sequence[object] = (), *, seconds: float = 10.0
    ) -> list[Row]:
        """All rows; LakeUnavailable or its LakeOverLimit, or what DuckDB says of a wrong query."""
        if self._place is None:
            raise LakeUnavailable(_NOT_CONFIGURED)
        if self._waiting >= WAITING_MAX:
            raise LakeOverLimit(
                f"{WAITING_MAX} queries of the lake wait already. Try again shortly."
            )
        give_up_at = time.monotonic() + seconds
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise LakeOverLimit(
                f"No query of the lake could begin within {seconds:g} s: others run. Try again."
            ) from None
        finally:
            self._waiting -= 1
        return await self._run(self._place, sql, parameters, seconds, give_up_at)

    async def position(self, table: str) -> int:
        """Up to where in the log a folded table holds everything."""
        found = await self.query("select position from checkpoints where projection = ?", [table])
        if not found:
            raise LakeUnavailable(
                f"The lake has no checkpoint of {table!r} yet. Try again shortly."
            )
        return int(found[0][0])

    async def close(self) -> None:
        """Let go of the DuckDB; queries that run are interrupted."""
        if self._idle is not None:
            self._idle.cancel()
        database = self._forget()
        if database is not None:
            database.interrupt()
            await _in_thread(database.close)

    async def _run(
        self, place: Place, sql: str, parameters: Sequence[object], seconds: float, until: float
    ) -> list[Row]:
        """With a turn, which is given back when the thread has ended or is given up."""
        cursors: list[DuckDBPyConnection] = []

        def work() -> list[Row]:
            return self._query(place, sql, parameters, cursors, until)

        working: asyncio.Future[list[Row]] = asyncio.ensure_future(_in_thread(work))
        working.add_done_callback(self._ended)
        try:
            await asyncio.wait({working}, timeout=max(0.0, until - time.monotonic()))
        finally:
            _interrupt(working, cursors)
        if not working.done():
            await asyncio.wait({working}, timeout=_HEED_SECONDS)
        if not working.done():
            self._forget()
            self._turns.release()
            self._given_up.add(working)
        if not working.done() or isinstance(working.exception(), _Interrupted):
            raise LakeOverLimit(
                f"A query of the lake was ended after {seconds:g} s. Ask for a shorter range."
            )
        return working.result()

    def _ended(self, working: asyncio.Future[list[Row]]) -> None:
        if not working.cancelled():
            working.exception()  # Seen, whoever still waits for it.
        if working in self._given_up:
            self._given_up.discard(working)
        else:
            self._turns.release()
        self._let_go_when_idle()

    def _query(
        self,
        place: Place,
        sql: str,
        parameters: Sequence[object],
        cursors: list["DuckDBPyConnection"],
        until: float,
    ) -> list[Row]:
        """In a thread. Tried again once with a new DuckDB: the old one's sessions may be dead."""
        import duckdb

        is_second = False
        while True:
            try:
                database = self._borrow(place)  # Held as long as its cursor is.
                cursor = database.cursor()
                cursors.append(cursor)
                try:
                    cursor.execute("use lake")
                    return cursor.execute(sql, list(parameters)).fetchall()
                finally:
                    cursor.close()
            except duckdb.InterruptException as error:
                raise _Interrupted from error
            except duckdb.Error as error:
                if isinstance(error, duckdb.OutOfMemoryException) or place.spill in str(error):
                    raise LakeOverLimit(
                        f"A query of the lake needs more than the {place.memory_mb} MB of "
                        f"AVIARY_LAKE_MEMORY_MB and what {place.spill} takes. Ask for less."
                    ) from None
                if not _is_of_the_lake(error):
                    raise
                self._forget()
                if is_second or time.monotonic() > until:
                    raise LakeUnavailable(unavailable(error)) from None
                is_second = True

    def _borrow(self, place: Place) -> "DuckDBPyConnection":
        """The DuckDB of this process, made now if there is none."""
        with self._lock:
            if self._database is None:
                self._database = attach(place)
            return self._database

    def _forget(self) -> "DuckDBPyConnection | None":
        """What runs in it goes on to its end; the last reference closes it."""
        database, self._database = self._database, None
        return database

    def _let_go_when_idle(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        loop = asyncio.get_running_loop()
        self._idle = loop.call_later(self._idle_seconds, self._let_go)

    def _let_go(self) -> None:
        self._idle = None
        database = self._forget()
        if database is not None:
            # Closing speaks to Postgres; a server that is frozen must not hold up the loop.
            threading.Thread(target=database.close, daemon=True).start()


def _interrupt(working: "asyncio.Future[Any]", cursors: Sequence["DuckDBPyConnection"]) -> None:
    """Again and again: one that comes before the query has begun is lost."""
    if working.done():
        return
    for cursor in cursors:
        with contextlib.suppress(Exception):  # It has just been closed.
            cursor.interrupt()
    asyncio.get_running_loop().call_later(_AGAIN_SECONDS, _interrupt, working, cursors)


class _Interrupted(Exception):  # noqa: N818 - says what is so
    """Ended by our own clock."""


def unavailable(error: BaseException) -> str:
    """What is wrong with the lake, and what to do."""
    return (
        f"The lake cannot be read: {told(error)}. Where files are missing or damaged, "
        "`aviary rebuild` makes trades_lake, orders_lake, portfolio_lake, portfolio_values_lake "
        "and funding_lake again."
    )


def _is_of_the_lake(error: Exception) -> bool:
    """Whether files or the catalogue are at fault, and not the query."""
    import duckdb

    if isinstance(
        error,
        duckdb.IOException
        | duckdb.HTTPException
        | duckdb.SerializationException
        | duckdb.TransactionException
        | duckdb.ConnectionException
        | duckdb.InternalException
        | duckdb.FatalException,
    ):
        return True
    text = str(error)
    # Of kinds that wrong queries are of as well.
    return isinstance(error, duckdb.InvalidInputException | duckdb.CatalogException) and any(
        sign in text for sign in (".parquet", "DuckLake", "__ducklake_metadata")
    )


async def _in_thread(work: Callable[[], Any]) -> Any:
    """Run in a thread of its own, which nothing waits for when the process ends."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Any] = loop.create_future()

    def settle(result: Any, error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(result)
        else:
            done.set_exception(error)

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:  # noqa: BLE001 - handed to whoever waits
            error = raised
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=run, name="lake", daemon=True).start()
    return await done
