"""The AsyncAPI document is valid, complete, and promises what is really sent."""

import gzip
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from adapters.kafka.records import to_record
from adapters.kafka.topics import KEPT
from commands import catalogue, codec
from domain.log import Metadata, Recorded
from tests.messages import SAMPLES
from workers.tools.asyncapi import HEADERS, OPTIONAL

HERE = Path(__file__).parent
EVENTS = HERE.parents[1] / "docs/events"
DOCUMENT = json.loads((EVENTS / "asyncapi.json").read_bytes())
OFFICIAL = json.loads(gzip.decompress((HERE / "asyncapi-3.0.0.json.gz").read_bytes()))
VALIDATOR = jsonschema_rs.Draft7Validator(OFFICIAL)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from references(each)


def resolve(reference: str) -> Any:
    name, _, pointer = reference.partition("#")
    found = json.loads((EVENTS / name).read_bytes()) if name else DOCUMENT
    for step in pointer.split("/")[1:]:
        found = found[step]
    return found


def test_the_document_is_valid_by_the_official_schema() -> None:
    VALIDATOR.validate(DOCUMENT)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("asyncapi", "2.6.0"),
        ("channels", {"orders": {"adress": "aviary.orders"}}),
        ("operations", {"follow": {"action": "subscribe"}}),
        ("servers", {"kafka": {"host": "localhost"}}),
    ],
)
def test_the_official_schema_refuses_what_is_wrong(part: str, value: object) -> None:
    assert not VALIDATOR.is_valid({**DOCUMENT, part: value})


def test_every_reference_leads_somewhere() -> None:
    found = list(references(DOCUMENT))
    assert len(found) > len(codec.EVENT_TYPES)
    assert all(isinstance(resolve(reference), dict) for reference in found)


def test_every_tag_is_a_message_of_its_own_schema() -> None:
    messages = DOCUMENT["components"]["messages"]
    assert messages.keys() == codec.EVENT_TYPES.keys() | codec.UPCASTS.keys()
    for tag, message in messages.items():
        assert message["name"] == tag
        assert resolve(message["payload"]["$ref"])["properties"]["type"]["enum"] == [tag]


def test_every_tag_is_in_one_channel_which_is_its_topic() -> None:
    channels = DOCUMENT["channels"]
    seen = Counter(tag for channel in channels.values() for tag in channel["messages"])
    assert seen == Counter(DOCUMENT["components"]["messages"].keys())
    for channel in channels.values():
        for tag in channel["messages"]:
            recorded = Recorded(1, f"{tag.partition('.')[0]}-x", 1, tag, b"", b"")
            assert catalogue.topic_of(recorded, "{prefix}") == channel["address"]


def test_channels_are_the_topics_and_each_can_be_received() -> None:
    channels = DOCUMENT["channels"]
    prefixes = {channel["parameters"]["prefix"]["default"] for channel in channels.values()}
    assert prefixes == {"aviary"}
    addresses = sorted(channel["address"].format(prefix="own") for channel in channels.values())
    assert addresses == list(catalogue.topics("own"))
    operations = DOCUMENT["operations"].values()
    assert {operation["action"] for operation in operations} == {"receive"}
    received = [resolve(operation["channel"]["$ref"]) for operation in operations]
    assert sorted(channel["address"] for channel in received) == sorted(
        channel["address"] for channel in channels.values()
    )


def test_topics_are_kept_as_the_relay_makes_them() -> None:
    for channel in DOCUMENT["channels"].values():
        said = channel["bindings"]["kafka"]["topicConfiguration"]
        assert [said.pop("cleanup.policy")] == [[KEPT["cleanup.policy"]]]
        rest = {name: value for name, value in KEPT.items() if name != "cleanup.policy"}
        assert {name: str(value) for name, value in said.items()} == rest


@pytest.mark.parametrize("causation_id", [None, "41"])
def test_headers_are_those_that_are_sent(causation_id: str | None) -> None:
    metadata = Metadata(
        command_id="c",
        correlation_id="c",
        actor="alice",
        recorded_at_us=1_700_000_000_000_000,
        causation_id=causation_id,
    )
    event = SAMPLES["order.withdrawn.v1"]
    sealed = codec.encode_metadata(metadata)
    recorded = Recorded(3, "order-av1", 1, "order.withdrawn.v1", codec.encode(event), sealed)
    record = to_record(recorded, "aviary.orders", "/aviary/ab")
    sent = {name: value.decode() for name, value in record.headers}
    assert list(sent) == [name for name in HEADERS if causation_id or name not in OPTIONAL]
    jsonschema_rs.validate(DOCUMENT["components"]["schemas"]["headers"], sent)
    assert sent.keys() >= set(DOCUMENT["components"]["schemas"]["headers"]["required"])
