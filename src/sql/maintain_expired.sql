-- Day partitions that are older than they are to be kept, as SQL to run.  One of jobs stays
-- as long as a batch lists a job of it; as long as a campaign that was made on its day has not
-- ended, for the jobs of an imported file have ids of that day, and without them the same
-- file would be sent once more; and as long as it has a job that was enqueued within the days.
-- Only the second is told: somebody may end those campaigns.
-- all tenants: tenant_id is in the partitions' key
-- $1 jobs_days int, $2 attempts_days int: days to keep
-- rows: name text, ddl text (null: it is kept for campaigns that have not ended),
--	campaigns bigint (how many); those to be dropped come first
WITH day AS MATERIALIZED (
	SELECT r.relname AS base, c.relname AS name,
		to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AS day
	FROM pg_inherits i
	JOIN pg_class c ON c.oid = i.inhrelid
	JOIN pg_class r ON r.oid = i.inhparent
	JOIN pg_namespace n ON n.oid = r.relnamespace
	WHERE n.nspname = 'penguin' AND r.relname IN ('jobs', 'attempts')
		AND c.relname ~ '_[0-9]{8}$'
), old AS MATERIALIZED (
	SELECT d.base, d.name, d.day, CASE d.base WHEN 'jobs' THEN (
			SELECT count(*) FROM penguin.campaigns c
			WHERE c.created_at >= d.day AT TIME ZONE 'UTC'
				AND c.created_at < (d.day + interval '1 day') AT TIME ZONE 'UTC'
				AND c.state NOT IN ('cancelled', 'finished')) ELSE 0 END AS campaigns,
		(lpad(to_hex((extract(epoch FROM d.day) * 1000)::bigint), 12, '0')
			|| '00000000000000000000')::uuid AS low,
		(lpad(to_hex((extract(epoch FROM d.day) * 1000)::bigint + 86400000), 12, '0')
			|| '00000000000000000000')::uuid AS high
	FROM day d
	WHERE d.day < date_trunc('day', now() AT TIME ZONE 'UTC')
		- CASE d.base WHEN 'jobs' THEN $1::int ELSE $2::int END * interval '1 day'
), listed AS MATERIALIZED (
	SELECT DISTINCT (date '1970-01-01' + (('x' || left(m.id::text, 8)
		|| substr(m.id::text, 10, 4))::bit(48)::bigint / 86400000)::int)::timestamp AS day
	FROM penguin.batches x CROSS JOIN LATERAL unnest(x.jobs) AS m (id)
)
SELECT o.name, CASE WHEN o.campaigns = 0 THEN
	format('ALTER TABLE penguin.%1$I DETACH PARTITION penguin.%2$I; DROP TABLE penguin.%2$I',
		o.base, o.name) END AS ddl,
	o.campaigns
FROM old o
WHERE o.base <> 'jobs' OR o.campaigns > 0 OR (
	o.day NOT IN (SELECT l.day FROM listed l)
	AND (SELECT true FROM penguin.jobs j
		WHERE j.id >= o.low AND j.id < o.high
			AND j.enqueued_at BETWEEN now() - $1::int * interval '1 day' AND now()
		LIMIT 1) IS NULL)
ORDER BY o.campaigns > 0, o.name
