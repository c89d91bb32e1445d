-- Ended campaigns that still have something waiting: for campaign_fold.  It steps through
-- batches_claim from one campaign with something waiting to the next, as ready_sweep does,
-- so that it does not matter how many have ever ended.  The inner LIMIT keeps the planner
-- from reading all campaigns.
-- $1 limit int
-- rows: tenant_id uuid, id uuid
WITH RECURSIVE waiting AS (
	(SELECT b.tenant_id, b.campaign_id FROM penguin.batches b
	WHERE b.owner IS NULL
	ORDER BY b.tenant_id, b.campaign_id
	LIMIT 1)
	UNION ALL
	SELECT n.tenant_id, n.campaign_id
	FROM waiting w CROSS JOIN LATERAL (
		SELECT b.tenant_id, b.campaign_id FROM penguin.batches b
		WHERE b.owner IS NULL AND (b.tenant_id, b.campaign_id) > (w.tenant_id, w.campaign_id)
		ORDER BY b.tenant_id, b.campaign_id
		LIMIT 1) n
)
SELECT w.tenant_id, w.campaign_id AS id
FROM waiting w
CROSS JOIN LATERAL (
	SELECT FROM penguin.campaigns c
	WHERE c.tenant_id = w.tenant_id AND c.id = w.campaign_id
		AND c.state IN ('cancelled', 'finished')
	LIMIT 1) e
LIMIT $1::int
