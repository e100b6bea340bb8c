-- Positions, leverage, position mode, funding payments.

-- One row for each side of a pair that the venue shows; `created_position` is where the side was
-- opened, so that pages neither repeat nor miss a row whose quantity changes meanwhile.
create table positions (
    key text collate "C" primary key,
    account text not null,
    connector text not null,
    pair text not null,
    side text not null,
    quantity numeric not null,
    entry_price numeric,
    unrealized_pnl numeric,
    leverage numeric,
    observed_at_us bigint not null,
    created_position bigint not null,
    position bigint not null
);

create unique index on positions (created_position);
create index on positions (account, connector);

-- What the venue's position began with beyond our fills, and by how much it differs now.
create table position_baselines (
    key text collate "C" primary key,
    account text not null,
    connector text not null,
    pair text not null,
    excess numeric not null,
    difference numeric not null,
    differs_since_us bigint,
    position bigint not null
);

create index on position_baselines (account, connector);
create index on position_baselines (differs_since_us) where differs_since_us is not null;

-- Bought less sold in all our fills of a pair at a perpetual venue.
create table net_fills (
    key text collate "C" primary key,
    account text not null,
    connector text not null,
    pair text not null,
    net numeric not null,
    position bigint not null
);

create index on net_fills (account, connector);

-- One row for each request to set a leverage or a position mode.
create table perpetuals (
    key text collate "C" primary key,
    account text not null,
    connector text not null,
    setting text not null,
    pair text,
    value text not null,
    outcome text not null,
    code text,
    text text,
    requested_at_us bigint not null,
    requested_position bigint not null,
    position bigint not null
);

create unique index on perpetuals (requested_position);

create table funding (
    key text collate "C" primary key,
    payment_id text not null,
    account text not null,
    connector text not null,
    pair text not null,
    amount numeric not null,
    token text not null,
    rate numeric,
    position_quantity numeric,
    position_side text,
    paid_at_us bigint not null,
    position bigint not null
);

create unique index on funding (position);
create index on funding (account, connector, position);

-- Not folded from the log: when each venue was last asked for its positions, and what came of it;
-- and where its funding payments were read up to (loss means reading again).
create table position_looks (
    account text not null,
    connector text not null,
    looked_at_us bigint,
    failed_at_us bigint,
    error text,
    primary key (account, connector)
);

create table funding_cursors (
    account text not null,
    connector text not null,
    cursor text not null,
    primary key (account, connector)
);

grant select on positions, position_baselines, net_fills, perpetuals, funding, position_looks,
    funding_cursors to aviary_reader, aviary_writer, aviary_worker;
grant insert, update, delete on positions, position_baselines, net_fills, perpetuals, funding,
    position_looks, funding_cursors to aviary_worker;
