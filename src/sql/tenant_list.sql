-- Tenants by name.
-- $1 tenant_id uuid (null: all), $2 name text (null: any)
-- rows: tenant_id uuid, name text, state text, weight int, settings text, created_us bigint
SELECT tenant_id, name, state, weight, settings::text AS settings,
	(extract(epoch FROM created_at) * 1000000)::bigint AS created_us
FROM penguin.tenants
WHERE ($1::uuid IS NULL OR tenant_id = $1::uuid) AND ($2::text IS NULL OR name = $2::text)
ORDER BY name, tenant_id
