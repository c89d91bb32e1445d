-- What became due in the last moments: the poll that makes a new job start at once.  It
-- reads the index of due times from $1 on, so neither a backlog nor a hold costs anything.
-- all tenants: tenant_id comes back
-- $1 since_us bigint: the previous poll's now_us less two seconds
-- $2 limit int: rows of the index to read at most
-- rows: tenant_id uuid, pool text, tag text, priority int, jobs bigint, careful boolean (its
--	campaigns want nothing sent twice: claimed for the next seconds only)
SELECT k.tenant_id, k.pool, k.tag, k.priority, sum(k.jobs)::bigint AS jobs, c.careful
FROM (
	SELECT r.tenant_id, r.campaign_id, r.pool, r.tag, r.priority, sum(r.size) AS jobs
	FROM (
		SELECT b.tenant_id, b.campaign_id, b.pool, b.tag, b.priority, b.size
		FROM penguin.batches b
		WHERE b.owner IS NULL AND b.not_before > to_timestamp($1::bigint / 1e6)
			AND b.not_before <= now()
		ORDER BY b.not_before DESC
		LIMIT $2::int
	) r
	GROUP BY r.tenant_id, r.campaign_id, r.pool, r.tag, r.priority
) k
CROSS JOIN LATERAL (
	SELECT x.on_in_doubt <> 'retry' AS careful FROM penguin.campaigns x
	WHERE x.tenant_id = k.tenant_id AND x.id = k.campaign_id
	OFFSET 0) c
GROUP BY k.tenant_id, k.pool, k.tag, k.priority, c.careful
