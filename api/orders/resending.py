"""An operator's word that an order of unknown outcome may be sent again.

Ours, not the contract's. The surprising thing: nothing is sent here. The venue is asked once more
first, and another attempt is made only when it does not show the order then.
"""

from typing import Any

import msgspec
from litestar import Request, post
from litestar.params import FromPath
from msgspec import Struct

from api.deps import deps_of
from api.dry_run import dry_run
from api.errors import invalid
from api.http.body_and_headers import read_body
from api.http.decoding import Body
from api.openapi import Operation
from api.orders.routes import check_id, may_be
from api.reply import Reply
from api.schemas import DryRun, Message
from api.submitting import failed, headers_of, intent, is_dry_run, settle, submit
from domain import order
from domain.order_messages import AllowResend


class ResendBody(Struct, frozen=True):
    confirm: bool
    """Must be true: if the first request did arrive after all, the order exists twice."""


_body = Body(ResendBody)


@post(
    "/trading/orders/{client_order_id:str}/resend",
    opt={
        "scope": "admin",
        "operation": Operation(
            "Let an order of unknown outcome be sent again, if its venue does not show it now.",
            {200: (Message, DryRun)},
            body=ResendBody,
            is_command=True,
            errors=(404, 409),
        ),
    },
    status_code=200,
)
async def resend_order(request: Request[Any, Any, Any], client_order_id: FromPath[str]) -> Reply:
    deps = deps_of(request)
    check_id(client_order_id)
    raw = await read_body(request)
    asked: ResendBody = _body(raw)
    if not asked.confirm:
        raise invalid("literal_error", ("body", "confirm"), "Input should be true", False)  # noqa: FBT003
    is_trial = is_dry_run(request)
    intended = intent(request, deps, "resend_order", (client_order_id,), raw)
    stream = order.stream(client_order_id)
    if is_trial:
        return Reply(await dry_run(deps, stream, AllowResend()))
    if not await may_be(deps, intended, client_order_id):
        raise failed(intended, 404, "There is no such order.", "unknown_order")
    outcome = await submit(request, deps, intended, stream, AllowResend())
    headers = headers_of(outcome.receipt, is_replay=outcome.is_replay)
    await settle(deps, intended, outcome, headers)
    text = f"Order {client_order_id} is sent again unless its venue shows it"
    return Reply(msgspec.json.encode(Message(text)), headers=headers)
