-- Opens or closes a tenant: of a closed one nothing is claimed.
-- $1 tenant_id uuid, $2 state text: active or closed
-- rows: state text (none: no such tenant)
UPDATE penguin.tenants
SET state = $2::text, updated_at = now(), txid = DEFAULT
WHERE tenant_id = $1::uuid
RETURNING state
