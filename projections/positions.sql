-- The positions list as the wire has it, in the order in which they were opened; pages.sql has the
-- rest of its queries. Nobody can ask for those of deleted accounts any more.

-- name: key
created_position

-- name: active
account in (select key from accounts where is_open)

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
