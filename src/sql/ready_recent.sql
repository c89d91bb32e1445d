-- What became due in the last moments: the poll that makes a new job start at once.  It
-- reads the index of due times from $1 on, so neither a backlog nor a hold costs anything.
-- all tenants: tenant_id comes back
-- $1 since_us bigint: the previous poll's now_us less two seconds
-- $2 limit int: rows of the index to read at most
-- rows: tenant_id uuid, pool text, tag text, priority int, jobs bigint
SELECT tenant_id, pool, tag, priority, sum(size) AS jobs
FROM (
	SELECT b.tenant_id, b.pool, b.tag, b.priority, b.size
	FROM penguin.batches b
	WHERE b.owner IS NULL AND b.not_before > to_timestamp($1::bigint / 1e6)
		AND b.not_before <= now()
	ORDER BY b.not_before DESC
	LIMIT $2::int
) r
GROUP BY tenant_id, pool, tag, priority
