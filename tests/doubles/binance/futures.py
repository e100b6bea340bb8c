"""Futures routes that need a key: funds, positions, leverage, mode, incomes, listen keys."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from tests.doubles.binance import perpetuals, refusals
from tests.doubles.binance.calls import Call, Security
from tests.doubles.binance.margin import ASSET
from tests.doubles.binance.perpetuals import known, of_one_or_all
from tests.doubles.binance.records import ZERO, Position, PositionSide
from tests.doubles.binance.refusals import ApiError
from tests.doubles.binance.symbols import LEVERAGE_MAX, SYMBOLS, fixed, short

_MAINTENANCE = Decimal("0.005")
_MAX_NOTIONAL = "1000000"
_DONE = {"code": 200, "msg": "success"}


def leverage_brackets(call: Call) -> Any:
    def bracket(name: str) -> dict[str, Any]:
        return {
            "symbol": name,
            "brackets": [
                {
                    "bracket": 1,
                    "initialLeverage": LEVERAGE_MAX,
                    "notionalCap": 1_000_000,
                    "notionalFloor": 0,
                    "maintMarginRatio": 0.005,
                    "cum": 0.0,
                }
            ],
        }

    return of_one_or_all(call, bracket)


def account(call: Call) -> dict[str, Any]:
    margin, name = call.exchange.margin, call.account.name
    wallet = margin.wallets.get(name, ZERO)
    positions = [_position(call, *row) for row in margin.positions_of(name)]
    unrealized = sum((Decimal(row["unrealizedProfit"]) for row in positions), ZERO)
    held = sum((Decimal(row["initialMargin"]) for row in positions), ZERO)
    available = margin.available(name)
    totals = {
        "InitialMargin": wallet + unrealized - available,
        "MaintMargin": sum((Decimal(row["maintMargin"]) for row in positions), ZERO),
        "WalletBalance": wallet,
        "UnrealizedProfit": unrealized,
        "MarginBalance": wallet + unrealized,
        "PositionInitialMargin": held,
        "OpenOrderInitialMargin": wallet + unrealized - available - held,
        "CrossWalletBalance": wallet,
        "CrossUnPnl": unrealized,
    }
    shown = {f"total{word}": fixed(total) for word, total in totals.items()}
    own = {word[0].lower() + word[1:]: fixed(total) for word, total in totals.items()}
    rest = {"availableBalance": fixed(available), "maxWithdrawAmount": fixed(available)}
    return {
        "feeTier": 0,
        "canTrade": call.account.can_trade,
        "canDeposit": True,
        "canWithdraw": call.account.can_withdraw,
        "updateTime": 0,
        "multiAssetsMargin": False,
        "tradeGroupId": -1,
        **shown,
        **rest,
        "assets": [
            {"asset": ASSET, **own, **rest, "marginAvailable": True, "updateTime": call.now_ms}
        ],
        "positions": positions,
    }


def balances(call: Call) -> list[dict[str, Any]]:
    margin, name = call.exchange.margin, call.account.name
    wallet, available = margin.wallets.get(name, ZERO), margin.available(name)
    unrealized = sum(
        (margin.unrealized(symbol, held) for symbol, _, held in margin.positions_of(name)), ZERO
    )
    return [
        {
            "accountAlias": "SgsR",
            "asset": ASSET,
            "balance": fixed(wallet),
            "crossWalletBalance": fixed(wallet),
            "crossUnPnl": fixed(unrealized),
            "availableBalance": fixed(available),
            "maxWithdrawAmount": fixed(available),
            "marginAvailable": True,
            "updateTime": call.now_ms,
        }
    ]


def position_risk(call: Call) -> list[dict[str, Any]]:
    """Those that are not empty."""
    name = call.parameters.get("symbol")
    held = call.exchange.margin.positions_of(call.account.name)
    return [_risk(call, *row) for row in held if name in {None, "", row[0]}]


def all_position_risk(call: Call) -> list[dict[str, Any]]:
    """Every symbol, as version 2 has it, with leverage and margin type."""
    margin, account = call.exchange.margin, call.account.name
    sides: tuple[PositionSide, ...] = ("BOTH",)
    if account in margin.hedged:
        sides = ("LONG", "SHORT")
    name = call.parameters.get("symbol")
    return [
        _risk(call, symbol, side, margin.position(account, symbol, side))
        | {
            "leverage": str(margin.leverage_of(account, symbol)),
            "maxNotionalValue": _MAX_NOTIONAL,
            "marginType": "cross",
            "isAutoAddMargin": "false",
        }
        for symbol in SYMBOLS["futures"]
        if name in {None, "", symbol}
        for side in sides
    ]


def set_leverage(call: Call) -> dict[str, Any]:
    name, leverage = known(call, call.required("symbol")), call.whole("leverage")
    if leverage is None:
        raise refusals.missing("leverage")
    if not 1 <= leverage <= LEVERAGE_MAX:
        raise ApiError(-4028, f"Leverage {leverage} is not valid")
    call.exchange.margin.leverage[call.account.name, name] = leverage
    call.exchange.note(f"leverage:{name}:{call.account.name}", leverage)
    return {"leverage": leverage, "maxNotionalValue": _MAX_NOTIONAL, "symbol": name}


def set_margin_type(call: Call) -> dict[str, Any]:
    """Only the crossed type exists here, and every account has it."""
    known(call, call.required("symbol"))
    if call.required("marginType") == "CROSSED":
        raise ApiError(-4046, "No need to change margin type.")
    raise ApiError(-4047, "Margin type cannot be changed if there exists open orders.")


def symbol_config(call: Call) -> Any:
    margin, account = call.exchange.margin, call.account.name
    name = call.parameters.get("symbol")
    return [
        {
            "symbol": symbol,
            "marginType": "CROSSED",
            "isAutoAddMargin": False,
            "leverage": margin.leverage_of(account, symbol),
            "maxNotionalValue": _MAX_NOTIONAL,
        }
        for symbol in SYMBOLS["futures"]
        if name in {None, "", symbol}
    ]


def position_mode(call: Call) -> dict[str, Any]:
    return {"dualSidePosition": call.account.name in call.exchange.margin.hedged}


def set_position_mode(call: Call) -> dict[str, Any]:
    margin, account = call.exchange.margin, call.account.name
    text = call.required("dualSidePosition").lower()
    if text not in {"true", "false"}:
        raise refusals.illegal("dualSidePosition")
    wanted = text == "true"
    if wanted == (account in margin.hedged):
        raise ApiError(-4059, "No need to change position side.")
    if call.exchange.engines["futures"].open.get(account):
        raise ApiError(-4067, "Position side cannot be changed if there exists open orders.")
    if margin.positions_of(account):
        raise ApiError(-4068, "Position side cannot be changed if there exists position.")
    (margin.hedged.add if wanted else margin.hedged.discard)(account)
    call.exchange.note(f"hedged::{account}", wanted)
    return _DONE


def incomes(call: Call) -> list[dict[str, Any]]:
    name, kind = call.parameters.get("symbol"), call.parameters.get("incomeType")
    start_ms, end_ms = call.whole("startTime"), call.whole("endTime")
    limit, page = call.limit(100, 1_000), call.whole("page", 1) or 1
    found = [
        row
        for row in call.exchange.margin.incomes
        if row.account == call.account.name
        and name in {None, "", row.symbol}
        and kind in {None, "", row.kind}
        and (start_ms or 0) <= row.time_ms
        and (end_ms is None or row.time_ms <= end_ms)
    ]
    return [
        {
            "symbol": row.symbol,
            "incomeType": row.kind,
            "income": fixed(row.amount),
            "asset": row.asset,
            "info": row.kind,
            "time": row.time_ms,
            "tranId": row.transaction_id,
            "tradeId": "",
        }
        for row in found[(page - 1) * limit : page * limit]
    ]


def commission_rate(call: Call) -> dict[str, Any]:
    name = known(call, call.required("symbol"))
    return {"symbol": name, "makerCommissionRate": "0.0002", "takerCommissionRate": "0.0005"}


def make_listen_key(call: Call) -> dict[str, Any]:
    return {"listenKey": call.exchange.listen_key(call.account.name)}


def keep_listen_key(call: Call) -> dict[str, Any]:
    if call.account.name not in call.exchange.listen_keys.values():
        raise ApiError(-1125, "This listenKey does not exist.")
    return {"listenKey": call.exchange.listen_key(call.account.name)}


def end_listen_key(call: Call) -> dict[str, Any]:
    for key, owner in tuple(call.exchange.listen_keys.items()):
        if owner == call.account.name:
            del call.exchange.listen_keys[key]
    return {}


def _risk(call: Call, symbol: str, side: PositionSide, held: Position) -> dict[str, Any]:
    shown = _position(call, symbol, side, held)
    shown["unRealizedProfit"] = shown.pop("unrealizedProfit")
    mark = call.exchange.engines["futures"].books[symbol].mid
    return shown | {
        "markPrice": short(mark),
        "liquidationPrice": "0",
        "marginAsset": ASSET,
        "adl": 0,
    }


def _position(call: Call, symbol: str, side: PositionSide, held: Position) -> dict[str, Any]:
    margin = call.exchange.margin
    notional = held.amount * call.exchange.engines["futures"].books[symbol].mid
    leverage = margin.leverage_of(call.account.name, symbol)
    initial = fixed(abs(notional) / leverage)
    return {
        "symbol": symbol,
        "positionSide": side,
        "positionAmt": short(held.amount),
        "entryPrice": short(held.entry_price),
        "breakEvenPrice": short(held.entry_price),
        "unrealizedProfit": fixed(margin.unrealized(symbol, held)),
        "notional": fixed(notional),
        "leverage": str(leverage),
        "isolated": False,
        "isolatedMargin": "0",
        "isolatedWallet": "0",
        "initialMargin": initial,
        "positionInitialMargin": initial,
        "openOrderInitialMargin": "0",
        "maintMargin": fixed(abs(notional) * _MAINTENANCE),
        "bidNotional": "0",
        "askNotional": "0",
        "updateTime": held.updated_ms,
    }


TABLE: tuple[tuple[Security, str, str, Callable[[Call], Any]], ...] = (
    ("none", "GET", "/fapi/v1/premiumIndex", perpetuals.premium_index),
    ("none", "GET", "/fapi/v1/fundingRate", perpetuals.funding_rates),
    ("none", "GET", "/fapi/v1/fundingInfo", perpetuals.funding_info),
    ("none", "GET", "/fapi/v1/openInterest", perpetuals.open_interest),
    ("read", "GET", "/fapi/v1/leverageBracket", leverage_brackets),
    ("read", "GET", "/fapi/v2/account", account),
    ("read", "GET", "/fapi/v3/account", account),
    ("read", "GET", "/fapi/v2/balance", balances),
    ("read", "GET", "/fapi/v3/balance", balances),
    ("read", "GET", "/fapi/v2/positionRisk", all_position_risk),
    ("read", "GET", "/fapi/v3/positionRisk", position_risk),
    ("trade", "POST", "/fapi/v1/leverage", set_leverage),
    ("trade", "POST", "/fapi/v1/marginType", set_margin_type),
    ("read", "GET", "/fapi/v1/symbolConfig", symbol_config),
    ("read", "GET", "/fapi/v1/positionSide/dual", position_mode),
    ("trade", "POST", "/fapi/v1/positionSide/dual", set_position_mode),
    ("read", "GET", "/fapi/v1/income", incomes),
    ("read", "GET", "/fapi/v1/commissionRate", commission_rate),
    ("key", "POST", "/fapi/v1/listenKey", make_listen_key),
    ("key", "PUT", "/fapi/v1/listenKey", keep_listen_key),
    ("key", "DELETE", "/fapi/v1/listenKey", end_listen_key),
)
