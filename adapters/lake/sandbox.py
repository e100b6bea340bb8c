"""Queries of analysts, each in a process that holds no secret but the reading login of the lake.

Processes are started when they are needed, serve one query at a time, and end after idle seconds,
after many queries, or with the query that was too long, too large or given up. Whatever a query
does to its process, this one sees an answer, an error or the end of a pipe.
"""

import asyncio
import contextlib
import logging
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from adapters.lake.attach import LakeUnavailable, Place, place_for_reading
from adapters.lake.reading import LakeOverLimit
from adapters.lake.sandbox_child import Asked, Said, Setup
from adapters.lake.spill import OwnFolder
from adapters.settings import Settings

_T = TypeVar("_T")
_log = logging.getLogger(__name__)
_ROOT = Path(__file__).parent.parent.parent
_START = (
    f"import sys; sys.path.insert(0, {str(_ROOT)!r}); "
    "from adapters.lake.sandbox_child import main; main()"
)
_START_SECONDS = 20.0
_GRACE_SECONDS = 3.0
_LINE_BYTES_MAX = 1 << 20
_BYTES_MORE = 1 << 20
"""What an answer may have beyond its limit: the words around its rows."""
_QUERIES_OF_PROCESS_MAX = 200
IDLE_SECONDS = 60.0
_FOLDERS = "analytics-"
_NO_LOGIN = (
    "No login that may only read the lake is configured, and queries of analysts get no other. Set "
    "AVIARY_LAKE_READER_DSN, or use `aviary serve` with its own Postgres."
)


class Bounds(Struct, frozen=True):
    """What one query may use, and how many run at once."""

    at_once: int = 2
    seconds: float = 30.0
    rows_max: int = 100_000
    bytes_max: int = 16 << 20
    memory_mb: int = 512


def sandbox_of(settings: Settings) -> "Sandbox":
    """With the login that may only read, or none."""
    place = place_for_reading(settings) if settings.lake_reader_dsn else None
    return Sandbox(
        place,
        Bounds(
            at_once=settings.analytics_queries_max,
            seconds=settings.analytics_seconds,
            rows_max=settings.analytics_rows_max,
            bytes_max=settings.analytics_bytes_max,
            memory_mb=settings.analytics_memory_mb,
        ),
    )


class Answer(Struct, frozen=True):
    body: bytes
    row_count: int
    cut_by: str | None
    position: int


class TooMany(Exception):  # noqa: N818 - says what is so
    """As many queries as may run at once run already."""


