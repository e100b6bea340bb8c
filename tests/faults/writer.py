"""`python -m tests.faults.writer PORT`: a committer behind a line of JSON, without the API.

Takes an intent a line, answers an outcome a line or `unavailable`, on any number of connections.
"""

import asyncio
import logging
import sys

import msgspec

from adapters.postgres.connect import API_WRITER_OPTIONS
from adapters.postgres.log import PostgresLog
from adapters.settings import load
from commands.committer import Committer
from commands.request import Command, KeyReused, Overloaded, Request, command_id_of, request_hash
from domain.log import StoreUnavailable
from domain.order import stream
from domain.order_messages import CancelOrder, PlaceOrder
from tests.faults.intents import ACCOUNT, ACTOR, CONNECTOR, PAIR, Intent, Place
from workers.running.processes import make_committer

HASH_KEY = bytes(32)
_decode = msgspec.json.Decoder(Intent).decode


class Told(msgspec.Struct, frozen=True):
    """What the writer answers; `outcome` may also be unavailable or key_reused."""

    outcome: str
    is_replay: bool = False
    code: str | None = None


def _command(intent: Intent) -> Command:
    if not isinstance(intent, Place):
        return CancelOrder()
    return PlaceOrder(
        ACCOUNT,
        CONNECTOR,
        PAIR,
        intent.side,
        intent.order_type,
        intent.quantity,
        intent.price,
        "OPEN",
        intent.order,
    )


async def execute(committer: Committer, line: bytes) -> Told:
    intent = _decode(line)
    command_id = command_id_of(ACTOR, intent.key)
    request = Request(
        command_id=command_id,
        actor=ACTOR,
        stream=stream(intent.order),
        command=_command(intent),
        request_hash=request_hash(HASH_KEY, (line,)),
        correlation_id=command_id,
    )
    try:
        outcome = await committer.submit(request)
    except (StoreUnavailable, Overloaded):
        return Told("unavailable")
    except KeyReused:
        return Told("key_reused")
    return Told(outcome.receipt.outcome, outcome.is_replay, outcome.receipt.code)


async def serve(port: int) -> None:
    settings = load()
    store = PostgresLog(settings.database_url or "", API_WRITER_OPTIONS)
    committer = make_committer(settings, store)

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                told = await execute(committer, line)
                writer.write(msgspec.json.encode(told) + b"\n")
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(converse, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(serve(int(sys.argv[1])))
