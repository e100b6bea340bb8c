-- The vault's own table. The API's role inserts and destroys; the rest needs the vault's role.

-- name: insert
insert into vault (
    secret_id, account, connector, master_key_id, wrapped_key, nonce, ciphertext
)
values (
    %(secret_id)s, %(account)s, %(connector)s, %(master_key_id)s, %(wrapped_key)s, %(nonce)s,
    %(ciphertext)s
)
-- Sealed again for a repeated request: from now on it is young.
on conflict (secret_id) do update set created_at = default

-- name: destroy
delete from vault where secret_id = any(%(secret_ids)s)

-- name: key_ids
select distinct master_key_id from vault

-- name: one
select secret_id, account, connector, master_key_id, wrapped_key, nonce, ciphertext
from vault
where secret_id = %(secret_id)s

-- name: under_other_keys
select secret_id, account, connector, master_key_id, wrapped_key, nonce, ciphertext
from vault
where master_key_id <> %(newest)s and secret_id > %(after)s
order by secret_id
limit 100

-- name: rewrap
-- Only what is still as it was read: another process may have been first, or destroyed it.
update vault
set master_key_id = %(master_key_id)s, wrapped_key = %(wrapped_key)s
where secret_id = %(secret_id)s and wrapped_key = %(former)s

-- name: all
select secret_id, account, connector, master_key_id, created_at
from vault
order by account, connector, created_at

-- name: settled
-- Those old enough that a command which names them has been decided by now.
select secret_id, account, connector
from vault
where created_at < now() - make_interval(secs => %(seconds)s)

-- name: salt
select salt from vault_salt

-- name: new_salt
insert into vault_salt (salt) values (%(salt)s)
on conflict (only_row) do nothing
