"""The lake as a worker: what is new in the log and in the spool becomes one batch a second.

Behind, batches are as large as a page. The checkpoints are read again in every turn, so any number
of these workers may run; they gain nothing by it.
"""

import asyncio
import contextlib
import logging
import threading
import time
from typing import Any

import psycopg

from adapters.lake.attach import LakeUnavailable, place_for_writing, told
from adapters.lake.tables import FOLDED, SPOOL, TABLES
from adapters.postgres import lake as store
from adapters.postgres.append import CHANNEL
from adapters.postgres.connect import PROJECTOR_OPTIONS, connect
from adapters.postgres.relays import load_head, read_page
from adapters.settings import Settings
from commands.crashpoint import crashpoint
from workers.lake.chores import Chores
from workers.lake.columns import BadRow
from workers.lake.folding import Folding
from workers.lake.keeping import Keeping
from workers.lake.writing import CheckpointMoved, LakeWriter, Moved
from workers.running.pulse import Pulse
from workers.running.threads import run_in_thread
from workers.running.waking import wait_for_log

_log = logging.getLogger(__name__)
BATCH_SECONDS = 1.0
PAGE_EVENTS = 5000
PAGE_BYTES = 4 << 20
SPOOL_ENTRIES = 200


class LakeFailed(Exception):  # noqa: N818 - says what is so
    """What DuckDB said."""


class LakeAhead(Exception):  # noqa: N818 - says what is so
    """The lake holds what the log's database does not have: one of them was restored."""


def follow(settings: Settings, dsn: str, pulse: Pulse, stopping: threading.Event) -> None:
    """Until stopped. Raises what the lake or Postgres raised; the runner starts it again."""
    place = place_for_writing(settings)
    if place is None:
        raise LakeUnavailable("The lake worker needs AVIARY_LAKE_DSN, its owner's login.")
    import duckdb

    while not stopping.is_set():
        try:
            with contextlib.closing(LakeWriter(place)) as writer:
                _Run(settings, dsn, writer, pulse, stopping).run()
        except CheckpointMoved as error:
            _log.warning("%s", error)
        except duckdb.Error as error:
            raise LakeFailed(told(error)) from None  # Its own words hold the login.


class Batches:
    """One batch after another, each in a turn of its own."""

    def __init__(
        self,
        session: psycopg.Connection[Any],
        writer: LakeWriter,
        *,
        page_events: int = PAGE_EVENTS,
    ) -> None:
        self._page_events = page_events
        self._session = session
        self._writer = writer
        self._folding = Folding(lambda streams, until: store.read_history(session, streams, until))
        self.position = -1
        """Of the hindmost folded table; -1 until the first turn."""
        self.rows = 0

    def is_anything_new(self) -> bool:
        return self.position < load_head(self._session) or store.is_anything_spooled(self._session)

    def step(self) -> int:
        """Store the next batch; answers how many events and spool entries it was made of."""
        checkpoints = self._writer.checkpoints()
        head = load_head(self._session)
        ahead = {name: checkpoints[name] for name in FOLDED if checkpoints[name] > head}
        if ahead:
            names = ", ".join(f"{name}_lake" for name in ahead)
            raise LakeAhead(
                f"The log ends at {head} and the lake has folded up to {max(ahead.values())}. "
                f"Run `aviary rebuild` for {names}."
            )
        spooled = store.last_spooled(self._session)
        if checkpoints[SPOOL] > spooled:
            raise LakeAhead(
                f"The spool's last entry was {spooled} and the lake has taken them up to "
                f"{checkpoints[SPOOL]}: new ones would be dropped unread. "
                "Run `aviary lake forget-candles`."
            )
        try:
            return self._fold(checkpoints) + self._take_spool(checkpoints[SPOOL])
        except BaseException:
            self._folding.forget()
            self.position = -1
            raise

    def _fold(self, checkpoints: dict[str, int]) -> int:
        floors = {name: checkpoints[name] for name in FOLDED}
        self.position = min(floors.values())
        page = read_page(self._session, self.position, self._page_events, PAGE_BYTES)
        if not page:
            return 0
        rows = self._folding.fold(page, floors)
        last = page[-1].position
        moved = {name: Moved(at, last) for name, at in floors.items() if at < last}
        self._writer.save(rows, moved)
        self.position = last
        self.rows += sum(map(len, rows.values()))
        return len(page)

    def _take_spool(self, checkpoint: int) -> int:
        if not store.is_anything_spooled(self._session):
            return 0
        store.drop_spooled(self._session, checkpoint)
        try:
            taken = store.read_spool(self._session, SPOOL_ENTRIES, PAGE_BYTES)
        except psycopg.errors.LockNotAvailable:
            return 0  # Somebody takes long to add: next time.
        if not taken:
            return 0
        rows: dict[str, list[dict[str, Any]]] = {}
        for entry in taken:
            reason = _refusal(entry)
            if reason:
                _log.error("The lake does not take entry %s of its spool: %s", entry.id, reason)
                store.refuse_spooled(self._session, entry.id, reason)
            else:
                rows.setdefault(entry.table, []).extend(_whole(entry))
        self._save_spooled(taken, rows, checkpoint)
        crashpoint("lake-before-drop")
        store.drop_spooled(self._session, taken[-1].id)
        return len(taken)

    def _save_spooled(
        self, taken: list[store.Spooled], rows: dict[str, list[dict[str, Any]]], checkpoint: int
    ) -> None:
        """All of them at once; where a value is not as its column wants it, one by one."""
        try:
            self._writer.save(rows, {SPOOL: Moved(checkpoint, taken[-1].id)})
        except BadRow as error:
            if len(taken) == 1:
                _log.error("The lake refuses entry %s of its spool: %s", taken[0].id, error)
                store.refuse_spooled(self._session, taken[0].id, str(error))
                return
            for entry in taken:
                if not _refusal(entry):
                    self._save_spooled([entry], {entry.table: _whole(entry)}, checkpoint)
                    checkpoint = self._writer.checkpoints()[SPOOL]
            return
        self.rows += sum(map(len, rows.values()))


