"""The last snapshot of each account: read, asked for anew, and what is said of venues that failed.

The surprising thing: a venue that is silent is never shown as empty. What it told before is shown
with `is_stale`, and the header `Aviary-Incomplete` names it and says why.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec
from litestar import Request
from msgspec import Struct, structs

from adapters.postgres.questions import Snapshot, snapshot_of
from api.as_of import Moment, moment_of
from api.deps import Deps
from api.errors import RETRY_SOON, Failure, invalid
from api.past import row_then
from api.portfolio.schemas import Filter
from api.reading import MIN_POSITION_SECONDS, rows, wait_for_position
from projections import queries
from projections.portfolios import PortfolioRow, silences

INCOMPLETE = "Aviary-Incomplete"
_HEADER_MAX = 1000
_SQL = queries.load("portfolios")
_TRADABLE = queries.load("credentials")["tradable"]
_decode = msgspec.json.Decoder(list[PortfolioRow]).decode


class Found(Struct, frozen=True):
    """Rows with the wanted connectors alone."""

    position: int
    rows: Sequence[PortfolioRow]
    failures: Mapping[str, str]
    """Why something is missing or stale, by `account/connector`, or by account."""

    def headers(self) -> dict[str, str]:
        shown = {"Log-Position": str(self.position)}
        if self.failures:
            shown[INCOMPLETE] = one_line(self.failures)
        return shown


async def portfolios(
    request: Request[Any, Any, Any], asked: Filter, *, refresh: bool = False
) -> Found:
    """Raise Failure where a fresh look was wanted and nobody could take any."""
    deps = await wait_for_position(request)
    moment = await moment_of(request)
    failed: Mapping[str, Failure] = {}
    if refresh and moment is not None:
        text = "The past cannot be asked for anew; leave refresh out"
        raise invalid("value_error", ("query", "as_of"), text)
    if refresh:
        failed = await look_again(deps, asked.account_names)
    position, found = await stored(deps, asked.account_names, moment)
    wanted = None if not asked.connector_names else frozenset(asked.connector_names)
    failures = {account: str(failure) for account, failure in failed.items()}
    for its in found:
        for connector, silence in silences(its).items():
            if wanted is None or connector in wanted:
                failures[f"{its.key}/{connector}"] = silence.error
    shown = found if wanted is None else [only(its, wanted.__contains__) for its in found]
    return Found(position, shown, failures)


async def stored(
    deps: Deps, accounts: Sequence[str] | None, moment: Moment | None = None
) -> tuple[int, list[PortfolioRow]]:
    """The position and the rows of these accounts, or of all; raises psycopg.Error."""
    conditions = [_SQL["account_names"]] if accounts else []
    query = queries.filtered(_SQL["rows"], conditions)
    values = {"account_names": accounts}
    found = await row_then(deps, moment, query, values, ("portfolios",), conditions)
    assert found is not None  # noqa: S101 - an aggregate always gives a row
    return found[0], _decode(found[1])


async def look_again(deps: Deps, accounts: Sequence[str] | None) -> Mapping[str, Failure]:
    """Let workers take a snapshot of each account, all at the same time, and wait for the rows.

    Answers why it could not be done, by account; raises the Failure where that is so of all.
    """
    found = {account for account, _, _ in await rows(deps.pool, _TRADABLE, {})}
    tradable = sorted(found if not accounts else found.intersection(accounts))
    answers = await asyncio.gather(
        *(deps.asking.ask(snapshot_of(account)) for account in tradable),
        return_exceptions=True,
    )
    failures: dict[str, Failure] = {}
    position = 0
    for account, answer in zip(tradable, answers, strict=True):
        if isinstance(answer, Failure):
            failures[account] = answer
        elif isinstance(answer, BaseException):
            raise answer
        else:
            position = max(position, msgspec.json.decode(answer, type=Snapshot).position)
    if not await deps.hub.reached(position, MIN_POSITION_SECONDS):
        text = f"The read models do not hold its snapshot, of position {position}, yet."
        late = Failure(503, text, "position_not_reached", RETRY_SOON)
        failures = dict.fromkeys(tradable, late) | failures
    if failures and len(failures) == len(tradable):
        raise next(iter(failures.values()))
    return failures


def only(its: PortfolioRow, wanted: Callable[[str], bool]) -> PortfolioRow:
    """The row with those connectors, in the same order, each as it was."""
    held = msgspec.json.decode(its.document, type=dict[str, msgspec.Raw])
    kept = {connector: items for connector, items in held.items() if wanted(connector)}
    return structs.replace(its, document=msgspec.json.encode(kept).decode())


def state(found: Iterable[PortfolioRow]) -> bytes:
    """The map of accounts, as State."""
    shown = {its.key: msgspec.Raw(its.document) for its in found}
    return msgspec.json.encode(shown)


def one_line(failures: Mapping[str, str]) -> str:
    """Visible ASCII, as a header may have it."""
    text = "; ".join(f"{name}: {failure}" for name, failure in failures.items())
    line = " ".join(text.encode("ascii", "replace").decode().split())
    return "".join(letter for letter in line if letter.isprintable())[:_HEADER_MAX]
