-- Limits, tallies and the kill switch.

-- Small counts that decisions need, written in the append transaction. A log that is counted up to
-- less than its head (it is older than this, or an older process wrote) is counted before the next
-- append.
create table tallies (
    key text collate "C" primary key,
    state jsonb not null
)
with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.5);

alter table log_head add column tallied bigint not null default 0;

create table switches (
    key text collate "C" primary key,
    is_engaged boolean not null,
    reason text not null,
    actor text not null,
    changed_at_us bigint not null,
    position bigint not null
);

create table limits (
    key text collate "C" primary key,
    notional_per_order numeric,
    open_orders int,
    orders_per_minute int,
    actor text not null,
    changed_at_us bigint not null,
    position bigint not null
);

grant select on tallies, switches, limits to aviary_reader, aviary_writer, aviary_worker;
grant insert, update, delete on tallies to aviary_writer, aviary_worker;
grant insert, update, delete on switches, limits to aviary_worker;
