"""The portfolio now: state, balances, and how it is distributed; each by GET and by POST."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
from litestar import Request, get, post

from api.http.body_and_headers import read_body
from api.http.decoding import Body, Query
from api.openapi import Operation
from api.portfolio import figures
from api.portfolio.figures import Holding
from api.portfolio.reading import INCOMPLETE, Found, portfolios, state
from api.portfolio.schemas import (
    AccountsDistribution,
    Balances,
    Distribution,
    Filter,
    State,
    StateFilter,
)
from api.reply import Reply
from projections.portfolios import PortfolioRow

Handle = Callable[[Request[Any, Any, Any], Any], Awaitable[Reply]]
_Sums = Callable[[Sequence[PortfolioRow], Sequence[Holding]], dict[str, Any]]
_encode = msgspec.json.Encoder(decimal_format="number").encode
_state_body, _state_query = Body(StateFilter), Query(StateFilter)
_body, _query = Body(Filter), Query(Filter)
_SILENT = f"A venue that was silent is named in the header {INCOMPLETE}."


def opt(
    summary: str, answer: Any, kind: Any, *, is_post: bool, errors: tuple[int, ...] = ()
) -> Any:
    """The options of one of two twins."""
    asked = {"body" if is_post else "query": kind}
    operation = Operation(
        summary, {200: answer}, is_read=True, is_as_of=True, errors=errors, **asked
    )
    return {"scope": "read", "operation": operation}


def _opts(summary: str, answer: Any, kind: Any, errors: tuple[int, ...] = ()) -> tuple[Any, Any]:
    text = f"{summary} {_SILENT}"
    return (
        opt(text, answer, kind, is_post=False, errors=errors),
        opt(text, answer, kind, is_post=True, errors=errors),
    )


_of_state = _opts(
    "What each account held at its last snapshot.", State, StateFilter, errors=(400, 502)
)
_of_balances = _opts(
    "Tokens over all accounts, and the state.", Balances, StateFilter, errors=(400, 502)
)
_of_distribution = _opts("How value is distributed over tokens.", Distribution, Filter)
_of_accounts = _opts("How value is distributed over accounts.", AccountsDistribution, Filter)


@get("/portfolio/state", opt=_of_state[0])
async def state_by_query(request: Request[Any, Any, Any]) -> Reply:
    return await _state(request, _state_query(request))


@post("/portfolio/state", opt=_of_state[1], status_code=200)
async def state_by_body(request: Request[Any, Any, Any]) -> Reply:
    return await _state(request, _state_body(await read_body(request)))


@get("/portfolio/balances", opt=_of_balances[0])
async def balances_by_query(request: Request[Any, Any, Any]) -> Reply:
    return await _balances(request, _state_query(request))


@post("/portfolio/balances", opt=_of_balances[1], status_code=200)
async def balances_by_body(request: Request[Any, Any, Any]) -> Reply:
    return await _balances(request, _state_body(await read_body(request)))


@get("/portfolio/distribution", opt=_of_distribution[0])
async def distribution_by_query(request: Request[Any, Any, Any]) -> Reply:
    return await _distribution(request, _query(request))


@post("/portfolio/distribution", opt=_of_distribution[1], status_code=200)
async def distribution_by_body(request: Request[Any, Any, Any]) -> Reply:
    return await _distribution(request, _body(await read_body(request)))


@get("/portfolio/accounts-distribution", opt=_of_accounts[0])
async def accounts_by_query(request: Request[Any, Any, Any]) -> Reply:
    return await _accounts(request, _query(request))


@post("/portfolio/accounts-distribution", opt=_of_accounts[1], status_code=200)
async def accounts_by_body(request: Request[Any, Any, Any]) -> Reply:
    return await _accounts(request, _body(await read_body(request)))


async def _state(request: Request[Any, Any, Any], asked: StateFilter) -> Reply:
    found = await portfolios(request, asked, refresh=asked.refresh)
    return Reply(state(found.rows), headers=found.headers())


async def _balances(request: Request[Any, Any, Any], asked: StateFilter) -> Reply:
    def sums(rows: Sequence[PortfolioRow], held: Sequence[Holding]) -> dict[str, Any]:
        return {
            "total_value": figures.rounded(figures.total(held), 6),
            "balances": figures.by_token(held),
            "accounts": msgspec.Raw(state(rows)),
        }

    return await _answer(await portfolios(request, asked, refresh=asked.refresh), sums)


async def _distribution(request: Request[Any, Any, Any], asked: Filter) -> Reply:
    def sums(_: Sequence[PortfolioRow], held: Sequence[Holding]) -> dict[str, Any]:
        about = ",".join(asked.account_names or ()) or "all_accounts"
        return {**figures.distribution(held), "account_filter": about}

    return await _answer(await portfolios(request, asked), sums)


async def _accounts(request: Request[Any, Any, Any], asked: Filter) -> Reply:
    return await _answer(await portfolios(request, asked), figures.accounts_distribution)


async def _answer(found: Found, sums: _Sums) -> Reply:
    """Beside the event loop: of 20,000 holdings the sums alone take some tenths of a second."""
    return await asyncio.to_thread(_summed, found, sums)


def _summed(found: Found, sums: _Sums) -> Reply:
    held = figures.holdings(found.rows)
    quotes = sorted({its.quote for its in found.rows if its.quote})
    body = sums(found.rows, held) | {"quotes": quotes, "unpriced": figures.unpriced(held)}
    return Reply(_encode(body), headers=found.headers())


HANDLERS = (
    state_by_query,
    state_by_body,
    balances_by_query,
    balances_by_body,
    distribution_by_query,
    distribution_by_body,
    accounts_by_query,
    accounts_by_body,
)
