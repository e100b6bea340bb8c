-- Limits of one account, and how much of them is used.

-- name: notional
select notional_per_order from limits where key = %(key)s and notional_per_order is not null

-- name: one
select
    (
        select coalesce(min(position), 0) from read_positions
    ) as position,
    json_build_object(
        'account_name', a.key,
        'notional_per_order', l.notional_per_order,
        'open_orders', l.open_orders,
        'orders_per_minute', l.orders_per_minute,
        'open_orders_now', coalesce((t.state ->> 'open_orders')::int, 0),
        'orders_this_minute', case
            when (t.state ->> 'minute')::bigint >= floor(extract(epoch from clock_timestamp()) / 60)
                then (t.state ->> 'placed_in_minute')::int
            else 0
        end,
        'set_by', l.actor,
        'set_at', timestamptz 'epoch' + l.changed_at_us * interval '1 microsecond'
    )::text as item
from accounts a
left join limits l on l.key = a.key
left join tallies t on t.key = 'account-' || a.key
where a.key = %(key)s and a.is_open
