"""Orders: place and cancel them. What is decided is decided in the domain, behind the committer."""

import contextlib
import re
from typing import Any

import msgspec
import psycopg
from litestar import Request, delete, post
from litestar.params import FromPath

from adapters.venues.connectors import connectors
from api.deps import Deps, deps_of
from api.dry_run import dry_run
from api.errors import RETRY_SOON, Failure
from api.http.body_and_headers import read_body
from api.http.decoding import Body
from api.market.rules import NotTradable, RulesUnknown, fit
from api.openapi import Operation
from api.orders.amounts import Given, read_amounts, required
from api.orders.reference_price import reference_price
from api.reading import in_thread, row
from api.reply import Reply
from api.schemas import DryRun, Message, PlacedOrder, PlaceOrderBody
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
from commands.request import client_order_id_of
from domain import limits, order
from domain.log import StoreUnavailable
from domain.order_messages import CancelOrder, OrderPlaced, PlaceOrder
from projections import queries

_place_body = Body(PlaceOrderBody)
_encode = msgspec.json.Encoder().encode
_SQL = queries.load("orders")
_ID = re.compile(r"av[a-z2-7]{26}")
_TRADE = {"scope": "trade"}
_OF_THE_ACCOUNT = ("unknown_account", "unknown_connector", "kill_switch")


@post(
    "/trading/orders",
    opt=_TRADE
    | {
        "operation": Operation(
            "Place an order. Answers as soon as it is in the log.",
            {201: PlacedOrder, 200: DryRun},
            body=PlaceOrderBody,
            is_command=True,
            errors=(400, 404, 409),
        )
    },
    status_code=201,
)
async def place_order(request: Request[Any, Any, Any]) -> Reply:
    deps = deps_of(request)
    raw = await read_body(request)
    asked: PlaceOrderBody = _place_body(raw)
    amounts = read_amounts({"amount": asked.amount, "price": asked.price})
    quantity = required("amount", asked.amount, amounts)
    price = amounts["price"]
    is_trial = is_dry_run(request)
    intended = intent(request, deps, "place_order", (), raw)
    order_id = client_order_id_of(intended.command_id)
    command = await _command(request, intended, asked, (quantity, price), order_id)
    if is_trial:
        return Reply(await dry_run(deps, order.stream(order_id), command))
    outcome = await submit(request, deps, intended, order.stream(order_id), command)
    placed = PlacedOrder(
        order_id,
        asked.account_name,
        asked.connector_name,
        asked.trading_pair,
        asked.trade_type,
        quantity.text,
        asked.order_type,
        None if price is None else price.text,
    )
    headers = headers_of(outcome.receipt, is_replay=outcome.is_replay)
    if await settle(deps, intended, outcome, headers):
        with contextlib.suppress(psycopg.Error):  # The order is placed, whatever can be read.
            found = await row(deps.pool, _SQL["wire_status"], {"key": order_id})
            if found is not None:
                placed = msgspec.structs.replace(placed, order_status=found[0])
    return Reply(_encode(placed), 201, headers)


async def _command(
    request: Request[Any, Any, Any],
    intended: Intent,
    asked: PlaceOrderBody,
    amounts: tuple[Given, Given | None],
    order_id: str,
) -> PlaceOrder:
    """The order as the venue can take it. Raises Failure 400, or 503 before its rules are known."""
    deps = deps_of(request)
    asked_quantity = amounts[0].value
    asked_price = None if amounts[1] is None else amounts[1].value
    command = PlaceOrder(
        asked.account_name,
        asked.connector_name,
        asked.trading_pair,
        asked.trade_type,
        asked.order_type,
        asked_quantity,
        asked_price,
        asked.position_action,
        order_id,
        is_reduce_only=asked.position_action == "CLOSE" and is_perpetual(asked.connector_name),
        open_orders_max=deps.settings.open_orders_max or None,
    )
    if deps.markets.are_awaited(asked.connector_name) and await _is_refused(deps, command):
        return command
    quantity, price = asked_quantity, asked_price
    try:
        rule = await deps.markets.rule(asked.connector_name, asked.trading_pair)
        quantity, price = fit(rule, asked.trade_type, asked.order_type, quantity, price)
    except (NotTradable, RulesUnknown) as error:
        if not await is_received(deps, intended):
            raise untradable(intended, error) from None
    needs_reference = limits.needs_reference(asked.order_type, asked.trade_type)
    return msgspec.structs.replace(
        command,
        quantity=quantity,
        price=price,
        asked_quantity=asked_quantity if quantity != asked_quantity else None,
        asked_price=asked_price if price != asked_price else None,
        reference_price=await reference_price(request, asked) if needs_reference else None,
    )


async def _is_refused(deps: Deps, command: PlaceOrder) -> bool:
    """Whether the account may not place it at all: then nobody waits for a venue's rules."""
    try:
        await dry_run(deps, order.stream(command.client_order_id), command)
    except Failure as failure:
        return failure.body.get("code") in _OF_THE_ACCOUNT
    return False


def is_perpetual(connector: str) -> bool:
    found = connectors().get(connector)
    return found is not None and found.is_perpetual


def untradable(intended: Intent, error: NotTradable | RulesUnknown) -> Failure:
    """The answer to an order that the venue would not take, or of which nobody can say."""
    if isinstance(error, NotTradable):
        return failed(intended, 400, str(error), "not_tradable")
    failure = failed(intended, 503, str(error), "rules_not_loaded")
    failure.headers |= RETRY_SOON
    return failure


_CANCEL = Operation(
    "Ask for an order's cancellation. Asking again is harmless.",
    {200: (Message, DryRun)},
    is_command=True,
    errors=(404, 409),
)


@delete(
    "/trading/orders/{client_order_id:str}",
    opt=_TRADE | {"is_never_throttled": True, "operation": _CANCEL},
    status_code=200,
)
async def cancel_order(request: Request[Any, Any, Any], client_order_id: FromPath[str]) -> Reply:
    return await _cancel(request, deps_of(request), client_order_id)


@post(
    "/trading/{account_name:str}/{connector_name:str}/orders/{client_order_id:str}/cancel",
    opt=_TRADE | {"is_never_throttled": True, "operation": _CANCEL},
    status_code=200,
)
async def cancel_account_order(
    request: Request[Any, Any, Any],
    account_name: FromPath[str],
    connector_name: FromPath[str],
    client_order_id: FromPath[str],
) -> Reply:
    deps = deps_of(request)
    if await _owner(deps, client_order_id) != (account_name, connector_name):
        text = f"Account {account_name!r} has no order {client_order_id!r} on {connector_name!r}."
        raise Failure(404, text, "unknown_order")
    return await _cancel(request, deps, client_order_id)


async def _cancel(request: Request[Any, Any, Any], deps: Deps, client_order_id: str) -> Reply:
    check_id(client_order_id)
    is_trial = is_dry_run(request)
    intended = intent(request, deps, "cancel_order", (client_order_id,))
    stream = order.stream(client_order_id)
    if is_trial:
        return Reply(await dry_run(deps, stream, CancelOrder()))
    if not await may_be(deps, intended, client_order_id):
        raise failed(intended, 404, "There is no such order.", "unknown_order")
    outcome = await submit(request, deps, intended, stream, CancelOrder())
    headers = headers_of(outcome.receipt, is_replay=outcome.is_replay)
    await settle(deps, intended, outcome, headers)
    content = _encode(Message(f"Order cancellation initiated for {client_order_id}"))
    return Reply(content, headers=headers)


async def may_be(deps: Deps, intended: Intent, client_order_id: str) -> bool:
    """False for an order that there is not: it leaves no receipt.

    A cancellation is not stopped by a read that fails: then the committer decides.
    """
    try:
        found = await row(deps.pool, _SQL["owner"], {"key": client_order_id})
        if found is not None:
            return True
        stream = order.stream(client_order_id)
        if await in_thread(deps.store.read_stream, stream, 0, 1):
            return True
        return await is_received(deps, intended)
    except (psycopg.Error, StoreUnavailable):
        return True


async def _owner(deps: Deps, client_order_id: str) -> tuple[str, str] | None:
    """The order's account and connector, from the log while it is not projected yet."""
    check_id(client_order_id)
    found = await row(deps.pool, _SQL["owner"], {"key": client_order_id})
    if found is not None:
        return found[0], found[1]
    first = await in_thread(deps.store.read_stream, order.stream(client_order_id), 0, 1)
    for recorded in first:
        event = decode_recorded(recorded)
        if isinstance(event, OrderPlaced):
            return event.account, event.connector
    return None


def check_id(client_order_id: str) -> None:
    """What cannot be an order's name is no order's name."""
    if not _ID.fullmatch(client_order_id):
        raise Failure(404, "There is no such order.", "unknown_order")
