"""The double's own routes, `POST /control/<name>` with a JSON body; never in the real protocol.

Everything that changes orders or money is committed before it is answered, as on the wire.
"""

import asyncio
import secrets
from decimal import Decimal
from typing import Any

import msgspec

from tests.doubles.binance import wire
from tests.doubles.binance.exchange import Exchange
from tests.doubles.binance.faults import FaultRule
from tests.doubles.binance.life import begin_life, end_life
from tests.doubles.binance.records import Account
from tests.doubles.binance.sockets import Sockets
from tests.doubles.binance.symbols import SYMBOLS, Market

_BATCH = 25


class NewAccount(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    can_read: bool = True
    can_trade: bool = True
    can_withdraw: bool = False
    spot: dict[str, Decimal] = msgspec.field(
        default_factory=lambda: {
            "USDT": Decimal(1_000_000),
            "BTC": Decimal(100),
            "ETH": Decimal(1_000),
            "PEPE": Decimal(1_000_000_000),
        }
    )
    futures: Decimal = Decimal(1_000_000)
    """USDT in the futures wallet."""


class Fill(msgspec.Struct, forbid_unknown_fields=True):
    """Trade against resting orders, as somebody outside."""

    account: str
    market: Market = "spot"
    client_order_id: str | None = None
    """Of one order; without it all open orders of the account, oldest first."""
    quantity: Decimal | None = None
    """Of each fill; without it all that is left of the order."""
    count: int | None = None
    """How many fills at most; without it until nothing is left (one, where a quantity is given)."""
    per_second: int | None = None
    """As fast as it goes without it."""


async def answer(exchange: Exchange, sockets: Sockets, name: str, body: Any) -> Any:
    """Raises KeyError, ValueError or msgspec's errors where the request makes no sense."""
    if name == "fill":
        return await _fill(exchange, msgspec.convert(body, Fill, strict=False))
    try:
        act = _ACTIONS[name]
    except KeyError:
        raise ValueError(f"no control {name!r}; there are fill, {', '.join(_ACTIONS)}") from None
    result = act(exchange, sockets, body)
    exchange.commit()
    return result


async def _fill(exchange: Exchange, fill: Fill) -> dict[str, int]:
    engine = exchange.engines[fill.market]
    orders = [
        order
        for order in engine.open.get(fill.account, {}).values()
        if fill.client_order_id in {None, order.client_order_id}
    ]
    if not orders:
        raise ValueError(f"{fill.account} has no such open order in {fill.market}")
    count = fill.count or (1 if fill.quantity is not None else len(orders))
    done, started = 0, asyncio.get_running_loop().time()
    while orders and done < count:
        for _ in range(min(_BATCH, count - done)):
            if not orders:
                break
            order = orders[0]
            quantity = order.remaining if fill.quantity is None else fill.quantity
            engine.fill(order, min(quantity, order.remaining), exchange.now_ms())
            done += 1
            if not order.is_open:
                orders.pop(0)
        exchange.commit()
        due = 0.0 if fill.per_second is None else started + done / fill.per_second
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
    return {"fills": done}


def _account(exchange: Exchange, _: Sockets, body: Any) -> dict[str, str]:
    new = msgspec.convert(body, NewAccount, strict=False)
    if new.name == "*":
        raise ValueError("'*' means all accounts. Take another name.")
    account = Account(
        name=new.name,
        key=secrets.token_hex(32),
        secret=secrets.token_hex(32),
        can_read=new.can_read,
        can_trade=new.can_trade,
        can_withdraw=new.can_withdraw,
    )
    is_new = all(known.name != new.name for known in exchange.accounts.values())
    exchange.add_account(account)
    if is_new:
        for asset, amount in new.spot.items():
            exchange.deposit(new.name, "spot", asset, amount)
        exchange.deposit(new.name, "futures", "USDT", new.futures)
    return {"key": account.key, "secret": account.secret}


def _revoke(exchange: Exchange, sockets: Sockets, body: Any) -> dict[str, int]:
    """Make the API keys of an account worthless."""
    keys = [key for key, known in exchange.accounts.items() if known.name == body["account"]]
    for key in keys:
        exchange.revoke(key)
    sockets.cut(body["account"])
    return {"keys": len(keys)}


def _deposit(exchange: Exchange, _: Sockets, body: Any) -> dict[str, Any]:
    """Add to, or with a negative amount take from, what is free; tells the user stream."""
    market: Market = body.get("market", "spot")
    exchange.deposit(body["account"], market, body["asset"], Decimal(str(body["amount"])))
    if market == "spot":
        event = exchange.wallet.told(body["account"], (body["asset"],))
    else:
        event = exchange.margin.told(body["account"], "DEPOSIT")
    exchange.engines[market].tell(event)
    return {}


def _price(exchange: Exchange, _: Sockets, body: Any) -> dict[str, Any]:
    """Move the market maker, in one market or both; resting orders it reaches fill."""
    markets: tuple[Market, ...] = (body["market"],) if "market" in body else ("spot", "futures")
    for market in markets:
        if body["symbol"] in SYMBOLS[market]:
            price = Decimal(str(body["price"]))
            exchange.engines[market].move(body["symbol"], price, exchange.now_ms())
            exchange.note(f"mid:{market}:{body['symbol']}", price)
    return {}


def _book(exchange: Exchange, _: Sockets, body: Any) -> dict[str, Any]:
    """State another ladder: `levels`, `step`, `quantity`, each optional."""
    book = exchange.engines[body.get("market", "spot")].book(body["symbol"])
    book.levels = int(body.get("levels", book.levels))
    book.step = Decimal(str(body.get("step", book.step)))
    book.level_quantity = Decimal(str(body.get("quantity", book.level_quantity)))
    book.refill()
    exchange.publish_books()
    return {}


def _print(exchange: Exchange, _: Sockets, body: Any) -> dict[str, Any]:
    """Public trades between others: `count` of `quantity` at `price` (the middle)."""
    engine = exchange.engines[body.get("market", "spot")]
    book = engine.book(body["symbol"])
    price = Decimal(str(body.get("price", book.mid)))
    for _number in range(int(body.get("count", 1))):
        engine.print_trade(
            body["symbol"],
            price,
            Decimal(str(body["quantity"])),
            exchange.now_ms(),
            is_buyer_maker=body.get("side", "BUY") == "SELL",
        )
    return {}


def _cancel(exchange: Exchange, _: Sockets, body: Any) -> dict[str, Any]:
    """Cancel an order without its owner having asked."""
    engine = exchange.engines[body.get("market", "spot")]
    for order in tuple(engine.open.get(body["account"], {}).values()):
        if body.get("client_order_id") in {None, order.client_order_id}:
            engine.cancel(order, exchange.now_ms(), "by-the-exchange")
    return {}


def _funding(exchange: Exchange, _: Sockets, body: Any) -> dict[str, int]:
    """Pay funding of `rate` for a symbol, to and from all who hold it."""
    name, rate = body["symbol"], Decimal(str(body["rate"]))
    return {"payments": exchange.pay_funding(name, rate)}


def _faults(exchange: Exchange, sockets: Sockets, body: Any) -> list[Any]:
    """Add `rules`, after forgetting those of account `clear` (`*`: all); answers what is there."""
    if "clear" in body:
        exchange.faults.clear(body["clear"])
    exchange.faults.add(msgspec.convert(body.get("rules", []), list[FaultRule]))
    if exchange.faults.is_down:
        sockets.cut("*")
    return list(exchange.faults.seen())


def _cut(_: Exchange, sockets: Sockets, body: Any) -> dict[str, int]:
    """Cut an account's user streams, all market streams (`market`), or everything (`*`)."""
    if body.get("what") == "market":
        return {"cut": sockets.cut_market()}
    return {"cut": sockets.cut(body["account"])}


def _expire(_: Exchange, sockets: Sockets, body: Any) -> dict[str, Any]:
    """End the user streams of an account, of futures unless `market` says so, and say it."""
    sockets.end_user_stream(body.get("market", "futures"), body["account"])
    return {}


def _shutdown(_: Exchange, sockets: Sockets, body: Any) -> dict[str, int]:
    """Announce to every spot connection that the server will go; `cut` then lets it go."""
    del body
    return {"told": sockets.announce_shutdown()}


def _clock(exchange: Exchange, _: Sockets, body: Any) -> dict[str, int]:
    exchange.clock_offset_ms = int(body["offset_ms"])
    return {"now_ms": exchange.now_ms()}


def _ledger(exchange: Exchange, _: Sockets, body: Any) -> dict[str, Any]:
    """All orders, trades and trading requests of an account, for a judge."""
    name, market = body["account"], body.get("market", "spot")
    engine = exchange.engines[market]
    requests = [row for row in exchange.logged_requests() if row.account == name]
    return {
        "orders": [wire.order(order) for order in engine.orders.values() if order.account == name],
        "trades": [
            wire.trade(trade) | {"clientOrderId": trade.client_order_id}
            for trade in engine.trades
            if trade.account == name
        ],
        "requests": requests,
        "balances": {
            asset: {"free": funds.free, "locked": funds.locked}
            for asset, funds in exchange.wallet.assets(name).items()
        },
        "wallet": exchange.margin.wallets.get(name, Decimal(0)),
        "incomes": [row for row in exchange.margin.incomes if row.account == name],
    }


def _requests(exchange: Exchange, _: Sockets, body: Any) -> dict[str, int]:
    """How often each path was asked since the start, or the last call with `reset`."""
    counts = dict(exchange.requests)
    if body.get("reset"):
        exchange.requests.clear()
    return counts


def _reset(exchange: Exchange, _: Sockets, body: Any) -> dict[str, Any]:
    """Let markets, faults and clock be as at the start; accounts stay, and what they hold."""
    del body
    exchange.faults.clear()
    exchange.clock_offset_ms = 0
    for key in tuple(exchange.lives):
        end_life(exchange, *key)
    for market, engine in exchange.engines.items():
        for name, book in engine.books.items():
            book.state_ladder()
            engine.move(name, book.symbol.price, exchange.now_ms())
            exchange.note(f"mid:{market}:{name}", book.mid)
    return {}


def _life(exchange: Exchange, _: Sockets, body: Any) -> dict[str, Any]:
    """Trade a little and change the best prices, `per_second`, until told 0."""
    market, name = body.get("market", "spot"), body["symbol"]
    exchange.engines[market].book(name)
    end_life(exchange, market, name)
    if body["per_second"]:
        begin_life(exchange, market, name, float(body["per_second"]))
    return {}


_ACTIONS = {
    "reset": _reset,
    "life": _life,
    "account": _account,
    "revoke": _revoke,
    "deposit": _deposit,
    "price": _price,
    "book": _book,
    "print": _print,
    "cancel": _cancel,
    "funding": _funding,
    "faults": _faults,
    "cut": _cut,
    "expire": _expire,
    "shutdown": _shutdown,
    "clock": _clock,
    "ledger": _ledger,
    "requests": _requests,
}
