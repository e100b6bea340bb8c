"""What an exception of ccxt proves, as tables: by the venue's own number first, then by its class.

The surprising thing: only a definite "no" is a refusal. Whatever leaves open whether the venue
acted (a timeout, a 5xx, a class that ccxt uses for lack of a better one) is VenueUnreachable, and
the order's fate is asked for later.
"""

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from adapters.vault.fields import without
from adapters.venues.port import VenueBusy, VenueRefused, VenueUnreachable

Operation = Literal["place", "cancel", "lookup", "access", "other"]

UNKNOWN = None
"""Instead of a refusal's code: nothing is proven."""

CLASSES: dict[str, str | None] = {
    "BaseError": UNKNOWN,
    "ExchangeError": UNKNOWN,  # also a cut answer, and numbers that ccxt has no class for
    "AuthenticationError": "bad_credential",
    "PermissionDenied": "permission_denied",
    "AccountNotEnabled": "permission_denied",
    "AccountSuspended": "account_suspended",
    "ArgumentsRequired": "bad_request",
    "BadRequest": "bad_request",
    "BadSymbol": "unknown_pair",
    "OperationRejected": "rejected",
    "NoChange": "no_change",
    "MarginModeAlreadySet": "no_change",
    "MarketClosed": "not_tradable",
    "ManualInteractionNeeded": "manual_interaction_needed",
    "RestrictedLocation": "restricted_location",
    "InsufficientFunds": "insufficient_balance",
    "InvalidAddress": "bad_request",
    "AddressPending": "bad_request",
    "InvalidOrder": "rejected",
    "OrderNotFound": "unknown_order",
    "OrderNotCached": UNKNOWN,
    "OrderImmediatelyFillable": "would_cross",
    "OrderNotFillable": "rejected",
    "DuplicateOrderId": "duplicate_client_order_id",
    "ContractUnavailable": "not_tradable",
    "NotSupported": "not_supported",
    "InvalidProxySettings": UNKNOWN,
    "ExchangeClosedByUser": UNKNOWN,
    "OperationFailed": UNKNOWN,
    "NetworkError": UNKNOWN,
    "DDoSProtection": UNKNOWN,
    "RateLimitExceeded": UNKNOWN,
    "ExchangeNotAvailable": UNKNOWN,
    "OnMaintenance": UNKNOWN,
    "InvalidNonce": UNKNOWN,
    "ChecksumError": UNKNOWN,
    "RequestTimeout": UNKNOWN,
    "BadResponse": UNKNOWN,
    "NullResponse": UNKNOWN,
    "CancelPending": UNKNOWN,
    "UnsubscribeError": UNKNOWN,
}
"""Every class of ccxt, by name so that ccxt need not be imported to read this."""

BUSY = frozenset({"RateLimitExceeded", "DDoSProtection"})
"""Nothing is proven, but the venue wants fewer requests."""

UNPROVEN_WHILE_PLACING = frozenset({"unknown_order"})
"""Codes that are no answer to a placement, so that they prove nothing about it."""


class Number(NamedTuple):
    number: int
    pattern: str
    """Found anywhere in the venue's text; empty matches all."""
    code: str | None


