"""100 clients that follow the log live while another process appends 500 events a second.

The API, the appending process and the clients are processes of their own: what is measured is the
API's share of a core, and the time from a command to its event at a client.
"""

import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time

import psutil
import uvloop

from adapters.postgres.log import PostgresLog
from benchmarks.http_alone import api_alone
from benchmarks.place import BASIC, place_request
from benchmarks.processes import Address
from benchmarks.rows import Row
from commands.committer import Committer
from commands.request import Outcome
from workers.running.database import Dsns

FOLLOWERS = 100
PER_SECOND = 500
SECONDS = 15
SAMPLED = 5
"""Connections whose events are timed; the others are only counted, so that the clients keep up."""
_STEP_SECONDS = 0.01
_EVENT = b"\nevent: order.placed.v1\n"
_RECORDED = re.compile(rb'"recorded_at_us":(\d+)')


def measure(dsns: Dsns) -> list[Row]:
    with api_alone(dsns) as address:
        api = next(p for p in psutil.Process().children() if p.cmdline()[-1] == "api")
        clients = _start("follow", str(address[1]))
        if clients.stdout is None or clients.stdout.readline() != "following\n":
            raise RuntimeError("The clients did not come in.")
        before, started = sum(api.cpu_times()[:2]), time.perf_counter()
        appending = _start("append", dsns.app)
        appended = json.loads(appending.communicate(timeout=120)[0])
        seconds = time.perf_counter() - started
        share = (sum(api.cpu_times()[:2]) - before) / seconds
        seen = json.loads(clients.communicate(timeout=120)[0])
    return [
        Row(
            f"{FOLLOWERS} clients follow the log at {PER_SECOND} events/s",
            "half a core, every event to everybody",
            f"{share:.2f} cores, p50 {seen['p50']:.0f} ms, p99 {seen['p99']:.0f} ms, "
            f"{seen['events']:,} of {FOLLOWERS * appended['events']:,} events",
            f"{appended['events'] / appended['seconds']:,.0f}/s appended",
            share < 0.5 and seen["events"] == FOLLOWERS * appended["events"],  # noqa: PLR2004
        )
    ]


def _start(role: str, argument: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "benchmarks.followers", role, argument]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


async def append(dsn: str) -> None:
    store = PostgresLog(dsn)
    committer = Committer(store)
    each = int(PER_SECOND * _STEP_SECONDS)
    started, count = time.perf_counter(), 0
    pending: list[asyncio.Future[Outcome]] = []
    while count < PER_SECOND * SECONDS:
        pending += [committer.submit(place_request()) for _ in range(each)]
        count += each
        await asyncio.sleep(max(0.0, started + count / PER_SECOND - time.perf_counter()))
    await asyncio.gather(*pending)
    print(json.dumps({"events": count, "seconds": time.perf_counter() - started}))
    committer.close()
    store.close()


class _Client(asyncio.Protocol):
    def __init__(self, latencies: list[float] | None) -> None:
        self.ready = asyncio.Event()
        self.done = asyncio.Event()
        self.events = 0
        self._latencies = latencies
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        request = f"GET /audit/stream HTTP/1.1\r\nHost: x\r\nAuthorization: {BASIC}\r\n\r\n"
        transport.write(request.encode())  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self.ready.set()
        text = self._rest + data
        self.events += text.count(_EVENT)
        self._rest = text[-len(_EVENT) + 1 :]
        if self.events >= PER_SECOND * SECONDS:
            self.done.set()
        if self._latencies is not None:
            now = time.time()
            self._latencies += [now - int(at) / 1e6 for at in _RECORDED.findall(data)]


async def follow(address: Address) -> None:
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    clients: list[_Client] = []
    for number in range(FOLLOWERS):
        sink = latencies if number < SAMPLED else None
        _, client = await loop.create_connection(lambda sink=sink: _Client(sink), *address)  # type: ignore[misc]
        await client.ready.wait()
        clients.append(client)
    print("following", flush=True)
    with contextlib.suppress(TimeoutError):  # Then it shows in the count.
        async with asyncio.timeout(SECONDS + 30):
            await asyncio.gather(*(client.done.wait() for client in clients))
    ordered = sorted(1000 * latency for latency in latencies)
    print(
        json.dumps(
            {
                "events": sum(client.events for client in clients),
                "p50": ordered[len(ordered) // 2],
                "p99": ordered[len(ordered) * 99 // 100],
            }
        )
    )
    for client in clients:
        client.transport.close()


if __name__ == "__main__":
    role, argument = sys.argv[1:]
    uvloop.run(append(argument) if role == "append" else follow(("127.0.0.1", int(argument))))
