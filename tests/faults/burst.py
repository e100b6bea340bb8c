"""Several clients at once that send a mixture of orders and cancellations, while faults happen."""

import concurrent.futures
import random
import threading
import time
from collections.abc import Callable

from tests.faults.clients import Client, Insistent
from tests.faults.intents import PAPER, Ground, Intent, Place, mixture, resting
from tests.faults.processes import POLL_SECONDS
from tests.faults.world import World

CLIENTS = 6
UNITS = 60
TAIL_MAX = 4000
TAIL_PAUSE_SECONDS = 0.05
BURST_SECONDS = 180.0


class Burst:
    """A mixture by its seed: `units` of it at full speed, then more, slowly, until `is_over`."""

    def __init__(
        self,
        client: Client,
        seed: int,
        units: int = UNITS,
        is_over: Callable[[], bool] = lambda: True,
        ground: Ground = PAPER,
    ) -> None:
        self.sender = Insistent(client)
        self.ended = threading.Event()
        self._seed = seed
        self._units = units
        self._is_over = is_over
        self._resting: list[str] = []
        self._source = mixture(seed, self._resting, ground)
        self._lock = threading.Lock()
        self._taken = 0

    def send_share(self, number: int) -> None:
        """Be one of the clients."""
        jitter = random.Random(self._seed * 1000 + number)  # noqa: S311 - a script, not a secret
        while not self.ended.is_set() and (unit := self._next()):
            for intent in unit:
                self.sender.send(intent)
            match unit:
                case (Place(price=price) as placed,) if price is not None:
                    self._resting.append(placed.order)
            in_tail = self._taken > self._units
            time.sleep(TAIL_PAUSE_SECONDS if in_tail else jitter.uniform(0, 0.02))

    def _next(self) -> tuple[Intent, ...]:
        with self._lock:
            if self._taken >= self._units and self._is_over():
                return ()
            assert self._taken < self._units + TAIL_MAX, "the burst does not end"
            self._taken += 1
            return next(self._source)


def run_burst(
    world: World,
    client: Client,
    seed: int,
    *,
    units: int = UNITS,
    tend: Callable[[Insistent], None] = lambda _: None,
    is_over: Callable[[], bool] = lambda: True,
) -> Insistent:
    """Send an order that rests for good; once the venue has it, a burst of others.

    Meanwhile `tend` is called over and over on this thread: it starts again what has died.
    """
    burst = Burst(client, seed, units, is_over, world.ground)
    first = resting(f"{seed}-rests", world.ground)
    give_up_at = time.monotonic() + BURST_SECONDS

    def tend_until(check: Callable[[], object]) -> None:
        while not check():
            assert time.monotonic() < give_up_at, "the burst does not end in time"
            tend(burst.sender)
            time.sleep(POLL_SECONDS)

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        try:
            placing = pool.submit(burst.sender.send, first)
            tend_until(placing.done)
            tend_until(lambda: world.ledger().of(first.order))
            sending = [pool.submit(burst.send_share, number) for number in range(CLIENTS)]
            tend_until(lambda: all(share.done() for share in sending))
        finally:
            burst.ended.set()
    placing.result()
    for share in sending:
        share.result()
    return burst.sender
