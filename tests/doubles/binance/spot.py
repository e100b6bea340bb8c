"""Spot routes that futures have not: funds and what a key may do."""

from typing import Any

from tests.doubles.binance.calls import Call
from tests.doubles.binance.records import ZERO
from tests.doubles.binance.symbols import MAKER_FEE, TAKER_FEE, fixed


def account(call: Call) -> dict[str, Any]:
    leave_out_empty = call.parameters.get("omitZeroBalances") == "true"
    held = sorted(call.exchange.wallet.assets(call.account.name).items())
    return {
        "makerCommission": 10,
        "takerCommission": 10,
        "buyerCommission": 0,
        "sellerCommission": 0,
        "commissionRates": {
            "maker": fixed(MAKER_FEE["spot"]),
            "taker": fixed(TAKER_FEE["spot"]),
            "buyer": fixed(ZERO),
            "seller": fixed(ZERO),
        },
        "canTrade": call.account.can_trade,
        "canWithdraw": call.account.can_withdraw,
        "canDeposit": True,
        "brokered": False,
        "requireSelfTradePrevention": False,
        "preventSor": False,
        "updateTime": call.now_ms,
        "accountType": "SPOT",
        "balances": [
            {"asset": asset, "free": fixed(funds.free), "locked": fixed(funds.locked)}
            for asset, funds in held
            if not leave_out_empty or funds.free or funds.locked
        ],
        "permissions": ["SPOT"],
        "uid": 1,
    }


def api_restrictions(call: Call) -> dict[str, Any]:
    return {
        "ipRestrict": False,
        "createTime": 1_698_645_219_000,
        "enableReading": call.account.can_read,
        "enableWithdrawals": call.account.can_withdraw,
        "enableInternalTransfer": False,
        "enableMargin": False,
        "enableFutures": call.account.can_trade,
        "permitsUniversalTransfer": False,
        "enableVanillaOptions": False,
        "enableFixApiTrade": False,
        "enableFixReadOnly": True,
        "enableSpotAndMarginTrading": call.account.can_trade,
        "enablePortfolioMarginTrading": False,
    }
