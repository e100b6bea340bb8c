"""What is checked in for consumers is what the code says, and a stored tag cannot be changed."""

import json
from pathlib import Path
from typing import Literal

import pytest
from msgspec import Struct
from typer.testing import CliRunner

import aviary
from commands import codec
from domain.order_messages import OrderPlaced
from tests.vocabularies import RENAMED, REPOSITORY, TAG, Newer, content, with_kind, without
from workers.tools.schemas import OURS, Refused, Vocabulary, check, write


class FieldAdded(Struct, frozen=True, tag=TAG):
    reason: str
    attempt: int
    text: str = ""


class NeededFieldAdded(Struct, frozen=True, tag=TAG):
    reason: str
    attempt: int
    text: str


class FieldRemoved(Struct, frozen=True, tag=TAG):
    reason: str


class FieldRenamed(Struct, frozen=True, tag=TAG):
    reason: str
    attempts: int = 1


class TypeChanged(Struct, frozen=True, tag=TAG):
    reason: str
    attempt: str


class TypeNarrowed(Struct, frozen=True, tag=TAG):
    reason: Literal["timeout", "refused"]
    attempt: int


class TypeWidened(Struct, frozen=True, tag=TAG):
    reason: str
    attempt: int | None


class DefaultAdded(Struct, frozen=True, tag=TAG):
    reason: str
    attempt: int = 1


class OrderChanged(Struct, frozen=True, tag=TAG):
    attempt: int
    reason: str


class Leaner(OrderPlaced, frozen=True, tag="order.placed.v1", omit_defaults=True):
    """Fields that hold their default are no longer written."""


class Reworded(Struct, frozen=True, tag=TAG):
    """Nobody knows."""

    reason: str
    """In English."""
    attempt: int


def test_what_is_checked_in_is_what_the_code_says() -> None:
    assert check(REPOSITORY / "docs/events") == []


def test_writing_again_changes_nothing(folder: Path) -> None:
    before = content(folder)
    assert write(folder) == []
    assert content(folder) == before


@pytest.mark.parametrize(
    ("kind", "tag", "said"),
    [
        (FieldAdded, TAG, "field 'text' added; its stored bytes {"),
        (NeededFieldAdded, TAG, "field 'text' added; its stored bytes cannot be read any more"),
        (FieldRemoved, TAG, "field 'attempt' removed"),
        (FieldRenamed, TAG, "field 'attempt' removed; field 'attempts' added"),
        (TypeChanged, TAG, """field 'attempt' was {"type":"integer"}, is {"type":"string"}"""),
        (TypeNarrowed, TAG, """field 'reason' was {"type":"string"}, is {"enum":"""),
        (TypeWidened, TAG, """field 'attempt' was {"type":"integer"}, is {"anyOf":"""),
        (DefaultAdded, TAG, "field 'attempt' was "),
        (
            OrderChanged,
            TAG,
            f'{TAG} has changed: its stored bytes {{"type":"{TAG}","reason":"timeout"',
        ),
        (Leaner, "order.placed.v1", "order.placed.v1 has changed: its stored bytes {"),
    ],
)
def test_a_changed_tag_is_refused(folder: Path, kind: type[Struct], tag: str, said: str) -> None:
    before = content(folder)
    (text,) = check(folder, with_kind(tag, kind))
    assert text.startswith(f"{tag} has changed: ")
    assert said in text
    assert f"give the new shape the tag {tag[:-1]}2 and add an upcast from {tag}" in text
    with pytest.raises(Refused) as refused:
        write(folder, with_kind(tag, kind))
    assert str(refused.value) == text
    assert content(folder) == before


def test_every_changed_tag_is_named_and_nothing_is_written(folder: Path) -> None:
    vocabulary = Vocabulary(
        {**codec.EVENT_TYPES, TAG: FieldRemoved, "order.placed.v1": Leaner, RENAMED: Newer}, {}
    )
    before = content(folder)
    assert [text.split()[0] for text in check(folder, vocabulary)] == [
        TAG,
        RENAMED,
        "order.placed.v1",
    ]
    with pytest.raises(Refused):
        write(folder, vocabulary)
    assert content(folder) == before


def test_new_words_are_written_and_the_bytes_stay(folder: Path) -> None:
    vocabulary = with_kind(TAG, Reworded)
    before = content(folder)
    assert [text.removeprefix(f"{folder}/") for text in check(folder, vocabulary)] == [
        f"schemas/{TAG}.json is not what the code says. Run aviary schema write.",
        "asyncapi.json is not what the code says. Run aviary schema write.",
    ]
    assert write(folder, vocabulary) == [f"schemas/{TAG}.json", "asyncapi.json"]
    assert check(folder, vocabulary) == []
    schema = json.loads((folder / f"schemas/{TAG}.json").read_bytes())
    assert schema["description"] == "Nobody knows. Ignore fields that you do not know."
    assert schema["properties"]["reason"]["description"] == "In English."
    after = content(folder)
    assert {name for name in after if after[name] != before[name]} == {
        f"schemas/{TAG}.json",
        "asyncapi.json",
    }


