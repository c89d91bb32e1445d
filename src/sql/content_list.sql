-- The newest version of each content of a tenant.
-- $1 tenant_id uuid, $2 name text (null: all)
-- rows: id uuid, version int, name text, kind text, created_us bigint
SELECT DISTINCT ON (id) id, version, name, kind,
	(extract(epoch FROM created_at) * 1000000)::bigint AS created_us
FROM penguin.contents
WHERE tenant_id = $1::uuid AND ($2::text IS NULL OR name = $2::text)
ORDER BY id, version DESC
