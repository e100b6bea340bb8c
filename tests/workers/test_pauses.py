"""A venue that wants fewer requests is left alone by everybody here."""

import time
from collections import Counter
from typing import Any

from adapters.memory import MemoryStore
from adapters.venues.port import VenueBusy
from commands.committer import Committer
from tests.workers.stage import Ledger
from workers.dispatching.desk import Desk
from workers.dispatching.pause import Pause
from workers.dispatching.recording import Recorder


def test_a_pause_is_of_all_desks_and_grows_while_the_venue_goes_on_asking_for_one() -> None:
    committer = Committer(MemoryStore())
    venue: Any = Ledger()
    names: Any = None
    pause = Pause()
    recorder = Recorder(committer, Counter())
    desk, other = (
        Desk(account, "binance", venue, recorder, names, pause=pause) for account in ("a", "b")
    )
    desk.heed(VenueBusy("HTTP 418", 5.0))
    first = pause.until
    other.heed(VenueBusy("HTTP 418", 5.0))  # Of a request that was under way.
    assert pause.until == first
    assert (desk.is_paused, other.is_paused) == (True, True)
    pause.until = time.monotonic()
    assert (desk.is_paused, other.is_paused) == (False, False)
    desk.heed(VenueBusy("HTTP 418", 5.0))
    assert pause.until - time.monotonic() > 9.0
    assert recorder.counts["venue_busy"] == 2
    committer.close()
