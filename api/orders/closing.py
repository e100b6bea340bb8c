"""Closing a position: one order that only reduces it, of which there is one at a time."""

from typing import Any

import msgspec
from litestar import Request, post

from adapters.venues.port import TradingRule
from api.deps import Deps, deps_of
from api.dry_run import dry_run
from api.errors import Failure
from api.http.body_and_headers import read_body
from api.http.decoding import Body
from api.market.rules import NotTradable, RulesUnknown, fit, fit_price
from api.openapi import Operation
from api.orders.amounts import Given, read_amounts
from api.orders.limit_schemas import CloseBody, ClosingOrder
from api.orders.routes import is_perpetual, untradable
from api.reading import in_thread, rows
from api.reply import Reply
from api.schemas import DryRun
from api.submitting import (
    Intent,
    failed,
    headers_of,
    intent,
    is_dry_run,
    is_received,
    settle,
    submit,
)
from commands.codec import decode_recorded
from commands.request import Outcome, client_order_id_of
from domain import order
from domain.counting import CLOSED_BY
from domain.order_messages import OrderPlaced, PlaceOrder, PositionSide
from projections import queries

_SQL = queries.load("closing")
_body = Body(CloseBody)


@post(
    "/trading/close-position",
    opt={
        "scope": "trade",
        "operation": Operation(
            "Close a position, or part of it, by one reduce-only order on the other side. Without "
            "an amount: all of it.",
            {201: ClosingOrder, 200: DryRun},
            body=CloseBody,
            is_command=True,
            errors=(400, 404, 409),
        ),
    },
    status_code=201,
)
async def close_position(request: Request[Any, Any, Any]) -> Reply:
    deps = deps_of(request)
    raw = await read_body(request)
    asked: CloseBody = _body(raw)
    amounts = read_amounts({"amount": asked.amount, "price": asked.price})
    intended = intent(request, deps, "close_position", (), raw)
    order_id = client_order_id_of(intended.command_id)
    stream = order.stream(order_id)
    try:
        command = await _command(deps, intended, asked, amounts, order_id)
    except Failure:
        if not await is_received(deps, intended):
            raise
        command = _placeholder(asked, order_id)  # Its receipt answers.
    if is_dry_run(request):
        return Reply(await dry_run(deps, stream, command))
    outcome = await submit(request, deps, intended, stream, command)
    placed = await _placed(deps, stream, outcome)
    headers = headers_of(outcome.receipt, is_replay=outcome.is_replay)
    await settle(deps, intended, outcome, headers)
    content = ClosingOrder(
        order_id,
        placed.account,
        placed.connector,
        placed.pair,
        placed.side,
        str(placed.quantity),
    )
    return Reply(msgspec.json.encode(content), 201, headers)


async def _command(
    deps: Deps,
    intended: Intent,
    asked: CloseBody,
    amounts: dict[str, Given | None],
    order_id: str,
) -> PlaceOrder:
    """The closing order. Raises Failure 400 or 404 for what cannot be closed."""
    if not is_perpetual(asked.connector_name):
        text = f"{asked.connector_name!r} is no perpetual connector: it has no positions to close."
        raise failed(intended, 400, text, "not_perpetual")
    amount, price = amounts["amount"], amounts["price"]
    if asked.order_type == "LIMIT" and price is None:
        raise failed(intended, 400, "A LIMIT order needs a price.", "price_required")
    if asked.order_type == "MARKET" and price is not None:
        text = "A MARKET order takes no price; leave it out."
        raise failed(intended, 400, text, "price_not_allowed")
    try:
        rule = await deps.markets.rule(asked.connector_name, asked.trading_pair)
    except (NotTradable, RulesUnknown) as error:
        raise untradable(intended, error) from None
    found = _placeholder(asked, order_id)
    side = await _side(deps, intended, asked)
    found = msgspec.structs.replace(found, side=CLOSED_BY[side])
    if amount is not None:
        found = msgspec.structs.replace(found, quantity=amount.value, closing="part")
    if price is not None:
        found = msgspec.structs.replace(found, price=price.value)
    return _fitted(intended, rule, found)


def _placeholder(asked: CloseBody, order_id: str) -> PlaceOrder:
    """All of the position; how much that is is decided under the log's lock."""
    return PlaceOrder(
        asked.account_name,
        asked.connector_name,
        asked.trading_pair,
        "SELL",
        asked.order_type,
        order.ZERO,
        None,
        "CLOSE",
        order_id,
        closing="full",
        is_reduce_only=True,
    )


async def _side(deps: Deps, intended: Intent, asked: CloseBody) -> PositionSide:
    """The side that is open, or the one of both that was asked for."""
    key = {
        "account": asked.account_name,
        "connector": asked.connector_name,
        "pair": asked.trading_pair,
    }
    open_sides: list[PositionSide] = [side for (side,) in await rows(deps.pool, _SQL["open"], key)]
    if asked.position_side is not None:
        return asked.position_side
    match open_sides:
        case [only]:
            return only
        case []:
            text = (
                f"Account {asked.account_name!r} holds no position in {asked.trading_pair} on "
                f"{asked.connector_name!r}."
            )
            raise failed(intended, 404, text, "no_position")
        case _:
            text = "Both sides are open: say which with position_side, LONG or SHORT."
            raise failed(intended, 400, text, "position_side_required")


def _fitted(intended: Intent, rule: TradingRule, command: PlaceOrder) -> PlaceOrder:
    """In the venue's lots and ticks. All of a position is closed whatever the venue's minimum."""
    quantity, price = command.quantity, command.price
    try:
        if command.closing == "part":
            quantity, price = fit(rule, command.side, command.order_type, quantity, price)
        elif price is not None:
            price = fit_price(rule, command.side, price)
    except NotTradable as error:
        raise untradable(intended, error) from None
    return msgspec.structs.replace(
        command,
        quantity=quantity,
        price=price,
        asked_quantity=command.quantity if quantity != command.quantity else None,
        asked_price=command.price if price != command.price else None,
    )


async def _placed(deps: Deps, stream: str, outcome: Outcome) -> OrderPlaced:
    """What was decided now, or when the request first came."""
    events = outcome.events or [
        decode_recorded(recorded)
        for recorded in await in_thread(deps.store.read_stream, stream, 0, 1)
    ]
    for event in events:
        if isinstance(event, OrderPlaced):
            return event
    raise LookupError(f"{stream} has no order, though its command was accepted.")
