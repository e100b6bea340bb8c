-- How far the log is to be exported into the lake, and since which night: the worker of the lake sets
-- it every night, the command line at any time. How far it is, is a checkpoint of the lake itself.
create table lake_exports (
    is_only boolean primary key default true check (is_only),
    -- The last night whose export was asked for: its beginning.
    night_us bigint not null default 0,
    asked bigint not null default 0,
    -- Asked to begin at position zero, with an empty table.
    is_afresh boolean not null default false
);
insert into lake_exports default values;
grant select on lake_exports to aviary_reader, aviary_writer, aviary_worker;
grant update on lake_exports to aviary_worker;

-- Candles of a series that begin before this time may stand in the lake alone.
create table candle_archives (
    connector text collate "C" not null,
    pair text collate "C" not null,
    interval text collate "C" not null,
    before_us bigint not null,
    primary key (connector, pair, interval)
);
grant select on candle_archives to aviary_reader, aviary_writer, aviary_worker, aviary_candles;
grant insert, update, delete on candle_archives to aviary_worker;
grant delete on candles, candle_spans to aviary_worker;

-- Finds what is old enough to be moved.
create index candles_by_time on candles (start_us);
