-- What the lake is to hold and no event tells: rows are left here, and the one worker that writes to
-- the lake takes them. They go into the lake together with the highest id taken, and are deleted then.
create table lake_spool (
    id bigint generated always as identity primary key,
    -- A table of the lake; the rows are objects whose names are its columns, figures as text.
    lake_table text not null,
    rows jsonb not null check (jsonb_typeof(rows) = 'array'),
    made_at timestamptz not null default now(),
    -- Why the lake does not take it: it stays, and those after it go on.
    refused text
);

create index lake_spool_refused on lake_spool (id) where refused is not null;

grant select on lake_spool to aviary_reader, aviary_writer, aviary_worker;
grant insert on lake_spool to aviary_writer, aviary_worker, aviary_candles;
grant update, delete on lake_spool to aviary_worker;
-- A database that was restored is known by it: its numbers stand below what the lake has taken.
grant select on sequence lake_spool_id_seq to aviary_worker;
