-- Credentials: what may be traded where, and what is shown of it.

-- name: tradable
-- Every account and connector that may be traded now, with the secret of its credential; the
-- secret's id is empty where the connector needs none.
select c.account, c.connector, c.secret_id
from credentials c
join accounts a on a.key = c.account
where c.is_active and a.is_open and a.generation = c.generation
union all
select a.key, own.connector, ''
from accounts a
cross join lateral jsonb_array_elements_text(a.connectors) as own (connector)
where a.is_open
    and not exists (
        select
        from credentials c
        where c.key = a.key || '/' || own.connector
            and c.generation = a.generation
            and (c.is_active or c.is_deleted)
    )

-- name: of_account
-- No row where there is no such account.
select
    (
        select coalesce(min(position), 0) from read_positions
    ) as position,
    (
        select coalesce(json_agg(connector order by connector), '[]')::text
        from (
            select c.connector
            from credentials c
            where c.account = a.key and c.generation = a.generation and c.is_active
            union
            select own.connector
            from jsonb_array_elements_text(a.connectors) as own (connector)
            where not exists (
                select
                from credentials c
                where c.key = a.key || '/' || own.connector
                    and c.generation = a.generation
                    and c.is_deleted
            )
        ) as found
    ) as items
from accounts a
where a.key = %(account)s and a.is_open

-- name: one
select
    (
        select coalesce(min(position), 0) from read_positions
    ) as position,
    jsonb_exists(a.connectors, %(connector)s) as is_own,
    row_to_json(c)::text as item
from accounts a
left join credentials c
    on c.key = a.key || '/' || %(connector)s and c.generation = a.generation
where a.key = %(account)s and a.is_open

-- name: held
-- What one account has, of whichever opening.
select connector, generation
from credentials
where account = %(account)s and (is_active or offered_secret_id is not null)

-- name: left_over
-- Credentials of accounts that are deleted, or were opened anew since.
select c.account, c.connector, c.generation
from credentials c
left join accounts a on a.key = c.account and a.is_open
where (c.is_active or c.offered_secret_id is not null)
    and a.generation is distinct from c.generation
