-- What became of one request, by the position of its event.

-- name: outcome
select outcome, code, text
from perpetuals
where requested_position = %(position)s
