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
-- The last snapshot of each of these accounts, by that position. How far a stream was then is found
-- by halving, as in portfolio_as_of.sql.
with recursive search (stream, bit, version) as (
    select stream, 40, 0::bigint
    from unnest(%(streams)s::text[]) as wanted (stream)
    union all
    select
        stream,
        bit - 1,
        version + case
            when exists (
                select
                from events e
                where e.originator_id = search.stream
                    and e.originator_version = search.version + (1::bigint << search.bit)
                    and e.notification_id <= %(position)s
            ) then 1::bigint << bit
            else 0
        end
    from search
    where bit >= 0
)
select
    last.notification_id,
    last.originator_id,
    last.originator_version,
    last.topic,
    last.state,
    last.metadata
from search s
cross join lateral (
    select *
    from events e
    where e.originator_id = s.stream
        and e.originator_version <= s.version
        and e.topic = %(tag)s
    order by e.originator_version desc
    limit 1
) as last
where s.bit < 0
