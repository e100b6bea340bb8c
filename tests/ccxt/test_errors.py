"""The table of errors, rule by rule: what proves a refusal and what proves nothing."""

import importlib
from typing import Any

import pytest

from adapters.venues.ccxt.errors import BINANCE, CLASSES, Number, Operation, translate
from adapters.venues.port import VenueRefused, VenueUnreachable

OPERATIONS: tuple[Operation, ...] = ("place", "cancel", "lookup", "other")
ccxt = importlib.import_module("ccxt")


def names(tree: dict[str, Any]) -> set[str]:
    return set(tree) | {name for below in tree.values() for name in names(below)}


def ours(code: str | None, operation: Operation) -> str | None:
    """What the table's code comes to: an order "not found" is no answer to a placement."""
    return None if operation == "place" and code == "unknown_order" else code


def told(error: Exception) -> str | None:
    assert isinstance(error, VenueRefused | VenueUnreachable)
    return error.code if isinstance(error, VenueRefused) else None


def test_every_class_of_ccxt_has_a_row_and_no_other() -> None:
    assert {
        *names(importlib.import_module("ccxt.base.errors").error_hierarchy),
        "BaseError",
    } == set(CLASSES)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("name", sorted(CLASSES))
def test_a_class_means_what_its_row_says(name: str, operation: Operation) -> None:
    error = getattr(ccxt, name)("okx something went wrong")
    assert told(translate(error, operation)) == ours(CLASSES[name], operation)


@pytest.mark.parametrize("name", sorted(names(
    importlib.import_module("ccxt.base.errors").error_hierarchy["BaseError"]["OperationFailed"]
)))  # fmt: skip
def test_a_failure_of_the_way_to_the_venue_never_proves_anything(name: str) -> None:
    assert CLASSES[name] is None


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    "error", [ValueError("a price"), KeyError("id"), TypeError(), TimeoutError(), RuntimeError("x")]
)
def test_what_nobody_foresaw_proves_nothing(error: Exception, operation: Operation) -> None:
    assert isinstance(translate(error, operation), VenueUnreachable)


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("row", BINANCE, ids=lambda row: f"{row.number}{row.pattern}")
def test_the_number_of_binance_counts_before_the_class(row: Number, operation: Operation) -> None:
    text = f"Something {row.pattern} else."
    for name in ("InvalidOrder", "BadRequest", "ExchangeError", "InvalidNonce"):
        error = getattr(ccxt, name)(f'binance {{"code":{row.number},"msg":"{text}"}}')
        seen = translate(error, operation)
        first = next(one for one in BINANCE if one.number == row.number and one.pattern in text)
        assert told(seen) == ours(first.code, operation)


def test_no_row_of_binance_is_hidden_by_an_earlier_one() -> None:
    for place, row in enumerate(BINANCE):
        earlier = [one for one in BINANCE[:place] if one.number == row.number]
        assert all(one.pattern and one.pattern not in row.pattern for one in earlier), row


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (-1000, None), (-1001, None), (-1003, None), (-1006, None), (-1007, None), (-1008, None),
        (-1015, None), (-1016, None), (-1034, None), (-1099, None),
        (-1100, "rejected"), (-1102, "rejected"), (-3000, "rejected"), (-4999, "rejected"),
    ],
)  # fmt: skip
def test_a_number_without_a_row_is_a_refusal_unless_the_server_itself_failed(
    number: int, code: str | None
) -> None:
    error = ccxt.ExchangeError(f'binanceusdm {{"code":{number},"msg":"something"}}')
    assert told(translate(error, "place")) == code


@pytest.mark.parametrize(
    "text",
    [
        'binance 502 Bad Gateway <html>{"code": broken</html>',
        'binance {"code":200,"msg":"fine"}',
        'binance {"code":"-2010","msg":"as text"}',
        'binance ["code"]',
        "binance GET https://api.binance.com/api/v3/order?signature=abc",
    ],
)
def test_what_is_no_refusal_of_binance_goes_by_its_class(text: str) -> None:
    assert isinstance(translate(ccxt.ExchangeNotAvailable(text), "place"), VenueUnreachable)


def test_a_signed_address_is_not_repeated() -> None:
    error = ccxt.RequestTimeout("binance POST https://api.binance.com/api/v3/order?signature=abc x")
    assert str(translate(error, "place")).endswith("https://api.binance.com/api/v3/order x")