BINANCE: tuple[Number, ...] = (
    Number(-1002, "", "bad_credential"),
    Number(-1010, "insufficient balance", "insufficient_balance"),
    Number(-1013, "PERCENT_PRICE", "bad_price"),
    Number(-1013, "PRICE_FILTER", "bad_tick"),
    Number(-1013, "LOT_SIZE", "bad_lot"),
    Number(-1013, "NOTIONAL", "below_min_notional"),
    Number(-1013, "MAX_NUM", "too_many_orders"),
    Number(-1013, "MAX_POSITION", "above_max_position"),
    Number(-1013, "Invalid price", "bad_price"),
    Number(-1013, "Market is closed", "not_tradable"),
    Number(-1013, "", "rejected"),
    Number(-1014, "", "bad_order_type"),
    Number(-1020, "", "not_supported"),
    Number(-1021, "", "request_expired"),
    Number(-1022, "", "bad_credential"),
    Number(-1111, "rice", "bad_tick"),
    Number(-1111, "", "bad_lot"),
    Number(-1116, "", "bad_order_type"),
    Number(-1121, "", "unknown_pair"),
    Number(-2008, "", "bad_credential"),
    Number(-2010, "Duplicate order", "duplicate_client_order_id"),
    Number(-2010, "insufficient balance", "insufficient_balance"),
    Number(-2010, "immediately match", "would_cross"),
    Number(-2010, "Market is closed", "not_tradable"),
    Number(-2010, "not permitted", "permission_denied"),
    Number(-2010, "LOT_SIZE", "bad_lot"),
    Number(-2010, "", "rejected"),
    Number(-2011, "Unknown order", "unknown_order"),
    Number(-2011, "", "rejected"),
    Number(-2013, "", "unknown_order"),
    Number(-2014, "", "bad_credential"),
    Number(-2015, "", "bad_credential"),
    Number(-2018, "", "insufficient_balance"),
    Number(-2019, "", "insufficient_balance"),
    Number(-2021, "", "would_trigger"),
    Number(-2022, "", "reduce_only_rejected"),
    Number(-2025, "", "too_many_orders"),
    Number(-2026, "", "not_supported"),
    Number(-2027, "", "above_max_position"),
    Number(-2028, "", "insufficient_balance"),
    Number(-4003, "", "below_min_quantity"),
    Number(-4004, "", "below_min_quantity"),
    Number(-4005, "", "above_max_quantity"),
    Number(-4013, "", "bad_price"),
    Number(-4014, "", "bad_tick"),
    Number(-4015, "", "bad_client_order_id"),
    Number(-4016, "", "bad_price"),
    Number(-4023, "", "bad_lot"),
    Number(-4024, "", "bad_price"),
    Number(-4028, "", "bad_leverage"),
    Number(-4046, "", "no_change"),
    Number(-4059, "", "no_change"),
    Number(-4061, "", "position_mode_mismatch"),
    Number(-4067, "", "open_orders_exist"),
    Number(-4068, "", "positions_exist"),
    Number(-4116, "", "duplicate_client_order_id"),
    Number(-4131, "", "no_liquidity"),
    Number(-4164, "", "below_min_notional"),
    Number(-4400, "", "reduce_only_rejected"),
    Number(-4411, "", "permission_denied"),
    Number(-5021, "", "rejected"),
    Number(-5022, "", "would_cross"),
    Number(-5028, "", "request_expired"),
)
"""The first row that fits counts. Numbers from -1000 to -1099 that are not here leave open what the
venue did (-1006, -1007: "execution status unknown"); other numbers that are not here are refusals.
"""

_JSON = re.compile(r"\{.*\}", re.DOTALL)


def translate(
    error: Exception,
    operation: Operation,
    credential: Mapping[str, str] = MappingProxyType({}),
) -> Exception:
    """The port's exception for one of ccxt's, or for any other, without a field of the credential.

    Venues repeat what they were sent, and libraries what they were given.
    """
    text = _text(error, credential)
    number, said = _binance_answer(text)
    code = _by_class(error) if number is None else _by_number(number, said)
    if operation == "place" and code in UNPROVEN_WHILE_PLACING:
        code = UNKNOWN
    if code is UNKNOWN and operation == "access" and _is_of_signing(error):
        return VenueRefused("bad_credential", f"It cannot be signed with: {text}")
    if code is UNKNOWN:
        is_busy = any(each.__name__ in BUSY for each in type(error).__mro__)
        unreachable = VenueBusy if is_busy else VenueUnreachable
        return unreachable(f"{type(error).__name__}: {text}")
    return VenueRefused(code, said or text)


def _is_of_signing(error: Exception) -> bool:
    """Not from the venue: a field that is no key at all cannot be read, put in a header, used."""
    module = type(error).__module__
    return isinstance(error, ValueError | TypeError) or module.startswith(
        "ccxt.static_dependencies"
    )


def _text(error: Exception, credential: Mapping[str, str]) -> str:
    """Without what was signed: addresses end before their query."""
    text = without(str(error), credential)
    return re.sub(r"(https?://[^\s?]*)\?\S*", r"\1", text)[:500] or type(error).__name__


def _by_class(error: Exception) -> str | None:
    for each in type(error).__mro__:
        if each.__module__.startswith("ccxt") and each.__name__ in CLASSES:
            return CLASSES[each.__name__]
    return UNKNOWN


def _binance_answer(text: str) -> tuple[int | None, str]:
    found = _JSON.search(text)
    if found is None or not text.startswith("binance"):
        return None, ""
    try:
        answer = json.loads(found.group())
    except ValueError:
        return None, ""
    if not isinstance(answer, dict) or type(answer.get("code")) is not int:
        return None, ""
    return (answer["code"], str(answer.get("msg", ""))) if answer["code"] < 0 else (None, "")


def _by_number(number: int, said: str) -> str | None:
    for row in BINANCE:
        if row.number == number and row.pattern in said:
            return row.code
    return UNKNOWN if -1100 < number <= -1000 else "rejected"  # noqa: PLR2004 - as said above
