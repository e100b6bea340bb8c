-- How rows were at a position of the log. Queries of other files are read over these rows instead of
-- their tables: what is named below stands before them as `with <table> as (...)`.

-- name: by_time
-- The last event recorded by then, by halving: each bit of its position costs one look at an index.
-- Two processes' clocks may differ, so times need not grow with positions; where they do not, the
-- answer is the same however long the log has grown since.
with recursive search (bit, position) as (
    select 62, 0::bigint
    union all
    select
        bit - 1,
        position + case
            when exists (
                select
                from events e
                where e.notification_id = position + (1::bigint << bit)
                    and e.recorded_at_us <= %(at_us)s
            ) then 1::bigint << bit
            else 0
        end
    from search
    where bit >= 0
)
select position
from search
where bit < 0

-- name: moment
select
    h.position,
    (select recorded_at_us from events where notification_id = %(position)s),
    (select recorded_at_us from events where notification_id = 1)
from log_head h

-- name: events
-- Those of some streams up to the position, each stream's in order.
select e.*
from unnest(%(streams)s::text[]) as wanted (stream)
cross join lateral (
    select notification_id, originator_id, originator_version, topic, state, metadata
    from events
    where originator_id = wanted.stream and notification_id <= %(as_of)s
    order by originator_version
    limit %(events_max)s + 1
) as e
limit %(events_max)s + 1

-- name: fills
-- Of some accounts' pairs (`account/connector/pair`) up to the position, in the order of the log.
select e.notification_id, e.originator_id, e.originator_version, e.topic, e.state, e.metadata
from (
    select t.position
    from trades t
    where t.account in (select split_part(k, '/', 1) from unnest(%(streams)s::text[]) as k)
        and t.account || '/' || t.connector || '/' || t.pair = any(%(streams)s::text[])
        and t.position <= %(as_of)s
    order by t.position
    limit %(events_max)s + 1
) as wanted
join events e on e.notification_id = wanted.position
order by e.notification_id

-- name: changed
-- Rows that are not any more as they were: they are folded anew.
select key
from {table}
where position > %(as_of)s and {filters}
limit %(rows_max)s + 1

-- name: changed_orders
-- The range has an index of its own.
select key
from orders
where int8range(created_position, greatest(created_position, position)) @> %(as_of)s::bigint
    and {filters}
limit %(rows_max)s + 1

-- name: folded
-- What holds of the rows as they stand holds of the folded ones too; said outside of the union, it
-- leaves the planner an ordered scan of each.
{table} as not materialized (
    select *
    from (
        select *
        from {table}
        union all
        select *
        from jsonb_populate_recordset(null::{table}, %(folded_{table})s::jsonb)
    ) as either
    where position <= %(as_of)s
)

-- name: folded_orders
orders as not materialized (
    select *
    from (
        select *
        from orders
        union all
        select *
        from jsonb_populate_recordset(null::orders, %(folded_orders)s::jsonb)
    ) as either
    where created_position <= %(as_of)s and position <= %(as_of)s
)

-- name: appended
{table} as not materialized (
    select *
    from {table}
    where position <= %(as_of)s
)

-- name: positions
-- From every change of each: the last one is what was held, the first since a close where it began.
positions as not materialized (
    with recursive subjects as (
        (select subject from position_changes order by subject limit 1)
        union all
        select (select min(c.subject) from position_changes c where c.subject > s.subject)
        from subjects s
        where s.subject is not null
    )
    select
        s.subject as key,
        last.account,
        last.connector,
        last.pair,
        last.side,
        last.quantity,
        last.entry_price,
        last.unrealized_pnl,
        last.leverage,
        last.observed_at_us,
        opened.position as created_position,
        last.position
    from subjects s
    cross join lateral (
        select *
        from position_changes c
        where c.subject = s.subject and c.position <= %(as_of)s
        order by c.position desc
        limit 1
    ) as last
    cross join lateral (
        select c.position
        from position_changes c
        where c.subject = s.subject
            and c.position > coalesce((
                select max(closed.position)
                from position_changes closed
                where closed.subject = s.subject
                    and closed.position <= %(as_of)s
                    and closed.side is not null
                    and closed.quantity is null
            ), 0)
        order by c.position
        limit 1
    ) as opened
    where last.quantity is not null
)

-- name: position_baselines
position_baselines as not materialized (
    select distinct on (c.subject) c.subject as key, c.difference
    from position_changes c
    where c.side is null and c.position <= %(as_of)s
    order by c.subject, c.position desc
)

-- name: position_looks
-- When a venue was asked last, and in vain, is not in the log: it is told of the present only.
position_looks as not materialized (
    select *
    from position_looks
    where false
)

-- name: tallies
-- Of accounts, by their orders: open ones, and those placed in the minute that it was then.
tallies as not materialized (
    select
        'account-' || a.key as key,
        jsonb_build_object(
            'open_orders', (select count(*) from orders o where o.account = a.key and o.is_active),
            'minute', %(then_us)s / 60000000,
            'placed_in_minute', (
                select count(*)
                from orders o
                where o.account = a.key
                    and o.created_position > %(minute_begins)s
                    and o.created_at_us / 60000000 = %(then_us)s / 60000000
            )
        ) as state
    from accounts a
)

-- name: read_positions
read_positions as (
    select %(as_of)s::bigint as position
)
