"""Books that move by themselves: small public trades, and best prices that change."""

import asyncio

from tests.doubles.binance.book import SIDES
from tests.doubles.binance.exchange import Exchange
from tests.doubles.binance.symbols import Market


def begin_life(exchange: Exchange, market: Market, name: str, per_second: float) -> None:
    life = _live(exchange, market, name, per_second)
    exchange.lives[market, name] = asyncio.get_running_loop().create_task(life)


def end_life(exchange: Exchange, market: Market, name: str) -> None:
    life = exchange.lives.pop((market, name), None)
    if life is not None:
        life.cancel()


async def _live(exchange: Exchange, market: Market, name: str, per_second: float) -> None:
    engine = exchange.engines[market]
    book, beat = engine.books[name], 0
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        beat += 1
        side = SIDES[beat % 2]
        price, quantity = book.best(side), book.symbol.quantity_min * (1 + beat % 7)
        if price is not None:
            now_ms = exchange.now_ms()
            is_buyer_maker = side == "BUY"
            engine.print_trade(name, price, quantity, now_ms, is_buyer_maker=is_buyer_maker)
            if price in book.maker[side]:
                book.maker[side][price] = book.level_quantity - quantity * (beat % 3)
                book.touch(side, price)
        exchange.commit()
        due = max(due + 1 / per_second, loop.time() - 1)
        await asyncio.sleep(max(0.0, due - loop.time()))
