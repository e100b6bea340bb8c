-- Candles, kept as they were fetched from venues. Not folded from the log: they can be fetched again.
-- The role that writes them may touch nothing else.

do $$
begin
    create role aviary_candles nologin;
exception when duplicate_object or unique_violation then
    null;  -- roles belong to the cluster: another database of it made them
end
$$;

do $$
declare
    login text := coalesce(nullif(current_setting('aviary.app_login', true), ''), current_user);
begin
    if login <> current_user then
        execute format('grant aviary_candles to %I', login);
    end if;
end
$$;

-- Closed candles only: a row never changes.
create table candles (
    connector text collate "C" not null,
    pair text collate "C" not null,
    interval text collate "C" not null,
    start_us bigint not null,
    open numeric not null,
    high numeric not null,
    low numeric not null,
    close numeric not null,
    volume numeric not null,
    quote_volume numeric,
    trades bigint,
    taker_base_volume numeric,
    taker_quote_volume numeric,
    primary key (connector, pair, interval, start_us)
);

-- Where nothing more is to be asked for: every candle that the venue has and that begins from
-- `start_us` on and before `end_us` stands in `candles`. Spans of one series neither touch nor overlap.
create table candle_spans (
    connector text collate "C" not null,
    pair text collate "C" not null,
    interval text collate "C" not null,
    start_us bigint not null,
    end_us bigint not null check (end_us > start_us),
    primary key (connector, pair, interval, start_us)
);

grant select on candles, candle_spans to aviary_reader, aviary_writer, aviary_worker, aviary_candles;
grant insert on candles to aviary_candles;
grant insert, delete on candle_spans to aviary_candles;
