"""Leverage and position mode at perpetual venues: asked for, and waited for.

A request is answered when the venue has answered, 30 s later at most. Nothing is set unless
somebody asks here.
"""

import time
from functools import partial
from typing import Any, get_args

import msgspec
from litestar import Request, get, post
from litestar.params import FromPath
from msgspec import Struct

from adapters.postgres.questions import Question
from adapters.venues.connectors import Connector, connectors
from api.accounts.balances import connectors_of
from api.deps import Deps, deps_of
from api.dry_run import dry_run
from api.errors import Failure
from api.http.body_and_headers import read_body
from api.http.decoding import Body
from api.naming import check_name
from api.openapi import Operation
from api.perpetual.schemas import (
    LeverageBody,
    PositionModeAnswer,
    PositionModeBody,
    SettingAnswer,
)
from api.reading import row, wait_for_position
from api.reply import Reply
from api.schemas import DryRun
from api.submitting import (
    Intent,
    headers_of,
    intent,
    is_dry_run,
    say_waited,
    submit,
    wait_for,
)
from domain import perpetual
from domain.perpetual import PositionMode, RequestLeverage, RequestPositionMode
from projections import queries
from projections.perpetuals import Outcome

WAIT_SECONDS = 30.0
TRIED_SECONDS = 60.0
"""So long the venue is asked again where it does not answer; then the request is given up."""
_US = 1_000_000
_SQL = queries.load("perpetuals")
_MODES = get_args(PositionMode)
_leverage_body = Body(LeverageBody)
_mode_body = Body(PositionModeBody)
_encode = msgspec.json.Encoder().encode
_mode = msgspec.json.Decoder(PositionMode).decode
_ERRORS = (400, 404, 409, 502)


class _Outcome(Struct, frozen=True):
    outcome: Outcome
    code: str | None
    text: str | None


@post(
    "/trading/{account_name:str}/{connector_name:str}/leverage",
    opt={
        "scope": "trade",
        "operation": Operation(
            "Set a pair's leverage. Waits until the venue has answered.",
            {200: (SettingAnswer, DryRun)},
            body=LeverageBody,
            is_command=True,
            errors=_ERRORS,
        ),
    },
    status_code=200,
)
async def set_leverage(
    request: Request[Any, Any, Any],
    account_name: FromPath[str],
    connector_name: FromPath[str],
) -> Reply:
    deps = deps_of(request)
    raw = await read_body(request)
    asked: LeverageBody = _leverage_body(raw)
    check_name(account_name)
    _perpetual(connector_name)
    intended = intent(request, deps, "set_leverage", (account_name, connector_name), raw)
    command = RequestLeverage(
        account_name, connector_name, asked.trading_pair, asked.leverage, _until_us()
    )
    what = f"Leverage of {asked.trading_pair} on {connector_name}"
    return await _set(request, deps, intended, command, what, str(asked.leverage))


@post(
    "/trading/{account_name:str}/{connector_name:str}/position-mode",
    opt={
        "scope": "trade",
        "operation": Operation(
            "Set the position mode, HEDGE or ONEWAY. Waits until the venue has answered.",
            {200: (SettingAnswer, DryRun)},
            body=PositionModeBody,
            is_command=True,
            errors=_ERRORS,
        ),
    },
    status_code=200,
)
async def set_position_mode(
    request: Request[Any, Any, Any],
    account_name: FromPath[str],
    connector_name: FromPath[str],
) -> Reply:
    deps = deps_of(request)
    raw = await read_body(request)
    asked: PositionModeBody = _mode_body(raw)
    check_name(account_name)
    modes = _perpetual(connector_name).position_modes or _MODES
    if asked.position_mode not in _MODES or asked.position_mode not in modes:
        text = (
            f"{connector_name!r} has no position mode {asked.position_mode[:50]!r}; it has: "
            f"{', '.join(modes)}."
        )
        raise Failure(400, text, "unknown_position_mode")
    intended = intent(request, deps, "set_position_mode", (account_name, connector_name), raw)
    mode: PositionMode = "HEDGE" if asked.position_mode == "HEDGE" else "ONEWAY"
    command = RequestPositionMode(account_name, connector_name, mode, _until_us())
    what = f"Position mode on {connector_name}"
    return await _set(request, deps, intended, command, what, mode)


