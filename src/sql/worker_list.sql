-- Every worker that is live, or was in the last day.  Of its settings the hash is shown, and
-- whether other live workers, as many or more, have another: then they differ.
-- fleet table: belongs to no tenant
-- rows: id uuid, node text, name text, version text, state text, config text, differs boolean,
--	held bigint (jobs), sources text[], started_us bigint, seen_us bigint, until_us bigint,
--	ended_us bigint (null: it lives), now_us bigint
WITH held AS (
	SELECT t.owner, sum(t.size)::bigint AS size
	FROM (SELECT b.tenant_id, b.owner, sum(b.size) AS size FROM penguin.batches b
		WHERE b.owner IS NOT NULL
		GROUP BY b.tenant_id, b.owner) t
	GROUP BY t.owner
), settings AS (
	SELECT config, count(*) AS workers FROM penguin.workers
	WHERE state = 'live' AND until > now() AND config <> ''
	GROUP BY config
)
SELECT w.id, w.node, w.name, w.version,
	CASE WHEN w.state = 'live' AND w.until < now() THEN 'expired'
		WHEN w.state = 'live' AND w.draining THEN 'draining' ELSE w.state END AS state,
	left(w.config, 8) AS config,
	w.state = 'live' AND w.until > now() AND w.config <> '' AND EXISTS (
		SELECT FROM settings o LEFT JOIN settings s ON s.config = w.config
		WHERE o.config <> w.config AND o.workers >= s.workers) AS differs,
	coalesce(h.size, 0) AS held, w.sources,
	(extract(epoch FROM w.started_at) * 1000000)::bigint AS started_us,
	(extract(epoch FROM w.seen_at) * 1000000)::bigint AS seen_us,
	(extract(epoch FROM w.until) * 1000000)::bigint AS until_us,
	(extract(epoch FROM w.ended_at) * 1000000)::bigint AS ended_us,
	(extract(epoch FROM now()) * 1000000)::bigint AS now_us
FROM penguin.workers w
LEFT JOIN held h ON h.owner = w.id
WHERE w.state = 'live' OR coalesce(w.ended_at, w.until) > now() - interval '1 day'
ORDER BY w.node, w.name, w.started_at
