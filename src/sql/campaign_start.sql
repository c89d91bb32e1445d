-- Starts a campaign that is a draft.
-- $1 tenant_id uuid, $2 id uuid
-- rows: state text (none: no such campaign, or it is past that)
UPDATE penguin.campaigns
SET state = 'running', state_reason = '', updated_at = now(), txid = DEFAULT
WHERE tenant_id = $1::uuid AND id = $2::uuid AND state = 'draft'
RETURNING state
