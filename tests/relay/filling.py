"""Fills the log fast: sealed events of orders, written as the committer writes them.

Versions are dense and streams interleave; the stories are no valid orders, since the relay asks
for none.
"""

import itertools
import time

import msgspec

from adapters.postgres.log import PostgresLog
from commands import codec
from commands.seal import seal
from domain.log import Head, Metadata, Recorded
from tests.messages import ACCEPTED, DISPATCHED, PLACED

BATCH = 2000
_STORY = tuple(
    (codec.tag_of(event), codec.encode(event)) for event in (PLACED, DISPATCHED, ACCEPTED)
)


class Filler:
    """Appends to one log; `streams` orders take turns, and each starts again as a new one."""

    def __init__(self, dsn: str, *, label: str = "a", streams: int = 50) -> None:
        self._store = PostgresLog(dsn)
        self._label = label
        self._streams = streams
        self._events = self._endless()

    def append(self, events: int) -> int:
        """Answer the head after so many more events."""
        while events > 0:
            count = min(events, BATCH)
            self._write(list(itertools.islice(self._events, count)))
            events -= count
        return self._store.head().position

    def append_one(self, stream: str, payload: bytes) -> int:
        """One event with any payload; its version is 1."""
        self._write([(stream, 1, _STORY[0][0], payload)])
        return self._store.head().position

    def log(self) -> list[Recorded]:
        return list(self._store.read_log(0, 10_000_000))

    def close(self) -> None:
        self._store.close()

    def _endless(self) -> "itertools.chain[tuple[str, int, str, bytes]]":
        return itertools.chain.from_iterable(
            [
                (f"order-{self._label}{generation}.{number}", version, tag, payload)
                for version, (tag, payload) in enumerate(_STORY, 1)
                for number in range(self._streams)
            ]
            for generation in itertools.count()
        )

    def _write(self, drafts: list[tuple[str, int, str, bytes]]) -> None:
        with self._store.append() as append:
            head = append.lock().head
            position, previous = head.position, head.seal
            events = []
            for stream, version, tag, payload in drafts:
                position += 1
                metadata = _metadata(position)
                previous = seal(previous, position, stream, version, tag, payload, metadata)
                events.append(Recorded(position, stream, version, tag, payload, metadata, previous))
            append.write_events(events, Head(position, previous))
            append.commit()


def _metadata(position: int) -> bytes:
    return msgspec.json.encode(
        Metadata(
            command_id=f"{position:032x}",
            correlation_id=f"{position:032x}",
            actor="filler",
            recorded_at_us=time.time_ns() // 1000,
            code_version="test",
            account="main",
            connector="paper",
            pair="BTC-USDT",
        )
    )
