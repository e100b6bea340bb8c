"""Records that come twice, late and in any interleaving, without Kafka or Postgres."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from msgspec import Struct, structs

from adapters.kafka.records import source_of, to_record
from adapters.kafka.topics import Found, Partition, partition_of
from adapters.postgres.feeds import Key, Standing
from commands.catalogue import topic_of
from domain.log import Recorded
from projections.projection import Projection
from tests.feeds.world import KEYED, busy, history
from tests.folds import fold_in_memory, written
from tests.stores import opening
from workers.feeding.pages import Reading, Unusable, admit, begin, event_of, read
from workers.projecting.floors import Floors
from workers.projecting.folding import facts_of, fold_page

PARTITIONS = 3
TOPIC = "pure.orders"
PLACES = tuple((TOPIC, number) for number in range(PARTITIONS))
LOG = written([*opening(), *history(busy(12))])
POSITIONS = {(event.stream, event.version): event.position for event in LOG}
SEALS = {event.position: event.seal for event in LOG}
HEAD = len(LOG)


def place_of(event: Recorded) -> Partition:
    return topic_of(event, "pure"), partition_of(event.stream.encode(), PARTITIONS)


class Checkpoint(Struct, frozen=True):
    """What the relay has published at a moment."""

    position: int
    next_offsets: Mapping[Partition, int]


class Topics:
    """Partitions as a relay fills them that is killed now and then before its checkpoint."""

    def __init__(self, runs: Sequence[tuple[int, int]]) -> None:
        self.records: dict[Partition, list[Recorded]] = {place: [] for place in PLACES}
        self.checkpoints = [Checkpoint(0, dict.fromkeys(PLACES, 0))]
        position = 0
        for sent, acknowledged in [*runs, (HEAD, HEAD)]:
            for event in LOG[position : position + sent]:
                if place_of(event) in self.records:
                    self.records[place_of(event)].append(event)
            if acknowledged >= sent:
                position = min(position + sent, HEAD)
                ends = {place: len(records) for place, records in self.records.items()}
                self.checkpoints.append(Checkpoint(position, ends))


class Model:
    """Read models in memory; a page is saved whole or not at all."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, Any]] = {}
        self.standings: dict[Key, Standing] = {}

    def follow(self, projection: Projection, checkpoint: Checkpoint, further: int) -> None:
        """Move it to Kafka, so many events above what was published at that moment."""
        position = min(checkpoint.position + further, HEAD)
        self.rows[projection.name] = fold_in_memory(LOG[:position], projection)
        for place, offset in checkpoint.next_offsets.items():
            self.standings[projection.name, *place] = Standing(offset, position)

    def begin(self) -> dict[Partition, Reading]:
        return {
            place: begin(at for key, at in self.standings.items() if key[1:] == place)
            for place in PLACES
        }

    def save(self, arrivals: Sequence[Any]) -> None:
        new: dict[Key, Standing] = {}
        for projection in KEYED:
            facts, reached = admit(projection.name, self.standings, arrivals)
            fold(self.rows[projection.name], projection, facts)
            new |= reached
        self.standings |= new


def fold(rows: dict[str, Any], projection: Projection, facts: Sequence[Any]) -> None:
    def load(_projection: Projection, keys: Sequence[str]) -> Mapping[str, Any]:
        return {key: rows[key] for key in keys if rows.get(key) is not None}

    folding = fold_page(projection, facts, load, set())
    assert folding.parked == []
    rows.update(folding.rows)


def take(
    topics: Topics, readings: Mapping[Partition, Reading], places: Iterable[Partition], size: int
) -> list[Any]:
    polled = {}
    for place in places:
        start = readings[place].next_offset
        polled[place] = list(enumerate(topics.records[place][start : start + size], start))
    unmet = set()
    for place, events in polled.items():
        unmet |= readings[place].unmet(event for _, event in events)
    taken = read(polled, readings, {key: POSITIONS[key] for key in unmet}, SEALS)
    assert taken.stopped == {}
    assert taken.newer is None
    return taken.arrivals


