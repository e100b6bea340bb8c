"""Rates out of prices: paths, exactness, and what counts where venues differ."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from api.market.rates import BRIDGES, merged, rate
from tests.market.scripted import ticker

PRICES = {
    "BTC-USDT": Decimal(50000),
    "ETH-BTC": Decimal("0.04"),
    "EUR-USD": Decimal("1.1"),
    "USDT-USD": Decimal("0.999"),
    "FOO-ETH": Decimal(2),
    "EUR-BAR": Decimal(4),
}


def test_paths_go_from_direct_over_reverse_to_bridges() -> None:
    assert rate(PRICES, "BTC-USDT") == 50000
    assert rate(PRICES, "USDT-BTC") == Decimal("0.00002")
    assert rate(PRICES, "ETH-USDT") == 2000  # over BTC
    assert rate(PRICES, "FOO-BTC") == Decimal("0.08")  # over ETH
    assert rate(PRICES, "FOO-USDT") == Decimal(4000)  # over ETH and BTC
    assert rate(PRICES, "BTC-EUR") == 50000 * Decimal("0.999") * (1 / Decimal("1.1"))
    assert rate(PRICES, "USD-BAR") == Decimal(4) * (1 / Decimal("1.1"))


def test_what_no_path_leads_to_is_none() -> None:
    for pair in ("FOO-BAZ", "BAZ-QUX", "", "-", "BTC", "BTC-", "-BTC"):
        assert rate(PRICES, pair) is None
    assert rate({}, "BTC-USDT") is None


def test_a_token_is_worth_itself() -> None:
    assert rate({}, "ANY-ANY") == 1


def test_stable_coins_are_not_taken_to_be_the_same() -> None:
    assert rate({"BTC-USDT": Decimal(1)}, "BTC-USDC") is None


def test_the_larger_turnover_counts_and_nothing_without_a_price() -> None:
    found = merged(
        [
            {"A-B": ticker("A-B", "1", "10"), "C-D": ticker("C-D", "0")},
            {"A-B": ticker("A-B", "2", "1000")},
            {"A-B": ticker("A-B", "3")},
        ]
    )
    assert found == {"A-B": 2}


tokens = st.sampled_from([*BRIDGES, "FOO", "BAR"])
prices = st.dictionaries(
    st.tuples(tokens, tokens).map("-".join),
    st.decimals("0.0001", "100000", places=4).filter(bool),
    max_size=25,
)


@given(prices, tokens, tokens)
def test_there_and_back_is_one(prices: dict[str, Decimal], base: str, quote: str) -> None:
    there, back = rate(prices, f"{base}-{quote}"), rate(prices, f"{quote}-{base}")
    assert (there is None) is (back is None)
    is_listed_twice = {f"{base}-{quote}", f"{quote}-{base}"} <= set(prices)
    if there is not None and f"{base}-{quote}" in prices and not is_listed_twice:
        assert back is not None
        assert abs(there * back - 1) < Decimal("1e-20")
