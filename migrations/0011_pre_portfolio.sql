-- What accounts hold: at their last snapshot, and minute by minute.

create table portfolios (
    key text collate "C" primary key,
    quote text not null,
    asked_at_us bigint not null,
    document text not null,
    silences text not null,
    position bigint not null
);

create table portfolio_snapshots (
    key text collate "C" primary key,
    account text collate "C" not null,
    connector text collate "C" not null,
    minute_us bigint not null,
    document text not null,
    value numeric not null,
    position bigint not null
);

-- Pages of history walk them backwards: from bucket to bucket, and then each pair's own.
create unique index on portfolio_snapshots (account, connector, minute_us);
create index on portfolio_snapshots (minute_us);

grant select on portfolios, portfolio_snapshots to aviary_reader, aviary_writer, aviary_worker;
grant insert, update, delete on portfolios, portfolio_snapshots to aviary_worker;
