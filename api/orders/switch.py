"""Kill switches: engage, lift, show. What is open is cancelled by the dispatcher, not here."""

from typing import Any

import msgspec
from litestar import Request, get, post

from api.deps import deps_of
from api.dry_run import dry_run
from api.http.body_and_headers import read_body
from api.http.decoding import Body
from api.openapi import Operation
from api.orders.limit_schemas import SwitchAnswer, SwitchBody, SwitchList
from api.past import row_at
from api.reading import answer
from api.reply import Reply
from api.schemas import DryRun
from api.submitting import headers_of, intent, is_dry_run, settle, submit
from domain import switch
from domain.switch import EngageSwitch, LiftSwitch
from projections import queries

_SQL = queries.load("switches")
_body = Body(SwitchBody)


@post(
    "/trading/kill-switch",
    opt={
        "scope": "trade",
        "is_never_throttled": True,
        "operation": Operation(
            "Stop trading: nothing is placed any more, and what is open is cancelled, of one "
            "account or of all, until the switch is lifted. Asking again is harmless.",
            {200: (SwitchAnswer, DryRun)},
            body=SwitchBody,
            is_command=True,
            errors=(404,),
        ),
    },
    status_code=200,
)
async def engage_switch(request: Request[Any, Any, Any]) -> Reply:
    return await _turn(request, is_engaged=True)


@post(
    "/trading/kill-switch/lift",
    opt={
        "scope": "admin",
        "is_never_throttled": True,
        "operation": Operation(
            "Take orders again. What was cancelled stays cancelled.",
            {200: (SwitchAnswer, DryRun)},
            body=SwitchBody,
            is_command=True,
        ),
    },
    status_code=200,
)
async def lift_switch(request: Request[Any, Any, Any]) -> Reply:
    return await _turn(request, is_engaged=False)


@get(
    "/trading/kill-switch",
    opt={
        "scope": "read",
        "operation": Operation(
            "The switch of all accounts, and those of accounts that were ever engaged.",
            {200: SwitchList},
            is_read=True,
            is_as_of=True,
        ),
    },
)
async def show_switches(request: Request[Any, Any, Any]) -> Reply:
    found = await row_at(request, _SQL["all"], {}, ("switches", "orders"))
    assert found is not None  # noqa: S101 - an aggregate always gives a row
    return answer(b'{"data":%b}' % found[1].encode(), found[0])


async def _turn(request: Request[Any, Any, Any], *, is_engaged: bool) -> Reply:
    deps = deps_of(request)
    raw = await read_body(request)
    asked: SwitchBody = _body(raw)
    handler = "engage_switch" if is_engaged else "lift_switch"
    intended = intent(request, deps, handler, (), raw)
    scope = asked.account_name or switch.ALL
    command = (EngageSwitch if is_engaged else LiftSwitch)(scope, asked.reason)
    if is_dry_run(request):
        return Reply(await dry_run(deps, switch.stream(scope), command))
    outcome = await submit(request, deps, intended, switch.stream(scope), command)
    headers = headers_of(outcome.receipt, is_replay=outcome.is_replay)
    await settle(deps, intended, outcome, headers)
    whose = "all accounts" if asked.account_name is None else f"account {asked.account_name!r}"
    done = "is engaged" if is_engaged else "is lifted"
    message = f"The kill switch of {whose} {done}"
    content = SwitchAnswer(asked.account_name, is_engaged, message)
    return Reply(msgspec.json.encode(content), headers=headers)
