-- What waits and what is held, by campaign, pool and tag: for penguinctl queue.
-- $1 tenant_id uuid (null: all)
-- rows: tenant_id uuid, campaign_id uuid, pool text, tag text, priority int, state text
--	(leased, waiting, retrying), batches bigint, jobs bigint, due bigint (jobs
--	that could go now), next_us bigint (earliest not_before, null: never), lost bigint
--	(jobs that a worker held which was lost with its journal)
SELECT b.tenant_id, b.campaign_id, b.pool, b.tag, b.priority,
	CASE WHEN b.owner IS NULL THEN b.state ELSE 'leased' END AS state,
	count(*) AS batches, sum(b.size) AS jobs,
	coalesce(sum(b.size) FILTER (WHERE b.not_before <= now()), 0) AS due,
	(extract(epoch FROM nullif(min(b.not_before), 'infinity')) * 1000000)::bigint AS next_us,
	coalesce(sum(b.size) FILTER (WHERE b.lost), 0) AS lost
FROM penguin.batches b
WHERE $1::uuid IS NULL OR b.tenant_id = $1::uuid
GROUP BY b.tenant_id, b.campaign_id, b.pool, b.tag, b.priority,
	CASE WHEN b.owner IS NULL THEN b.state ELSE 'leased' END
ORDER BY b.tenant_id, b.campaign_id, b.pool, b.tag, b.priority
