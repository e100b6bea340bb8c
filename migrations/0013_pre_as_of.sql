-- Answers as of a position of the log.

-- Orders that were at work at a position and have changed since: the range holds it. A BRIN index,
-- because it lets updates stay on their page, and hardly costs the projector anything. No row may
-- be refused for its sake, so a range is never upside down.
create index orders_life_idx on orders
    using brin (
        int8range(created_position, greatest(created_position, position)) range_inclusion_ops
    )
    with (pages_per_range = 8, autosummarize = on);

-- One row for each time that a position, or its difference from our fills, was seen to be another.
create table position_changes (
    key text collate "C" primary key,
    subject text collate "C" not null,
    account text not null,
    connector text not null,
    pair text not null,
    side text,
    quantity numeric,
    entry_price numeric,
    unrealized_pnl numeric,
    leverage numeric,
    observed_at_us bigint,
    difference numeric,
    position bigint not null
);

create unique index on position_changes (subject, position);
create index on position_changes (subject, position) where side is not null and quantity is null;

grant select on position_changes to aviary_reader, aviary_writer, aviary_worker;
grant insert, update, delete on position_changes to aviary_worker;
