-- A page of a list as the wire has it: one row with the position it is from, whether more follow,
-- where the next page begins, and the rows as one JSON text with all their digits. `{table}` and
-- `{item}` are of the list's own file, as is its `key`, the column that it is ordered by.

-- name: page
with page as (
    select *
    from {table}
    where {filters}
    order by {key} {direction}
    limit %(limit)s + 1
),
shown as (
    select *
    from page
    order by {key} {direction}
    limit %(limit)s
)
select
    (
        select read_position_of('{table}', coalesce(min(position), 0)) from read_positions
    ) as position,
    (select count(*) > %(limit)s from page) as has_more,
    (select {key} from shown order by {key} {backwards} limit 1) as last,
    (select coalesce(json_agg({item} order by {key} {direction}), '[]')::text from shown) as items

-- name: count
select count(*)
from (
    select 1
    from {table}
    where {filters}
    limit %(count_max)s
) as counted

-- name: after
{key} {beyond} %(after)s

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
