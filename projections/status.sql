-- How the whole is doing: for /ready and /metrics.

-- name: head
select position
from log_head

-- name: checkpoints
select projection, position, feed
from read_positions
order by projection

-- name: halts
select h.projection, h.position, c.position
from halts h
join checkpoints c using (projection)
order by h.projection

-- name: workers
select
    name,
    process,
    state,
    extract(epoch from now() - alive_at)::float8 as alive_seconds,
    position,
    detail,
    started_at
from workers
order by name, state = 'running' and alive_at > now() - interval '15 seconds' desc, alive_at desc

-- name: unknown_outcomes
select
    count(*),
    coalesce(extract(epoch from now()) - min(unknown_since_us) / 1000000.0, 0)::float8
from orders
where unknown_since_us is not null

-- name: position_differences
select count(*)
from position_baselines
where differs_since_us is not null

-- Of accounts that hold nothing anywhere any more no snapshots are taken.
-- name: portfolio_ages
select
    key,
    greatest(0, extract(epoch from now()) - asked_at_us / 1000000.0)::float8,
    array(select jsonb_object_keys(silences::jsonb) order by 1)
from portfolios
where document <> '{}' or silences <> '{}'
order by key

-- name: parked
select projection, count(distinct key)
from parked
group by projection
