-- What became of one request, by the position of its event.

-- name: outcome
select outcome, value, code, text
from perpetuals
where requested_position = %(position)s
