-- What accounts held by a position of the log, out of their own streams: how far a stream was then
-- is found by halving, as in as_of.sql.

-- name: last
-- The last snapshot of each account, with the silences before and after it.
with recursive search (stream, bit, version) as (
    select 'portfolio-' || key, 40, 0::bigint
    from accounts
    where {filters}
    union all
    select
        stream,
        bit - 1,
        version + case
            when exists (
                select
                from events e
                where e.originator_id = search.stream
                    and e.originator_version = search.version + (1::bigint << search.bit)
                    and e.notification_id <= %(as_of)s
            ) then 1::bigint << bit
            else 0
        end
    from search
    where bit >= 0
),
reached as (
    select
        s.stream,
        s.version,
        coalesce((
            select e.originator_version
            from events e
            where e.originator_id = s.stream
                and e.originator_version <= s.version
                and e.topic = %(observed)s
            order by e.originator_version desc
            limit 1
        ), 0) as last
    from search s
    where s.bit < 0 and s.version > 0
),
found as (
    select e.*
    from reached r
    join events e on e.originator_id = r.stream
        and e.originator_version between r.last - %(beside)s and r.last
    where e.originator_version = r.last or e.topic = %(silent)s
    union all
    select e.*
    from reached r
    join events e on e.originator_id = r.stream
        and e.originator_version between greatest(r.last + 1, r.version - %(beside)s) and r.version
    union all
    select e.*
    from (select 'account-' || key as stream from accounts where {filters}) as own
    join events e on e.originator_id = own.stream
        and e.topic = %(deleted)s
        and e.notification_id <= %(as_of)s
)
select notification_id, originator_id, originator_version, topic, state, metadata
from found
order by notification_id

-- name: minutes
-- All snapshots since the minute in which each stream's last one was asked for began.
select e.notification_id, e.originator_id, e.originator_version, e.topic, e.state, e.metadata
from unnest(%(streams)s::text[], %(versions)s::bigint[], %(minutes_us)s::bigint[])
    as last (stream, version, minute_us)
join events e on e.originator_id = last.stream
    and e.originator_version between last.version - %(beside)s and last.version
    and e.topic = %(observed)s
    and e.recorded_at_us >= last.minute_us
order by e.notification_id

-- name: portfolios
portfolios as not materialized (
    select *
    from jsonb_populate_recordset(null::portfolios, %(folded_portfolios)s::jsonb)
)

-- name: changed
select key
from portfolio_snapshots
where key = any(%(keys)s::text[]) and position > %(as_of)s

-- name: portfolio_snapshots
-- The condition stands outside of the union for the reason that is told at `folded` in as_of.sql.
portfolio_snapshots as not materialized (
    select *
    from (
        select *
        from portfolio_snapshots
        union all
        select *
        from jsonb_populate_recordset(null::portfolio_snapshots, %(folded_snapshots)s::jsonb)
    ) as either
    where position <= %(as_of)s
)
