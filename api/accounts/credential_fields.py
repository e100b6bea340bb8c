"""The fields of a credential, held against what its connector asks for.

What is wrong is named and never repeated: an answer may be logged by whoever asked.
"""

import hmac
from collections.abc import Mapping
from typing import Any

import msgspec

from adapters.vault.fields import Fields
from adapters.venues.connectors import Field
from api.errors import Failure
from api.http.decoding import Body

_object = Body(dict)
_TEXT_MAX = 10_000
_DIGITS_MAX = 18
_WHOLE_BELOW = 10**_DIGITS_MAX
_FINGERPRINT_BYTES = 8


def decoded(raw: bytes) -> dict[str, Any]:
    """The object that a body holds. Raise Failure 422, which repeats nothing of it."""
    try:
        found: dict[str, Any] = _object(raw)
    except Failure as failure:
        for entry in failure.body["detail"]:  # type: ignore[attr-defined]  # FastAPI's list
            entry["input"] = None
        raise
    return found


def checked(
    config_map: Mapping[str, Field], given: Mapping[str, Any], place: tuple[str, ...]
) -> Fields:
    """Raise Failure 422 that names every field that is missing, unknown or of the wrong type."""
    errors: list[dict[str, object]] = []
    found: dict[str, object] = {}
    for name, field in config_map.items():
        if given.get(name) is None:
            if field.required:
                errors.append(_entry("missing", (*place, name), "Field required"))
            continue
        try:
            found[name] = _value(field, given[name])
        except ValueError as error:
            errors.append(_entry("value_error", (*place, name), f"Value error, {error}"))
    known = ", ".join(config_map) or "no fields"
    errors += [
        _entry(
            "extra_forbidden", (*place, name[:200]), f"There is no such field; there are: {known}"
        )
        for name in given
        if name not in config_map
    ]
    if errors:
        raise Failure(422, errors)
    return Fields(found)


def _entry(kind: str, loc: tuple[str, ...], message: str) -> dict[str, object]:
    return {"type": kind, "loc": list(loc), "msg": message, "input": None}


def _value(field: Field, value: object) -> object:
    """Raise ValueError saying what it should be."""
    match field.type:
        case "SecretStr" | "str":
            return _text(value)
        case "bool":
            return _truth(value)
        case "int":
            return _whole(value)
        case "Literal":
            allowed = field.allowed_values or ()
            if value not in allowed:
                raise ValueError(f"it must be one of {', '.join(allowed)}")
            return value
        case _:
            return value  # Settings of connectors that are not traded through here.


def _text(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= _TEXT_MAX or "\0" in value:
        raise ValueError(f"it must be a text of 1 to {_TEXT_MAX} characters")
    return value


def _truth(value: object) -> bool:
    match value:
        case True | "true" | "True":
            return True
        case False | "false" | "False":
            return False
    raise ValueError("it must be true or false")


def _whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _WHOLE_BELOW:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS_MAX:
        return int(value)
    raise ValueError(f"it must be a whole number of at most {_DIGITS_MAX} digits")


def fingerprint(key: bytes, fields: Fields) -> str:
    """Keyed, so that nobody can try fields against it; equal fields have equal ones."""
    text = msgspec.json.encode(fields.values, order="sorted")
    return hmac.digest(key, b"credential fingerprint" + text, "sha256")[:_FINGERPRINT_BYTES].hex()


def named_and_credentials(body: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The two of a body that holds both. Raise Failure 422, which repeats neither."""
    name, credentials = body.get("connector_name"), body.get("credentials")
    errors = []
    for field, value, kind, words in (
        ("connector_name", name, str, "a text"),
        ("credentials", credentials, dict, "an object"),
    ):
        if field not in body:
            errors.append(_entry("missing", ("body", field), "Field required"))
        elif not isinstance(value, kind):
            errors.append(
                _entry("value_error", ("body", field), f"Value error, it must be {words}")
            )
    if errors or not isinstance(name, str) or not isinstance(credentials, dict):
        raise Failure(422, errors)
    return name, credentials