@get(
    "/trading/{account_name:str}/{connector_name:str}/position-mode",
    opt={
        "scope": "read",
        "operation": Operation(
            "The position mode as the venue tells it now; UNKNOWN where it does not.",
            {200: PositionModeAnswer},
            is_read=True,
            errors=(400,),
        ),
    },
)
async def position_mode(
    request: Request[Any, Any, Any],
    account_name: FromPath[str],
    connector_name: FromPath[str],
) -> Reply:
    check_name(account_name)
    _perpetual(connector_name)
    deps = await wait_for_position(request)
    position, names = await connectors_of(deps, account_name)
    if connector_name not in names:
        text = f"Account {account_name!r} has no credential for {connector_name!r}; add one first."
        raise Failure(404, text, "unknown_connector")
    shown = PositionModeAnswer("UNKNOWN", connector_name, account_name)
    try:
        found = await deps.asking.ask(Question(account_name, connector_name, "position_mode"))
        shown = msgspec.structs.replace(shown, position_mode=_mode(found))
    except Failure as failure:
        shown = msgspec.structs.replace(shown, reason=str(failure))
    return Reply(_encode(shown), headers={"Log-Position": str(position)})


def _perpetual(name: str) -> Connector:
    """Raise Failure 404 for a connector that there is not, 400 for one of a spot venue."""
    connector = connectors().get(name)
    if connector is None:
        raise Failure(404, f"There is no connector {name[:100]!r}.", "unknown_connector")
    if not connector.is_perpetual:
        raise Failure(400, f"{name!r} is not a perpetual connector.", "not_perpetual")
    return connector


def _until_us() -> int:
    return time.time_ns() // 1000 + int(TRIED_SECONDS * _US)


async def _set(
    request: Request[Any, Any, Any],
    deps: Deps,
    intended: Intent,
    command: RequestLeverage | RequestPositionMode,
    what: str,
    value: str,
) -> Reply:
    stream = perpetual.stream(command.account, command.connector)
    if is_dry_run(request):
        return Reply(await dry_run(deps, stream, command))
    outcome = await submit(request, deps, intended, stream, command)
    headers = headers_of(outcome.receipt, is_replay=outcome.is_replay)
    seconds = WAIT_SECONDS if intended.wait_seconds is None else float(intended.wait_seconds)
    found = await wait_for(deps, partial(_outcome, deps, outcome.receipt.position), seconds)
    if found is not None:
        say_waited(intended, headers)
    answer = _answer(found, what, value, command.connector, headers)
    return Reply(_encode(answer), headers=headers)


async def _outcome(deps: Deps, position: int) -> _Outcome | None:
    """What became of the request at that position; None where it is open still."""
    found = await row(deps.pool, _SQL["outcome"], {"position": position})
    return _Outcome(*found) if found is not None and found[0] != "open" else None


def _answer(
    found: _Outcome | None, what: str, value: str, connector: str, headers: dict[str, str]
) -> SettingAnswer:
    if found is None:
        return SettingAnswer("pending", f"{what} is to be {value}; the venue has not answered yet.")
    match found.outcome:
        case "set":
            return SettingAnswer("success", f"{what} set to {value}.")
        case "refused":
            text = f"{connector} refused: {found.code}: {found.text}"
            raise Failure(400, text, "venue_refused", headers)
        case "replaced":
            text = f"{what}: a later request took over before the venue had answered this one."
            raise Failure(409, text, "replaced", headers)
        case _:
            raise Failure(502, f"{what}: {found.text}", "outcome_unknown", headers)
