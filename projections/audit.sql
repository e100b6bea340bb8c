-- The log itself: what happened, who asked for it, and what waits to be folded.

-- name: ascending
select notification_id, originator_id, originator_version, topic, state, metadata, seal
from events
where {filters}
order by notification_id
limit %(limit)s + 1

-- name: descending
select notification_id, originator_id, originator_version, topic, state, metadata, seal
from events
where {filters}
order by notification_id desc
limit %(limit)s + 1

-- name: head
select position
from log_head

-- name: receipt
select command_id, actor, kind, stream, outcome, code, text, events, first_position, last_position,
    recorded_at_us
from receipts_view
where command_id = %(command_id)s

-- name: after_ascending
notification_id > %(at)s

-- name: after_descending
notification_id < %(at)s

-- name: after
notification_id > %(after)s

-- name: before
notification_id < %(before)s

-- name: stream
originator_id = %(stream)s

-- name: after_version
originator_version > %(after_version)s

-- name: tag
topic = %(tag)s

-- name: actor
actor = %(actor)s

-- name: correlation_id
correlation_id = %(correlation_id)s

-- name: command_id
notification_id between
    (select first_position from receipts_view where command_id = %(command_id)s)
    and (select last_position from receipts_view where command_id = %(command_id)s)

-- name: from_time
recorded_at_us >= %(from_time)s

-- name: to_time
recorded_at_us <= %(to_time)s

-- name: parked
select
    (
        select coalesce(min(position), 0) from read_positions
    ) as position,
    (
        select coalesce(json_agg(to_json(keys) order by keys.first_position), '[]')::text
        from (
            select
                h.projection,
                '*' as key,
                h.position as first_position,
                greatest(head.position - h.position + 1, 0) as events,
                h.error
            from halts h, log_head head
            union all
            select
                projection,
                key,
                min(position) as first_position,
                count(*) as events,
                (array_agg(error order by position))[1] as error
            from parked
            group by projection, key
            order by first_position
            limit 1000
        ) as keys
    ) as items
