-- Day partitions that are older than they are to be kept, as SQL to run.  One of jobs stays
-- as long as a batch lists a job of it.
-- all tenants: tenant_id is in the partitions' key
-- $1 jobs_days int, $2 attempts_days int: days to keep
-- rows: name text, ddl text
SELECT p.name, format('ALTER TABLE penguin.%1$I DETACH PARTITION penguin.%2$I; '
	'DROP TABLE penguin.%2$I', p.base, p.name) AS ddl
FROM (
	SELECT r.relname AS base, c.relname AS name,
		to_date(right(c.relname, 8), 'YYYYMMDD') AS day
	FROM pg_inherits i
	JOIN pg_class c ON c.oid = i.inhrelid
	JOIN pg_class r ON r.oid = i.inhparent
	JOIN pg_namespace n ON n.oid = r.relnamespace
	WHERE n.nspname = 'penguin' AND r.relname IN ('jobs', 'attempts')
		AND c.relname ~ '_[0-9]{8}$'
) p
CROSS JOIN LATERAL (SELECT
	lpad(to_hex((extract(epoch FROM p.day::timestamp) * 1000)::bigint), 12, '0') AS low,
	lpad(to_hex((extract(epoch FROM p.day::timestamp) * 1000)::bigint + 86400000), 12, '0')
		AS high) b
WHERE p.day < (now() AT TIME ZONE 'UTC')::date
		- CASE p.base WHEN 'jobs' THEN $1::int ELSE $2::int END
	AND (p.base <> 'jobs' OR NOT EXISTS (
		SELECT FROM penguin.batches x CROSS JOIN LATERAL unnest(x.jobs) AS m (id)
		WHERE m.id >= (overlay(b.low PLACING '-' FROM 9 FOR 0)
				|| '-0000-0000-000000000000')::uuid
			AND m.id < (overlay(b.high PLACING '-' FROM 9 FOR 0)
				|| '-0000-0000-000000000000')::uuid))
ORDER BY p.name
