"""A tape keeps the latest trades, each once, and says what a late follower has missed."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from adapters.venues.market_port import PublicTrade
from api.market.tape import Tape


def trade(name: int) -> PublicTrade:
    return PublicTrade(
        trade_id=str(name), side="BUY", quantity=Decimal(1), price=Decimal(1), at_us=name
    )


def test_a_trade_that_is_told_again_counts_once() -> None:
    tape = Tape()
    assert tape.add([trade(1), trade(2), trade(1)]) == 2
    assert tape.add([trade(2), trade(3)]) == 1
    assert tape.latest(10) == [trade(1), trade(2), trade(3)]


def test_a_late_follower_gets_what_is_left_and_hears_how_many_are_gone() -> None:
    tape = Tape(kept=3)
    tape.add(trade(number) for number in range(5))
    assert tape.since(0) == ([trade(2), trade(3), trade(4)], 2)
    assert tape.since(3) == ([trade(3), trade(4)], 0)
    assert tape.since(5) == ([], 0)


@given(
    st.integers(1, 5),
    st.lists(st.lists(st.integers(0, 20), max_size=8), max_size=8),
    st.lists(st.integers(0, 40), max_size=5),
)
def test_followers_lose_nothing_that_they_are_not_told_of(
    kept: int, batches: list[list[int]], numbers: list[int]
) -> None:
    tape = Tape(kept)
    taken: list[PublicTrade] = []
    for batch in batches:
        before = tape.end
        count = tape.add([trade(name) for name in batch])
        found, lost = tape.since(before)
        assert len(found) + lost == count == tape.end - before
        taken += found
        assert len(tape.latest(100)) <= kept
    for number in numbers:
        found, lost = tape.since(number)
        assert len(found) + lost == max(0, tape.end - number)
        assert taken[len(taken) - len(found) :] == found
