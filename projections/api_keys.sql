-- Keys: one to check a bearer by, all to show.

-- name: one
select scopes, secret_sha256, expires_at_us, revoked_at_us
from api_keys
where key = %(key)s

-- name: all
select
    (
        select coalesce(min(position), 0) from read_positions
    ) as position,
    (
        select coalesce(json_agg(
            json_build_object(
                'key_id', key,
                'name', name,
                'scopes', scopes,
                'created_at', timestamptz 'epoch' + created_at_us * interval '1 microsecond',
                'expires_at', timestamptz 'epoch' + expires_at_us * interval '1 microsecond',
                'revoked_at', timestamptz 'epoch' + revoked_at_us * interval '1 microsecond'
            ) order by position
        ), '[]')::text
        from api_keys
    ) as items
