"""The venue as an HTTP server: its application, its limits, its life.

Bad input is 400 with a code, never 500; 503 proves nothing about what was done. The surprising
thing: when the ledger cannot be written the server ends itself, see `committer`.
"""

import asyncio
import hmac
import signal
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from adapters.venues.paper import wire
from adapters.venues.paper.control import PREFIX, Control
from adapters.venues.paper.floor import Floor
from adapters.venues.paper.routes import Routes, answer, refused, unavailable
from adapters.venues.paper.settings import Settings
from adapters.venues.port import VenueRefused, VenueUnreachable

_BODY_MAX_BYTES = 64 * 1024
_SHUTDOWN_SECONDS = 1.0
_BAD_REQUEST = 400
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def application(floor: Floor, settings: Settings) -> web.Application:
    app = web.Application(
        middlewares=[_guard(floor, settings.token)], client_max_size=_BODY_MAX_BYTES
    )
    app.add_routes(Routes(floor).table())
    if settings.is_test_mode:
        app.add_routes(Control(floor).table())

    async def cut_streams(_: web.Application) -> None:
        floor.cut_streams()

    app.on_shutdown.append(cut_streams)
    return app


async def serve(settings: Settings, on_ready: Callable[[int], None]) -> None:
    """Serve until SIGTERM or SIGINT; calls `on_ready` with the port once it listens.

    Raises what ended it otherwise, such as a ledger that cannot be written.
    """
    floor = Floor(settings)
    runner = web.AppRunner(
        application(floor, settings), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    commits = asyncio.create_task(floor.run_commits())
    prices = asyncio.create_task(floor.run_prices())
    stopped = asyncio.create_task(stop.wait())
    try:
        await runner.setup()
        site = web.TCPSite(runner, settings.host, settings.port)
        await site.start()
        on_ready(runner.addresses[0][1])
        await asyncio.wait((commits, prices, stopped), return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        prices.cancel()
        await runner.cleanup()
        floor.stop()
        ended = await asyncio.gather(commits, prices, return_exceptions=True)
        floor.close()
    for error in ended:
        if isinstance(error, Exception):
            raise error


def _guard(floor: Floor, token: str | None) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Check the token, refuse while down, and turn every error into a code and a text."""
    expected = None if token is None else token.encode()

    @web.middleware
    async def guard(request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            if expected is not None:
                shown = request.headers.get(wire.TOKEN_HEADER, "").encode("utf-8", "replace")
                if not hmac.compare_digest(shown, expected):
                    refusal = wire.Refusal("unauthorised", f"{wire.TOKEN_HEADER} is wrong")
                    return answer(refusal, status=401)
            if floor.faults.is_down and not request.path.startswith(PREFIX):
                return unavailable()
            return await handler(request)
        except VenueRefused as refusal:
            return refused(refusal)
        except VenueUnreachable:
            return unavailable()
        except web.HTTPException as error:
            status = (
                error.status
                if error.status != web.HTTPRequestEntityTooLarge.status_code
                else _BAD_REQUEST
            )
            return answer(wire.Refusal("bad_request", error.reason), status=status)
        except (ValueError, RecursionError, web.RequestPayloadError, msgspec.MsgspecError) as error:
            return refused(VenueRefused("bad_request", str(error)))

    return guard
