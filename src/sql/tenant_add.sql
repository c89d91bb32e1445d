-- Makes a tenant, or changes its name, weight and settings.
-- $1 tenant_id uuid, $2 name text, $3 weight int, $4 settings text (JSON)
-- rows: none
INSERT INTO penguin.tenants AS t (tenant_id, name, weight, settings)
VALUES ($1::uuid, $2::text, $3::int, $4::text::jsonb)
ON CONFLICT (tenant_id) DO UPDATE
SET name = excluded.name, weight = excluded.weight, settings = excluded.settings,
	updated_at = excluded.updated_at, txid = excluded.txid
