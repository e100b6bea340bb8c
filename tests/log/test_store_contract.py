"""What every store keeps, in memory and in Postgres."""

from collections.abc import Sequence

import pytest
from msgspec import structs

from commands.seal import seal
from commands.store import Store
from domain.log import NOTHING, Fence, Head, Receipt, Recorded, Wanted
from tests.stores import Opened, check_log

METADATA = b'{"command_id":"c","correlation_id":"c","actor":"alice","recorded_at_us":5}'


def next_event(head: Head, stream: str, version: int, payload: bytes = b"{}") -> Recorded:
    position = head.position + 1
    fields = (stream, version, "t.v1", payload, METADATA)
    return Recorded(position, *fields, seal(head.seal, position, *fields))


def receipt_of(command_id: str, position: int = 1) -> Receipt:
    return Receipt(
        command_id=command_id,
        actor="alice",
        kind="order.place",
        request_hash=b"\x00\xff",
        stream="s-1",
        outcome="refused",
        position=position,
        events=0,
        recorded_at_us=5,
        code="order_exists",
        text="It exists already \u2713.",
    )


def write(store: Store, *streams: str) -> list[Recorded]:
    """Append one event to each named stream, in one transaction."""
    with store.append() as append:
        head = append.lock().head
        written: list[Recorded] = []
        for stream in streams:
            known = [*store.read_stream(stream), *(e for e in written if e.stream == stream)]
            event = next_event(head, stream, len(known) + 1, b"{%d}" % head.position)
            head = Head(event.position, event.seal)
            written.append(event)
        append.write_receipts([receipt_of(f"c{head.position}", head.position)])
        append.write_events(written, head)
        append.commit()
    return written


def test_an_empty_store_has_the_empty_head(opened: Opened) -> None:
    assert opened.store.head() == Head(0, bytes(32))
    with opened.store.append() as append:
        assert append.lock().head == Head(0, bytes(32))
    assert opened.store.read_log(0, 10) == []
    assert opened.store.read_stream("s-1") == []
    assert opened.store.find_receipts(["c1"]) == {}


def test_what_was_committed_is_read_back_by_everyone(opened: Opened) -> None:
    written = write(opened.store, "s-1", "s-2", "s-1")
    for store in (opened.store, opened.again()):
        assert check_log(store) == written
        assert store.head() == Head(3, written[-1].seal)
        assert [type(event.payload) for event in store.read_log(0, 9)] == [bytes] * 3


def test_the_head_is_the_last_event(opened: Opened) -> None:
    for count in range(1, 4):
        written = write(opened.store, *["s-1"] * count)
        assert opened.store.head() == Head(written[-1].position, written[-1].seal)
        with opened.store.append() as append:
            assert append.lock().head == opened.store.head()


def test_the_log_is_read_page_by_page(opened: Opened) -> None:
    written = write(opened.store, *[f"s-{n}" for n in range(7)])
    assert opened.store.read_log(0, 3) == written[:3]
    assert opened.store.read_log(3, 3) == written[3:6]
    assert opened.store.read_log(6, 3) == written[6:]
    assert opened.store.read_log(7, 3) == []


def test_a_stream_is_read_in_order_of_its_versions(opened: Opened) -> None:
    write(opened.store, "s-1", "s-2", "s-1")
    write(opened.store, "s-1", "s-10")
    assert [event.version for event in opened.store.read_stream("s-1")] == [1, 2, 3]
    assert [event.version for event in opened.store.read_stream("s-1", 1)] == [2, 3]
    assert [event.version for event in opened.store.read_stream("s-1", 1, 1)] == [2]
    assert opened.store.read_stream("s-1", 3) == []


def test_the_last_of_some_tags_in_a_stream_is_found(opened: Opened) -> None:
    written = write(opened.store, "s-1", "s-2", "s-1", "s-2")
    tag = written[0].tag
    assert opened.store.last_of("s-1", [tag, "no.such.v1"]) == 2
    assert opened.store.last_of("s-1", ["no.such.v1"]) == 0
    assert opened.store.last_of("s-none", [tag]) == 0


def test_newer_answers_what_is_above_each_version(opened: Opened) -> None:
    write(opened.store, "s-1", "s-2", "s-1", "s-1", "s-2", "s-3")
    with opened.store.append() as append:
        versions = {"s-1": 1, "s-2": 0, "s-3": 1, "s-none": 0}
        newer = append.lock(Wanted(versions=versions)).events
        assert append.look(Wanted(versions=versions)).events == newer
        assert [(e.stream, e.version) for e in newer if e.stream == "s-1"] == [
            ("s-1", 2),
            ("s-1", 3),
        ]
        assert [e.version for e in newer if e.stream == "s-2"] == [1, 2]
        assert len(newer) == 4
        assert append.look(NOTHING).events == []


