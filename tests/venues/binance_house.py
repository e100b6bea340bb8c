"""Binance's double as the contract suite sees it, through the ccxt adapter: spot or futures."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Literal

import msgspec

from adapters.settings import Settings
from adapters.venues.market_port import PublicVenue
from adapters.venues.port import Venue
from adapters.venues.registry import private_venue, public_venue
from tests.doubles.binance_process import BinanceProcess, running
from tests.venues.stage import Fault, House, Terms

_EVENTS = {"binance": "executionReport", "binance_perpetual": "ORDER_TRADE_UPDATE"}
_SYMBOL = "BTCUSDT"


class BinanceHouse:
    terms = Terms(
        pair="BTC-USDT",
        base="BTC",
        quote="USDT",
        quantity=Decimal("0.01"),
        low=Decimal(50_000),
        high=Decimal(70_000),
        too_much=Decimal(9_000),
    )

    def __init__(self, process: BinanceProcess, connector: str) -> None:
        self.process = process
        self.connector = connector
        if connector == "binance_perpetual":
            self.terms = msgspec.structs.replace(self.terms, too_much=Decimal(900))
        self.settings = Settings(
            venue_urls={connector: process.url}, venue_rates={connector: 10_000.0}
        )

    def credential(self, account: str, **rights: bool) -> dict[str, str]:
        key, secret = self.process.new_account(account, **rights)
        return {
            f"{self.connector}_api_key": key,
            f"{self.connector}_api_secret": secret,
        }

    def private(self, account: str) -> Venue:
        return private_venue(self.settings, self.connector, account, self.credential(account))

    def public(self) -> PublicVenue:
        return public_venue(self.settings, self.connector)

    async def fault(
        self, account: str, fault: Fault, request: Literal["place", "cancel"] = "place"
    ) -> None:
        rule: dict[str, Any] = {"kind": fault}
        match fault:
            case "lose_fill" | "duplicate_fill":
                rule["kind"] = fault.replace("fill", "message")
                rule |= {"message": _EVENTS[self.connector], "execution": "TRADE"}
            case _:
                method = "POST" if request == "place" else "DELETE"
                rule["request"] = f"{method} /*/order"
        await asyncio.to_thread(self.process.faults, account, rule)

    async def cut_streams(self, account: str) -> None:
        await asyncio.to_thread(self.process.control, "cut", account=account)

    async def price(self, price: Decimal | None) -> None:
        told = str(price or 60_000)
        await asyncio.to_thread(self.process.control, "price", symbol=_SYMBOL, price=told)

    async def pay_funding(self, rate: str) -> None:
        await asyncio.to_thread(self.process.control, "funding", symbol=_SYMBOL, rate=rate)

    async def fill(self, account: str, client_order_id: str, quantity: Decimal) -> None:
        fill = {"account": account, "client_order_id": client_order_id, "quantity": str(quantity)}
        fill["market"] = "spot" if self.connector == "binance" else "futures"
        await asyncio.to_thread(partial(self.process.control, "fill", **fill))


@contextmanager
def binance(folder: Path) -> Iterator[House]:
    with running(folder) as process:
        yield BinanceHouse(process, "binance")


@contextmanager
def binance_perpetual(folder: Path) -> Iterator[House]:
    with running(folder) as process:
        yield BinanceHouse(process, "binance_perpetual")
