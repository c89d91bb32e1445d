-- Campaigns that changed from an instant on, like suppression_recent.
-- $1 changed_us text, $2 tenant_id uuid, $3 id uuid: the last row of this read
-- $4 limit int
-- rows: changed_us text, tenant_id uuid, id uuid, state text
SELECT ((extract(epoch FROM updated_at) * 1000000)::bigint)::text AS changed_us, tenant_id, id,
	state
FROM penguin.campaigns
WHERE (updated_at, tenant_id, id) > (to_timestamp($1::text::bigint / 1e6), $2::uuid, $3::uuid)
ORDER BY updated_at, tenant_id, id
LIMIT $4::int
