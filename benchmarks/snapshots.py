"""Portfolios to measure with: 20 accounts of 5 tokens each, looked at every five minutes."""

import itertools
from collections.abc import Iterator, Mapping
from decimal import Decimal

import psycopg

from adapters.postgres.log import PostgresLog
from commands.committer import Committer
from commands.request import Request
from domain import portfolio
from domain.account import OpenAccount
from domain.portfolio import ConnectorHeld, ObservePortfolio, TokenHeld
from projections.portfolio_documents import document, value
from workers.running.database import Dsns

ACCOUNTS = 20
TOKENS = ("BNB", "BTC", "ETH", "SOL", "USDT")
LOOKS = 10_000
EVERY_US = 300_000_000
BEGIN_US = 1_700_000_100_000_000
END_US = BEGIN_US + LOOKS * EVERY_US
ROWS = ACCOUNTS * len(TOKENS) * LOOKS
_FILL = """
insert into portfolio_snapshots
select
    format('account_%%s/binance/%%s', account, minute_us),
    'account_' || account,
    'binance',
    minute_us,
    %(document)s,
    %(value)s,
    row_number() over ()
from generate_series(1, %(looks)s) as look
cross join generate_series(1, %(accounts)s) as account
cross join lateral (select %(begin_us)s::bigint + look * %(every_us)s::bigint) as m (minute_us)
"""
_LAST = """
insert into portfolios
select 'account_' || account, 'USDT', %(end_us)s, %(document)s, '{}', account
from generate_series(1, %(accounts)s) as account
"""


def held(at_us: int) -> ConnectorHeld:
    price = Decimal("64250.12") + at_us // EVERY_US % 1000
    units = Decimal("12.34567891")
    tokens = tuple(TokenHeld(name, units, Decimal("10.00000001"), price) for name in TOKENS)
    return ConnectorHeld("binance", at_us, tokens)


def fill(dsns: Dsns) -> None:
    """Rows as the projector would have made them, without a log behind them, and no others."""
    its = held(BEGIN_US)
    given: Mapping[str, object] = {
        "document": document(its),
        "value": value(its),
        "looks": LOOKS,
        "accounts": ACCOUNTS,
        "begin_us": BEGIN_US,
        "every_us": EVERY_US,
        "end_us": END_US,
    }
    with psycopg.connect(dsns.owner, autocommit=True) as owner:
        owner.execute("truncate portfolios, portfolio_snapshots")
        owner.execute(_FILL, given)
        owner.execute(_LAST, {**given, "document": f'{{"binance":{document(its)}}}'})
        owner.execute("vacuum analyze portfolio_snapshots")


def observe(dsns: Dsns, looks: int) -> int:
    """Record so many looks at each account; answers how many token rows that makes."""
    store = PostgresLog(dsns.app)
    committer = Committer(store)
    for request in itertools.chain(_openings(), _observations(looks)):
        committer.execute(request)
    committer.close()
    store.close()
    return looks * ACCOUNTS * len(TOKENS)


def _openings() -> Iterator[Request]:
    for number in range(ACCOUNTS):
        name = f"account_{number + 1}"
        yield _request(f"account-{name}", OpenAccount(name), f"open {name}")


def _observations(looks: int) -> Iterator[Request]:
    for look, number in itertools.product(range(looks), range(ACCOUNTS)):
        name, at_us = f"account_{number + 1}", BEGIN_US + look * EVERY_US
        command = ObservePortfolio(name, "USDT", "interval", at_us, (held(at_us),))
        yield _request(portfolio.stream(name), command, f"{name} {look}")


def _request(stream: str, command: OpenAccount | ObservePortfolio, name: str) -> Request:
    return Request(
        command_id=name,
        actor="worker:bench",
        stream=stream,
        command=command,
        request_hash=name.encode(),
        correlation_id=name,
    )
