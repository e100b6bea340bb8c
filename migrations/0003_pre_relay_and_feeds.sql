-- Kafka: how far the relay is, what it has published where, and read models that follow from there.

-- Several processes may run a worker of one name.
alter table workers drop constraint workers_pkey;
alter table workers add primary key (name, process);

-- One row for each Kafka cluster and topic prefix that was ever published to: `<cluster id>/<prefix>`.
create table relays (
    name text primary key,
    position bigint not null default 0,
    moved_at timestamptz not null default now()
);

-- One row for each partition since its topic was first seen: their number must never change.
-- Every event up to the relay's position lies below `next_offset`. `position` is the event that stands
-- at `next_offset - 1`: where another is found there, Kafka has lost what it had acknowledged.
create table relay_partitions (
    relay text not null references relays (name),
    topic text not null,
    partition int not null,
    next_offset bigint not null default 0,
    position bigint not null default 0,
    primary key (relay, topic, partition)
);

alter table checkpoints add column feed text not null default 'log' check (feed in ('log', 'kafka'));

-- Where a read model stands in each partition: offset and position are saved with the rows. After a
-- move back to the log they remain until the log feed has passed all of them.
create table feed_partitions (
    projection text not null references checkpoints (projection) on delete cascade,
    relay text not null,
    topic text not null,
    partition int not null,
    next_offset bigint not null,
    position bigint not null,
    primary key (projection, topic, partition)
);

-- How far each read model is, whatever feeds it.
create view read_positions as
select
    c.projection,
    c.feed,
    case when c.feed = 'kafka'
        then coalesce((
            select min(f.position) from feed_partitions f where f.projection = c.projection
        ), c.position)
        else c.position
    end as position
from checkpoints c
where right(c.projection, 8) <> '__shadow';

grant select on relays, relay_partitions, feed_partitions, read_positions
    to aviary_reader, aviary_writer, aviary_worker;
grant insert, update, delete on relays, relay_partitions, feed_partitions to aviary_worker;

-- Room on each page for the next version of a row: an update of columns that no index holds then
-- stays on its page and touches no index.
alter table orders set (fillfactor = 70);

-- What is due at one desk, the longest first, whatever waits at others.
create index on open_effects (account, connector, due_us) where kind is not null;
drop index open_effects_account_due_us_idx;
