-- The funding payments list as the wire has it, the latest recorded first; pages.sql has the rest
-- of its queries.

-- name: key
position

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

-- name: trading_pair
pair = %(trading_pair)s

-- name: start_time
paid_at_us >= %(start_time)s

-- name: end_time
paid_at_us <= %(end_time)s
