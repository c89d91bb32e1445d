-- The day partitions of jobs and attempts that should be there and are not, as SQL to run:
-- each row is one transaction.  A partition is made beside its table, takes over what the
-- DEFAULT partition caught of its day, and is then attached; that order is the only one
-- that Postgres accepts once the DEFAULT holds such rows.  It gathers statistics of no
-- column of which its table gathers none: LIKE does not copy that.
-- all tenants: tenant_id is in the partitions' key
-- $1 days int: how many days ahead of today (UTC), 14 as a rule
-- rows: name text, ddl text
SELECT d.name, format(
	'CREATE TABLE penguin.%1$I (LIKE penguin.%2$I INCLUDING ALL); %6$s'
	'LOCK TABLE penguin.%3$I IN ACCESS EXCLUSIVE MODE; '
	'WITH caught AS (DELETE FROM penguin.%3$I WHERE id >= %4$L AND id < %5$L RETURNING *) '
	'INSERT INTO penguin.%1$I SELECT * FROM caught; '
	'ALTER TABLE penguin.%2$I ATTACH PARTITION penguin.%1$I FOR VALUES FROM (%4$L) TO (%5$L)',
	d.name, d.base, d.base || '_default', d.low, d.high,
	(SELECT string_agg(format('ALTER TABLE penguin.%I ALTER COLUMN %I SET STATISTICS 0; ',
			d.name, a.attname), '')
		FROM pg_attribute a
		WHERE a.attrelid = format('penguin.%I', d.base)::regclass AND a.attnum > 0
			AND NOT a.attisdropped AND a.attstattarget = 0)) AS ddl
FROM (
	SELECT t.base, t.base || to_char(a.day, '_YYYYMMDD') AS name,
		overlay(b.low PLACING '-' FROM 9 FOR 0) || '-0000-0000-000000000000' AS low,
		overlay(b.high PLACING '-' FROM 9 FOR 0) || '-0000-0000-000000000000' AS high
	FROM (VALUES ('jobs'), ('attempts')) AS t (base)
	CROSS JOIN generate_series(0, $1::int) AS s (n)
	CROSS JOIN LATERAL (SELECT date_trunc('day', now() AT TIME ZONE 'UTC')
		+ s.n * interval '1 day' AS day) a
	CROSS JOIN LATERAL (SELECT
		lpad(to_hex((extract(epoch FROM a.day) * 1000)::bigint), 12, '0') AS low,
		lpad(to_hex((extract(epoch FROM a.day) * 1000)::bigint + 86400000), 12, '0')
			AS high) b
) d
WHERE to_regclass(format('penguin.%I', d.name)) IS NULL
ORDER BY d.name
