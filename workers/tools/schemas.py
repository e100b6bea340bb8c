"""The event schemas that are checked in for consumers, held against the code.

What is stored under a tag is stored for ever, so `write` adds and refuses to change: nothing is
written while one tag differs. An example is the exact bytes of one event, no newline after them.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from commands import codec
from commands.schemas import Schema, differences, next_tag, schema_of
from domain.log import Metadata
from workers.tools.asyncapi import document

EXAMPLES, SCHEMAS = "examples", "schemas"
UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
BROKEN_UPCAST = (LookupError, TypeError, ValueError, ArithmeticError, msgspec.MsgspecError)


class Vocabulary(Struct, frozen=True):
    """The tags that a version of the code knows."""

    events: Mapping[str, type[Struct]]
    upcasts: Mapping[str, codec.Upcast]


OURS = Vocabulary(codec.EVENT_TYPES, codec.UPCASTS)


class Plan(Struct, frozen=True):
    """What the folder should hold; not complete while something is refused."""

    refusals: list[str]
    files: dict[str, bytes]
    """Name inside the folder to content, of everything that is generated."""


class Refused(Exception):  # noqa: N818 - says what is so
    """A tag cannot be as the code now has it; str() says which, why and what to do."""


def check(folder: Path, vocabulary: Vocabulary = OURS) -> list[str]:
    """Say what in the folder differs from the code; empty where nothing does."""
    plan = plan_for(folder, vocabulary)
    if plan.refusals:
        return plan.refusals
    return [
        f"{folder / name} is {'not what the code says' if (folder / name).exists() else 'missing'}."
        " Run aviary schema write."
        for name in _stale(folder, plan)
    ]


def write(folder: Path, vocabulary: Vocabulary = OURS) -> list[str]:
    """Write what is missing or differs in words only; return the names. Raises Refused."""
    plan = plan_for(folder, vocabulary)
    if plan.refusals:
        raise Refused("\n".join(plan.refusals))
    names = _stale(folder, plan)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(plan.files[name])
    return names


def _stale(folder: Path, plan: Plan) -> list[str]:
    return [name for name, content in plan.files.items() if _read(folder / name) != content]


def plan_for(folder: Path, vocabulary: Vocabulary = OURS) -> Plan:
    if not folder.is_dir():
        return Plan([f"There is no folder {folder} here. Give the right one with --folder."], {})
    plan = Plan([], {})
    schemas: dict[str, Schema] = {}
    upcasts: dict[str, Any] = {}
    for tag in sorted({*vocabulary.events, *vocabulary.upcasts, *_stored(folder)}):
        try:
            if tag in vocabulary.events:
                schemas[tag] = _current(folder, tag, vocabulary.events[tag], plan.files)
            elif tag in vocabulary.upcasts:
                schemas[tag], upcasts[tag] = _old(folder, tag, vocabulary)
            else:
                plan.refusals.append(
                    f"{tag} is in {folder}, but no struct has this tag and nothing upcasts it: "
                    "stored events of it could not be read. Bring the struct back, or add an "
                    "upcast to UPCASTS in commands/codec.py."
                )
        except Refused as refused:
            plan.refusals.append(str(refused))
    if not plan.refusals:
        replaced_by = {tag: its["to"] for tag, its in upcasts.items()}
        plan.files["metadata.json"] = _pretty(schema_of(Metadata))
        plan.files["upcasts.json"] = _pretty(upcasts)
        plan.files["asyncapi.json"] = _pretty(document(schemas, replaced_by))
    return plan


def _current(folder: Path, tag: str, kind: type[Struct], files: dict[str, bytes]) -> Schema:
    """The schema of a tag that is still written, and the files that belong to it."""
    name, example = f"{SCHEMAS}/{tag}.json", f"{EXAMPLES}/{tag}.json"
    stored, stored_schema = _read(folder / example), _read(folder / name)
    if stored is None:
        if stored_schema is not None:
            raise Refused(f"{folder / example} is gone; bring back the bytes it had.")
        raise Refused(
            f"{tag} is new and has no example: write one event of it as JSON to "
            f"{folder / example}, then run aviary schema write."
        )
    try:
        written = msgspec.json.encode(msgspec.json.decode(stored, type=kind))
    except UNREADABLE as error:
        if stored_schema is None:
            raise Refused(
                f"{folder / example} is no {tag}: {error}. Correct it and run aviary schema write."
            ) from error
        reads = [f"its stored bytes cannot be read any more ({error})"]
        old = _parsed(folder / name, stored_schema)
        raise _changed(tag, [*differences(old, schema_of(kind)), *reads]) from error
    schema = schema_of(kind, json.loads(written))
    if stored_schema is not None:
        found = differences(old := _parsed(folder / name, stored_schema), schema)
        if stored != written:
            found.append(f"its stored bytes {stored.decode()} are now written {written.decode()}")
        if found:
            raise _changed(tag, found)
        _check_example(folder, tag, old, stored)
    files[example] = written
    files[name] = _pretty(schema)
    return schema


def _old(folder: Path, tag: str, vocabulary: Vocabulary) -> tuple[Schema, dict[str, Any]]:
    """The stored schema of a tag that is no longer written, and what its upcast does."""
    example, name = folder / EXAMPLES / f"{tag}.json", folder / SCHEMAS / f"{tag}.json"
    stored, stored_schema = _read(example), _read(name)
    if stored is None or stored_schema is None:
        gone = example if stored is None else name
        raise Refused(f"{gone} is gone, but {tag} is stored for ever; bring back what it was.")
    schema = _parsed(name, stored_schema)
    _check_example(folder, tag, schema, stored)
    upcast = vocabulary.upcasts[tag]
    if not upcast.__doc__:
        raise Refused(f"The upcast from {tag} has no docstring: consumers read there what it does.")
    try:
        to, after = upcast(json.loads(stored))
        after = {**after, "type": to}
        if to in vocabulary.events:
            msgspec.convert(after, vocabulary.events[to])
    except BROKEN_UPCAST as error:
        raise Refused(
            f"The upcast from {tag} fails on {example}: {type(error).__name__}: {error}. Stored "
            "events look like this one; correct the upcast."
        ) from error
    if to not in vocabulary.events and to not in vocabulary.upcasts:
        raise Refused(f"The upcast from {tag} leads to {to!r}, which nothing reads. Correct it.")
    said = " ".join(upcast.__doc__.split())
    return schema, {"to": to, "description": said, "before": json.loads(stored), "after": after}


def _check_example(folder: Path, tag: str, schema: Schema, stored: bytes) -> None:
    try:
        is_same = schema.get("examples") == [json.loads(stored)]
    except ValueError:
        is_same = False
    if not is_same:
        raise Refused(
            f"{folder / EXAMPLES / tag}.json and the example in {folder / SCHEMAS / tag}.json "
            "differ: one of them was edited. Bring back what they were; examples never change."
        )


def _changed(tag: str, found: list[str]) -> Refused:
    return Refused(
        f"{tag} has changed: {'; '.join(found)}. Events stored under this tag keep their shape for "
        f"ever: leave it as it was, or give the new shape the tag {next_tag(tag)} and add an "
        f"upcast from {tag} to UPCASTS in commands/codec.py."
    )


def _stored(folder: Path) -> set[str]:
    found = {path for sub in (SCHEMAS, EXAMPLES) for path in (folder / sub).glob("*.json")}
    return {path.name.removesuffix(".json") for path in found}


def _parsed(path: Path, content: bytes) -> Schema:
    try:
        return msgspec.json.decode(content, type=Schema)
    except UNREADABLE as error:
        raise Refused(f"{path} is no JSON object: {error}. Bring back what it was.") from error


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _pretty(shape: object) -> bytes:
    return json.dumps(shape, indent=2, ensure_ascii=False).encode() + b"\n"
