-- Profit and loss by pair, and read models that halt: those about money stop whole, at their
-- position, where an event cannot be folded.

-- `position` is the event that could not be folded; the checkpoint stands before it.
create table halts (
    projection text primary key,
    position bigint not null,
    error text not null,
    halted_at timestamptz not null default now()
);

-- How far the read models are that go on. Those that have halted are in `halts`: nobody waits for
-- them, and their own reads are refused.
create or replace view read_positions as
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
where right(c.projection, 8) <> '__shadow'
    and not exists (select from halts h where h.projection = c.projection);

-- A position that a read of this model is about to answer; an error where the model has stopped
-- before it. In the statement that reads the rows, so that no row is shown as newer than it is.
create function read_position_of(model text, reached bigint) returns bigint
language plpgsql stable
as $$
declare
    stopped halts;
begin
    select * into stopped from halts where projection = model and position <= reached;
    if found then
        raise exception using
            errcode = 'AV503',
            message = format(
                '%s stands still before position %s, which it could not fold (%s)',
                model, stopped.position, stopped.error
            );
    end if;
    return reached;
end
$$;

create table pnl (
    key text collate "C" primary key,
    account text not null,
    connector text not null,
    pair text not null,
    quantity numeric not null,
    cost numeric not null,
    realised numeric not null,
    fifo_cost numeric,
    fifo_realised numeric,
    lots jsonb not null,
    bought numeric not null,
    bought_notional numeric not null,
    sold numeric not null,
    sold_notional numeric not null,
    fees jsonb not null,
    fees_quote numeric not null,
    trades bigint not null,
    first_trade_us bigint not null,
    last_trade_us bigint not null,
    created_position bigint not null,
    position bigint not null
);

create unique index on pnl (created_position);
create index on pnl (account, created_position);

grant select on halts, pnl to aviary_reader, aviary_writer, aviary_worker;
grant insert, update, delete on halts, pnl to aviary_worker;
