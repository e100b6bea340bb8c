-- Kill switches: the one for all first, then those of accounts; how many orders are live still.

-- name: all
select
    (
        select coalesce(min(position), 0) from read_positions
    ) as position,
    (
        select json_agg(
            json_build_object(
                'account_name', nullif(coalesce(s.key, '*'), '*'),
                'is_engaged', coalesce(s.is_engaged, false),
                'reason', coalesce(s.reason, ''),
                'since', timestamptz 'epoch' + s.changed_at_us * interval '1 microsecond',
                'by', s.actor,
                'live_orders', (
                    select count(*)
                    from orders o
                    where o.is_active and (s.key is null or s.key = '*' or o.account = s.key)
                )
            ) order by coalesce(s.key, '*') <> '*', s.key
        )::text
        from (values ('*')) as whole (key)
        full join switches s on s.key = whole.key
    ) as items
