import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from commands.seal import SealBroken, seal, verify_page
from domain.log import Head, Recorded
from workers.tools import history

DOC = Path(__file__).parents[2] / "docs" / "SEAL.md"


def by_the_book(before: bytes, event: Recorded) -> bytes:
    """The algorithm as docs/SEAL.md tells it, written once more."""
    fields = (
        before,
        event.position.to_bytes(8, "big"),
        event.stream.encode(),
        event.version.to_bytes(8, "big"),
        event.tag.encode(),
        event.payload,
        event.metadata,
    )
    return hashlib.sha256(b"".join(len(x).to_bytes(8, "big") + x for x in fields)).digest()


def vectors() -> list[Recorded]:
    block = re.search(r"```json\n(.*?)```", DOC.read_text(), re.DOTALL)
    assert block
    return [
        Recorded(
            line["position"],
            line["stream"],
            line["version"],
            line["tag"],
            line["payload"].encode(),
            line["metadata"].encode(),
            bytes.fromhex(line["seal"]),
        )
        for line in map(json.loads, block[1].splitlines())
    ]


def sealed(count: int) -> list[Recorded]:
    events: list[Recorded] = []
    before = bytes(32)
    for position in range(1, count + 1):
        event = Recorded(position, f"s-{position % 3}", position, "t.v1", b"{%d}" % position, b"{}")
        before = by_the_book(before, event)
        events.append(structs.replace(event, seal=before))
    return events


def test_the_vectors_of_the_document_are_right() -> None:
    events = vectors()
    assert len(events) == 3
    before = bytes(32)
    for event in events:
        assert by_the_book(before, event) == event.seal
        before = event.seal
    assert verify_page(Head(), events) == Head(3, events[-1].seal)


def test_the_worked_numbers_of_the_document_are_right() -> None:
    event, text = vectors()[0], DOC.read_text()
    rows = re.findall(r"^\| (?!field|---).* \| `(\w{16})` \| (?:`(\w+)`)?.*\|$", text, re.MULTILINE)
    literal = [bytes(32), None, None, None, None, event.payload, event.metadata]
    parts = [
        bytes.fromhex(length) + (bytes.fromhex(shown) if known is None else known)
        for (length, shown), known in zip(rows, literal, strict=True)
    ]
    message = b"".join(parts)
    assert f"these {len(message)} bytes" in text
    assert hashlib.sha256(message).hexdigest() == event.seal.hex()
    assert f"sha256 = {event.seal.hex()}" in text


texts = st.text(max_size=20)
binaries = st.binary(max_size=40)


@given(
    st.binary(min_size=32, max_size=32),
    st.integers(1, 2**63 - 1),
    texts,
    st.integers(1, 2**63 - 1),
    texts,
    binaries,
    binaries,
)
def test_the_code_is_the_document(
    before: bytes, position: int, stream: str, version: int, tag: str, payload: bytes, meta: bytes
) -> None:
    event = Recorded(position, stream, version, tag, payload, meta)
    assert seal(before, position, stream, version, tag, payload, meta) == by_the_book(before, event)


def test_no_byte_can_move_from_one_field_to_the_next() -> None:
    one = seal(bytes(32), 1, "s-1", 1, "t.v1", b"ab", b"c")
    assert one != seal(bytes(32), 1, "s-1", 1, "t.v1", b"a", b"bc")
    assert one != seal(bytes(32), 1, "s-1t", 1, ".v1", b"ab", b"c")


CHANGES: dict[str, Callable[[Recorded], Recorded]] = {
    "stream": lambda event: structs.replace(event, stream=event.stream + "x"),
    "version": lambda event: structs.replace(event, version=event.version + 1),
    "tag": lambda event: structs.replace(event, tag="t.v2"),
    "payload": lambda event: structs.replace(event, payload=event.payload + b" "),
    "metadata": lambda event: structs.replace(event, metadata=b"{} "),
    "seal": lambda event: structs.replace(event, seal=bytes(32)),
    "position": lambda event: structs.replace(event, position=event.position + 1),
}


@pytest.mark.parametrize("at", range(1, 8))
@pytest.mark.parametrize("field", CHANGES)
def test_every_changed_field_is_found_at_its_position(field: str, at: int) -> None:
    events = sealed(7)
    events[at - 1] = CHANGES[field](events[at - 1])
    with pytest.raises(SealBroken) as caught:
        verify_page(Head(), events)
    assert caught.value.position == at
    assert str(at) in str(caught.value)


@pytest.mark.parametrize("at", range(1, 7))
def test_a_removed_event_is_found_at_its_position(at: int) -> None:
    events = sealed(7)
    del events[at - 1]
    with pytest.raises(SealBroken, match=f"Position {at} is missing; {at + 1} follows") as caught:
        verify_page(Head(), events)
    assert caught.value.position == at