def test_receipts_are_found_by_command_id(opened: Opened) -> None:
    kept = [
        receipt_of("c1"),
        structs.replace(receipt_of("c2", 7), outcome="accepted", code=None, text=None, events=2),
    ]
    with opened.store.append() as append:
        append.lock()
        append.write_receipts(kept)
        append.commit()
    expected = {receipt.command_id: receipt for receipt in kept}
    assert opened.again().find_receipts(["c1", "c2", "c3"]) == expected
    with opened.store.append() as append:
        assert append.lock(Wanted(["c2", "c3"])).receipts == {"c2": kept[1]}
    assert opened.store.head() == Head()


def test_leaving_without_commit_undoes_everything(opened: Opened) -> None:
    before = write(opened.store, "s-1")
    with opened.store.append() as append:
        head = append.lock().head
        event = next_event(head, "s-1", 2)
        append.write_receipts([receipt_of("lost")])
        append.write_events([event], Head(event.position, event.seal))
    assert check_log(opened.store) == before
    assert opened.again().find_receipts(["lost"]) == {}


def test_an_error_undoes_everything_and_the_next_append_works(opened: Opened) -> None:
    before = write(opened.store, "s-1")

    def break_off() -> None:
        with opened.store.append() as append:
            head = append.lock().head
            event = next_event(head, "s-1", 2)
            append.write_receipts([receipt_of("lost")])
            append.write_events([event], Head(event.position, event.seal))
            raise KeyError("in the middle")

    with pytest.raises(KeyError):
        break_off()
    assert check_log(opened.store) == before
    assert opened.store.find_receipts(["lost"]) == {}
    after = write(opened.store, "s-2")
    assert check_log(opened.again()) == [*before, *after]


def test_a_version_is_taken_once(opened: Opened) -> None:
    before = write(opened.store, "s-1")
    event = next_event(opened.store.head(), "s-1", 1, b"again")

    def take_again() -> None:
        with opened.store.append() as append:
            append.lock()
            append.write_events([event], Head(event.position, event.seal))
            append.commit()

    with pytest.raises(Exception, match=r"."):
        take_again()
    assert check_log(opened.store) == before


FENCES: Sequence[tuple[Fence, bool]] = [
    (Fence("main", 7), True),
    (Fence("main", 6), False),
    (Fence("main", 8), False),
    (Fence("other", 7), False),
]


@pytest.mark.parametrize(("fence", "is_held"), FENCES)
def test_a_fence_is_held_by_its_number_alone(
    opened: Opened, fence: Fence, *, is_held: bool
) -> None:
    opened.lend("main", 7)
    with opened.store.append() as append:
        assert append.lock(Wanted(fences=[fence])).held == (
            frozenset({fence}) if is_held else frozenset()
        )


def test_of_many_fences_those_that_are_held_are_answered(opened: Opened) -> None:
    opened.lend("main", 7)
    opened.lend("other", 1)
    fences = [Fence("main", 7), Fence("other", 2), Fence("other", 1)]
    with opened.store.append() as append:
        found = append.lock(Wanted(fences=fences))
        assert found.held == frozenset({fences[0], fences[2]})
        assert append.look(NOTHING).held == frozenset()


def test_text_beyond_ascii_is_kept(opened: Opened) -> None:
    head = opened.store.head()
    event = next_event(head, "order-\u00e9\u2713\U0001f600", 1, "{\u2713}".encode())
    with opened.store.append() as append:
        append.lock()
        append.write_events([event], Head(event.position, event.seal))
        append.commit()
    assert opened.again().read_stream("order-\u00e9\u2713\U0001f600") == [event]
    assert check_log(opened.store) == [event]


def test_a_transaction_larger_than_any_buffer_is_stored(opened: Opened) -> None:
    with opened.store.append() as append:
        head = append.lock().head
        events = []
        for version in range(1, 41):
            events.append(next_event(head, "s-large", version, bytes(200_000)))
            head = Head(events[-1].position, events[-1].seal)
        append.write_events(events, head)
        append.commit()
    assert [len(event.payload) for event in opened.again().read_stream("s-large")] == [200_000] * 40
