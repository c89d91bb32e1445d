-- Ends a hold: the fleet's, and a tenant's own of the same name.
-- $1 tenant_id uuid: whose campaign or tenant it names; else nil
-- $2 kind text, $3 name text
-- rows: name text (none: there was no such hold)
DELETE FROM penguin.holds
WHERE tenant_id IN ($1::uuid, '00000000-0000-0000-0000-000000000000')
	AND kind = $2::text AND name = $3::text
RETURNING name
