-- Forgets limits that nobody has used for a day, and workers of which nothing is left.
-- fleet table: limits belong to all tenants
-- $1 now_us bigint: the database's clock
-- rows: none
WITH old_limits AS (
	DELETE FROM penguin.limits WHERE tat_us < $1::bigint - 86400000000
)
DELETE FROM penguin.workers w
WHERE w.state <> 'live' AND w.until < now() - interval '30 days'
	AND NOT EXISTS (SELECT FROM penguin.batches b WHERE b.owner = w.id)
