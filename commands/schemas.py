"""JSON Schema 2020-12 of an event's payload, made from its struct, and what differs between two.

Decimals are strings. Words (title, description, examples) are not part of the shape: they may
change under a tag, the rest never. Field names end in their unit: `_us` is UTC microseconds.
"""

import ast
import inspect
import itertools
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DECIMAL = r"^-?[0-9]+(\.[0-9]+)?(E[+-]?[0-9]+)?$"
"""Every finite Decimal as Python writes it: `0.10`, `1E-18`, `-3`."""
UNKNOWN_FIELDS = "Ignore fields that you do not know."
_WORDS = {"$schema", "title", "description", "examples"}


def schema_of(kind: type[Struct], example: object = None) -> Schema:
    """The schema of what is written: fields without a default are there always."""
    (top,), parts = msgspec.json.schema_components((kind,), ref_template="#/$defs/{name}")
    name = top["$ref"].rpartition("/")[2]
    shape = _explicit(parts.pop(name))
    said = [inspect.cleandoc(kind.__doc__)] if kind.__doc__ else []
    found: Schema = {
        "$schema": DIALECT,
        "title": shape["title"],
        "description": " ".join([*said, UNKNOWN_FIELDS]),
        **{key: value for key, value in shape.items() if key not in _WORDS},
    }
    _describe(found, kind)
    if parts:
        kinds = {its.__name__: its for its in _structs_in(msgspec.inspect.type_info(kind))}
        found["$defs"] = {part: _explicit(parts[part]) for part in sorted(parts)}
        for part, its in found["$defs"].items():
            _describe(its, kinds[part])
    return found if example is None else {**found, "examples": [example]}


def _describe(schema: Schema, kind: type[Struct]) -> None:
    notes = field_notes(kind)
    for field, its in schema["properties"].items():
        note = notes.get(field, "")
        if field.endswith("_us"):
            note = " ".join(filter(None, ["Integer UTC microseconds.", note]))
        if note:
            its["description"] = note


def _structs_in(kind: object) -> Iterator[type[Struct]]:
    match kind:
        case msgspec.inspect.StructType(cls=cls, fields=fields):
            yield cls
            for field in fields:
                yield from _structs_in(field.type)
        case msgspec.inspect.VarTupleType(item_type=item):
            yield from _structs_in(item)
        case msgspec.inspect.UnionType(types=types):
            for each in types:
                yield from _structs_in(each)


def _explicit(schema: Any) -> Any:
    """Say what msgspec leaves to be known: how a decimal is spelt, that more fields may come."""
    if isinstance(schema, list):
        return [_explicit(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        key: {name: _explicit(its) for name, its in value.items()}
        if key == "properties"
        else _explicit(value)
        for key, value in schema.items()
        if key not in {"default", "enum"}
    }
    found |= {key: schema[key] for key in ("enum", "default") if key in schema}
    if schema.get("format") == "decimal":
        found["pattern"] = DECIMAL
    if schema.get("type") == "object" and "properties" in schema:
        found["additionalProperties"] = True
    return found


def field_notes(kind: type[Struct]) -> dict[str, str]:
    """The docstrings under a struct's fields; they live in its source alone."""
    source = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    body = [line for each in source.body if isinstance(each, ast.ClassDef) for line in each.body]
    notes = {}
    for field, below in itertools.pairwise(body):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                notes[name] = inspect.cleandoc(text)
    return notes


def shape_of(schema: Mapping[str, Any]) -> Schema:
    """A schema without its words: what bytes it allows."""
    found: Schema = {}
    for key, value in schema.items():
        if key in {"properties", "$defs"}:
            found[key] = {name: shape_of(its) for name, its in value.items()}
        elif key == "anyOf":
            found[key] = [shape_of(each) for each in value]
        elif key == "items":
            found[key] = shape_of(value) if isinstance(value, dict) else value
        elif key == "required":
            found[key] = sorted(value)
        elif key not in _WORDS:
            found[key] = value
    return found


def differences(stored: Schema, written: Schema) -> list[str]:
    """In sentences, what `written` allows that `stored` did not, or the other way round."""
    old, new = shape_of(stored), shape_of(written)
    found = list(_fields(old, new))
    for part in sorted({*old.get("$defs", {}), *new.get("$defs", {})}):
        its = (shape.get("$defs", {}).get(part, {}) for shape in (old, new))
        found += [f"{part}: {text}" for text in _fields(*its)]
    if not found and old != new:
        found = [
            f"{key} was {old.get(key)!r}, is {new.get(key)!r}"
            for key in sorted({*old, *new})
            if old.get(key) != new.get(key)
        ]
    return found


def _fields(old: Schema, new: Schema) -> Iterator[str]:
    was, is_now = old.get("properties", {}), new.get("properties", {})
    for name in [*was, *(name for name in is_now if name not in was)]:
        if name not in is_now:
            yield f"field {name!r} removed"
        elif name not in was:
            yield f"field {name!r} added"
        elif was[name] != is_now[name]:
            yield f"field {name!r} was {_brief(was[name])}, is {_brief(is_now[name])}"
        elif (name in old.get("required", ())) != (name in new.get("required", ())):
            yield f"field {name!r} may be missing in one of them only"


def _brief(schema: Schema) -> str:
    return msgspec.json.encode(schema).decode()


def next_tag(tag: str) -> str:
    """The name that a changed shape takes: `order.placed.v1` becomes `order.placed.v2`."""
    stem, number = re.fullmatch(r"(.+\.v)([0-9]+)", tag).groups()  # type: ignore[union-attr]
    return f"{stem}{int(number) + 1}"
