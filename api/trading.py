"""Orders: place and cancel them. What is decided is decided in the domain, behind the committer."""

import contextlib
import re
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
from litestar import Request, delete, post
from litestar.params import FromPath
from msgspec import Raw, Struct

from api.decoding import Body, entry
from api.deps import Deps, deps_of
from api.dry_run import dry_run
from api.errors import RETRY_SOON, Failure
from api.http import read_body
from api.market.rules import NotTradable, RulesUnknown, fit
from api.openapi import Operation
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
from domain import order
from domain.amounts import BadAmount, amount
from domain.log import StoreUnavailable
from domain.order_messages import CancelOrder, OrderPlaced, PlaceOrder
from projections import queries

_place_body = Body(PlaceOrderBody)
_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode
_SQL = queries.load("orders")
_ID = re.compile(r"av[a-z2-7]{26}")
_SHOWN_BYTES_MAX = 200
_TRADE = {"scope": "trade"}


class _Amounts(Struct, frozen=True):
    quantity_text: str
    quantity: Decimal
    price_text: str | None
    price: Decimal | None


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
    raw = await read_body(request, deps.settings.body_bytes_max)
    asked: PlaceOrderBody = _place_body(raw)
    amounts = _amounts(asked)
    is_trial = is_dry_run(request)
    intended = intent(request, deps, "place_order", (), raw)
    order_id = client_order_id_of(intended.command_id)
    command = await _command(deps, intended, asked, amounts, order_id)
    if is_trial:
        return Reply(await dry_run(deps, order.stream(order_id), command))
    outcome = await submit(request, deps, intended, order.stream(order_id), command)
    placed = PlacedOrder(
        order_id,
        asked.account_name,
        asked.connector_name,
        asked.trading_pair,
        asked.trade_type,
        amounts.quantity_text,
        asked.order_type,
        amounts.price_text,
    )
    headers = headers_of(outcome.receipt, is_replay=outcome.is_replay)
    if await settle(deps, intended, outcome, headers):
        with contextlib.suppress(psycopg.Error):  # The order is placed, whatever can be read.
            found = await row(deps.pool, _SQL["wire_status"], {"key": order_id})
            if found is not None:
                placed = msgspec.structs.replace(placed, order_status=found[0])
    return Reply(_encode(placed), 201, headers)


def _amounts(asked: PlaceOrderBody) -> _Amounts:
    """Raise Failure 422 naming each of the two that is no amount."""
    errors: list[dict[str, object]] = []
    quantity_text = price_text = None
    quantity = price = None
    try:
        quantity_text = _literal(asked.amount)
        quantity = amount(quantity_text)
    except (BadAmount, msgspec.DecodeError) as error:
        errors.append(_bad_amount("amount", asked.amount, error))
    if bytes(asked.price) != b"null":
        try:
            price_text = _literal(asked.price)
            price = amount(price_text)
        except (BadAmount, msgspec.DecodeError) as error:
            errors.append(_bad_amount("price", asked.price, error))
    if quantity is None or quantity_text is None or errors:
        raise Failure(422, errors)
    return _Amounts(quantity_text, quantity, price_text, price)


def _literal(raw: Raw) -> str:
    """The text of a JSON number or string, never read as a float."""
    literal = bytes(raw)
    if literal[:1] == b'"':
        return _text(literal)
    if literal[:1] in b"-0123456789":
        return literal.decode("ascii")
    raise BadAmount("Input should be a number or a string that holds one")


def _bad_amount(name: str, raw: Raw, error: Exception) -> dict[str, object]:
    return entry(f"Value error, {error}", ("body", name), _shown(bytes(raw)))


def _shown(literal: bytes) -> object:
    """What was sent, or its beginning where that is no value, as 1e999999 is none."""
    if len(literal) <= _SHOWN_BYTES_MAX:
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.json.decode(literal)
    return literal.decode("utf-8", "replace")[: _SHOWN_BYTES_MAX // 2]


async def _command(
    deps: Deps, intended: Intent, asked: PlaceOrderBody, amounts: _Amounts, order_id: str
) -> PlaceOrder:
    """The order as the venue can take it. Raises Failure 400, or 503 before its rules are known."""
    quantity, price = amounts.quantity, amounts.price
    try:
        rule = await deps.markets.rule(asked.connector_name, asked.trading_pair)
        quantity, price = fit(rule, asked.trade_type, asked.order_type, quantity, price)
    except (NotTradable, RulesUnknown) as error:
        if not await is_received(deps, intended):
            raise _untradable(intended, error) from None
    return PlaceOrder(
        asked.account_name,
        asked.connector_name,
        asked.trading_pair,
        asked.trade_type,
        asked.order_type,
        quantity,
        price,
        asked.position_action,
        order_id,
        amounts.quantity if quantity != amounts.quantity else None,
        amounts.price if price != amounts.price else None,
    )


def _untradable(intended: Intent, error: NotTradable | RulesUnknown) -> Failure:
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
