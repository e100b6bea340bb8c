"""Is it alive, is it ready, what do its counters say. Only /metrics needs a scope: `read`.

`/ready` is of the whole, for people and alarms. `/ready/api` is of this process and its store, for
balancers: orders and cancels are taken while workers or Kafka are away. Both are open, so they say
which part is wrong and nothing about why; the log has that.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import msgspec
import psycopg
from litestar import Request, get
from msgspec import Struct, structs

from api.deps import Deps, deps_of
from api.http.auth import Authenticator
from api.metrics import Metrics, Seen
from api.openapi import Operation
from api.presence import NAME, has_the_key_of
from api.reading import row, rows
from api.reply import Reply
from projections import PROJECTIONS, queries
from workers.running.database import MIGRATIONS
from workers.running.names import ALIVE_SECONDS, needed

_SQL = queries.load("status")
_APPLIED = "select number from schema_migrations"
_ANSWER_KEPT_SECONDS = 0.25
READY_SECONDS = 2.5
_Row = tuple[Any, ...]


class Home(Struct, frozen=True):
    name: str
    version: str
    status: str


class Health(Struct, frozen=True):
    status: str


class WorkerCheck(Struct, frozen=True):
    """Of a name: its best process, and the states of all that live."""

    state: str
    alive_seconds: float | None = None
    position: int | None = None
    lag: int | None = None
    processes: list[str] = []


class ApiChecks(Struct, frozen=True, kw_only=True):
    """All that an API process needs to take commands."""

    store: str
    migrations: str = "unknown"
    """`ok`, or the numbers of those that are missing."""
    notifications: str = "unknown"
    """Whether we hear how far the read models are."""
    master_key: str = "unknown"
    """`ok`, or `another` where the API process that was here first has another one."""


class Checks(ApiChecks, frozen=True, kw_only=True):
    projections: dict[str, int] = {}
    """Events behind the log, by read model."""
    halted: dict[str, int] = {}
    """Read models that have stopped, and at which event of the log; `/audit/parked` says why."""
    workers: dict[str, WorkerCheck] = {}


class ApiReadiness(Struct, frozen=True):
    status: str
    checks: ApiChecks


class Readiness(Struct, frozen=True):
    status: str
    checks: Checks


_AWAY = Readiness("not ready", Checks(store="away"))


class Ready:
    """Answers from one look at the store at a time: the route is open to everybody."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._migrations = sorted(int(path.name[:4]) for path in MIGRATIONS.glob("[0-9]*.sql"))
        self._looking: asyncio.Task[Readiness] | None = None
        self._looked_at = 0.0

    async def look(self) -> Readiness:
        is_old = time.monotonic() - self._looked_at > _ANSWER_KEPT_SECONDS
        if self._looking is None or (self._looking.done() and is_old):
            self._looked_at = time.monotonic()
            self._looking = asyncio.create_task(_readiness(self._deps, self._migrations))
        # A look that hangs is left to its own deadlines, and no other begins meanwhile.
        done, _ = await asyncio.wait({self._looking}, timeout=READY_SECONDS)
        return self._looking.result() if done else _AWAY


@get("/", opt={"scope": None, "operation": Operation("What this is.", {200: Home})})
async def home(request: Request[Any, Any, Any]) -> Reply:
    shown = Home("Hummingbot API", deps_of(request).version, "running")
    return Reply(msgspec.json.encode(shown))


@get("/health", opt={"scope": None, "operation": Operation("Is it alive.", {200: Health})})
async def health() -> Reply:
    return Reply(b'{"status":"alive"}')


@get(
    "/ready",
    opt={
        "scope": None,
        "operation": Operation("Can the whole work.", {200: Readiness, 503: Readiness}),
    },
)
async def ready(request: Request[Any, Any, Any]) -> Reply:
    looked: Ready = request.app.state.ready
    found = await looked.look()
    status = 200 if found.status == "ready" else 503
    return Reply(msgspec.json.encode(found), status)


@get(
    "/ready/api",
    opt={
        "scope": None,
        "operation": Operation(
            "Can this process take commands.", {200: ApiReadiness, 503: ApiReadiness}
        ),
    },
)
async def ready_api(request: Request[Any, Any, Any]) -> Reply:
    looked: Ready = request.app.state.ready
    whole = (await looked.look()).checks
    own = ApiChecks(**{name: getattr(whole, name) for name in ApiChecks.__struct_fields__})
    is_well = set(structs.astuple(own)) == {"ok"}
    found = ApiReadiness("ready" if is_well else "not ready", own)
    return Reply(msgspec.json.encode(found), 200 if is_well else 503)


