-- Pauses a running campaign: nothing more is claimed, and workers give back what they hold.
-- $1 tenant_id uuid, $2 id uuid, $3 reason text
-- rows: state text (none: it was not running)
UPDATE penguin.campaigns
SET state = 'paused', state_reason = $3::text, updated_at = now(), txid = DEFAULT
WHERE tenant_id = $1::uuid AND id = $2::uuid AND state = 'running'
RETURNING state
