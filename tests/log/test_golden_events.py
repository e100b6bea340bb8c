"""The bytes of every event, pinned for ever: docs/events/examples is added to, never edited."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from commands import codec
from domain.account import ConnectorAdded
from domain.log import Metadata, Recorded
from tests.messages import SAMPLES

EXAMPLES = Path(__file__).parents[2] / "docs/events/examples"
GOLDEN = {
    path.name.removesuffix(".json"): path.read_bytes().decode() for path in EXAMPLES.glob("*.json")
}
METADATA = Metadata(
    command_id="0f" * 16,
    correlation_id="0e" * 16,
    causation_id="41",
    actor="alice",
    recorded_at_us=1_700_000_000_000_000,
    code_version="0.1.0",
    account="main",
    connector="paper",
    pair="BTC-USDT",
)


def test_every_tag_has_golden_bytes() -> None:
    assert GOLDEN.keys() == codec.EVENT_TYPES.keys() | codec.UPCASTS.keys()
    assert SAMPLES.keys() == codec.EVENT_TYPES.keys()


@pytest.mark.parametrize("tag", sorted(GOLDEN))
def test_golden_bytes_are_read_for_ever(tag: str) -> None:
    event = codec.decode(tag, GOLDEN[tag].encode())
    if tag in SAMPLES:
        assert event == SAMPLES[tag]


@pytest.mark.parametrize("tag", SAMPLES)
def test_an_event_is_written_as_its_golden_bytes(tag: str) -> None:
    assert codec.encode(SAMPLES[tag]) == GOLDEN[tag].encode()
    assert codec.tag_of(SAMPLES[tag]) == tag == json.loads(GOLDEN[tag])["type"]


def test_metadata_is_written_as_its_golden_bytes() -> None:
    golden = (
        b'{"command_id":"0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f",'
        b'"correlation_id":"0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e","actor":"alice",'
        b'"recorded_at_us":1700000000000000,"causation_id":"41","code_version":"0.1.0",'
        b'"account":"main","connector":"paper","pair":"BTC-USDT"}'
    )
    assert codec.encode_metadata(METADATA) == golden
    assert codec.decode_metadata(golden) == METADATA


def test_metadata_leaves_out_what_is_not_so() -> None:
    bare = Metadata(command_id="c", correlation_id="c", actor="a", recorded_at_us=1)
    written = codec.encode_metadata(bare)
    assert written == b'{"command_id":"c","correlation_id":"c","actor":"a","recorded_at_us":1}'
    assert codec.decode_metadata(written) == bare


@pytest.mark.parametrize("tag", SAMPLES)
def test_an_older_worker_reads_an_event_with_a_field_that_it_does_not_know(tag: str) -> None:
    newer = GOLDEN[tag][:-1] + ',"invented_later":{"deep":[1,2]}}'
    assert codec.decode(tag, newer.encode()) == SAMPLES[tag]


def test_an_unknown_tag_stops_the_reader_at_its_position() -> None:
    recorded = Recorded(41, "order-av1", 3, "order.teleported.v1", b"{}", b"{}")
    with pytest.raises(codec.LogIsNewer, match=r"position 41 .* 'order\.teleported\.v1'") as caught:
        codec.decode_recorded(recorded)
    assert (caught.value.position, caught.value.tag) == (41, "order.teleported.v1")


def rename(shape: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return "account.venue_added.v2", {**shape, "venue": shape["exchange"]}


def split(shape: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    account, connector = shape["venue"].split("/")
    return "account.connector_added.v1", {"account": account, "connector": connector}


def test_old_bytes_are_upcast_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    table = {"account.venue_added.v1": rename, "account.venue_added.v2": split}
    monkeypatch.setattr(codec, "UPCASTS", table)
    old = b'{"type":"account.venue_added.v1","exchange":"main/paper"}'
    assert codec.decode("account.venue_added.v1", old) == ConnectorAdded("main", "paper")


def test_an_upcast_to_a_tag_that_nobody_knows_stops_the_reader(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(codec, "UPCASTS", {"account.venue_added.v1": rename})
    with pytest.raises(codec.LogIsNewer, match=r"position 9 .* 'account\.venue_added\.v2'"):
        codec.decode("account.venue_added.v1", b'{"exchange":"main/paper"}', 9)


def test_upcast_amounts_stay_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    tag = "order.filled.v1"
    monkeypatch.setattr(codec, "UPCASTS", {"order.filled.v0": lambda shape: (tag, shape)})
    assert codec.decode("order.filled.v0", GOLDEN[tag].encode()) == SAMPLES[tag]


def test_no_upcast_stands_for_a_tag_that_is_still_written() -> None:
    assert not codec.UPCASTS.keys() & codec.EVENT_TYPES.keys()
    assert codec.UPCASTS.keys() <= GOLDEN.keys()


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"type":"order.placed.v1"}', b"\xff"])
def test_bytes_that_are_no_event_raise_what_a_projector_can_park(payload: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        codec.decode("order.dispatched.v1", payload)
