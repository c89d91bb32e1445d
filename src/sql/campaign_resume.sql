-- Goes on with a paused campaign.
-- $1 tenant_id uuid, $2 id uuid
-- rows: state text (none: it was not paused)
UPDATE penguin.campaigns
SET state = 'running', state_reason = '', updated_at = now(), txid = DEFAULT
WHERE tenant_id = $1::uuid AND id = $2::uuid AND state = 'paused'
RETURNING state
