"""Events whose tag is written no more are folded as what they are read as."""

from typing import Any

import pytest
from msgspec import structs

from commands import codec
from projections import orders
from tests.folds import fold_in_memory, written
from tests.stores import opening, placing

OLD = "order.placed.v0"


def test_an_event_of_an_old_tag_makes_its_row(monkeypatch: pytest.MonkeyPatch) -> None:
    def upcast(shape: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return "order.placed.v1", shape

    monkeypatch.setattr(codec, "UPCASTS", {OLD: upcast})
    log = written([*opening(), placing("av1")])
    renamed = [
        structs.replace(event, tag=OLD, payload=event.payload.replace(b".v1", b".v0"))
        if event.tag == "order.placed.v1"
        else event
        for event in log
    ]
    assert fold_in_memory(renamed, orders.PROJECTION) == fold_in_memory(log, orders.PROJECTION)
    assert set(fold_in_memory(renamed, orders.PROJECTION)) == {"av1"}
