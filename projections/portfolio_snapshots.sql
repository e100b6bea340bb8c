-- A page of the portfolio's history, newest first: one entry for each bucket of an interval in which
-- there is a snapshot, with the last one in it of each account and connector. The page's buckets are
-- found by one index lookup each, so that gaps and snapshots between two buckets cost nothing.

-- name: page
with recursive pairs as (
    (
        select account, connector
        from portfolio_snapshots
        where {accounts}
        order by account, connector
        limit 1
    )
    union all
    select following.account, following.connector
    from pairs
    cross join lateral (
        select account, connector
        from portfolio_snapshots s
        where (s.account, s.connector) > (pairs.account, pairs.connector) and {accounts}
        order by s.account, s.connector
        limit 1
    ) as following
),
wanted as materialized (
    select account, connector from pairs where {connectors}
),
size as materialized (
    select least(%(limit)s, greatest(1, %(rows_max)s / greatest(1, count(*)))) as entries
    from wanted
),
found as (
    select 1 as number, %(newest_us)s::bigint as minute_us, null::bigint as bucket
    union all
    select found.number + 1, last.minute_us, last.minute_us / %(interval_us)s
    from found
    cross join lateral (
        {last}
    ) as last
    where found.number <= (select entries from size) + 1
),
shown as materialized (
    select bucket
    from found
    where bucket is not null and number <= (select entries from size) + 1
),
snapshots as (
    select wanted.account, wanted.connector, own.bucket, own.minute_us, own.document
    from wanted
    cross join lateral (
        {own}
    ) as own
),
states as (
    select
        bucket,
        account,
        max(minute_us) as minute_us,
        string_agg(
            to_json(connector)::text || ':' || document, ',' order by connector
        ) as connectors
    from snapshots
    group by bucket, account
),
entries as (
    select
        bucket,
        max(minute_us) as minute_us,
        string_agg(
            to_json(account)::text || ':{' || connectors || '}', ',' order by account
        ) as accounts
    from states
    group by bucket
)
select
    (
        select read_position_of('portfolio_snapshots', coalesce(min(position), 0)) from read_positions
    ) as position,
    (select count(*) > (select entries from size) + 1 from found) as has_more,
    (select minute_us from entries order by bucket limit 1) as last,
    (
        select coalesce(
            '[' || string_agg(
                '{"timestamp":'
                || to_json(timestamptz 'epoch' + minute_us * interval '1 microsecond')::text
                || ',"state":{' || accounts || '}}',
                ',' order by bucket desc
            ) || ']',
            '[]'
        )
        from entries
    ) as items

-- name: last_of_all
select s.minute_us
from portfolio_snapshots s
where s.minute_us >= %(oldest_us)s
    and s.minute_us < coalesce(found.bucket * %(interval_us)s, %(newest_us)s + 1)
order by s.minute_us desc
limit 1

-- name: last_of_wanted
select s.minute_us
from wanted
cross join lateral (
    select minute_us
    from portfolio_snapshots s
    where s.account = wanted.account
        and s.connector = wanted.connector
        and s.minute_us >= %(oldest_us)s
        and s.minute_us < coalesce(found.bucket * %(interval_us)s, %(newest_us)s + 1)
    order by s.minute_us desc
    limit 1
) as s
order by s.minute_us desc
limit 1

-- name: own_by_scan
-- Where buckets hold few snapshots: those between the first and the last one.
select distinct on (s.minute_us / %(interval_us)s)
    s.minute_us / %(interval_us)s as bucket,
    s.minute_us,
    s.document
from portfolio_snapshots s
where s.account = wanted.account
    and s.connector = wanted.connector
    and s.minute_us between
        greatest((select min(bucket) from shown) * %(interval_us)s, %(oldest_us)s)
        and %(newest_us)s
order by s.minute_us / %(interval_us)s, s.minute_us desc

-- name: own_by_lookup
-- Where buckets hold many: one lookup each.
select shown.bucket, s.minute_us, s.document
from shown
cross join lateral (
    select minute_us, document
    from portfolio_snapshots s
    where s.account = wanted.account
        and s.connector = wanted.connector
        and s.minute_us >= greatest(shown.bucket * %(interval_us)s, %(oldest_us)s)
        and s.minute_us < least((shown.bucket + 1) * %(interval_us)s, %(newest_us)s + 1)
    order by s.minute_us desc
    limit 1
) as s

-- name: account_names
account = any(%(account_names)s::text[])

-- name: connector_names
connector = any(%(connector_names)s::text[])
