"""Settings that exist once for each connector."""

import pytest

from adapters.settings import Settings, load
from adapters.values import BadSetting


def given(**environ: str) -> Settings:
    return load(environ, env_file=None)


def test_a_venue_has_an_address_a_proxy_and_a_rate_of_its_own() -> None:
    settings = given(
        VENUE_URL_BINANCE="http://127.0.0.1:9000/",
        VENUE_URL_BINANCE_PERPETUAL="https://venue.example",
        VENUE_PROXY_KRAKEN="http://user:hunter2@proxy:3128",
        VENUE_RATE_BINANCE="250",
    )
    assert settings.venue_urls == {
        "binance": "http://127.0.0.1:9000",
        "binance_perpetual": "https://venue.example",
    }
    assert settings.venue_proxies == {"kraken": "http://user:hunter2@proxy:3128"}
    assert settings.venue_rates == {"binance": 250.0}
    assert "hunter2" not in repr(settings)


def test_an_empty_value_is_none_at_all() -> None:
    assert given(VENUE_URL_BINANCE=" ").venue_urls == {}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("VENUE_URL_BINANCE", "127.0.0.1:9000", "'127.0.0.1:9000' is not allowed"),
        ("VENUE_URL_BINANCE", "ws://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("VENUE_URL_BINANCE", "http://127.0.0.1/api", "without a path"),
        ("VENUE_URL_BINANCE", "http://", "must be a URL"),
        ("VENUE_URL_BINANSE", "http://127.0.0.1", "Did you mean VENUE_URL_BINANCE?"),
        ("VENUE_URL_PAPER", "http://127.0.0.1", "no connector 'paper'"),
        ("VENUE_PROXY_BINANCE", "socks5://user:hunter2@proxy", "the value (not shown)"),
        ("VENUE_RATE_BINANCE", "0", "a number from 0.1"),
        ("VENUE_TOKEN_BINANCE", "a", "VENUE_URL_, VENUE_PROXY_, VENUE_RATE_"),
    ],
)
def test_a_wrong_one_is_refused_with_the_reason(name: str, value: str, reason: str) -> None:
    with pytest.raises(BadSetting) as caught:
        given(**{name: value})
    assert caught.value.name == name
    assert reason in str(caught.value)
    assert "hunter2" not in str(caught.value)
