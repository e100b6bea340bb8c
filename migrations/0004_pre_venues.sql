-- Where a venue's trades were read up to is the venue's own matter: one number, or one for each pair.
alter table venue_cursors add column cursor text;
update venue_cursors set cursor = sequence::text;
alter table venue_cursors alter column cursor set not null, drop column sequence;

-- What an effect needs to know beyond an order: JSON.
alter table open_effects
    add column position_action text not null default 'OPEN',
    add column is_resend_allowed boolean not null default false,
    add column detail text;

-- What an API process asks of the workers, who alone hold credentials: a row, a NOTIFY, an answer.
-- Not folded from the log; rows go when they are read, and after an hour at the latest.
create table questions (
    id text collate "C" primary key,
    account text not null,
    connector text not null,
    kind text not null,
    detail text,
    asked_at timestamptz not null default now(),
    taken_by text,
    answered_at timestamptz,
    answer text,
    code text,
    error text
);

create index on questions (account, connector) where answered_at is null;

grant select, insert, delete on questions to aviary_writer;
grant select, update, delete on questions to aviary_worker;

-- What is owed beside orders, which are never `new` here: few rows, looked for at every turn.
create index on open_effects (account) where status = 'new' and kind is not null;

-- Lists of one pair, one connector or a span of time, which may be a few rows among millions. Times
-- only ever grow with the table, near enough: a summary of each range of pages finds them.
create index on orders (pair, created_position);
create index on orders (connector, created_position);
create index on orders using brin (created_at_us) with (pages_per_range = 16);
create index on trades (pair, position);
create index on trades (connector, position);
create index on trades using brin (executed_at_us) with (pages_per_range = 16);
