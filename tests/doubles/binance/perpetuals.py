"""Market data of perpetuals: marks, funding rates, open interest."""

from collections.abc import Callable
from typing import Any

from tests.doubles.binance import funding
from tests.doubles.binance.calls import Call
from tests.doubles.binance.records import ZERO
from tests.doubles.binance.symbols import SYMBOLS, fixed, short


def premium_index(call: Call) -> Any:
    return of_one_or_all(call, lambda name: premium(call, name))


def funding_rates(call: Call) -> list[dict[str, Any]]:
    name = call.parameters.get("symbol")
    names = [known(call, name)] if name else list(SYMBOLS["futures"])
    end_ms = min(call.whole("endTime", call.now_ms) or call.now_ms, call.now_ms)
    due = funding.times(call.whole("startTime"), end_ms, call.limit(100, 1_000))
    return [
        {
            "symbol": name,
            "fundingTime": at_ms,
            "fundingRate": funding.rate(name, at_ms),
            "markPrice": fixed(SYMBOLS["futures"][name].price),
        }
        for name in names
        for at_ms in due
    ]


def funding_info(call: Call) -> list[dict[str, Any]]:
    del call
    return []  # Only symbols whose terms were changed are told.


def open_interest(call: Call) -> dict[str, Any]:
    name = known(call, call.required("symbol"))
    held = sum(
        (
            abs(position.amount)
            for (_, symbol, _), position in call.exchange.margin.positions.items()
            if symbol == name
        ),
        ZERO,
    )
    return {"symbol": name, "openInterest": short(held), "time": call.now_ms}


def premium(call: Call, name: str) -> dict[str, Any]:
    price = short(call.exchange.engines["futures"].books[name].mid)
    due_ms = funding.next_funding_ms(call.now_ms)
    return {
        "symbol": name,
        "markPrice": price,
        "indexPrice": price,
        "estimatedSettlePrice": price,
        "lastFundingRate": funding.rate(name, due_ms),
        "interestRate": "0.00010000",
        "nextFundingTime": due_ms,
        "time": call.now_ms,
    }


def known(call: Call, name: str) -> str:
    call.exchange.engines["futures"].book(name)
    return name


def of_one_or_all(call: Call, answer: Callable[[str], dict[str, Any]]) -> Any:
    name = call.parameters.get("symbol")
    if name:
        return answer(known(call, name))
    return [answer(listed) for listed in SYMBOLS["futures"]]