@get(
    "/metrics",
    opt={"scope": "read", "operation": Operation("Counters for Prometheus.", {200: "text/plain"})},
)
async def metrics(request: Request[Any, Any, Any]) -> Reply:
    deps = deps_of(request)
    counters: Metrics = request.app.state.metrics
    auth: Authenticator = request.app.state.auth
    head = await row(deps.pool, _SQL["head"], {})
    unknown = await row(deps.pool, _SQL["unknown_outcomes"], {})
    differences = await row(deps.pool, _SQL["position_differences"], {})
    seen = Seen(
        commands=dict(deps.committer.outcomes),
        commands_in_flight=counters.commands_in_flight,
        followers=deps.tail.followers,
        events_sent=deps.tail.events_sent,
        login_failures=auth.failures,
        log_position=head[0] if head else 0,
        checkpoints=[(r[0], r[1]) for r in await rows(deps.pool, _SQL["checkpoints"], {})],
        unknown_orders=unknown[0] if unknown else 0,
        unknown_oldest_seconds=max(0.0, unknown[1]) if unknown else 0.0,
        position_differences=differences[0] if differences else 0,
        portfolios=await rows(deps.pool, _SQL["portfolio_ages"], {}),
        workers=[
            (r[0], r[1], r[3], r[5])
            for r in await rows(deps.pool, _SQL["workers"], {})
            if r[2] != "stopped"
        ],
        halted=[(r[0], r[1]) for r in await rows(deps.pool, _SQL["halts"], {})],
        parked=[(r[0], r[1]) for r in await rows(deps.pool, _SQL["parked"], {})],
    )
    return Reply(counters.text(seen), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _readiness(deps: Deps, migrations: Sequence[int]) -> Readiness:
    try:
        checks, is_well = await _look(deps, migrations)
    except psycopg.Error:
        return _AWAY
    return Readiness("ready" if is_well else "not ready", checks)


async def _look(deps: Deps, migrations: Sequence[int]) -> tuple[Checks, bool]:
    missing = await _missing(deps, migrations)
    if missing:
        return Checks(store="ok", migrations=missing), False
    head = await row(deps.pool, _SQL["head"], {})
    position = int(head[0]) if head else 0
    checkpoints = await rows(deps.pool, _SQL["checkpoints"], {})
    halts = await rows(deps.pool, _SQL["halts"], {})
    places = [(name, at) for name, at, _ in checkpoints] + [(name, at) for name, _, at in halts]
    lags = {name: max(0, position - at) for name, at in sorted(places)}
    found: dict[str, list[_Row]] = defaultdict(list)
    for seen in await rows(deps.pool, _SQL["workers"], {}):
        found[seen[0]].append(seen)
    wanted = needed(deps.settings, {feed for _, _, feed in checkpoints})
    workers = {name: _worker(found.get(name, []), position) for name in (*wanted, *found)}
    apis = sorted((seen for seen in found[NAME] if _is_alive(seen)), key=lambda seen: seen[6])
    has_key = has_the_key_of(deps, (seen[5] for seen in apis))
    is_well = (
        not halts
        and all(lags.get(p.name, position) <= deps.settings.lag_max_events for p in PROJECTIONS)
        and all(workers[name].state == "running" for name in wanted)
        and deps.hub.is_connected
        and has_key
    )
    checks = Checks(
        store="ok",
        migrations="ok",
        notifications="ok" if deps.hub.is_connected else "lost",
        master_key="ok" if has_key else "another",
        projections=lags,
        halted={name: at for name, at, _ in halts},
        workers=workers,
    )
    return checks, is_well


async def _missing(deps: Deps, migrations: Sequence[int]) -> str:
    try:
        applied = {number for (number,) in await rows(deps.pool, _APPLIED, {})}
    except psycopg.errors.UndefinedTable:
        applied = set()
    except psycopg.errors.InsufficientPrivilege:
        return "unreadable"
    missing = [f"{number:04d}" for number in migrations if number not in applied]
    return f"missing {', '.join(missing)}" if missing else ""


def _worker(found: Sequence[_Row], head: int) -> WorkerCheck:
    """The best of a name's processes stands for it: one that runs is enough."""
    if not found:
        return WorkerCheck("missing")
    _, _, _, alive_seconds, position, _, _ = found[0]
    lag = None if position is None else max(0, head - position)
    states = [_state(seen) for seen in found if _is_alive(seen)]
    return WorkerCheck(_state(found[0]), round(alive_seconds, 1), position, lag, states)


def _state(seen: _Row) -> str:
    """What follows the colon is an error's text: not for everybody."""
    is_known = _is_alive(seen) or seen[2] == "stopped"
    return str(seen[2]).partition(":")[0] if is_known else "silent"


def _is_alive(seen: _Row) -> bool:
    return bool(seen[3] <= ALIVE_SECONDS and seen[2] != "stopped")
