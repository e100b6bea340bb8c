-- name: schema
create table if not exists orders (
    exchange_order_id integer primary key,
    account text not null,
    client_order_id text not null,
    pair text not null,
    side text not null,
    order_type text not null,
    quantity text not null,
    price text,
    status text not null,
    filled_quantity text not null,
    created_at_us integer not null,
    updated_at_us integer not null,
    reason text
);
create index if not exists orders_by_client
    on orders (account, pair, client_order_id, exchange_order_id);
create index if not exists orders_open
    on orders (account, exchange_order_id)
    where status = 'open';
create table if not exists trades (
    sequence integer primary key,
    trade_id text not null,
    account text not null,
    client_order_id text not null,
    exchange_order_id integer not null,
    pair text not null,
    side text not null,
    quantity text not null,
    price text not null,
    fee text not null,
    fee_token text not null,
    is_maker integer not null,
    executed_at_us integer not null
);
create index if not exists trades_by_account on trades (account, sequence);
create index if not exists trades_by_order on trades (exchange_order_id, sequence);
create table if not exists balances (
    account text not null,
    token text not null,
    total text not null,
    available text not null,
    primary key (account, token)
) without rowid;
create table if not exists requests (
    number integer primary key,
    arrived_at_us integer not null,
    account text not null,
    kind text not null,
    pair text not null,
    client_order_id text not null,
    outcome text not null
);
create table if not exists notes (
    name text primary key,
    content text not null
) without rowid;

-- name: save_order
insert into orders
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict (exchange_order_id) do update set
    status = excluded.status,
    filled_quantity = excluded.filled_quantity,
    updated_at_us = excluded.updated_at_us,
    reason = excluded.reason

-- name: save_trade
insert into trades
values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: save_balance
insert into balances
values (?, ?, ?, ?)
on conflict (account, token) do update set
    total = excluded.total,
    available = excluded.available

-- name: save_request
insert into requests (arrived_at_us, account, kind, pair, client_order_id, outcome)
values (?, ?, ?, ?, ?, ?)

-- name: save_note
insert into notes
values (?, ?)
on conflict (name) do update set
    content = excluded.content

-- name: note
select content
from notes
where name = ?

-- name: last_numbers
select
    (select coalesce(max(exchange_order_id), 0) from orders),
    (select coalesce(max(cast(trade_id as integer)), 0) from trades),
    (select coalesce(max(sequence), 0) from trades)

-- name: newest_order
select *
from orders
where account = ?
    and pair = ?
    and client_order_id = ?
order by exchange_order_id desc
limit 1

-- name: open_orders
select *
from orders
where account = ?
    and status = 'open'
order by exchange_order_id

-- name: all_open_orders
select *
from orders
where status = 'open'
order by exchange_order_id

-- name: all_orders
select *
from orders
order by exchange_order_id

-- name: trades_since
select *
from trades
where account = ?
    and sequence > ?
order by sequence
limit ?

-- name: trades_of_order
select *
from trades
where exchange_order_id = ?
order by sequence

-- name: all_trades
select *
from trades
order by sequence

-- name: balances
select *
from balances
where account = ?
order by token

-- name: all_balances
select *
from balances
order by account, token

-- name: all_requests
select *
from requests
order by number
