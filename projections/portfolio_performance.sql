-- How the value of accounts went, out of the lake (DuckDB). $1 and $2 are the first and the last
-- microsecond, $3 an interval's microseconds; `{rows}` are conditions on accounts and on the position
-- of the log that all is of, `{wanted}` one on connectors.

-- The last snapshot of each interval counts; an account without one in it keeps its value, from its
-- first snapshot in the range on. A snapshot is all rows of one position: a connector that is not
-- in it holds nothing. Values are doubles here: an average times its count is their sum, at a
-- quarter of what the cast of each costs.

-- name: figures
with snapshots as (
    select
        any_value(account) as account,
        any_value(observed_at_us) // $3 as bucket,
        position,
        coalesce(avg(value) filter ({wanted}) * count(value) filter ({wanted}), 0)
        + coalesce(
            sum((exact ->> '$.value')::double) filter (exact is not null and {wanted}), 0
        ) as value
    from portfolio_values
    where observed_at_us between $1 and $2
        and {rows}
    group by position
),
sampled as (
    select account, bucket, arg_max(value, position) as value
    from snapshots
    group by account, bucket
),
own as (
    select account, min(bucket) as first, row_number() over (order by account)::int as number
    from sampled
    group by account
),
filled as (
    select
        own.account,
        grid.bucket,
        last_value(sampled.value ignore nulls) over until_now as value,
        last_value(sampled.value ignore nulls) over until_then as former,
        max(sampled.value) over until_now as peak
    from own
    join (
        select unnest(range(min(bucket), max(bucket) + 1)) as bucket from sampled
    ) as grid on grid.bucket >= own.first
    left join sampled on sampled.account = own.account and sampled.bucket = grid.bucket
    window
        until_now as (partition by own.number order by grid.bucket rows unbounded preceding),
        until_then as (
            partition by own.number
            order by grid.bucket
            rows between unbounded preceding and 1 preceding
        )
),
total as (
    select bucket, sum(value) as value from filled group by bucket
),
steps as (
    from filled
    union all
    select
        null,
        bucket,
        value,
        lag(value) over (order by bucket),
        max(value) over (order by bucket rows unbounded preceding)
    from total
),
figures as (
    select
        account,
        min(bucket) as first,
        max(bucket) as last,
        arg_min(value, bucket) as start_value,
        arg_max(value, bucket) as end_value,
        max((peak - value) / peak) filter (peak > 0) as drawdown,
        avg(value / former - 1) filter (former > 0) as mean_return,
        stddev_samp(value / former - 1) filter (former > 0) as deviation
    from steps
    group by account
),
unpriced as (
    select distinct token
    from portfolio
    where observed_at_us between $1 and $2
        and {rows}
        and price is null
        and token <> ''
        and (exact ->> '$.price') is null
        and {wanted}
)
select
    'figures' as kind,
    account as name,
    first,
    last,
    start_value,
    end_value,
    drawdown,
    mean_return,
    deviation
from figures
union all
select
    'series',
    strftime(make_timestamp(bucket * $3), '%Y-%m-%dT%H:%M:%S+00:00'),
    bucket,
    null,
    round(value, 6),
    null,
    null,
    null,
    null
from total
union all
select 'unpriced', token, null, null, null, null, null, null, null
from unpriced
union all
select 'position', null, min(position), null, null, null, null, null, null
from checkpoints
where projection in ('portfolio', 'portfolio_values')

-- name: account_names
list_contains({value}::varchar[], account)

-- name: connector_names
list_contains({value}::varchar[], connector)

-- name: as_of
position <= {value}
