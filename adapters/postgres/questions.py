"""Questions that need a credential, from API processes to workers: a row, a NOTIFY, an answer.

Both sides stand here. A question is taken once, by a worker that holds the account, and its row
goes when the answer is read. Rows are no truth: lost ones are asked again by whoever still waits.
"""

from collections.abc import Collection
from typing import Any

import psycopg
from msgspec import Struct

ASKED = "aviary_asked"
ANSWERED = "aviary_answered"
EVERY_CONNECTOR = "*"
"""Stands for the connector where a question is of the account as a whole."""
PORTFOLIO = "portfolio"
"""Kind of the question for a new snapshot of an account: its answer is a Snapshot."""
FRESH_SECONDS = 30
"""Older questions have nobody who waits for them."""

_ASK = """
with asked as (
    insert into questions (id, account, connector, kind, detail)
    values (%(id)s, %(account)s, %(connector)s, %(kind)s, %(detail)s)
    returning id
)
select pg_notify('aviary_asked', id) from asked
"""
_READ = """
delete from questions
where id = %s and answered_at is not null
returning answer, code, error
"""
_TAKE = """
update questions q
set taken_by = %(holder)s
from (
    select open.id
    from unnest(%(accounts)s::text[], %(connectors)s::text[]) as ours (account, connector)
    cross join lateral (
        select id, asked_at
        from questions
        where questions.account = ours.account
            and questions.connector = ours.connector
            and answered_at is null
            and taken_by is null
            and asked_at > now() - make_interval(secs => %(seconds)s)
        for update skip locked
    ) as open
    order by open.asked_at
    limit %(limit)s
) as open
where q.id = open.id
returning q.id, q.account, q.connector, q.kind, q.detail
"""
_ANSWER = """
with answered as (
    update questions
    set answer = %(answer)s, code = %(code)s, error = %(error)s, answered_at = now()
    where id = %(id)s and answered_at is null
    returning id
)
select pg_notify('aviary_answered', id) from answered
"""
_SWEEP = """
delete from questions where asked_at < now() - make_interval(secs => %s)
"""


class Question(Struct, frozen=True):
    account: str
    connector: str
    kind: str
    detail: str | None = None
    """JSON."""


class Taken(Struct, frozen=True):
    id: str
    question: Question


class Answer(Struct, frozen=True):
    text: str | None
    """JSON; None where there is a code."""
    code: str | None = None
    """`unreachable` where the venue said nothing, otherwise its own."""
    error: str | None = None


UNREACHABLE = "unreachable"


class Snapshot(Struct, frozen=True):
    """In the log now; venues that did not answer in time are carried over in it."""

    position: int


def snapshot_of(account: str) -> Question:
    """For an account that has connectors; no worker holds one that has none."""
    return Question(account, EVERY_CONNECTOR, PORTFOLIO, '{"is_fresh":true}')


async def ask(connection: psycopg.AsyncConnection[Any], name: str, question: Question) -> None:
    await connection.execute(
        _ASK,
        {
            "id": name,
            "account": question.account,
            "connector": question.connector,
            "kind": question.kind,
            "detail": question.detail,
        },
    )


async def read(connection: psycopg.AsyncConnection[Any], name: str) -> Answer | None:
    """The answer, which is gone then; None while there is none."""
    found = await (await connection.execute(_READ, (name,))).fetchone()
    return None if found is None else Answer(*found)


async def is_taken(connection: psycopg.AsyncConnection[Any], name: str) -> bool:
    query = "select taken_by is not null from questions where id = %s"
    found = await (await connection.execute(query, (name,))).fetchone()
    return found is not None and found[0]


async def forget(connection: psycopg.AsyncConnection[Any], name: str) -> None:
    await connection.execute("delete from questions where id = %s", (name,))


async def take(
    connection: psycopg.AsyncConnection[Any],
    desks: Collection[tuple[str, str]],
    holder: str,
    limit: int,
) -> list[Taken]:
    """Questions for these (account, connector) that nobody has taken, the oldest first."""
    found = await connection.execute(
        _TAKE,
        {
            "accounts": [account for account, _ in desks],
            "connectors": [connector for _, connector in desks],
            "holder": holder,
            "seconds": FRESH_SECONDS,
            "limit": limit,
        },
    )
    return [Taken(name, Question(*rest)) for name, *rest in await found.fetchall()]


async def answer(connection: psycopg.AsyncConnection[Any], name: str, its: Answer) -> None:
    """Nothing happens where the question is gone: nobody waits any more."""
    await connection.execute(
        _ANSWER, {"id": name, "answer": its.text, "code": its.code, "error": its.error}
    )


async def sweep(connection: psycopg.AsyncConnection[Any], seconds: float) -> int:
    """Delete what is older, answered or not."""
    return (await connection.execute(_SWEEP, (seconds,))).rowcount
