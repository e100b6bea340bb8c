"""The checked-in schemas allow what is written, and nothing that a reader could not read."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema_rs
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from commands import codec
from commands.schemas import differences, field_notes, next_tag, schema_of
from domain.events import Event
from domain.log import Metadata
from tests.messages import SAMPLES

EVENTS = Path(__file__).parents[2] / "docs/events"
SCHEMAS = {
    path.name.removesuffix(".json"): json.loads(path.read_bytes())
    for path in (EVENTS / "schemas").glob("*.json")
}
VALIDATORS = {tag: jsonschema_rs.Draft202012Validator(schema) for tag, schema in SCHEMAS.items()}
TAGS = sorted(codec.EVENT_TYPES)
tags = st.sampled_from(TAGS)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
decimals = st.decimals(allow_nan=False, allow_infinity=False)


def values_of(kind: object) -> st.SearchStrategy[Any]:
    match kind:
        case msgspec.inspect.StrType():
            return texts
        case msgspec.inspect.IntType():
            return st.integers(-(2**63), 2**63 - 1)
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.DecimalType():
            return decimals
        case msgspec.inspect.NoneType():
            return st.none()
        case msgspec.inspect.LiteralType(values):
            return st.sampled_from(values)
        case msgspec.inspect.UnionType(types):
            return st.one_of([values_of(each) for each in types])
        case msgspec.inspect.VarTupleType(item):
            return st.lists(values_of(item), max_size=3).map(tuple)
        case msgspec.inspect.StructType(cls, fields):
            return st.builds(cls, *(values_of(field.type) for field in fields))
        case _:
            raise NotImplementedError(f"No random values of {kind!r} yet: add them here.")


@st.composite
def events(draw: st.DrawFn) -> tuple[str, Event]:
    tag = draw(tags)
    kind = codec.EVENT_TYPES[tag]
    described = msgspec.inspect.type_info(kind)
    assert isinstance(described, msgspec.inspect.StructType)
    return tag, kind(*(draw(values_of(field.type)) for field in described.fields))


@pytest.mark.parametrize("tag", sorted(SCHEMAS))
def test_a_schema_is_one_of_the_2020_12_dialect(tag: str) -> None:
    assert SCHEMAS[tag]["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema_rs.meta.validate(SCHEMAS[tag])


@pytest.mark.parametrize("tag", sorted(SCHEMAS))
def test_golden_bytes_are_valid_and_are_the_example(tag: str) -> None:
    golden = json.loads((EVENTS / f"examples/{tag}.json").read_bytes())
    VALIDATORS[tag].validate(golden)
    assert SCHEMAS[tag]["examples"] == [golden]


@pytest.mark.parametrize("tag", TAGS)
def test_a_tag_and_its_fields_in_microseconds_are_described(tag: str) -> None:
    assert codec.EVENT_TYPES[tag].__doc__
    assert SCHEMAS[tag]["title"] == codec.EVENT_TYPES[tag].__name__
    for part in (SCHEMAS[tag], *SCHEMAS[tag].get("$defs", {}).values()):
        for name, field in part["properties"].items():
            assert field.get("description", "").startswith("Integer UTC microseconds") == (
                name.endswith("_us")
            )


@given(events())
def test_every_event_that_can_be_written_is_valid(event: tuple[str, Event]) -> None:
    tag, written = event
    VALIDATORS[tag].validate(json.loads(codec.encode(written)))


@given(events(), st.data())
def test_a_field_of_another_type_is_neither_valid_nor_read(
    event: tuple[str, Event], data: st.DataObject
) -> None:
    tag, written = event
    shape = json.loads(codec.encode(written))
    name = data.draw(st.sampled_from(sorted(shape)))
    shape[name] = data.draw(st.sampled_from([{}, [{}], [None]]))
    assert not VALIDATORS[tag].is_valid(shape)
    with pytest.raises(msgspec.ValidationError):
        codec.decode(tag, json.dumps(shape).encode())


@given(events(), st.data())
def test_without_a_field_an_event_is_valid_where_it_can_be_read(
    event: tuple[str, Event], data: st.DataObject
) -> None:
    tag, written = event
    shape = json.loads(codec.encode(written))
    name = data.draw(st.sampled_from(sorted(shape.keys() - {"type"}) or ["nothing"]))
    shape.pop(name, None)
    try:
        codec.decode(tag, json.dumps(shape).encode())
        is_read = True
    except msgspec.ValidationError:
        is_read = False
    assert VALIDATORS[tag].is_valid(shape) == is_read


@given(events(), events())
def test_an_event_is_valid_under_its_own_tag_only(
    event: tuple[str, Event], other: tuple[str, Event]
) -> None:
    shape = json.loads(codec.encode(event[1]))
    assert VALIDATORS[other[0]].is_valid(shape) == (event[0] == other[0])


@given(events())
def test_a_field_that_nobody_knows_is_valid_and_ignored(event: tuple[str, Event]) -> None:
    tag, written = event
    shape = {**json.loads(codec.encode(written)), "invented_later": {"deep": [1]}}
    VALIDATORS[tag].validate(shape)
    assert codec.decode(tag, json.dumps(shape).encode()) == written


@pytest.mark.parametrize("text", ["NaN", "Infinity", "1_000", "+1", " 1", "1.", ".5", "1e5", "1\n"])
def test_what_is_never_written_as_a_decimal_is_not_valid(text: str) -> None:
    shape = {**json.loads(codec.encode(SAMPLES["order.filled.v1"])), "price": text}
    assert not VALIDATORS["order.filled.v1"].is_valid(shape)


def test_a_decimal_is_written_as_a_string_though_a_number_would_be_read() -> None:
    shape = {**json.loads(codec.encode(SAMPLES["order.filled.v1"])), "price": 3}
    assert codec.decode("order.filled.v1", json.dumps(shape).encode()).price == Decimal(3)  # type: ignore[union-attr]
    assert not VALIDATORS["order.filled.v1"].is_valid(shape)


@pytest.mark.parametrize(
    "metadata",
    [
        Metadata(command_id="c", correlation_id="c", actor="a", recorded_at_us=1),
        Metadata(command_id="c", correlation_id="c", actor="a", recorded_at_us=1, causation_id="4"),
    ],
)
def test_metadata_is_as_its_schema_says(metadata: Metadata) -> None:
    schema = json.loads((EVENTS / "metadata.json").read_bytes())
    jsonschema_rs.validate(schema, json.loads(codec.encode_metadata(metadata)))


class Leg(msgspec.Struct, frozen=True):
    worth: Decimal
    """In quote."""


class Spread(msgspec.Struct, frozen=True, tag="order.spread.v1"):
    legs: tuple[Leg, ...]
    description: str
    """A field's name that is also a word of schemas."""
    default: Decimal


class LongerLeg(Leg, frozen=True):
    size: int


LongerLeg.__name__ = "Leg"


class LongerSpread(msgspec.Struct, frozen=True, tag="order.spread.v1"):
    legs: tuple[LongerLeg, ...]
    description: str
    default: Decimal


def test_a_struct_inside_an_event_is_part_of_its_shape() -> None:
    spread, longer = schema_of(Spread), schema_of(LongerSpread)
    legs = [{"worth": "1"}]
    valid = {"type": "order.spread.v1", "legs": legs, "description": "", "default": "1"}
    jsonschema_rs.validate(spread, valid)
    assert not jsonschema_rs.is_valid(spread, {**valid, "legs": [{"worth": 1}]})
    assert not jsonschema_rs.is_valid(spread, {**valid, "description": 1})
    assert not jsonschema_rs.is_valid(spread, {**valid, "default": "NaN"})
    assert differences(spread, longer) == ["Leg: field 'size' added"]
    assert field_notes(Spread) == {"description": "A field's name that is also a word of schemas."}


def test_the_next_tag_counts_on() -> None:
    assert next_tag("order.placed.v9") == "order.placed.v10"
