-- The orders list as the wire has it; pages.sql has the rest of its queries.

-- name: key
created_position

-- name: active
is_active

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
