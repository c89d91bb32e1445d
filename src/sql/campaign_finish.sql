-- Ends a campaign for ever, for instance because its window has passed: what still waits
-- becomes expired by campaign_fold.
-- $1 tenant_id uuid, $2 id uuid, $3 reason text
-- rows: state text (none: it had ended already)
UPDATE penguin.campaigns
SET state = 'finished', state_reason = $3::text, updated_at = now(), txid = DEFAULT
WHERE tenant_id = $1::uuid AND id = $2::uuid AND state NOT IN ('cancelled', 'finished')
RETURNING state
