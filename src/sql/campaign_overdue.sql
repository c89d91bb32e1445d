-- Campaigns whose window has passed and that are to be finished.
-- $1 limit int
-- rows: tenant_id uuid, id uuid
SELECT tenant_id, id FROM penguin.campaigns
WHERE state = 'running' AND not_after <= now()
LIMIT $1::int
