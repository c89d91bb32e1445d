-- The truth about what is ready, some campaigns a step: for each running campaign the
-- (pool, tag, priority) that have due work, by skipping through batches_claim.
-- Go on with the last tenant and campaign of the answer; done when no row comes back.
-- $1 tenant_id uuid, $2 campaign_id uuid: where to go on; nil and nil at the beginning
-- $3 limit int: campaigns
-- rows: tenant_id uuid, campaign_id uuid, pool text, tag text, priority int (these three null
--	for a campaign without due work), careful boolean (as in ready_recent)
WITH RECURSIVE chosen AS MATERIALIZED (
	SELECT c.tenant_id, c.id AS campaign_id, c.on_in_doubt <> 'retry' AS careful
	FROM penguin.campaigns c
	WHERE c.state = 'running' AND (c.tenant_id, c.id) > ($1::uuid, $2::uuid)
	ORDER BY c.tenant_id, c.id
	LIMIT $3::int
), group_of AS (
	SELECT c.tenant_id, c.campaign_id, f.pool, f.tag, f.priority, f.not_before
	FROM chosen c CROSS JOIN LATERAL (
		SELECT b.pool, b.tag, b.priority, b.not_before FROM penguin.batches b
		WHERE b.tenant_id = c.tenant_id AND b.campaign_id = c.campaign_id
			AND b.owner IS NULL
		ORDER BY b.pool, b.tag, b.priority, b.not_before
		LIMIT 1) f
	UNION ALL
	SELECT g.tenant_id, g.campaign_id, n.pool, n.tag, n.priority, n.not_before
	FROM group_of g CROSS JOIN LATERAL (
		SELECT b.pool, b.tag, b.priority, b.not_before FROM penguin.batches b
		WHERE b.tenant_id = g.tenant_id AND b.campaign_id = g.campaign_id
			AND b.owner IS NULL
			AND (b.pool, b.tag, b.priority) > (g.pool, g.tag, g.priority)
		ORDER BY b.pool, b.tag, b.priority, b.not_before
		LIMIT 1) n
)
SELECT c.tenant_id, c.campaign_id, g.pool, g.tag, g.priority, c.careful
FROM chosen c
LEFT JOIN group_of g ON g.tenant_id = c.tenant_id AND g.campaign_id = c.campaign_id
	AND g.not_before <= now()
ORDER BY c.tenant_id, c.campaign_id
