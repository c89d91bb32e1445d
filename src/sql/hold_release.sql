-- Ends a hold.
-- $1 tenant_id uuid, $2 kind text, $3 name text
-- rows: name text (none: there was no such hold)
DELETE FROM penguin.holds
WHERE tenant_id = $1::uuid AND kind = $2::text AND name = $3::text
RETURNING name
