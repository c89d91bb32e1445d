-- One version of a content.  It never changes, so it may be kept for ever.
-- $1 tenant_id uuid, $2 id uuid, $3 version int
-- rows: name text, kind text, body text (JSON, or null), raw bytea (or null),
--	created_us bigint (partials are read as of this instant)
SELECT name, kind, body::text AS body, raw,
	(extract(epoch FROM created_at) * 1000000)::bigint AS created_us
FROM penguin.contents
WHERE tenant_id = $1::uuid AND id = $2::uuid AND version = $3::int
