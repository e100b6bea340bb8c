-- The last snapshot of each account.

-- name: rows
select
    (
        select read_position_of('portfolios', coalesce(min(position), 0)) from read_positions
    ) as position,
    (
        select coalesce(json_agg(p order by key), '[]')::text
        from portfolios p
        where {filters}
    ) as items

-- name: account_names
key = any(%(account_names)s::text[])
