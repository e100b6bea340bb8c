"""Orders for the benchmarks."""

import base64
import os
import time
from decimal import Decimal

from adapters.postgres.connect import connect
from commands.committer import Committer
from commands.request import Request, client_order_id_of, request_hash
from domain.order import stream
from domain.order_messages import PlaceOrder

HASH_KEY = bytes(32)
QUANTITY, PRICE = Decimal(10), Decimal("1.05")
BASIC = "Basic " + base64.b64encode(b"admin:admin").decode()
LIMIT_ORDER = (
    b'{"account_name":"master_account","connector_name":"paper","trading_pair":"EUR-USD",'
    b'"trade_type":"BUY","amount":"10","order_type":"LIMIT","price":"0.9"}'
)
MARKET_ORDER = (
    b'{"account_name":"master_account","connector_name":"paper","trading_pair":"EUR-USD",'
    b'"trade_type":"%s","amount":"10","order_type":"MARKET"}'
)


def place_request() -> Request:
    command_id = os.urandom(16).hex()
    name = client_order_id_of(command_id)
    return Request(
        command_id=command_id,
        actor="user:admin",
        stream=stream(name),
        command=PlaceOrder(
            "master_account", "paper", "EUR-USD", "BUY", "LIMIT", QUANTITY, PRICE, "OPEN", name
        ),
        request_hash=request_hash(HASH_KEY, (b"trading.place_order", b"", LIMIT_ORDER)),
        correlation_id=command_id,
    )


async def place_many(committer: Committer, count: int, in_flight: int) -> float:
    """Append so many orders; answers how many a second."""
    import asyncio

    async def one_by_one(share: int) -> None:
        for _ in range(share):
            outcome = await committer.submit(place_request())
            if outcome.receipt.outcome != "accepted":
                raise RuntimeError(f"An order was refused: {outcome.receipt}")

    started = time.perf_counter()
    await asyncio.gather(*(one_by_one(count // in_flight) for _ in range(in_flight)))
    return count // in_flight * in_flight / (time.perf_counter() - started)


def number(dsn: str, query: str) -> int:
    """The first column of a query's only row."""
    with connect(dsn, "-c role=aviary_reader", autocommit=True) as connection:
        row = connection.execute(query).fetchone()
        return int(row[0] or 0) if row else 0
