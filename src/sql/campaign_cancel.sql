-- Cancels a campaign for ever.  What waits becomes cancelled by campaign_fold; what a worker
-- holds, when the worker reads campaign_feed.
-- $1 tenant_id uuid, $2 id uuid, $3 reason text
-- rows: state text (none: it had ended already)
UPDATE penguin.campaigns
SET state = 'cancelled', state_reason = $3::text, updated_at = now(), txid = DEFAULT
WHERE tenant_id = $1::uuid AND id = $2::uuid AND state NOT IN ('cancelled', 'finished')
RETURNING state
