-- Makes a campaign in state draft.  The same id again changes nothing.
-- $1 tenant_id uuid, $2 id uuid, $3 name text, $4 content_id uuid,
-- $5 content_version int (null: the newest at each job's first claim), $6 pool text,
-- $7 priority int, $8 weight int, $9 not_before_us bigint (or null), $10 not_after_us bigint
-- (or null), $11 expires_after_us bigint (or null: the sender's retry.expire),
-- $12 on_in_doubt text, $13 stream text, $14 settings text (JSON)
-- rows: id uuid (none: it is there already)
INSERT INTO penguin.campaigns (tenant_id, id, name, content_id, content_version, pool, priority,
	weight, not_before, not_after, expires_after, on_in_doubt, stream, settings)
VALUES ($1::uuid, $2::uuid, $3::text, $4::uuid, $5::int, $6::text, $7::int, $8::int,
	to_timestamp($9::bigint / 1e6), to_timestamp($10::bigint / 1e6),
	$11::bigint * interval '1 microsecond', $12::text, $13::text, $14::text::jsonb)
ON CONFLICT DO NOTHING
RETURNING id
