-- The log: events, receipts, the head, and who may do what with them.
-- Column names of `events` are those of the event-sourcing library's recorder:
-- originator_id = stream, topic = tag, state = payload, notification_id = position.

do $$
declare
    group_role text;
begin
    foreach group_role in array array['aviary_writer', 'aviary_reader', 'aviary_worker']
    loop
        begin
            execute format('create role %I nologin', group_role);
        exception when duplicate_object or unique_violation then
            null;  -- roles belong to the cluster: another database of it made them
        end;
    end loop;
end
$$;

create table events (
    originator_id text collate "C" not null,
    originator_version bigint not null check (originator_version > 0),
    topic text collate "C" not null,
    state bytea not null,
    notification_id bigint not null check (notification_id > 0),
    metadata bytea not null,
    seal bytea not null check (octet_length(seal) = 32),
    -- Copies out of the sealed metadata, to find events by; what is shown comes from the metadata.
    actor text collate "C" not null,
    correlation_id text collate "C" not null,
    recorded_at_us bigint not null,
    primary key (originator_id, originator_version)
)
with (autovacuum_vacuum_scale_factor = 0.5, autovacuum_analyze_scale_factor = 0.05);

create unique index events_notification_id_idx on events (notification_id);
create index events_topic_idx on events (topic, notification_id);
create index events_actor_idx on events (actor, notification_id);
create index events_correlation_idx on events (correlation_id, notification_id);
create index events_time_idx on events using brin (recorded_at_us) with (pages_per_range = 16);

create table receipts (
    command_id text collate "C" primary key,
    actor text not null,
    kind text not null,
    request_hash bytea not null,
    stream text collate "C" not null,
    outcome text not null check (outcome in ('accepted', 'refused')),
    position bigint not null,
    events int not null,
    recorded_at_us bigint not null,
    code text,
    text text
);

create table log_head (
    only_row boolean primary key default true check (only_row),
    position bigint not null,
    seal bytea not null
);

insert into log_head (position, seal)
values (0, decode(repeat('00', 32), 'hex'));

-- One worker acts for an account: the number grows each time another one takes over.
create table leases (
    account text primary key,
    lease bigint not null,
    holder text not null,
    expires_at timestamptz not null
);

grant select on events, receipts, log_head, leases to aviary_reader, aviary_writer, aviary_worker;
grant insert on events, receipts to aviary_writer, aviary_worker;
grant update on log_head to aviary_writer, aviary_worker;
grant insert, update on leases to aviary_worker;

do $$
declare
    login text := coalesce(nullif(current_setting('aviary.app_login', true), ''), current_user);
begin
    if login <> current_user then
        execute format('grant aviary_writer, aviary_reader, aviary_worker to %I', login);
    end if;
end
$$;
