"""An account's balances by connector, with what they are worth: those of its last snapshot.

Workers are asked for a new one where that is wanted, and where a connector has come since the last.
The surprising thing: a connector that does not answer is never shown as empty. What it told before
is shown with `is_stale`; where it has told nothing yet it is an error if it was asked for by name,
and otherwise left out. The header `Aviary-Incomplete` names it and says why.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from litestar import Request, get
from litestar.params import FromPath
from msgspec import Struct

from api.as_of import Moment, moment_of
from api.deps import Deps
from api.errors import RETRY_SOON, Failure, invalid
from api.http.decoding import Query
from api.naming import check_name
from api.openapi import Operation
from api.past import row_then
from api.portfolio.reading import INCOMPLETE, look_again, one_line, stored
from api.portfolio.schemas import TokenRow
from api.reading import wait_for_position
from api.reply import Reply
from api.schemas import Names
from projections import queries
from projections.portfolios import PortfolioRow, silences

_SQL = queries.load("credentials")


class BalanceQuery(Struct, frozen=True):
    connector_names: Names | None = None
    refresh: bool = False
    """Ask the venues first."""


class _Seen(Struct, frozen=True):
    position: int
    held: Mapping[str, msgspec.Raw]
    """Token rows by connector."""
    silent: Mapping[str, str]
    """Why a connector did not answer at the last snapshot."""


_query = Query(BalanceQuery)


@get(
    "/accounts/{account_name:str}/balances",
    opt={
        "scope": "read",
        "operation": Operation(
            "Balances by connector, of the last snapshot; tokens without any are left out. Where a "
            f"connector did not answer, the header {INCOMPLETE} says why.",
            {200: dict[str, list[TokenRow]]},
            query=BalanceQuery,
            is_read=True,
            is_as_of=True,
            errors=(400, 502),
        ),
    },
)
async def balances(request: Request[Any, Any, Any], account_name: FromPath[str]) -> Reply:
    check_name(account_name)
    asked: BalanceQuery = _query(request)
    deps = await wait_for_position(request)
    moment = await moment_of(request)
    if moment is not None and asked.refresh:
        text = "The past cannot be asked for anew; leave refresh out"
        raise invalid("value_error", ("query", "as_of"), text)
    _, names = await connectors_of(deps, account_name, moment)
    wanted = list(dict.fromkeys(asked.connector_names or names))
    for name in wanted:
        if name not in names:
            text = f"Account {account_name!r} has no connector {name!r}; it has: {_list(names)}."
            raise Failure(404, text, "unknown_connector")
    seen = await _seen(deps, account_name, moment)
    is_known = set(wanted) <= {*seen.held, *seen.silent}
    if moment is None and wanted and (asked.refresh or not is_known):
        try:
            await look_again(deps, [account_name])
        except Failure:
            if asked.refresh or seen.held.keys().isdisjoint(wanted):
                raise
        seen = await _seen(deps, account_name)
    _check(account_name, wanted, seen, is_each_named=bool(asked.connector_names))
    shown = {name: seen.held[name] for name in wanted if name in seen.held}
    headers = {"Log-Position": str(seen.position)}
    failures = {name: _reason(name, seen) for name in wanted if _is_amiss(name, seen)}
    if failures:
        headers[INCOMPLETE] = one_line(failures)
    return Reply(msgspec.json.encode(shown), headers=headers)


def _list(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


async def connectors_of(
    deps: Deps, account: str, moment: Moment | None = None
) -> tuple[int, Sequence[str]]:
    """(position, names) of what the account may trade on. Raises Failure 404 without an account."""
    query, tables = _SQL["of_account"], ("accounts", "credentials")
    found = await row_then(deps, moment, query, {"account": account}, tables)
    if found is None:
        raise Failure(404, f"Account {account!r} does not exist.", "unknown_account")
    return found[0], msgspec.json.decode(found[1], type=list[str])


async def _seen(deps: Deps, account: str, moment: Moment | None = None) -> _Seen:
    position, found = await stored(deps, [account], moment)
    return _Seen(position, *_parts(found[0] if found else None))


def _parts(its: PortfolioRow | None) -> tuple[Mapping[str, msgspec.Raw], Mapping[str, str]]:
    if its is None:
        return {}, {}
    held = msgspec.json.decode(its.document, type=dict[str, msgspec.Raw])
    return held, {name: silence.error for name, silence in silences(its).items()}


def _check(account: str, wanted: Collection[str], seen: _Seen, *, is_each_named: bool) -> None:
    """Raise Failure 503 where an answer would look as if there were nothing."""
    missing = [name for name in wanted if name not in seen.held]
    if missing and (is_each_named or len(missing) == len(wanted)):
        text = f"Nothing is known of account {account!r} at {missing[0]!r}: "
        reason = _reason(missing[0], seen)
        raise Failure(503, text + reason, "venue_unreachable", RETRY_SOON)


def _is_amiss(name: str, seen: _Seen) -> bool:
    return name in seen.silent or name not in seen.held


def _reason(name: str, seen: _Seen) -> str:
    return seen.silent.get(name, "it is in no snapshot yet")
