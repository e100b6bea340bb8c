-- Cancellations are found without a look at the orders that wait before them.
create index on open_effects (account, connector, due_us) where kind = 'cancel';