class BadQuery(Exception):  # noqa: N818 - says what is so
    """The query is at fault; str() says how, without paths and logins."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        """refused, query, bytes, seconds or memory."""


class Sandbox:
    """Of one process and one event loop. Without a place every query says what to configure."""

    def __init__(
        self, place: Place | None, bounds: Bounds | None = None, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self.bounds = bounds or Bounds()
        self.running = 0
        self._place = place
        self._idle_seconds = idle_seconds
        self._idle: list[_Child] = []
        self._timers: dict[_Child, asyncio.TimerHandle] = {}
        self._ending: set[asyncio.Task[Any]] = set()
        """What goes on by itself: ends of processes, and starts that nobody waits for."""

    async def run(self, sql: str, kind: str) -> Answer:
        """Raises TooMany, BadQuery or LakeUnavailable; cancelled, it ends the query at once."""
        if self._place is None:
            raise LakeUnavailable(_NO_LOGIN)
        if self.running >= self.bounds.at_once:
            raise TooMany
        self.running += 1
        try:
            while True:
                child = self._idle.pop() if self._idle else None
                is_used = child is not None
                if child is None:
                    child = await self._started(self._place)
                else:
                    self._timers.pop(child).cancel()
                said, body = await self._asked(child, sql, kind)
                # The sessions of one that has waited may have died with a restart of Postgres.
                if not (is_used and said.kind == "unavailable"):
                    break
        finally:
            self.running -= 1
        return self._answer(said, body)

    async def close(self) -> None:
        for child in [*self._idle]:
            self._drop(child)
        while self._ending:
            await asyncio.gather(*self._ending, return_exceptions=True)

    async def _started(self, place: Place) -> "_Child":
        """Given up at any moment, it leaves neither a process nor a folder."""
        spawning = self._kept(_Child.spawn(place))
        try:
            child = await asyncio.shield(spawning)
        except asyncio.CancelledError:
            spawning.add_done_callback(self._end_untaken)
            raise
        try:
            await child.prepare(place, self.bounds)
        except BaseException:
            self._end(child)
            raise
        return child

    async def _asked(self, child: "_Child", sql: str, kind: str) -> tuple[Said, bytes]:
        bounds = self.bounds
        asked = Asked(sql, kind, bounds.rows_max, bounds.bytes_max, bounds.seconds)
        try:
            said, body = await child.ask(asked)
        except BaseException:
            self._end(child)
            raise
        if child.is_spent or said.kind in ("unavailable", "memory", "seconds"):
            self._end(child)
        else:
            self._idle.append(child)
            loop = asyncio.get_running_loop()
            self._timers[child] = loop.call_later(self._idle_seconds, self._drop, child)
        return said, body

    def _answer(self, said: Said, body: bytes) -> Answer:
        match said.kind:
            case "ok":
                return Answer(body, said.row_count, said.cut_by, said.position)
            case "unavailable":
                raise LakeUnavailable(f"The lake cannot be read: {said.text}")
            case "seconds":
                text = f"The query was ended after the {self.bounds.seconds:g} s of "
                raise BadQuery("seconds", f"{text}AVIARY_ANALYTICS_SECONDS. Ask for less.")
            case "memory":
                text = f"The query needs more than the {self.bounds.memory_mb} MB of "
                raise BadQuery("memory", f"{text}AVIARY_ANALYTICS_MEMORY_MB. Ask for less.")
            case "bytes":
                text = f"The columns alone are more than the {self.bounds.bytes_max} bytes of "
                raise BadQuery("bytes", f"{text}AVIARY_ANALYTICS_BYTES_MAX. Ask for less.")
            case kind:
                raise BadQuery(kind, said.text)

    def _drop(self, child: "_Child") -> None:
        self._idle.remove(child)
        self._timers.pop(child).cancel()
        self._end(child)

    def _end(self, child: "_Child") -> None:
        self._kept(child.end())

    def _end_untaken(self, spawning: "asyncio.Task[_Child]") -> None:
        if not spawning.cancelled() and spawning.exception() is None:
            self._end(spawning.result())

    def _kept(self, work: Coroutine[Any, Any, _T]) -> "asyncio.Task[_T]":
        task = asyncio.get_running_loop().create_task(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        return task


class _Child:
    def __init__(self, process: Process, folder: OwnFolder) -> None:
        self._process = process
        self._folder = folder
        self._queries = 0

    @classmethod
    async def spawn(cls, place: Place) -> "_Child":
        folder = await asyncio.to_thread(OwnFolder, Path(place.spill), _FOLDERS)
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", "-c", _START),
                stdin=PIPE,
                stdout=PIPE,
                stderr=DEVNULL,
                env={"HOME": folder.path, "TMPDIR": folder.path, "LC_ALL": "C.UTF-8", "TZ": "UTC"},
                cwd=folder.path,
                limit=_LINE_BYTES_MAX,
                start_new_session=True,
            )
        except BaseException:
            folder.remove()
            raise
        return cls(process, folder)

    async def prepare(self, place: Place, bounds: Bounds) -> None:
        """Raises LakeUnavailable or LakeOverLimit, and then it is of no use."""
        setup = Setup(place.dsn, place.data, self._folder.path, bounds.memory_mb, place.store)
        try:
            async with asyncio.timeout(_START_SECONDS):
                said, _ = await self._exchange(msgspec.json.encode(setup), 0)
        except TimeoutError:
            raise LakeOverLimit("The process for a query did not start. Try again.") from None
        if said.kind != "ready":
            raise LakeUnavailable(f"The lake cannot be read: {said.text or 'its process ended'}")
        if not said.is_enclosed:
            _log.warning("This kernel has no Landlock: queries of analysts have one wall less.")

    @property
    def is_spent(self) -> bool:
        return self._queries >= _QUERIES_OF_PROCESS_MAX

    async def ask(self, asked: Asked) -> tuple[Said, bytes]:
        self._queries += 1
        try:
            async with asyncio.timeout(asked.seconds + _GRACE_SECONDS):
                return await self._exchange(
                    msgspec.json.encode(asked), asked.bytes_max + _BYTES_MORE
                )
        except TimeoutError:
            return Said(kind="seconds"), b""

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await asyncio.to_thread(self._folder.remove)

    async def _exchange(self, line: bytes, bytes_max: int) -> tuple[Said, bytes]:
        """What a process says is believed as little as the query that it ran."""
        given, answers = self._process.stdin, self._process.stdout
        assert given is not None and answers is not None  # noqa: S101, PT018 - both are pipes
        try:
            given.write(line + b"\n")
            await given.drain()
            said = msgspec.json.decode(await answers.readuntil(b"\n"), type=Said)
            if 0 <= said.size <= bytes_max:
                return said, await answers.readexactly(said.size)
            _log.warning("A query's process would answer with %s bytes", said.size)
        except (asyncio.LimitOverrunError, msgspec.MsgspecError) as error:
            _log.warning("A query's process cannot be understood: %s", type(error).__name__)
        except (asyncio.IncompleteReadError, ConnectionError):
            return await self._said_by_its_end(), b""
        return Said(kind="unavailable", text="The process of the query failed. Try again."), b""

    async def _said_by_its_end(self) -> Said:
        """It was ended by a limit that leaves no time for words."""
        status = await self._process.wait()
        _log.warning("A query's process ended with %s", status)
        return Said(kind="seconds" if status in _ENDED_BY_TIME else "memory")


_ENDED_BY_TIME = (3, -24)
"""By its own watch, or by the kernel (SIGXCPU)."""
