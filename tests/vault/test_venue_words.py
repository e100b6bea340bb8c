"""What a venue behind ccxt says never holds a field of the credential that it was asked with."""

import pytest

from adapters.settings import Settings
from adapters.venues.ccxt.calling import Line
from adapters.venues.ccxt.errors import Operation, translate
from adapters.venues.port import VenueRefused, VenueUnreachable

CANARY = "canary+/9f=="
FIELDS = {"binance_api_key": CANARY, "binance_api_secret": "hush hush"}
SAYINGS = [
    f'binance {{"code":-2015,"msg":"Invalid key {CANARY}"}}',
    f'binance {{"code":-1000,"msg":"{CANARY} of hush hush"}}',
    f"kraken GET https://api.kraken.com/0/private?key={CANARY} timed out",
    f"no such key {CANARY}" + "x" * 600,
    "x" * 495 + CANARY,
]


@pytest.mark.parametrize("said", SAYINGS)
@pytest.mark.parametrize("operation", ["place", "lookup", "access", "other"])
def test_a_venues_words_are_kept_without_the_fields(said: str, operation: Operation) -> None:
    line = Line(Settings(), "binance", FIELDS)
    for error in (RuntimeError(said), ValueError(said)):
        for told in (translate(error, operation, FIELDS), line.told(error, operation)):
            assert isinstance(told, VenueRefused | VenueUnreachable)
            for field in FIELDS.values():
                assert field not in str(told)
                assert field[:8] not in str(told)


def test_a_key_that_is_none_is_refused_only_when_it_is_tried() -> None:
    error = ValueError("Could not deserialize key data")
    tried = translate(error, "access")
    assert isinstance(tried, VenueRefused)
    assert tried.code == "bad_credential"
    for operation in ("place", "cancel", "lookup", "other"):
        assert isinstance(translate(error, operation), VenueUnreachable)
