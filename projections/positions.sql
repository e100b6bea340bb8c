-- The positions list as the wire has it, in the order in which they were opened; shaped as
-- orders.sql describes. Those of deleted accounts are not shown: nobody can ask for them any more.

-- name: active
with page as (
    select *
    from positions
    where {filters} and account in (select key from accounts where is_open)
    order by created_position
    limit %(limit)s + 1
),
shown as (
    select *
    from page
    order by created_position
    limit %(limit)s
)
select
    (
        select coalesce(min(position), 0) from read_positions
    ) as position,
    (select count(*) > %(limit)s from page) as has_more,
    (select max(created_position) from shown) as last,
    (select coalesce(json_agg({item} order by created_position), '[]')::text from shown) as items

-- name: count_active
select count(*)
from (
    select 1
    from positions
    where {filters} and account in (select key from accounts where is_open)
    limit %(count_max)s
) as counted

-- name: item
json_build_object(
    'account_name', account,
    'connector_name', connector,
    'trading_pair', pair,
    'side', side,
    'amount', quantity,
    'entry_price', entry_price,
    'unrealized_pnl', unrealized_pnl,
    'leverage', leverage,
    'observed_at', timestamptz 'epoch' + observed_at_us * interval '1 microsecond',
    'checked_at', (
        select timestamptz 'epoch' + looked_at_us * interval '1 microsecond'
        from position_looks l
        where l.account = shown.account and l.connector = shown.connector
    ),
    'check_error', (
        select error
        from position_looks l
        where l.account = shown.account and l.connector = shown.connector
    ),
    'difference', (
        select difference
        from position_baselines b
        where b.key = shown.account || '/' || shown.connector || '/' || shown.pair
    )
)

-- name: after_active
created_position > %(after)s

-- name: account_names
account = any(%(account_names)s::text[])

-- name: account_names_one
account = %(account_names)s

-- name: connector_names
connector = any(%(connector_names)s::text[])

-- name: connector_names_one
connector = %(connector_names)s
