-- Ended campaigns that still have something waiting: for campaign_fold.
-- $1 limit int
-- rows: tenant_id uuid, id uuid
SELECT c.tenant_id, c.id
FROM penguin.campaigns c
WHERE c.state IN ('cancelled', 'finished') AND EXISTS (
	SELECT FROM penguin.batches b
	WHERE b.tenant_id = c.tenant_id AND b.campaign_id = c.id AND b.owner IS NULL)
LIMIT $1::int
