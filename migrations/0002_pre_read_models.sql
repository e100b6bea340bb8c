-- Read models of the order's life, where each of them stands, and what workers know.
-- Every read model has `key` as primary key; its other columns are the fields of its row struct.

create table checkpoints (
    projection text primary key,
    position bigint not null,
    updated_at timestamptz not null default now()
);

create table parked (
    projection text not null,
    key text not null,
    position bigint not null,
    error text not null,
    parked_at timestamptz not null default now(),
    primary key (projection, key, position)
);

create table orders (
    key text collate "C" primary key,
    account text not null,
    connector text not null,
    pair text not null,
    side text not null,
    order_type text not null,
    position_action text not null,
    quantity numeric not null,
    price numeric,
    outcome text not null,
    status text not null,
    is_active boolean not null,
    is_cancel_requested boolean not null,
    filled numeric not null,
    filled_notional numeric not null,
    fees jsonb not null,
    exchange_order_id text,
    error_message text,
    attempt int not null,
    command_id text not null,
    actor text not null,
    created_at_us bigint not null,
    updated_at_us bigint not null,
    unknown_since_us bigint,
    created_position bigint not null,
    position bigint not null
);

create unique index on orders (created_position);
create index on orders (account, created_position);
create index on orders (status, created_position);
create index on orders (created_position) where is_active;
create index on orders (unknown_since_us) where unknown_since_us is not null;

create table trades (
    key text collate "C" primary key,
    trade_id text not null,
    order_id text collate "C" not null,
    account text not null,
    connector text not null,
    pair text not null,
    side text not null,
    quantity numeric not null,
    price numeric not null,
    fee numeric not null,
    fee_token text not null,
    is_maker boolean not null,
    executed_at_us bigint not null,
    position bigint not null
);

create unique index on trades (position);
create index on trades (account, position);
create index on trades (order_id);

-- One row per live order (key = its stream) and per wanted reconciliation; `kind` says what a
-- dispatcher should do about it, null means nothing now.
create table open_effects (
    key text collate "C" primary key,
    kind text,
    account text not null,
    connector text not null,
    pair text,
    due_us bigint not null,
    status text not null,
    attempt int not null,
    send_by_us bigint,
    is_cancel_requested boolean not null,
    client_order_id text not null,
    side text,
    order_type text,
    quantity numeric,
    price numeric,
    filled numeric not null,
    correlation_id text not null,
    position bigint not null
);

create index on open_effects (account, due_us) where kind is not null;
create index on open_effects (account, connector);

create table api_keys (
    key text collate "C" primary key,
    name text not null,
    scopes jsonb not null,
    secret_sha256 text not null,
    expires_at_us bigint,
    revoked_at_us bigint,
    created_at_us bigint not null,
    position bigint not null
);

-- Not folded from the log: where each venue's trades were read up to (loss means reading again),
-- and which worker said when that it is alive.
create table venue_cursors (
    account text not null,
    connector text not null,
    sequence bigint not null,
    primary key (account, connector)
);

create table workers (
    name text primary key,
    process text not null,
    state text not null,
    position bigint,
    detail jsonb not null default '{}',
    started_at timestamptz not null default now(),
    alive_at timestamptz not null default now()
);

-- A receipt beside what it points at, for the audit routes.
create view receipts_view as
select
    command_id,
    actor,
    kind,
    stream,
    outcome,
    code,
    text,
    events,
    case when events > 0 then position - events + 1 end as first_position,
    position as last_position,
    recorded_at_us
from receipts;

grant select on checkpoints, parked, orders, trades, open_effects, api_keys, venue_cursors, workers,
    receipts_view to aviary_reader, aviary_writer, aviary_worker;
grant select on schema_migrations to aviary_reader, aviary_writer, aviary_worker;
grant insert, update, delete on checkpoints, parked, orders, trades, open_effects, api_keys,
    venue_cursors, workers to aviary_worker;
