"""Order books for many: one question to the venue, live feeds first, deep only where needed."""

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import partial

import pytest

from adapters.venues.market_port import PublicVenue
from adapters.venues.port import OrderBook, VenueRefused
from api.market import books as books_module
from api.market.books import Books
from api.market.depth import price_for_volume
from api.market.venues import Venues
from tests.market.scripted import ScriptedVenue


def deep(levels: int, amount: str = "1") -> OrderBook:
    return OrderBook(
        pair="A-B",
        bids=tuple((Decimal(levels - n), Decimal(amount)) for n in range(levels)),
        asks=tuple((Decimal(levels + 1 + n), Decimal(amount)) for n in range(levels)),
        at_us=1,
    )


@pytest.fixture(autouse=True)
def kept(unhurried: None) -> None:
    """How long an answer is shared is one test's matter only."""


def play(
    scenario: Callable[[Books, ScriptedVenue], Awaitable[None]], live: OrderBook | None = None
) -> None:
    async def with_books() -> None:
        venue = ScriptedVenue()
        venue.books["A-B"] = deep(1000)

        async def make(_: str) -> PublicVenue:
            return venue

        books = Books(Venues(make, ["paper"]), lambda *_: live)
        async with asyncio.timeout(60):
            await scenario(books, venue)
        await books.close()

    asyncio.run(with_books())


def test_many_clients_are_one_question() -> None:
    async def scenario(books: Books, venue: ScriptedVenue) -> None:
        found = await asyncio.gather(*(books.book("paper", "A-B", n + 1) for n in range(90)))
        assert [len(book.bids) for book in found] == list(range(1, 91))
        assert venue.asked["book"] == 1

    play(scenario)


def test_an_answer_is_shared_for_a_moment_and_not_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(books: Books, venue: ScriptedVenue) -> None:
        await books.book("paper", "A-B", 1000)
        await books.book("paper", "A-B", 10)
        assert venue.asked["book"] == 1  # The deeper answer serves the shallower question.
        monkeypatch.setattr(books_module, "KEPT_SECONDS", -1.0)
        await books.book("paper", "A-B", 10)
        assert venue.asked["book"] == 2

    play(scenario)


def test_a_live_book_is_answered_without_a_question() -> None:
    async def scenario(books: Books, venue: ScriptedVenue) -> None:
        assert len((await books.book("paper", "A-B", 20)).asks) == 20
        found, book = await books.measure(
            "paper", "A-B", partial(price_for_volume, volume=Decimal(15), is_buy=True)
        )
        assert found.price == book.asks[14][0]
        assert venue.asked["book"] == 0
        # More than the feed shows is asked of the venue.
        assert len((await books.book("paper", "A-B", 50)).asks) == 50
        assert venue.asked["book"] == 1

    play(scenario, deep(20))


def test_a_deep_book_is_asked_for_only_where_a_shallow_one_does_not_suffice() -> None:
    async def scenario(books: Books, venue: ScriptedVenue) -> None:
        for volume, questions in ((50, 1), (500, 2), (5000, 2)):
            look = partial(price_for_volume, volume=Decimal(volume), is_buy=True)
            found, _ = await books.measure("paper", "A-B", look)
            assert found.is_partial is (volume > 1000)
            assert venue.asked["book"] == questions

    play(scenario)


def test_a_book_that_ends_early_is_not_asked_for_again() -> None:
    async def scenario(books: Books, venue: ScriptedVenue) -> None:
        venue.books["A-B"] = deep(30)
        look = partial(price_for_volume, volume=Decimal(50), is_buy=True)
        found, _ = await books.measure("paper", "A-B", look)
        assert (found.is_partial, found.volume) == (True, Decimal(30))
        assert venue.asked["book"] == 1

    play(scenario)


def test_what_is_kept_is_bounded() -> None:
    async def scenario(books: Books, venue: ScriptedVenue) -> None:
        for number in range(250):
            venue.books[f"P{number}-B"] = deep(1)
            await books.book("paper", f"P{number}-B", 1)
        assert len(books) <= 100

    play(scenario)


def test_a_refusal_is_not_kept() -> None:
    async def scenario(books: Books, venue: ScriptedVenue) -> None:
        with pytest.raises(VenueRefused):
            await books.book("paper", "X-Y", 1)
        venue.books["X-Y"] = deep(1)
        assert (await books.book("paper", "X-Y", 1)).bids == deep(1).bids

    play(scenario)
