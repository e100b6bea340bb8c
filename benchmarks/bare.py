"""A bare Litestar route with a durable append: the limit of `POST /trading/orders`.

Run as a process: `python -m benchmarks.bare PORT`, the database in DATABASE_URL.
"""

import os
import sys
import uuid

import uvicorn
from litestar import Litestar, post
from msgspec import Struct

from benchmarks.minimal import MinimalLog


class Body(Struct):
    account_name: str
    connector_name: str
    trading_pair: str
    trade_type: str
    amount: str
    order_type: str
    price: str


class Answer(Struct):
    order_id: str


def app() -> Litestar:
    log = MinimalLog(os.environ["DATABASE_URL"])

    @post("/orders", status_code=201)
    async def place(data: Body) -> Answer:
        order_id = uuid.uuid4().hex
        await log.append(order_id, data.amount.encode())
        return Answer(order_id)

    return Litestar([place], openapi_config=None)


if __name__ == "__main__":
    uvicorn.run(
        app(), host="127.0.0.1", port=int(sys.argv[1]), access_log=False, log_level="warning"
    )
