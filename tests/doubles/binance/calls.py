"""One request as the routes see it: whose it is, what it says, and whether it may.

`signing` is the exchange's: HMAC-SHA256 over the parameters as they were sent, without the
signature; a timestamp that is at most `recvWindow` old and at most a second early.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qsl

from tests.doubles.binance import refusals
from tests.doubles.binance.exchange import Exchange
from tests.doubles.binance.records import Account
from tests.doubles.binance.refusals import ApiError
from tests.doubles.binance.symbols import Market

Security = Literal["none", "key", "read", "trade"]
_RECV_WINDOW_MS = 5_000
_RECV_WINDOW_MAX_MS = 60_000
_AHEAD_MAX_MS = 1_000
_KEY_LENGTH = 64


class Call(NamedTuple):
    exchange: Exchange
    market: Market
    parameters: dict[str, str]
    account: Account
    """Nobody's, with an empty name, where the route asks for no key."""
    now_ms: int

    def required(self, name: str) -> str:
        value = self.parameters.get(name)
        if not value:
            raise refusals.missing(name)
        return value

    def whole(self, name: str, default: int | None = None) -> int | None:
        text = self.parameters.get(name)
        if text is None:
            return default
        if not text.lstrip("-").isdigit():
            raise refusals.illegal(name)
        return int(text)

    def limit(self, default: int, largest: int) -> int:
        number = self.whole("limit", default) or default
        if number < 1:
            raise refusals.illegal("limit")
        return min(number, largest)


NOBODY = Account(name="", key="", secret="")


def parse(query: str, body: str) -> dict[str, str]:
    pairs = parse_qsl(query, keep_blank_values=True) + parse_qsl(body, keep_blank_values=True)
    return dict(pairs)


def who(accounts: Mapping[str, Account], key: str) -> Account:
    """The account of an API key; raises ApiError."""
    if len(key) != _KEY_LENGTH:
        raise ApiError(-2014, "API-key format invalid.", 401)
    account = accounts.get(key)
    if account is None:
        raise refusals.no_permission()
    return account


def check(
    account: Account, security: Security, payload: str, parameters: Mapping[str, Any], now_ms: int
) -> None:
    """Raise ApiError where the request is not signed, not timely or not permitted."""
    signature, stamp = str(parameters.get("signature", "")), parameters.get("timestamp")
    if not signature:
        raise refusals.missing("signature")
    if stamp is None or not str(stamp).isdigit():
        raise refusals.missing("timestamp")
    expected = hmac.new(account.secret.encode(), payload.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(signature.lower(), expected):
        raise ApiError(-1022, "Signature for this request is not valid.")
    window = str(parameters.get("recvWindow", _RECV_WINDOW_MS))
    if not window.isdigit() or int(window) > _RECV_WINDOW_MAX_MS:
        raise ApiError(-1131, "recvWindow must be less than 60000")
    if int(stamp) > now_ms + _AHEAD_MAX_MS:
        raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - int(stamp) > int(window):
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")
    if not (account.can_trade if security == "trade" else account.can_read):
        raise refusals.no_permission()


def signed_payload(query: str, body: str) -> str:
    """What the signature of a REST request covers."""
    return "".join(
        "&".join(part for part in text.split("&") if not part.startswith("signature="))
        for text in (query, body)
    )
