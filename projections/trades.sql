-- The trades list as the wire has it, newest first; pages.sql has the rest of its queries.

-- name: key
position

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

-- name: trade_types
side = any(%(trade_types)s::text[])

-- name: trade_types_one
side = %(trade_types)s

-- name: start_time
executed_at_us >= %(start_time)s

-- name: end_time
executed_at_us <= %(end_time)s
