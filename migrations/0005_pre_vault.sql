-- Accounts, credentials and the vault.

create table accounts (
    key text collate "C" primary key,
    is_open boolean not null,
    generation int not null,
    connectors jsonb not null,
    opened_at_us bigint not null,
    deleted_at_us bigint,
    position bigint not null
);

-- One row for each account and connector (`<account>/<connector>`) that ever had a credential.
create table credentials (
    key text collate "C" primary key,
    account text not null,
    connector text not null,
    generation int not null,
    is_active boolean not null,
    is_deleted boolean not null,
    secret_id text not null,
    fingerprint text not null,
    can_trade boolean,
    can_withdraw boolean,
    accepted_at_us bigint,
    offered_secret_id text,
    offered_fingerprint text,
    offered_at_us bigint,
    refused_code text,
    refused_text text,
    refused_at_us bigint,
    position bigint not null
);

create index on credentials (account);

grant select on accounts, credentials to aviary_reader, aviary_writer, aviary_worker;
grant insert, update, delete on accounts, credentials to aviary_worker;

-- The vault: ciphertext, and the key that each was sealed with, itself sealed under a master key.
-- Not folded from the log: what is deleted here is gone.
do $$
declare
    login text := coalesce(nullif(current_setting('aviary.app_login', true), ''), current_user);
begin
    begin
        create role aviary_vault nologin;
    exception when duplicate_object or unique_violation then
        null;  -- roles belong to the cluster: another database of it made them
    end;
    if login <> current_user then
        execute format('grant aviary_vault to %I', login);
    end if;
end
$$;

create table vault (
    secret_id text collate "C" primary key,
    account text not null,
    connector text not null,
    master_key_id text collate "C" not null,
    wrapped_key bytea not null,
    nonce bytea not null,
    ciphertext bytea not null,
    created_at timestamptz not null default now()
);

create index on vault (master_key_id);

-- What a password is stretched with to become a master key. One for each installation.
create table vault_salt (
    only_row boolean primary key default true check (only_row),
    salt bytea not null
);

-- The API seals and destroys; it cannot read what is sealed, nor can workers by their own role.
grant insert, delete on vault to aviary_writer;
grant select (secret_id, master_key_id), update (created_at) on vault to aviary_writer;
grant select, insert, update, delete on vault to aviary_vault;
grant select, insert on vault_salt to aviary_writer, aviary_vault;