def test_a_new_tag_needs_an_example_and_is_then_written(folder: Path) -> None:
    vocabulary = with_kind(RENAMED, Newer)
    (text,) = check(folder, vocabulary)
    assert text.startswith(f"{RENAMED} is new and has no example: write one event of it as JSON")
    example = folder / f"examples/{RENAMED}.json"
    example.write_text(f'{{\n  "attempt": 2, "type": "{RENAMED}",\n  "text": "late"\n}}\n')
    assert f"{folder}/schemas/{RENAMED}.json is missing. Run aviary schema write." in check(
        folder, vocabulary
    )
    assert write(folder, vocabulary) == [
        f"examples/{RENAMED}.json",
        f"schemas/{RENAMED}.json",
        "asyncapi.json",
    ]
    assert check(folder, vocabulary) == []
    written = b'{"type":"%s","text":"late","attempt":2,"worth":"1.50"}' % RENAMED.encode()
    assert example.read_bytes() == written


def test_an_example_that_is_no_event_of_its_tag_is_refused(folder: Path) -> None:
    (folder / f"examples/{RENAMED}.json").write_text(f'{{"type": "{RENAMED}", "text": 5}}')
    (text,) = check(folder, with_kind(RENAMED, Newer))
    assert f"examples/{RENAMED}.json is no {RENAMED}: Expected `str`, got `int`" in text


def test_a_tag_that_disappeared_is_refused(folder: Path) -> None:
    (text,) = check(folder, without(TAG, {}))
    assert text.startswith(f"{TAG} is in {folder}, but no struct has this tag and nothing upcasts")


@pytest.mark.parametrize("gone", ["examples", "schemas"])
def test_a_tag_of_which_only_one_file_is_left_has_not_disappeared(folder: Path, gone: str) -> None:
    (folder / gone / f"{TAG}.json").unlink()
    assert len(check(folder, without(TAG, {}))) == 1


def test_an_edited_example_is_refused(folder: Path) -> None:
    example = folder / f"examples/{TAG}.json"
    example.write_bytes(example.read_bytes().replace(b"timeout", b"refused"))
    (text,) = check(folder)
    assert "differ: one of them was edited" in text


def test_an_example_in_other_bytes_is_refused(folder: Path) -> None:
    example = folder / f"examples/{TAG}.json"
    example.write_bytes(example.read_bytes() + b"\n")
    (text,) = check(folder)
    assert text.startswith(f"{TAG} has changed: its stored bytes ")


def test_a_lost_example_is_refused(folder: Path) -> None:
    (folder / f"examples/{TAG}.json").unlink()
    (text,) = check(folder)
    assert f"examples/{TAG}.json is gone" in text


@pytest.mark.parametrize("garbage", [b"", b"[]", b"\xff", b"{"])
def test_a_schema_that_cannot_be_read_is_refused(folder: Path, garbage: bytes) -> None:
    (folder / f"schemas/{TAG}.json").write_bytes(garbage)
    (text,) = check(folder)
    assert f"schemas/{TAG}.json is no JSON object" in text


@pytest.mark.parametrize(
    "name", ["asyncapi.json", "upcasts.json", "metadata.json", f"schemas/{TAG}.json"]
)
def test_a_lost_document_is_missed_and_written_again(folder: Path, name: str) -> None:
    before = content(folder)
    (folder / name).unlink()
    assert check(folder) == [f"{folder / name} is missing. Run aviary schema write."]
    assert write(folder) == [name]
    assert content(folder) == before


def test_the_command_answers_by_exit_code(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = CliRunner()
    monkeypatch.chdir(REPOSITORY)
    assert run.invoke(aviary.app, ["schema", "check"]).exit_code == 0
    (folder / f"schemas/{TAG}.json").unlink()
    assert run.invoke(aviary.app, ["schema", "check", "--folder", str(folder)]).exit_code == 1
    assert run.invoke(aviary.app, ["schema", "write", "--folder", str(folder)]).exit_code == 0
    assert run.invoke(aviary.app, ["schema", "check", "--folder", str(folder)]).exit_code == 0
    (folder / f"examples/{TAG}.json").write_bytes(b"{}")
    refused = run.invoke(aviary.app, ["schema", "write", "--folder", str(folder)])
    assert refused.exit_code == 1
    nowhere = run.invoke(aviary.app, ["schema", "check", "--folder", str(folder / "nowhere")])
    assert nowhere.exit_code == 1


def test_the_tags_that_are_checked_are_those_of_the_codec() -> None:
    assert OURS.events is codec.EVENT_TYPES
    assert OURS.upcasts is codec.UPCASTS