@pytest.mark.parametrize("at", range(1, 7))
def test_a_removed_event_is_found_though_the_later_ones_were_numbered_anew(at: int) -> None:
    events = sealed(7)
    del events[at - 1]
    events = [structs.replace(event, position=n) for n, event in enumerate(events, 1)]
    with pytest.raises(SealBroken) as caught:
        verify_page(Head(), events)
    assert caught.value.position == at


@pytest.mark.parametrize("at", range(1, 7))
def test_two_swapped_events_are_found_at_the_first(at: int) -> None:
    events = sealed(7)
    first, second = events[at - 1], events[at]
    events[at - 1] = structs.replace(second, position=at)
    events[at] = structs.replace(first, position=at + 1)
    with pytest.raises(SealBroken) as caught:
        verify_page(Head(), events)
    assert caught.value.position == at


def test_an_inserted_event_is_found() -> None:
    events = sealed(3)
    events.insert(1, structs.replace(events[0], position=2, payload=b"forged"))
    with pytest.raises(SealBroken) as caught:
        verify_page(Head(), events)
    assert caught.value.position == 2


@given(st.lists(st.integers(1, 5), max_size=6))
def test_pages_of_any_size_verify_to_the_same_head(sizes: list[int]) -> None:
    events, head = sealed(12), Head()
    rest = list(events)
    for size in sizes:
        head = verify_page(head, rest[:size])
        rest = rest[size:]
    assert verify_page(head, rest) == Head(12, events[-1].seal)


def export(events: list[Recorded], path: Path) -> Path:
    path.write_bytes(b"".join(history.to_line(event) + b"\n" for event in events))
    return path


def test_an_export_is_read_back_and_verified(tmp_path: Path) -> None:
    events = sealed(2 * history.PAGE_EVENTS + 5)
    path = export(events, tmp_path / "log.jsonl")
    assert [event for page in history.read_export(path) for event in page] == events
    seen: list[int] = []
    head = history.verify(history.read_export(path), progress=seen.append)
    assert head == Head(len(events), events[-1].seal)
    assert seen == [2000, 4000, 4005]


@pytest.mark.parametrize("at", [1, 2, 7])
def test_a_changed_line_of_an_export_is_found(tmp_path: Path, at: int) -> None:
    events = sealed(7)
    events[at - 1] = structs.replace(events[at - 1], payload=b"{}")
    with pytest.raises(SealBroken) as caught:
        history.verify(history.read_export(export(events, tmp_path / "log.jsonl")))
    assert caught.value.position == at


def test_an_export_that_begins_later_is_checked_from_its_second_event(tmp_path: Path) -> None:
    events = sealed(7)[3:]
    path = export(events, tmp_path / "log.jsonl")
    assert history.verify(history.read_export(path)) == Head(7, events[-1].seal)
    events[1] = structs.replace(events[1], metadata=b"[]")
    with pytest.raises(SealBroken) as caught:
        history.verify(history.read_export(export(events, path)))
    assert caught.value.position == 5


def test_an_export_that_begins_later_is_checked_against_a_known_seal(tmp_path: Path) -> None:
    events = sealed(7)
    path = export(events[3:], tmp_path / "log.jsonl")
    assert history.verify(history.read_export(path), Head(3, events[2].seal)).position == 7
    with pytest.raises(SealBroken):
        history.verify(history.read_export(path), Head(3, bytes(32)))


def test_a_log_whose_end_was_cut_off_differs_from_its_head() -> None:
    events = sealed(7)
    stored = Head(7, events[-1].seal)
    history.check_head(history.verify([events]), stored)
    with pytest.raises(SealBroken, match="ends at position 5, but its head says 7") as caught:
        history.check_head(history.verify([events[:5]]), stored)
    assert caught.value.position == 6


def test_an_emptied_log_differs_from_its_head() -> None:
    with pytest.raises(SealBroken):
        history.check_head(history.verify([]), Head(7, bytes(32)))
    history.check_head(history.verify([]), Head())


@pytest.mark.parametrize("line", [b"nonsense", b"{}", b'{"position":1}', b"\xff\xfe"])
def test_a_line_that_is_no_event_is_named(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(history.to_line(sealed(1)[0]) + b"\n" + line + b"\n")
    with pytest.raises(ValueError, match="Line 2 is no event"):
        list(history.read_export(path))


def test_a_seal_that_is_no_hexadecimal_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    text = history.to_line(sealed(1)[0]).replace(b'"seal":"', b'"seal":"zz')
    path.write_bytes(text + b"\n")
    with pytest.raises(ValueError, match="Line 1 is no event"):
        list(history.read_export(path))
