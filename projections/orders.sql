-- The orders list as the wire has it. Each page is one row: the position it is from, whether more
-- follow, where the next page begins, and the rows as one JSON text with all their digits.

-- name: newest
with page as (
    select *
    from orders
    where {filters}
    order by created_position desc
    limit %(limit)s + 1
),
shown as (
    select *
    from page
    order by created_position desc
    limit %(limit)s
)
select
    (
        select coalesce(min(position), 0) from read_positions
    ) as position,
    (select count(*) > %(limit)s from page) as has_more,
    (select min(created_position) from shown) as last,
    (select coalesce(json_agg({item} order by created_position desc), '[]')::text from shown) as items

-- name: active
with page as (
    select *
    from orders
    where is_active and {filters}
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

-- name: count_newest
select count(*)
from (
    select 1
    from orders
    where {filters}
    limit %(count_max)s
) as counted

-- name: count_active
select count(*)
from (
    select 1
    from orders
    where is_active and {filters}
    limit %(count_max)s
) as counted

-- name: item
json_build_object(
    'order_id', key,
    'account_name', account,
    'connector_name', connector,
    'trading_pair', pair,
    'trade_type', side,
    'order_type', order_type,
    'amount', quantity,
    'price', price,
    'status', status,
    'filled_amount', filled,
    'average_fill_price', filled_notional / nullif(filled, 0),
    'fee_paid', case
        when fees = '{}' then '0'::jsonb
        when fees - (select min(token) from jsonb_object_keys(fees) as token) = '{}'
            then (select to_jsonb(fee::numeric) from jsonb_each_text(fees) as f (token, fee))
    end,
    'fee_currency', case
        when fees = '{}' then null
        when fees - (select min(token) from jsonb_object_keys(fees) as token) = '{}'
            then (select min(token) from jsonb_object_keys(fees) as token)
    end,
    'created_at', timestamptz 'epoch' + created_at_us * interval '1 microsecond',
    'updated_at', timestamptz 'epoch' + updated_at_us * interval '1 microsecond',
    'exchange_order_id', exchange_order_id,
    'error_message', error_message,
    'outcome', outcome,
    'unknown_seconds', case
        when unknown_since_us is not null
            then round(extract(epoch from clock_timestamp()) - unknown_since_us / 1000000.0, 3)
    end,
    'fees', case
        when fees = '{}' then '{}'::json
        else (
            select json_object_agg(token, fee::numeric)
            from jsonb_each_text(fees) as f (token, fee)
        )
    end
)

-- name: after_active
created_position > %(after)s

-- name: after_newest
created_position < %(after)s

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

-- name: status
status = %(status)s

-- name: start_time
created_at_us >= %(start_time)s

-- name: end_time
created_at_us <= %(end_time)s

-- name: owner
select account, connector
from orders
where key = %(key)s

-- name: wire_status
select status
from orders
where key = %(key)s
