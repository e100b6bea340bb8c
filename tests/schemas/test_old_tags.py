"""A tag that is no longer written stays readable, and consumers are told how."""

import json
from pathlib import Path
from typing import Any

import pytest

from commands import codec
from tests.vocabularies import RENAMED, TAG, Newer, content, without
from workers.tools.schemas import check, write


def upcast(shape: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """`reason` is called `text`."""
    return RENAMED, {"text": shape["reason"], "attempt": shape["attempt"]}


def silent(shape: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return upcast(shape)


def broken(shape: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Look for a field that never was."""
    return RENAMED, {"text": shape["why"]}


def incomplete(_shape: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Forget a field."""
    return RENAMED, {"text": ""}


def astray(shape: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Become what nobody knows."""
    return "order.outcome_unknown.v3", shape


def newer_folder(folder: Path) -> Path:
    (folder / f"examples/{RENAMED}.json").write_text(
        f'{{"type":"{RENAMED}","text":"late","attempt":2}}'
    )
    return folder


def test_a_tag_that_is_upcast_keeps_its_files_and_consumers_are_told(folder: Path) -> None:
    vocabulary = without(TAG, {TAG: upcast}, Newer)
    before = content(folder)
    write(newer_folder(folder), vocabulary)
    assert check(folder, vocabulary) == []
    assert json.loads((folder / "upcasts.json").read_bytes()) == {
        TAG: {
            "to": RENAMED,
            "description": "`reason` is called `text`.",
            "before": {"type": TAG, "reason": "timeout", "attempt": 1},
            "after": {"text": "timeout", "attempt": 1, "type": RENAMED},
        }
    }
    after = content(folder)
    for name in (f"schemas/{TAG}.json", f"examples/{TAG}.json"):
        assert after[name] == before[name]
    messages = json.loads(after["asyncapi.json"])["components"]["messages"]
    assert f"see upcasts.json for how it becomes {RENAMED}" in messages[TAG]["description"]
    assert "upcasts.json" not in messages[RENAMED]["description"]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (silent, "has no docstring"),
        (broken, "KeyError: 'why'"),
        (incomplete, "missing required field `attempt`"),
        (astray, "leads to 'order.outcome_unknown.v3', which nothing reads"),
    ],
)
def test_an_upcast_that_does_not_work_is_refused(
    folder: Path, function: codec.Upcast, said: str
) -> None:
    (text,) = check(newer_folder(folder), without(TAG, {TAG: function}, Newer))
    assert text.startswith(f"The upcast from {TAG} ")
    assert said in text


@pytest.mark.parametrize("gone", ["examples", "schemas"])
def test_the_files_of_an_old_tag_stay(folder: Path, gone: str) -> None:
    (newer_folder(folder) / gone / f"{TAG}.json").unlink()
    (text,) = check(folder, without(TAG, {TAG: upcast}, Newer))
    assert text.startswith(f"{folder / gone / TAG}.json is gone, but {TAG} is stored for ever")


def test_the_example_of_an_old_tag_stays_as_it_was(folder: Path) -> None:
    example = newer_folder(folder) / f"examples/{TAG}.json"
    example.write_bytes(example.read_bytes().replace(b"timeout", b"refused"))
    (text,) = check(folder, without(TAG, {TAG: upcast}, Newer))
    assert "differ: one of them was edited" in text