runs = st.lists(st.tuples(st.integers(1, 30), st.integers(0, 40)), max_size=12)
moves = st.tuples(st.integers(0, 20), st.integers(0, 30))
polls = st.lists(
    st.tuples(
        st.sets(st.sampled_from(PLACES), min_size=1),
        st.integers(1, 9),
        st.sampled_from(["saved", "saved", "saved", "lost", "restarted"]),
    ),
    max_size=40,
)


@given(runs, moves, moves, polls)
@example(  # Two read models at different places of a partition, and a restart between them.
    [(28, 0), (3, 37), (24, 23), (18, 26), (25, 0), (1, 19)],
    (2, 0),
    (3, 0),
    [({(TOPIC, 0)}, 1, "saved"), (set(PLACES), 5, "restarted")],
)
def test_each_event_is_folded_once_whatever_comes_twice(
    sends: list[tuple[int, int]],
    first: tuple[int, int],
    second: tuple[int, int],
    polled: list[tuple[set[Partition], int, str]],
) -> None:
    topics = Topics(sends)
    model = Model()
    for projection, (moment, further) in zip(KEYED, (first, second), strict=True):
        checkpoint = topics.checkpoints[moment % len(topics.checkpoints)]
        model.follow(projection, checkpoint, further)
    readings = model.begin()
    for places, size, end in polled:
        arrivals = take(topics, readings, sorted(places), size)
        if end != "lost":
            model.save(arrivals)
        if end != "saved":
            readings = model.begin()
    model.save(take(topics, readings, PLACES, 1_000_000))
    for projection in KEYED:
        assert model.rows[projection.name] == fold_in_memory(LOG, projection)


@given(st.data())
def test_a_record_that_is_left_out_stops_its_partition_before_the_next_of_its_stream(
    data: st.DataObject,
) -> None:
    topics = Topics([])
    model = Model()
    further = data.draw(st.integers(0, HEAD - 1))
    for projection in KEYED:
        model.follow(projection, topics.checkpoints[0], further)
    followed = [
        event
        for event in LOG[further:]
        if (event.stream, event.version + 1) in POSITIONS and place_of(event)[0] == TOPIC
    ]
    if not followed:
        return
    lost = data.draw(st.sampled_from(followed))
    place = place_of(lost)
    topics.records[place].remove(lost)
    readings = model.begin()
    size = data.draw(st.integers(1, 50))
    taken = read({place: []}, readings, {}, SEALS)
    while place not in taken.stopped:
        start = readings[place].next_offset
        events = list(enumerate(topics.records[place][start : start + size], start))
        assert events, "the hole was passed over"
        unmet = readings[place].unmet(event for _, event in events)
        taken = read({place: events}, readings, {key: POSITIONS[key] for key in unmet}, SEALS)
    said = taken.stopped[place]
    assert f"Version {lost.version + 1} of {lost.stream}" in said
    assert topics.records[place][readings[place].next_offset].stream == lost.stream


def test_memory_is_bounded_and_holes_are_still_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.feeding.pages.STREAMS_MAX", 1)
    events = [event for event in LOG if event.stream in {"order-av0", "order-av1"}]
    reading = Reading(0, 0)
    for event in events[:4]:
        reading.take(event, {key: POSITIONS[key] for key in reading.unmet([event])})
    reading.forget([Standing(4, events[3].position)])
    assert reading.versions == {}
    reading.take(events[4], {key: POSITIONS[key] for key in reading.unmet([events[4]])})
    skipped = next(e for e in events[5:] if (e.stream, e.version - 2) in POSITIONS)
    reading = Reading(0, POSITIONS[skipped.stream, skipped.version - 2])
    with pytest.raises(Unusable, match="records are missing"):
        reading.take(skipped, {key: POSITIONS[key] for key in reading.unmet([skipped])})


