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
