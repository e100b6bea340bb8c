-- Accounts: their names, and whether there is one.

-- name: names
select
    (
        select coalesce(min(position), 0) from read_positions
    ) as position,
    (
        select coalesce(json_agg(key order by key), '[]')::text from accounts where is_open
    ) as items

-- name: one
select is_open from accounts where key = %(key)s
