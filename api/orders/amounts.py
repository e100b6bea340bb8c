"""Amounts in requests: JSON numbers or strings, kept as written, never read as floats."""

import contextlib
from collections.abc import Mapping
from decimal import Decimal

import msgspec
from msgspec import Raw, Struct

from api.errors import Failure
from api.http.decoding import entry
from domain.amounts import BadAmount, amount

_text = msgspec.json.Decoder(str).decode
_SHOWN_BYTES_MAX = 200


class Given(Struct, frozen=True):
    text: str
    """As it was sent."""
    value: Decimal


def read_amounts(fields: Mapping[str, Raw]) -> dict[str, Given | None]:
    """None for null. Raises Failure 422 naming each that is no amount."""
    found: dict[str, Given | None] = {}
    errors: list[dict[str, object]] = []
    for name, raw in fields.items():
        try:
            found[name] = None if bytes(raw) == b"null" else _given(raw)
        except (BadAmount, msgspec.DecodeError) as error:
            errors.append(_bad(name, raw, error))
    if errors:
        raise Failure(422, errors)
    return found


def required(name: str, raw: Raw, found: Mapping[str, Given | None]) -> Given:
    """Raise Failure 422 for null."""
    given = found[name]
    if given is None:
        error = BadAmount("Input should be a number or a string that holds one")
        raise Failure(422, [_bad(name, raw, error)])
    return given


def _given(raw: Raw) -> Given:
    text = _literal(raw)
    return Given(text, amount(text))


def _literal(raw: Raw) -> str:
    literal = bytes(raw)
    if literal[:1] == b'"':
        return _text(literal)
    if literal[:1] in b"-0123456789":
        return literal.decode("ascii")
    raise BadAmount("Input should be a number or a string that holds one")


def _bad(name: str, raw: Raw, error: Exception) -> dict[str, object]:
    return entry(f"Value error, {error}", ("body", name), _shown(bytes(raw)))


def _shown(literal: bytes) -> object:
    """What was sent, or its beginning where that is no value, as 1e999999 is none."""
    if len(literal) <= _SHOWN_BYTES_MAX:
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.json.decode(literal)
    return literal.decode("utf-8", "replace")[: _SHOWN_BYTES_MAX // 2]
