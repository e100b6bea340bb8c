-- The trades list as the wire has it, newest first; shaped as orders.sql describes.

-- name: newest
with page as (
    select *
    from trades
    where {filters}
    order by position desc
    limit %(limit)s + 1
),
shown as (
    select *
    from page
    order by position desc
    limit %(limit)s
)
select
    (
        select coalesce(min(position), 0) from read_positions
    ) as position,
    (select count(*) > %(limit)s from page) as has_more,
    (select min(position) from shown) as last,
    (select coalesce(json_agg({item} order by position desc), '[]')::text from shown) as items

-- name: count_newest
select count(*)
from (
    select 1
    from trades
    where {filters}
    limit %(count_max)s
) as counted

-- name: item
json_build_object(
    'trade_id', trade_id,
    'order_id', order_id,
    'account_name', account,
    'connector_name', connector,
    'trading_pair', pair,
    'trade_type', side,
    'amount', quantity,
    'price', price,
    'fee_paid', fee,
    'fee_currency', fee_token,
    'timestamp', timestamptz 'epoch' + executed_at_us * interval '1 microsecond'
)

-- name: after_newest
position < %(after)s

-- name: account_names
account = any(%(account_names)s::text[])

-- name: account_names_one
account = %(account_names)s

-- name: connector_names
connector = any(%(connector_names)s::text[])

-- name: connector_names_one
connector = %(connector_names)s

-- name: trading_pairs
pair = any(%(trading_pairs)s::text[])

-- name: trading_pairs_one
pair = %(trading_pairs)s

-- name: trade_types
side = any(%(trade_types)s::text[])

-- name: trade_types_one
side = %(trade_types)s

-- name: start_time
executed_at_us >= %(start_time)s

-- name: end_time
executed_at_us <= %(end_time)s
