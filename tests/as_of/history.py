"""Random histories of everything that trading reads show, and those reads.

Names are few, so that orders, positions and credentials are changed again and again.
"""

import random
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import httpx
from msgspec import Struct

from domain import account, credential, funding, limits, order, portfolio, position, switch
from domain.account import AddConnector, DeleteAccount, OpenAccount
from domain.credential import (
    DeleteCredential,
    OfferCredential,
    RecordCredentialAccepted,
    RecordCredentialRefused,
)
from domain.funding import RecordFunding
from domain.limits import SetLimits
from domain.order_messages import (
    CancelOrder,
    DispatchOrder,
    OrderType,
    PlaceOrder,
    RecordAccepted,
    RecordClosed,
    RecordFill,
    RecordNotFound,
    RecordRejected,
    RecordUnknown,
    Side,
)
from domain.portfolio import ObservePortfolio, SilentVenue
from domain.position import ComparePosition, ObserveNoPosition, ObservePosition, PositionSide
from domain.refusal import Refused
from domain.switch import EngageSwitch, LiftSwitch
from tests.api.holding import NOON_US, connector
from tests.api.live import Live

ACCOUNTS = ("master_account", "alpha", "beta")
OPENED = (*ACCOUNTS[1:], "gamma")
"""Opened and deleted again; nothing is traded as gamma, so nothing is in the way of that."""
PAIRS = ("EUR-USD", "BTC-USD")
PERPETUAL = "binance_perpetual"
PRESENT = re.compile(rb'"(next_cursor|unknown_seconds|orders_this_minute)" ?: ?("[^"]*"|[0-9.]+)')
"""What an answer says of the moment in which it was asked; a cursor says which moment it is of."""
_SIDES: tuple[Side, ...] = ("BUY", "SELL")
_HELD: tuple[PositionSide, ...] = ("LONG", "SHORT")
_TYPES: tuple[OrderType, ...] = ("LIMIT", "MARKET")


class Read(Struct, frozen=True):
    method: str
    path: str
    body: Mapping[str, Any] | None = None
    query: Mapping[str, Any] = {}

    def ask(self, client: httpx.Client, **query: object) -> httpx.Response:
        asked = {**self.query, **query}
        return client.request(self.method, self.path, params=asked, json=self.body)


def _searches() -> list[Read]:
    bodies: list[Mapping[str, Any]] = [
        {},
        {"limit": 3},
        {"account_names": ["alpha"]},
        {"account_names": ["alpha", "beta"], "connector_names": ["paper"], "limit": 2},
        {"trading_pairs": ["EUR-USD"]},
        {"start_time": 0, "end_time": 4_000_000_000},
    ]
    bodies += [
        {"status": status}
        for status in ("SUBMITTED", "OPEN", "PARTIALLY_FILLED", "FILLED", "CANCELLED", "FAILED")
    ]
    return [Read("POST", "/trading/orders/search", body) for body in bodies]


READS: tuple[Read, ...] = (
    *_searches(),
    Read("POST", "/trading/orders/active", {}),
    Read("POST", "/trading/orders/active", {"limit": 2, "account_names": ["alpha"]}),
    Read("GET", "/trading/orders"),
    Read("GET", "/trading/orders", query={"trading_pairs": "BTC-USD", "limit": 1}),
    Read("POST", "/trading/trades", {}),
    Read("POST", "/trading/trades", {"trade_types": ["SELL"], "limit": 2}),
    Read("GET", "/trading/history", query={"account_names": "beta"}),
    Read("POST", "/trading/funding-payments", {}),
    Read("POST", "/trading/positions", {}),
    Read("GET", "/trading/positions", query={"limit": 1, "account_names": "alpha"}),
    *(
        Read("GET", f"/portfolio/{path}", query=query)
        for path in ("state", "balances", "distribution", "accounts-distribution")
        for query in ({}, {"account_names": "alpha"})
    ),
    Read("POST", "/portfolio/state", {"connector_names": ["paper"]}),
    Read("GET", "/portfolio/history"),
    Read("POST", "/portfolio/history", {"limit": 1, "interval": "5m"}),
    Read("POST", "/portfolio/history", {"account_names": ["alpha"], "interval": "1h"}),
    Read("GET", "/portfolio/history", query={"connector_names": PERPETUAL, "limit": 2}),
    Read("GET", "/trading/kill-switch"),
    Read("GET", "/accounts"),
    *(Read("GET", f"/trading/limits/{name}") for name in (*ACCOUNTS, "nobody")),
    *(Read("GET", f"/accounts/{name}/credentials") for name in ACCOUNTS),
    *(Read("GET", f"/accounts/{name}/credentials/{PERPETUAL}") for name in ACCOUNTS),
)


