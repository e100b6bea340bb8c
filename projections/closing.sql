-- What can be closed of a pair.

-- name: open
select side
from positions
where key in (
    %(account)s || '/' || %(connector)s || '/' || %(pair)s || '/LONG',
    %(account)s || '/' || %(connector)s || '/' || %(pair)s || '/SHORT'
)
order by side
