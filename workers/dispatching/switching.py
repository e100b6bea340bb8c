"""Kill switches, enforced: while one is engaged, whatever is live of its accounts is cancelled.

What was not sent yet is withdrawn by its cancellation; a sending under way is stopped by the log,
which refuses the dispatch. Called in every round, so what comes alive later is met as well.
"""

import asyncio
import hashlib
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Collection
from typing import Any

import psycopg

from commands.committer import Committer
from commands.request import COMMAND_ID_BYTES, Overloaded, Request
from domain.log import StoreUnavailable
from domain.order_messages import CancelOrder
from domain.switch import ALL

_log = logging.getLogger(__name__)
LOOK_SECONDS = 0.1
PAGE_ORDERS = 500
_ASKED_MAX = 10_000
_ENGAGED = "select key, position from switches where is_engaged"
_LIVE = """
select key, account, position, correlation_id
from open_effects
where account = any(%s) and status <> 'new' and not is_cancel_requested
    and not key = any(%s)
    and exists (select from switches s where s.is_engaged and s.key in (account, %s))
order by position
limit %s
"""  # `new` is the status of what is no order. A switch lifted meanwhile cancels nothing any more.
Row = tuple[str, str, int, str]


class Switching:
    def __init__(self, committer: Committer, counts: Counter[str]) -> None:
        self._committer = committer
        self._counts = counts
        self._looked_at = 0.0
        self._asked: OrderedDict[str, int] = OrderedDict()
        """Effect key to the row's position at which its cancellation was asked for: the rows show
        that a moment later."""

    async def enforce(
        self, connection: psycopg.AsyncConnection[Any], accounts: Collection[str]
    ) -> None:
        """Ask for cancellations, a page at a time, of these accounts' orders."""
        if time.monotonic() < self._looked_at + LOOK_SECONDS:
            return
        self._looked_at = time.monotonic()
        engaged: dict[str, int] = dict(await (await connection.execute(_ENGAGED)).fetchall())
        stopped = list(accounts) if ALL in engaged else [a for a in accounts if a in engaged]
        if not stopped:
            self._asked.clear()
            return
        found = await connection.execute(_LIVE, (stopped, list(self._asked), ALL, PAGE_ORDERS))
        rows: list[Row] = await found.fetchall()
        if not rows:
            self._asked.clear()  # What is live still in the rows and was asked for comes again.
            return
        await asyncio.gather(
            *(self._ask(row, engaged[row[1] if row[1] in engaged else ALL]) for row in rows)
        )

    async def _ask(self, row: Row, switched_at: int) -> None:
        """What is refused is closed already. A store that is away is asked again next time."""
        key, _, position, correlation_id = row
        digest = hashlib.sha256(f"kill-switch {key} {position}".encode()).digest()
        request = Request(
            command_id=digest[:COMMAND_ID_BYTES].hex(),
            actor="worker:kill-switch",
            stream=key,
            command=CancelOrder(),
            request_hash=digest,
            correlation_id=correlation_id,
            causation_id=str(switched_at),
            is_observation=True,
        )
        try:
            await self._committer.submit(request)
        except (StoreUnavailable, Overloaded) as error:
            _log.warning("The kill switch could not cancel %s yet: %s", key, error)
            return
        self._counts["killed"] += 1
        self._asked[key] = position
        if len(self._asked) > _ASKED_MAX:
            self._asked.popitem(last=False)
