-- The funding payments list as the wire has it, the latest recorded first; shaped as orders.sql
-- describes.

-- name: newest
with page as (
    select *
    from funding
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
    from funding
    where {filters}
    limit %(count_max)s
) as counted

-- name: item
json_build_object(
    'id', position,
    'funding_payment_id', key,
    'timestamp', timestamptz 'epoch' + paid_at_us * interval '1 microsecond',
    'account_name', account,
    'connector_name', connector,
    'trading_pair', pair,
    'funding_rate', rate,
    'funding_payment', amount,
    'fee_currency', token,
    'position_size', position_quantity,
    'position_side', position_side,
    'exchange_funding_id', payment_id
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

-- name: trading_pair
pair = %(trading_pair)s

-- name: start_time
paid_at_us >= %(start_time)s

-- name: end_time
paid_at_us <= %(end_time)s
