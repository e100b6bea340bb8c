"""An account's balances, as its venues tell them now, with what they are worth.

The venues are asked by workers. The surprising thing: a connector that does not answer is never
shown as empty. It is an error where it was asked for by name; otherwise it is left out, and the
header `Aviary-Incomplete` names it and says why.
"""

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec
from litestar import Request, get
from litestar.params import FromPath
from msgspec import Struct

from adapters.postgres.questions import Question
from adapters.venues.port import Balance
from api.accounts.pricing import prices_of
from api.deps import Deps
from api.errors import Failure
from api.http.decoding import Query
from api.market.quotes import Quotes
from api.naming import check_name
from api.openapi import Operation
from api.reading import row, wait_for_position
from api.reply import Reply
from api.schemas import Names
from domain.amounts import times
from projections import queries

_SQL = queries.load("credentials")
_FRESH = '{"is_fresh":true}'
_HEADER_MAX = 1000
INCOMPLETE = "Aviary-Incomplete"


class BalanceQuery(Struct, frozen=True):
    connector_names: Names | None = None
    refresh: bool = False
    """Otherwise an answer of the last second will do."""


class TokenBalance(Struct, frozen=True):
    """On the wire; amounts are JSON numbers with all their digits."""

    token: str
    units: float
    price: float | None
    """In USDT, else USD, else USDC; null where no market tells."""
    value: float | None
    available_units: float


_query = Query(BalanceQuery)
_decode = msgspec.json.Decoder(list[Balance]).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode


@get(
    "/accounts/{account_name:str}/balances",
    opt={
        "scope": "read",
        "operation": Operation(
            "Balances by connector, asked of the venues; tokens without any are left out. Where a "
            f"connector is left out because it did not answer, the header {INCOMPLETE} says why.",
            {200: dict[str, list[TokenBalance]]},
            query=BalanceQuery,
            is_read=True,
            errors=(400, 502),
        ),
    },
)
async def balances(request: Request[Any, Any, Any], account_name: FromPath[str]) -> Reply:
    check_name(account_name)
    asked: BalanceQuery = _query(request)
    deps = await wait_for_position(request)
    position, names = await connectors_of(deps, account_name)
    wanted = list(dict.fromkeys(asked.connector_names or names))
    for name in wanted:
        if name not in names:
            text = f"Account {account_name!r} has no connector {name!r}; it has: {_list(names)}."
            raise Failure(404, text, "unknown_connector")
    found, failures = await ask_all(deps, account_name, wanted, is_fresh=asked.refresh)
    if failures and (asked.connector_names or not found):
        raise next(iter(failures.values()))
    shown = await priced(deps, request.app.state.quotes, found)
    headers = {"Log-Position": str(position)}
    if failures:
        headers[INCOMPLETE] = incomplete(failures)
    return Reply(_encode(shown), headers=headers)


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


async def connectors_of(deps: Deps, account: str) -> tuple[int, Sequence[str]]:
    """(position, names) of what the account may trade on. Raises Failure 404 without an account."""
    found = await row(deps.pool, _SQL["of_account"], {"account": account})
    if found is None:
        raise Failure(404, f"Account {account!r} does not exist.", "unknown_account")
    return found[0], msgspec.json.decode(found[1], type=list[str])


async def ask_all(
    deps: Deps, account: str, connectors: Sequence[str], *, is_fresh: bool
) -> tuple[dict[str, list[Balance]], dict[str, Failure]]:
    """Balances by connector, and what became of the others; all are asked at the same time."""
    detail = _FRESH if is_fresh else None
    answers = await asyncio.gather(
        *(deps.asking.ask(Question(account, name, "balances", detail)) for name in connectors),
        return_exceptions=True,
    )
    found: dict[str, list[Balance]] = {}
    failures: dict[str, Failure] = {}
    for name, answer in zip(connectors, answers, strict=True):
        if isinstance(answer, Failure):
            failures[name] = answer
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found[name] = [each for each in _decode(answer) if each.total or each.available]
    return found, failures


async def priced(
    deps: Deps, quotes: Quotes, found: Mapping[str, Sequence[Balance]]
) -> dict[str, list[Mapping[str, object]]]:
    """Rows as TokenBalance, by connector."""
    served = [name for name in found if name in deps.venues.names]
    tokens = {each.token for balances in found.values() for each in balances}
    prices = await prices_of(quotes, served, tokens)
    return {
        name: [_row(each, prices.get(each.token)) for each in balances]
        for name, balances in found.items()
    }


def _row(balance: Balance, price: Decimal | None) -> Mapping[str, object]:
    return {
        "token": balance.token,
        "units": balance.total,
        "price": price,
        "value": None if price is None else times(balance.total, price),
        "available_units": balance.available,
    }


def incomplete(failures: Mapping[str, Failure]) -> str:
    """One line of visible ASCII."""
    text = "; ".join(f"{name}: {failure}" for name, failure in failures.items())
    line = " ".join(text.encode("ascii", "replace").decode().split())
    return "".join(letter for letter in line if letter.isprintable())[:_HEADER_MAX]
