from collections import deque
from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.valuation import BRIDGES, DIGITS, STABLE, Conversion

TOKENS = ("BTC", "ETH", "USDT", "USDC", "USD", "EUR", "ABC", "XYZ")
QUOTES = ("USDT", "USD", "BTC", "EUR", "ABC")


def price(token: str, quote: str, **prices: str) -> Decimal | None:
    found = {pair.replace("_", "-"): Decimal(its) for pair, its in prices.items()}
    return Conversion(found, quote).price(token)


def test_a_pairs_own_price_is_taken_as_it_is_told() -> None:
    told = "0.000000123456789012345600"
    assert str(price("XYZ", "USDT", XYZ_USDT=told)) == str(Decimal(told))
    assert str(price("BTC", "USDT", BTC_USDT="50000.10")) == "50000.10"


def test_the_other_way_round_a_price_is_rounded_to_its_digits() -> None:
    assert price("USDT", "TRY", USDT_TRY="41.3") == Decimal("41.3")
    assert price("TRY", "USDT", USDT_TRY="41.3") == Decimal("0.0242130750605")


def test_a_chain_of_pairs_is_multiplied_exactly_and_rounded_once() -> None:
    assert price("XYZ", "USDT", XYZ_BTC="0.0000012", BTC_USDT="50000.1") == Decimal("0.06000012")
    assert price("XYZ", "EUR", XYZ_BTC="3", USDT_BTC="7", EUR_USDT="3") == Decimal("0.142857142857")


def test_the_shortest_chain_counts() -> None:
    prices = {"XYZ_ETH": "2", "ETH_USDT": "3", "XYZ_BTC": "2", "BTC_ETH": "9"}
    assert price("XYZ", "USDT", **prices) == 6


def test_of_chains_that_are_equally_long_the_first_bridge_counts() -> None:
    assert price("XYZ", "EUR", XYZ_ETH="2", ETH_EUR="2", XYZ_BTC="3", BTC_EUR="3") == 9
    assert price("XYZ", "EUR", XYZ_BTC="3", BTC_EUR="3", XYZ_USDC="5", USDC_EUR="5") == 25


def test_a_direct_pair_counts_before_its_reverse() -> None:
    assert price("BTC", "ETH", BTC_ETH="20", ETH_BTC="0.04") == 20


def test_the_quote_currency_is_worth_itself_whatever_pairs_say() -> None:
    assert price("USDT", "USDT", USDT_USD="0.5", USD_USDT="0.5") == 1
    assert price("ABC", "ABC") == 1


def test_a_token_that_nothing_leads_to_has_no_price() -> None:
    assert price("XYZ", "USDT", BTC_USDT="1") is None
    assert price("XYZ", "USDT", XYZ_ABC="1", ABC_USDT="1") is None, "ABC is no bridge"
    assert price("BTC", "XYZ", BTC_USDT="1") is None


@pytest.mark.parametrize("told", ["0", "-1", "NaN", "Infinity", "-0"])
def test_what_is_not_above_nothing_is_no_price(told: str) -> None:
    assert price("BTC", "USDT", BTC_USDT=told) is None
    assert price("BTC", "USDT", USDT_BTC=told) is None
    assert price("BTC", "USDT", BTC_USDT=told, USDT_BTC="0.5") == 2


@pytest.mark.parametrize("stable", STABLE)
def test_a_stable_coin_is_a_dollar_where_no_pair_says_otherwise(stable: str) -> None:
    assert price(stable, "USD") == 1
    assert price("USD", stable) == 1
    assert price(stable, "USD", **{f"{stable}_USD": "0.97"}) == Decimal("0.97")
    assert price("BTC", stable, BTC_USD="50000") == 50000


def test_a_chain_of_pairs_says_what_a_stable_coin_is_worth_before_it_counts_as_a_dollar() -> None:
    assert price("USDC", "USDT") == 1
    assert price("USDC", "USDT", BTC_USDC="100", BTC_USDT="90") == Decimal("0.9")
    assert price("USDC", "USDT", USDT_USD="0.5") == 2
    assert price("EUR", "USDT", EUR_USD="1.1", USDC_USDT="0.9") == Decimal("1.1")


amounts = st.decimals("1E-12", "1E12", allow_nan=False, allow_infinity=False, places=12).filter(
    lambda its: its > 0
)
tokens = st.sampled_from(TOKENS)
pairs = st.builds("{}-{}".format, tokens, tokens)
markets = st.dictionaries(pairs, amounts, max_size=14)


def reached(prices: Mapping[str, Decimal], quote: str) -> set[str]:
    """Whatever is linked with the quote by pairs, and by stable coins, over bridges alone."""
    links = {frozenset(pair.split("-")) for pair in prices}
    links |= {frozenset(("USD", stable)) for stable in STABLE}
    found, waiting = {quote}, deque([quote])
    while waiting:
        here = waiting.popleft()
        if here != quote and here not in BRIDGES:
            continue
        for link in links:
            if here in link:
                fresh = link - found
                found |= fresh
                waiting.extend(fresh)
    return found


@given(markets, st.sampled_from(QUOTES), st.randoms())
def test_a_price_is_there_where_a_chain_is_and_never_depends_on_the_order_of_pairs(
    prices: dict[str, Decimal], quote: str, chance: object
) -> None:
    shuffled = list(prices.items())
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    once, again = Conversion(prices, quote), Conversion(dict(shuffled), quote)
    linked = reached(prices, quote)
    for token in TOKENS:
        found = once.price(token)
        assert found == again.price(token)
        assert (found is not None) == (token in linked)
        assert found is None or found > 0


@given(markets, tokens, tokens)
def test_a_price_and_its_inverse_agree_where_one_pair_says_both(
    prices: dict[str, Decimal], base: str, quote: str
) -> None:
    if base == quote or (f"{base}-{quote}" in prices) == (f"{quote}-{base}" in prices):
        return
    there = Conversion(prices, quote).price(base)
    back = Conversion(prices, base).price(quote)
    assert there is not None
    assert back is not None
    assert abs(there * back - 1) < Decimal(10) ** (2 - DIGITS)


@given(markets, st.sampled_from(QUOTES), st.decimals("0.001", "1000", places=3))
def test_twice_the_price_is_twice_the_value_of_what_only_that_pair_prices(
    prices: dict[str, Decimal], quote: str, factor: Decimal
) -> None:
    """A pair that is walked through twice, by a cycle, would count its factor twice."""
    for pair, told in prices.items():
        base, _, its_quote = pair.partition("-")
        if base in BRIDGES or base in (quote, its_quote) or f"{its_quote}-{base}" in prices:
            continue
        only = {k: v for k, v in prices.items() if base not in k.split("-")} | {pair: told}
        once = Conversion(only, quote).price(base)
        scaled = Conversion(only | {pair: told * factor}, quote).price(base)
        if once is None or scaled is None:
            assert once is scaled is None
            continue
        assert abs(scaled / once / factor - 1) < Decimal(10) ** (2 - DIGITS)
