-- Suppressions in force.
-- $1 tenant_id uuid, $2 address text (null: all), $3 after text (the last address of the page
-- before, or ''), $4 limit int
-- rows: address text, stream text, reason text, evidence text, expires_us bigint,
--	created_us bigint
SELECT address, stream, reason, evidence,
	(extract(epoch FROM expires_at) * 1000000)::bigint AS expires_us,
	(extract(epoch FROM created_at) * 1000000)::bigint AS created_us
FROM penguin.suppressions
WHERE tenant_id = $1::uuid AND ($2::text IS NULL OR address = lower($2::text)) AND address > $3::text
	AND (expires_at IS NULL OR expires_at > now())
ORDER BY address, stream
LIMIT $4::int
