-- The contents of a tenant that a template names as partials, each as it was when the
-- template's version was made: so the same version is the same bytes for ever.
-- $1 tenant_id uuid, $2 names text[], $3 as_of_us bigint
-- rows: name text, kind text, body text (JSON, or null), raw bytea (or null)
SELECT k.name, c.kind, c.body::text AS body, c.raw
FROM unnest($2::text[]) AS k (name)
CROSS JOIN LATERAL (
	SELECT x.kind, x.body, x.raw FROM penguin.contents x
	WHERE x.tenant_id = $1::uuid AND x.name = k.name
		AND x.created_at <= to_timestamp($3::bigint / 1e6)
	ORDER BY x.version DESC
	LIMIT 1) c
