-- Profit and loss in the order in which pairs were first traded, as rows that are not yet what the
-- wire has: prices are put to them. pages.sql has the rest of the queries.

-- name: key
created_position

-- name: active
true

-- name: item
json_build_object(
    'account', account,
    'connector', connector,
    'pair', pair,
    'quantity', quantity,
    'cost', cost,
    'realised', realised,
    'fifo_cost', fifo_cost,
    'fifo_realised', fifo_realised,
    'bought', bought,
    'bought_notional', bought_notional,
    'sold', sold,
    'sold_notional', sold_notional,
    'fees', fees,
    'fees_quote', fees_quote,
    'trades', trades,
    'first_trade_us', first_trade_us,
    'last_trade_us', last_trade_us
)

-- name: observed
-- The last snapshot of each of these accounts, by that position.
select
    last.notification_id,
    last.originator_id,
    last.originator_version,
    last.topic,
    last.state,
    last.metadata
from unnest(%(streams)s::text[]) as wanted (stream)
cross join lateral (
    select *
    from events e
    where e.originator_id = wanted.stream
        and e.topic = %(tag)s
        and e.notification_id <= %(position)s
    order by e.originator_version desc
    limit 1
) as last
