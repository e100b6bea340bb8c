r"""Requests to structs: one fast decode, and on any error a slow one that finds them all.

Errors are FastAPI's list: `[{"type", "loc", "msg", "input"}]`. The surprising thing: `$` in our
patterns is followed by `(?!\n)`, because Python's `$` alone lets a final newline pass.
"""

from typing import Any, TypeVar

import msgspec
from litestar import Request
from msgspec import NODEFAULT, Struct, inspect, structs

from api.errors import Failure, invalid

NAME = r"^[A-Za-z0-9_-]{1,64}$(?!\n)"
DEPTH_MAX = 64
_SHOWN_BYTES_MAX = 200

Asked = TypeVar("Asked", bound=Struct)

_KINDS = (
    ("Expected `str` matching", "string_pattern_mismatch"),
    ("Expected `str` of length <=", "string_too_long"),
    ("Expected `str` of length >=", "string_too_short"),
    ("Expected `array` of length", "too_long"),
    ("Expected `str", "string_type"),
    ("Expected `int` >=", "greater_than_equal"),
    ("Expected `int` <=", "less_than_equal"),
    ("Expected `int", "int_type"),
    ("Expected `array", "list_type"),
    ("Expected `object`", "model_attributes_type"),
    ("Invalid enum value", "literal_error"),
)


class Body:
    """Decodes a struct type, or `dict`, from JSON bodies; an empty body is an empty object."""

    def __init__(self, kind: type[Asked] | type[dict[str, Any]]) -> None:
        self.kind = kind
        self._decode = msgspec.json.Decoder(kind).decode

    def __call__(self, body: bytes) -> Any:
        try:
            body.decode()  # What no field asks for is not looked at by the decoder.
        except UnicodeDecodeError as error:
            raise invalid("json_invalid", ("body",), f"JSON decode error: {error}") from None
        if body.count(b"[") + body.count(b"{") > DEPTH_MAX and _depth(body) > DEPTH_MAX:
            text = f"JSON nested deeper than {DEPTH_MAX} levels"
            raise invalid("json_invalid", ("body",), text)
        try:
            return self._decode(body or b"{}")
        except msgspec.ValidationError:
            raise self._failure(body) from None
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise invalid("json_invalid", ("body",), f"JSON decode error: {error}") from None

    def _failure(self, body: bytes) -> Failure:
        try:
            whole = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return invalid("json_invalid", ("body",), f"JSON decode error: {error}")
        if not isinstance(whole, dict):
            text = "Input should be a JSON object"
            return Failure(422, [_error("model_attributes_type", ("body",), text, whole)])
        assert issubclass(self.kind, Struct)  # noqa: S101 - every object is a dict
        return Failure(422, errors_of(self.kind, whole, "body", strict=True))


class Query:
    """Decodes one struct type from the query string; lists are repeated parameters."""

    def __init__(self, kind: type[Asked]) -> None:
        self.kind = kind
        self._lists = frozenset(
            field.encode_name for field in structs.fields(kind) if _is_list(field.type)
        )
        self._names = frozenset(field.encode_name for field in structs.fields(kind))

    def __call__(self, request: Request[Any, Any, Any]) -> Any:
        given: dict[str, Any] = {}
        if request.scope["query_string"]:
            for name, value in request.query_params.multi_items():
                if name in self._lists:
                    given.setdefault(name, []).append(value)
                elif name in self._names:
                    given[name] = value
        try:
            return msgspec.convert(given, self.kind, strict=False)
        except msgspec.ValidationError:
            raise Failure(422, errors_of(self.kind, given, "query", strict=False)) from None


def parameter(request: Request[Any, Any, Any], name: str) -> str | None:
    """The first of that name, which may be percent-encoded; most requests have no query at all."""
    if not request.scope["query_string"]:
        return None
    found: str | None = request.query_params.get(name)
    return found


def errors_of(
    kind: type[Struct], given: dict[str, Any], place: str, *, strict: bool
) -> list[dict[str, object]]:
    """Check field by field, so that every wrong one is named."""
    errors = [
        _error("extra_forbidden", (place, name), "Extra inputs are not permitted", given[name])
        for name in sorted(given.keys() - {f.encode_name for f in structs.fields(kind)})
        if kind.__struct_config__.forbid_unknown_fields
    ]
    for field in structs.fields(kind):
        if field.encode_name not in given:
            if field.default is NODEFAULT and field.default_factory is NODEFAULT:
                errors.append(_error("missing", (place, field.encode_name), "Field required", None))
            continue
        value = given[field.encode_name]
        try:
            if not _is_raw(field.type):
                msgspec.convert(value, field.type, strict=strict)
        except msgspec.ValidationError as error:
            errors.append(entry(str(error), (place, field.encode_name), value))
    return errors


def entry(message: str, loc: tuple[str, ...], value: object) -> dict[str, object]:
    kind = next((kind for start, kind in _KINDS if message.startswith(start)), "value_error")
    return _error(kind, loc, message, value)


def _error(kind: str, loc: tuple[str, ...], message: str, value: object) -> dict[str, object]:
    shown = value if len(repr(value)) <= _SHOWN_BYTES_MAX else None
    return {"type": kind, "loc": list(loc), "msg": message, "input": shown}


def _is_raw(kind: Any) -> bool:
    """Raw fields are checked by their handlers."""
    found = inspect.type_info(kind)
    return isinstance(_bare(found), inspect.RawType)


def _bare(found: inspect.Type) -> inspect.Type:
    return found.type if isinstance(found, inspect.Metadata) else found


def _is_list(kind: Any) -> bool:
    found = _bare(inspect.type_info(kind))
    options = found.types if isinstance(found, inspect.UnionType) else (found,)
    return any(isinstance(_bare(option), inspect.ListType) for option in options)


def _depth(body: bytes) -> int:
    """How deep brackets nest outside of strings."""
    depth = deepest = 0
    is_text = is_escaped = False
    for byte in body:
        if is_text:
            if is_escaped:
                is_escaped = False
            elif byte == 0x5C:  # noqa: PLR2004 - backslash
                is_escaped = True
            elif byte == 0x22:  # noqa: PLR2004 - quote
                is_text = False
        elif byte == 0x22:  # noqa: PLR2004 - quote
            is_text = True
        elif byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest
