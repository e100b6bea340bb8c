"""Limits of an account: shown with what is used of them, and set all at once."""

from decimal import Decimal
from typing import Any

import msgspec
from litestar import Request, get, put
from litestar.params import FromPath

from api.deps import deps_of
from api.dry_run import dry_run
from api.errors import Failure
from api.http.body_and_headers import read_body
from api.http.decoding import Body
from api.naming import check_name
from api.openapi import Operation
from api.orders.amounts import read_amounts
from api.orders.limit_schemas import LimitsBody, LimitsState, SetLimitsAnswer
from api.past import row_at
from api.reading import answer
from api.reply import Reply
from api.schemas import DryRun
from api.submitting import headers_of, intent, is_dry_run, settle, submit
from domain import limits
from domain.limits import SetLimits
from projections import queries

_SQL = queries.load("limits")
_TABLES = ("orders", "accounts", "limits", "tallies")
_body = Body(LimitsBody)


@get(
    "/trading/limits/{account_name:str}",
    opt={
        "scope": "read",
        "operation": Operation(
            "An account's limits, null where there is none, and what is used of them.",
            {200: LimitsState},
            is_read=True,
            is_as_of=True,
            errors=(400,),
        ),
    },
)
async def show_limits(request: Request[Any, Any, Any], account_name: FromPath[str]) -> Reply:
    check_name(account_name)
    found = await row_at(
        request, _SQL["one"], {"key": account_name}, _TABLES, ("account = %(key)s",)
    )
    if found is None:
        raise Failure(404, f"Account {account_name!r} does not exist.", "unknown_account")
    return answer(found[1].encode(), found[0])


@put(
    "/trading/limits/{account_name:str}",
    opt={
        "scope": "admin",
        "operation": Operation(
            "Set an account's limits, all at once: what is null or left out is no limit.",
            {200: (SetLimitsAnswer, DryRun)},
            body=LimitsBody,
            is_command=True,
            errors=(400,),
        ),
    },
)
async def set_limits(request: Request[Any, Any, Any], account_name: FromPath[str]) -> Reply:
    check_name(account_name)
    deps = deps_of(request)
    raw = await read_body(request)
    asked: LimitsBody = _body(raw)
    amounts = read_amounts({"notional_per_order": asked.notional_per_order})
    intended = intent(request, deps, "set_limits", (account_name,), raw)
    worth = amounts["notional_per_order"]
    command = SetLimits(
        account_name,
        None if worth is None else worth.value,
        asked.open_orders,
        asked.orders_per_minute,
    )
    stream = limits.stream(account_name)
    if is_dry_run(request):
        return Reply(await dry_run(deps, stream, command))
    request.app.state.unlimited.pop(account_name, None)
    outcome = await submit(request, deps, intended, stream, command)
    headers = headers_of(outcome.receipt, is_replay=outcome.is_replay)
    await settle(deps, intended, outcome, headers)
    content = {
        "account_name": account_name,
        "notional_per_order": _number(command.notional_per_order),
        "open_orders": command.open_orders,
        "orders_per_minute": command.orders_per_minute,
    }
    return Reply(msgspec.json.encode(content), headers=headers)


def _number(value: Decimal | None) -> msgspec.Raw | None:
    """With all digits, as in every list."""
    return None if value is None else msgspec.Raw(str(value).encode())