def _whole(entry: store.Spooled) -> list[dict[str, Any]]:
    """A column that was left out is null."""
    empty = dict.fromkeys(TABLES[entry.table])
    return [{**empty, **row} for row in entry.rows]


def _refusal(entry: store.Spooled) -> str:
    columns = TABLES.get(entry.table)
    if columns is None or entry.table in FOLDED:
        return f"{entry.table!r} is no table that is filled through the spool"
    unknown = {name for row in entry.rows for name in row} - set(columns)
    return f"{entry.table} has no columns {sorted(unknown)}" if unknown else ""


class _Run:
    """From one start to the next."""

    def __init__(
        self,
        settings: Settings,
        dsn: str,
        writer: LakeWriter,
        pulse: Pulse,
        stopping: threading.Event,
    ) -> None:
        self._settings = settings
        self._dsn = dsn
        self._writer = writer
        self._pulse = pulse
        self._stopping = stopping

    def run(self) -> None:
        with (
            connect(self._dsn, store.OPTIONS, autocommit=True) as session,
            connect(self._dsn, PROJECTOR_OPTIONS, autocommit=True) as wake,
        ):
            wake.execute(f"listen {CHANNEL}")
            batches = Batches(session, self._writer)
            keeping = Keeping(self._writer, lambda: self._keep_turn(session, batches))
            chores = Chores(self._settings, session, self._writer)
            while not self._stopping.is_set():
                began_at = time.monotonic()
                is_new = batches.is_anything_new()
                taken = self._in_turn(session, batches.step) if is_new else 0
                if taken < PAGE_EVENTS // 2 and chores.is_due():
                    taken += self._in_turn(session, chores.step)
                if keeping.is_due():
                    self._in_turn(session, keeping.keep)
                self._beat(batches)
                wait_for_log(wake, 0 if taken else BATCH_SECONDS)
                if taken < PAGE_EVENTS // 2:
                    self._stopping.wait(max(0.0, began_at + BATCH_SECONDS - time.monotonic()))

    def _in_turn(self, session: psycopg.Connection[Any], work: Any) -> int:
        """0 while somebody else has the turn."""
        try:
            with store.turn(session):
                return int(work())
        except psycopg.errors.LockNotAvailable:
            self._pulse.beat("standby")
            return 0

    def _keep_turn(self, session: psycopg.Connection[Any], batches: Batches) -> None:
        """While something takes long: the server must not take us for frozen."""
        session.execute("select 1")
        self._beat(batches)

    def _beat(self, batches: Batches) -> None:
        detail = {"lake_rows": batches.rows}
        if batches.position >= 0:
            detail["lake_position"] = batches.position
            self._pulse.beat("running", position=batches.position, detail=detail)
        else:
            self._pulse.beat("running", detail=detail)


async def run_lake(settings: Settings, dsn: str, pulse: Pulse, stopping: asyncio.Event) -> None:
    await run_in_thread(lambda stop: follow(settings, dsn, pulse, stop), stopping)