class History:
    """What happens is drawn from `chance`; what the domain refuses did not happen."""

    def __init__(self, live: Live, seed: int) -> None:
        self._live = live
        self._chance = random.Random(seed)  # noqa: S311 - the same history from the same seed
        self._count = 0
        self._orders: list[str] = []
        for name in ACCOUNTS[1:]:
            self._do(account.stream(name), OpenAccount(name))
            self._do(account.stream(name), AddConnector(name, "paper"))

    def step(self) -> None:
        kinds: list[tuple[Callable[[], None], int]] = [
            (self._place, 8),
            (self._observe_order, 16),
            (self._observe_position, 4),
            (self._pay, 1),
            (self._look, 6),
            (self._switch, 1),
            (self._limit, 1),
            (self._account, 2),
            (self._credential, 2),
        ]
        (kind,) = self._chance.choices([k for k, _ in kinds], [weight for _, weight in kinds])
        kind()

    def _do(self, stream: str, command: Any) -> None:
        self._count += 1
        try:
            self._live.execute(stream, command, f"step {self._count}")
        except Refused:
            return

    def _place(self) -> None:
        number = len(self._orders)
        its = f"av{number:026d}".replace("0", "a").replace("1", "b").replace("8", "c")
        its = its.replace("9", "d")
        command = PlaceOrder(
            self._chance.choice(ACCOUNTS),
            "paper",
            self._chance.choice(PAIRS),
            self._chance.choice(_SIDES),
            "LIMIT",
            Decimal(self._chance.randint(1, 4)),
            Decimal("1.05"),
            "OPEN",
            its,
        )
        self._orders.append(its)
        self._do(order.stream(its), command)

    def _observe_order(self) -> None:
        if not self._orders:
            return
        its = self._chance.choice(self._orders[-6:])
        number = self._count
        seen = self._chance.choice(
            [
                DispatchOrder(1, 1, 4_000_000_000_000_000),
                RecordAccepted(f"x{number}"),
                RecordRejected("REJECTED", "no", 1),
                RecordUnknown("no answer", 1),
                RecordNotFound(1),
                RecordClosed("cancelled", "by hand"),
                RecordClosed("expired", ""),
                CancelOrder(),
                *[
                    RecordFill(
                        f"t{self._chance.randint(1, 9)}",
                        self._chance.choice(_SIDES),
                        Decimal(1),
                        Decimal("1.0500000001"),
                        Decimal("0.001"),
                        self._chance.choice(["USD", "BNB"]),
                        is_maker=True,
                        executed_at_us=1_760_000_000_000_000 + number,
                    )
                ]
                * 3,
            ]
        )
        self._do(order.stream(its), seen)

    def _observe_position(self) -> None:
        name, pair = self._chance.choice(ACCOUNTS), self._chance.choice(PAIRS)
        side, at = self._chance.choice(_HELD), self._count
        held = Decimal(self._chance.randint(1, 3))
        seen = self._chance.choice(
            [
                ObservePosition(name, PERPETUAL, pair, side, held, Decimal("1.1"), None, None, at),
                ObservePosition(name, PERPETUAL, pair, side, held, None, Decimal(-1), held, at),
                ObserveNoPosition(name, PERPETUAL, pair, side, at),
                ComparePosition(name, PERPETUAL, pair, held, Decimal(1), at),
            ]
        )
        self._do(position.stream(name, PERPETUAL, pair), seen)

    def _pay(self) -> None:
        name, paid_at_us = self._chance.choice(ACCOUNTS), 1_760_000_000_000_000 + self._count
        paid = RecordFunding(
            name,
            PERPETUAL,
            f"f{self._count}",
            self._chance.choice(PAIRS),
            Decimal("-0.000000000000000001"),
            "USDT",
            None,
            None,
            None,
            paid_at_us,
        )
        self._do(funding.stream(name, PERPETUAL, paid_at_us), paid)

    def _look(self) -> None:
        """At what an account holds: some three times a minute, some venues silent."""
        name = self._chance.choice((*ACCOUNTS, "gamma"))
        at_us = NOON_US + self._count * 20_000_000
        told = self._chance.sample(["paper", PERPETUAL], self._chance.randint(0, 2))
        held = tuple(
            connector(its, at_us, {"EUR": (str(self._count), self._chance.choice(["1.1", None]))})
            for its in told
        )
        silent = tuple(
            SilentVenue(its, f"timeout {self._count}")
            for its in ("paper", PERPETUAL)
            if its not in told and self._chance.random() < 0.5
        )
        looked = ObservePortfolio(name, "USDT", "interval", at_us, held, silent)
        self._do(portfolio.stream(name), looked)

    def _switch(self) -> None:
        scope = self._chance.choice([switch.ALL, *ACCOUNTS])
        kind = EngageSwitch if self._chance.random() < 0.4 else LiftSwitch
        self._do(switch.stream(scope), kind(scope, f"reason {self._count}"))
        if scope == switch.ALL:
            self._do(switch.stream(scope), LiftSwitch(scope, "on"))

    def _limit(self) -> None:
        name = self._chance.choice(ACCOUNTS)
        worth = self._chance.choice([None, Decimal(self._count)])
        self._do(limits.stream(name), SetLimits(name, worth, self._chance.choice([None, 50]), None))

    def _account(self) -> None:
        name = self._chance.choice(OPENED)
        if self._chance.random() < 0.5:
            self._do(account.stream(name), DeleteAccount(name))
        else:
            self._do(account.stream(name), OpenAccount(name))
            self._do(account.stream(name), AddConnector(name, "paper"))

    def _credential(self) -> None:
        name, number = self._chance.choice(ACCOUNTS), self._count
        stream = credential.stream(name, PERPETUAL)
        offered = f"secret {number}"
        outcome = self._chance.choice(
            [
                RecordCredentialAccepted(
                    name, PERPETUAL, offered, can_trade=True, can_withdraw=None
                ),
                RecordCredentialRefused(name, PERPETUAL, offered, "AUTH", "no such key"),
                None,
            ]
        )
        if self._chance.random() < 0.2:
            self._do(stream, DeleteCredential(name, PERPETUAL))
            return
        self._do(stream, OfferCredential(name, PERPETUAL, offered, f"mark {number}"))
        if outcome is not None:
            self._do(stream, outcome)


def shown(answer: httpx.Response) -> tuple[int, str, bytes]:
    """What must be the same then and later."""
    position = answer.headers.get("Log-Position", "")
    return answer.status_code, position, PRESENT.sub(rb'"\1":0', answer.content)
