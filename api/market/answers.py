"""From what venues say to statuses of the wire, counted; and checks that market routes share."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from http import HTTPStatus
from typing import Any, cast

import msgspec
from litestar import Request
from msgspec import Raw

from adapters.venues.connectors import connectors
from adapters.venues.port import VenueBusy, VenueRefused, VenueUnreachable
from adapters.venues.registry import NoVenue
from api.errors import RETRY_SOON, Failure
from api.http.decoding import entry
from api.http.throttle import retry_after
from api.market.candles import LIMIT_SECONDS, NoInterval
from api.market.counting import Outcome
from api.market.quotes import Quotes
from api.market.rules import RulesUnknown
from api.schemas import Name
from domain.amounts import BadAmount, amount

_BAD_REQUEST, _NOT_FOUND = 400, 404
_CODES = {"unknown_pair": _NOT_FOUND, "not_supported": _BAD_REQUEST, "bad_interval": _BAD_REQUEST}
"""What venues refuse because of the request; everything else they refuse is their own matter."""


def quotes_of(request: Request[Any, Any, Any]) -> Quotes:
    return cast("Quotes", request.app.state.quotes)


@asynccontextmanager
async def asked(
    request: Request[Any, Any, Any], operation: str, connector: str, not_found: int = _NOT_FOUND
) -> AsyncIterator[Quotes]:
    """Count the question and turn what venues raise into Failures.

    `not_found` is the status for a connector or a pair that there is not.
    """
    quotes = quotes_of(request)
    outcome: Outcome = "answered"
    try:
        yield quotes
    except Exception as error:
        failure, outcome = _failure(error, connector, not_found)
        if failure is None:
            raise
        raise failure from None
    finally:
        quotes.requests.count(connector, operation, outcome)


def _failure(error: Exception, connector: str, not_found: int) -> tuple[Failure | None, Outcome]:
    match error:
        case NoVenue():
            return no_venue(error, connector, not_found), "refused"
        case NoInterval():
            return Failure(_BAD_REQUEST, str(error), "unknown_interval"), "refused"
        case VenueRefused(code=code, text=text):
            status = _CODES.get(code, HTTPStatus.BAD_GATEWAY)
            status = not_found if code == "unknown_pair" else status
            return Failure(status, f"{connector}: {text}", code), "refused"
        case RulesUnknown():
            return Failure(503, str(error), "rules_not_loaded", RETRY_SOON), "unreachable"
        case VenueBusy(retry_after_seconds=seconds):
            text = f"{connector} wants fewer questions: {error}."
            return Failure(503, text, "venue_busy", retry_after(seconds)), "unreachable"
        case VenueUnreachable():
            text = f"{connector} did not answer: {error}. Try again shortly."
            return Failure(502, text, "venue_unreachable", RETRY_SOON), "unreachable"
        case TimeoutError():
            text = (
                f"{connector} did not tell all of it within {LIMIT_SECONDS:.0f} s. What it told is "
                "kept: the same request goes on from there."
            )
            return Failure(504, text, "venue_late", RETRY_SOON), "late"
        case Failure():
            return error, "refused" if error.status < HTTPStatus.INTERNAL_SERVER_ERROR else "late"
    return None, "failed"


def no_venue(error: NoVenue, connector: str, not_found: int = _NOT_FOUND) -> Failure:
    if connector in connectors():
        return Failure(_BAD_REQUEST, str(error), "no_venue")
    return Failure(not_found, str(error), "unknown_connector")


def named(value: str, name: str) -> str:
    """Check a path parameter as names in bodies are. Raises Failure 422."""
    try:
        return msgspec.convert(value, Name)
    except msgspec.ValidationError as error:
        raise Failure(422, [entry(str(error), ("path", name), value)]) from None


def positive(raw: Raw, name: str) -> Decimal:
    """An amount of a body, exact. Raises Failure 422."""
    literal = bytes(raw)
    try:
        text = msgspec.json.decode(literal, type=str) if literal[:1] == b'"' else literal.decode()
        return amount(text)
    except (BadAmount, msgspec.DecodeError, UnicodeDecodeError) as error:
        shown = literal.decode("utf-8", "replace")[:100]
        raise Failure(422, [entry(f"Value error, {error}", ("body", name), shown)]) from None


def number(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
