"""The lake: performance over a year, a group-by over ten million trades, and who waits for it."""

import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from adapters.lake.attach import Place, place_for_writing
from adapters.postgres import lake as sessions
from adapters.postgres.connect import connect
from adapters.settings import Settings
from benchmarks import snapshots
from benchmarks.http_alone import api_alone
from benchmarks.portfolio import ask
from benchmarks.processes import Address
from benchmarks.rows import Row, rate
from workers.lake.worker import Batches
from workers.lake.writing import LakeWriter
from workers.running.database import Dsns

TRADES = 10_000_000
LOOKS = 10_000
FOLDED_LOOKS = 200
REPEATS = 15
_YEAR_US = 365 * 86_400_000_000
_HOLDINGS = f"""
insert into portfolio
select
    look * {snapshots.ACCOUNTS} + account,
    {snapshots.BEGIN_US} + look * {_YEAR_US // LOOKS},
    'account_' || account,
    'binance',
    token,
    1.5,
    1.5,
    100 + sin(look),
    (1.5 * (100 + sin(look)))::decimal(38, 18),
    false,
    null
from range({LOOKS}) as l (look)
cross join range({snapshots.ACCOUNTS}) as a (account)
cross join (values ('BNB'), ('BTC'), ('ETH'), ('SOL'), ('USDT')) as t (token)
"""
_VALUES = """
insert into portfolio_values
select position, observed_at_us, account, connector, sum(value), false, null
from portfolio
group by position, observed_at_us, account, connector
"""
_MILLION = """
insert into trades
select
    n,
    't' || n,
    'o' || n // 2,
    'account_' || n % 20,
    case when n % 3 = 0 then 'binance' else 'okx' end,
    'T' || n % 400 || '-USDT',
    case when n % 2 = 0 then 'BUY' else 'SELL' end,
    1.5,
    100.25,
    150.375,
    0.15,
    'USDT',
    1700000000000000 + n * 1000000,
    null
from range(?, ?) as r (n)
"""
_GROUP_BY = """
select account, connector, pair, count(*) as trades, sum(notional) as volume, sum(fee) as fees
from trades
group by account, connector, pair
order by volume desc
limit 20
"""


def measure(dsns: Dsns) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="aviary-bench-lake-") as folder:
        place = _place(dsns, Path(folder))
        folded = _folding(dsns, place)
        _fill(place)
        environment = {
            "AVIARY_LAKE_DSN": dsns.lake or "",
            "AVIARY_LAKE_READER_DSN": dsns.lake_reader or "",
            "AVIARY_LAKE_DATA": place.data,
        }
        with api_alone(dsns, environment=environment) as address:
            return [*_performance(address), *_group_by(address), folded]


def _performance(address: Address) -> Iterator[Row]:
    year = {
        "start_time": snapshots.BEGIN_US // 10**6,
        "end_time": (snapshots.BEGIN_US + _YEAR_US) // 10**6,
    }
    for interval, most in (("1d", 367), ("1h", 8_761)):
        asked: dict[str, object] = year | {"interval": interval}

        def once(asked: dict[str, object] = asked, most: int = most) -> None:
            content = ask(address, "/portfolio/performance", asked)
            found = len(msgspec.json.decode(content)["series"])
            if not most - 2 <= found <= most:
                raise RuntimeError(f"Expected some {most} points, got {found}")

        took = _median_ms(once)
        yield Row(
            f"performance over one year of {snapshots.ROWS:,} rows, by {interval}",
            "p50 under 200 ms",
            f"p50 {took:.0f} ms",
            "",
            took < 200,  # noqa: PLR2004 - the promise of this row
        )


def _group_by(address: Address) -> Iterator[Row]:
    body: dict[str, object] = {"sql": _GROUP_BY}

    def once() -> None:
        rows = msgspec.json.decode(ask(address, "/analytics/query", body))["rows"]
        if len(rows) != 20:  # noqa: PLR2004
            raise RuntimeError(f"Expected 20 rows, got {len(rows)}")

    with _worst_home(address) as worst:
        took = _median_ms(once)
    yield Row(
        f"group-by over {TRADES:,} trades, by POST /analytics/query",
        "p50 under 1 s",
        f"p50 {took:.0f} ms",
        "",
        took < 1000,  # noqa: PLR2004 - the promise of this row
    )
    yield Row(
        "worst answer to GET / while it runs",
        "under 50 ms",
        f"{max(worst):.0f} ms, p50 {statistics.median(worst):.1f} ms of {len(worst):,}",
        "",
        max(worst) < 50,  # noqa: PLR2004 - the promise of this row
    )


@contextmanager
def _worst_home(address: Address) -> Iterator[list[float]]:
    """Ask for it ten times a second; the list holds milliseconds."""
    times: list[float] = []
    ended = threading.Event()

    def work() -> None:
        while not ended.wait(0.1):
            started = time.perf_counter()
            with urllib.request.urlopen(f"http://{address[0]}:{address[1]}/", timeout=60):
                times.append(1000 * (time.perf_counter() - started))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield times
    finally:
        ended.set()
        thread.join()


def _median_ms(once: Callable[[], None]) -> float:
    once()
    times = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        once()
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times)


def _place(dsns: Dsns, folder: Path) -> Place:
    place = place_for_writing(Settings(data_dir=folder, lake_dsn=dsns.lake))
    if place is None:
        raise RuntimeError("The server has no lake.")
    return place


def _folding(dsns: Dsns, place: Place) -> Row:
    rows = snapshots.observe(dsns, FOLDED_LOOKS)
    writer = LakeWriter(place)
    with connect(dsns.app, sessions.OPTIONS, autocommit=True) as session:
        batches = Batches(session, writer)
        started = time.perf_counter()
        while batches.step():
            pass
        per_second = rows / (time.perf_counter() - started)
    writer.close()
    return Row(
        "snapshot rows folded into the lake",
        "20,000/s",
        rate(per_second),
        "",
        per_second >= 20_000,  # noqa: PLR2004 - the promise of this row
    )


def _fill(place: Place) -> None:
    """Ten files of trades and one of holdings, as merging leaves them."""
    writer = LakeWriter(place)
    for table, filling in (("portfolio", _HOLDINGS), ("portfolio_values", _VALUES)):
        writer.connection.execute(f"delete from {table}")
        writer.connection.execute(filling)
    for begin in range(0, TRADES, TRADES // 10):
        writer.connection.execute(_MILLION, [begin, begin + TRADES // 10])
    writer.close()
