"""Connectors: what there are, what their credentials are made of, what they let one trade."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec
from litestar import Request, get
from litestar.params import FromPath

from adapters.venues.connectors import Connector
from adapters.venues.connectors import connectors as known
from adapters.venues.port import TradingRule
from api.deps import deps_of
from api.errors import Failure
from api.http.decoding import Query
from api.market.answers import asked
from api.market.schemas import (
    ConfigField,
    ConnectorItem,
    ConnectorMarkets,
    OrderTypes,
    RuleItem,
    RulesQuery,
)
from api.openapi import Operation
from api.reply import Reply

_encode = msgspec.json.Encoder().encode
_rules_query = Query(RulesQuery)
RULES_WAIT_SECONDS = 20.0
_NO_STEP = 1e-56
_NO_MAXIMUM = 1e56
"""What Hummingbot puts where a venue sets no limit."""
_MARKET_ERRORS = (400, 502)


def _read(summary: str, shape: Any, **asked_with: Any) -> dict[str, Any]:
    return {"scope": "read", "operation": Operation(summary, {200: shape}, **asked_with)}


@get("/connectors", opt=_read("Names of all connectors.", list[str]))
async def list_connectors() -> Reply:
    return Reply(_encode(sorted(known())))


@get("/connectors/{connector_name:str}", opt=_read("One connector.", ConnectorItem))
async def connector(request: Request[Any, Any, Any], connector_name: FromPath[str]) -> Reply:
    found = _known(connector_name)
    shown = ConnectorItem(
        connector_name,
        found.is_perpetual,
        sorted(found.order_types or ()),
        _config_map(found),
        connector_name in deps_of(request).venues.names,
    )
    return Reply(_encode(shown))


@get(
    "/connectors/{connector_name:str}/config-map",
    opt=_read("The fields of a connector's credentials.", dict[str, ConfigField]),
)
async def config_map(connector_name: FromPath[str]) -> Reply:
    return Reply(_encode(_config_map(_known(connector_name))))


@get(
    "/connectors/{connector_name:str}/order-types",
    opt=_read("The types of orders that a connector takes.", OrderTypes),
)
async def order_types(connector_name: FromPath[str]) -> Reply:
    found = _known(connector_name)
    return Reply(_encode(OrderTypes(connector_name, sorted(found.order_types or ()))))


@get(
    "/connectors/{connector_name:str}/trading-rules",
    opt=_read(
        "What may be traded and how, by pair; `Age` says how many seconds ago the venue said so.",
        dict[str, RuleItem],
        query=RulesQuery,
        errors=_MARKET_ERRORS,
    ),
)
async def trading_rules(request: Request[Any, Any, Any], connector_name: FromPath[str]) -> Reply:
    query: RulesQuery = _rules_query(request)
    rules, age_seconds = await _rules(request, connector_name)
    shown: dict[str, RuleItem]
    if query.trading_pairs:
        shown = {
            pair: _item(rules[pair])
            if pair in rules
            else RuleItem(error=f"Trading pair {pair!r} is not traded at {connector_name!r}.")
            for pair in query.trading_pairs
        }
    else:
        shown = {pair: _item(rule) for pair, rule in rules.items()}
    return Reply(_encode(shown), headers={"Age": str(int(age_seconds))})


@get(
    "/connectors/{connector_name:str}/markets",
    opt=_read("The pairs that a connector trades.", ConnectorMarkets, errors=_MARKET_ERRORS),
)
async def markets(request: Request[Any, Any, Any], connector_name: FromPath[str]) -> Reply:
    rules, age_seconds = await _rules(request, connector_name)
    pairs = sorted(rules)
    shown = ConnectorMarkets(connector_name, pairs, len(pairs), round(age_seconds, 3))
    return Reply(_encode(shown), headers={"Age": str(int(age_seconds))})


async def _rules(
    request: Request[Any, Any, Any], name: str
) -> tuple[Mapping[str, TradingRule], float]:
    deps = deps_of(request)
    async with asked(request, "rules", name):
        rules = await deps.markets.rules(name, RULES_WAIT_SECONDS)
    return rules, deps.markets.age_seconds(name)


def _known(name: str) -> Connector:
    found = known().get(name)
    if found is None:
        text = f"There is no connector {name!r}. GET /connectors/ lists all."
        raise Failure(404, text, "unknown_connector")
    return found


def _config_map(found: Connector) -> dict[str, ConfigField]:
    return {
        name: ConfigField(
            field.type,
            field.required,
            None if field.allowed_values is None else list(field.allowed_values),
        )
        for name, field in found.config_map.items()
    }


def _item(rule: TradingRule) -> RuleItem:
    maximum = rule.quantity_max
    return RuleItem(
        float(rule.quantity_min),
        _NO_MAXIMUM if maximum is None else float(maximum),
        _step(rule.tick),
        _step(rule.lot),
        _NO_STEP,
        float(rule.notional_min),
        0.0,
        _NO_MAXIMUM,
        "LIMIT" in rule.order_types,
        "MARKET" in rule.order_types,
        rule.quote,
        rule.quote,
    )


def _step(step: Decimal) -> float:
    return float(step) if step else _NO_STEP