def test_a_hole_before_one_of_two_read_models_is_found() -> None:
    """The one has read all; the other stands behind that and was promised the third again."""
    story = [event for event in LOG if event.stream == "order-av0"]
    place = place_of(story[0])
    standings = [Standing(len(story), story[1].position), Standing(0, 0)]
    readings = {place: begin(standings)}
    records = [*story, *story[3:]]
    taken = read({place: list(enumerate(records))}, readings, POSITIONS, SEALS)
    assert len(taken.arrivals) == readings[place].next_offset == len(story) > 3
    assert "Version 4 of order-av0" in taken.stopped[place]
    promised = [*story, *story[2:]]
    readings = {place: begin(standings)}
    taken = read({place: list(enumerate(promised))}, readings, POSITIONS, SEALS)
    assert taken.stopped == {}


def test_what_was_sent_again_does_not_hide_how_far_its_stream_had_gone() -> None:
    """A zombie's duplicates come between what was folded and what goes on."""
    story = [event for event in LOG if event.stream == "order-av0"]
    *_, before, last = story
    reading = Reading(0, before.position)
    polled = [*story[:2], last]
    assert reading.unmet(polled) == {(last.stream, before.version)}
    for event in polled:
        reading.take(event, {(before.stream, before.version): before.position})
    assert reading.versions == {last.stream: last.version}
    assert len(story) > 3


@pytest.mark.parametrize(
    ("seals", "said"),
    [
        ({**SEALS, LOG[5].position: b"another"}, "has another event there"),
        ({event.position: event.seal for event in LOG[:5]}, "ends before it"),
    ],
)
def test_an_event_of_another_past_stops_its_partition_before_it(
    seals: Mapping[int, bytes], said: str
) -> None:
    place = place_of(LOG[5])
    readings = {place: Reading(0, LOG[3].position)}
    taken = read({place: [(0, LOG[4]), (1, LOG[5]), (2, LOG[6])]}, readings, POSITIONS, seals)
    assert [arrival.fact.position for arrival in taken.arrivals] == [LOG[4].position]
    assert readings[place].next_offset == 1
    assert said in taken.stopped[place]
    assert f"{LOG[5].tag} of {LOG[5].stream} has position 6" in taken.stopped[place]


SOURCE = source_of(LOG[0].seal)
EVENT = LOG[3]


def found(**changes: Any) -> Found:
    record = to_record(EVENT, TOPIC, SOURCE)
    return structs.replace(Found(TOPIC, 0, 7, record.value, record.headers), **changes)


def test_a_record_is_its_event() -> None:
    assert event_of(found(), 7, SOURCE.encode()) == EVENT


@pytest.mark.parametrize(
    ("record", "expected", "said"),
    [
        (found(), 5, "Expected offset 5, got 7"),
        (found(headers=[]), 7, "of another log"),
        (found(headers=[("ce_source", SOURCE.encode())]), 7, "no relay wrote"),
        (found(headers=to_record(EVENT, TOPIC, "/aviary/other").headers), 7, "of another log"),
    ],
)
def test_a_record_that_must_not_be_folded_is_not_passed_over(
    record: Found, expected: int, said: str
) -> None:
    with pytest.raises(Unusable, match=said):
        event_of(record, expected, SOURCE.encode())


@given(st.lists(st.integers(2, HEAD), min_size=PARTITIONS, max_size=PARTITIONS))
def test_back_at_the_log_each_partition_goes_on_where_it_was(positions: list[int]) -> None:
    projection = KEYED[0]
    floors = Floors({(projection.name, *p): at for p, at in zip(PLACES, positions, strict=True)})
    had = [e for e in LOG if place_of(e) in PLACES and e.position <= positions[place_of(e)[1]]]
    rows = fold_in_memory(had, projection)
    tail = facts_of(LOG[min(positions) :])
    new = [entry for entry in tail if floors.is_passed(projection.name, entry[1])]
    fold(rows, projection, new)
    assert rows == fold_in_memory(LOG, projection)
    assert floors.passed_at(max(positions)) == [projection.name]
    assert max(positions) == min(positions) or floors.passed_at(max(positions) - 1) == []
