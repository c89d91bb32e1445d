-- Campaigns that changed, like suppression_feed.
-- $1 txid text, $2 tenant_id uuid, $3 id uuid: the last row seen
-- $4 limit int
-- rows: txid text, tenant_id uuid, id uuid, state text
SELECT txid::text AS txid, tenant_id, id, state
FROM penguin.campaigns
WHERE (txid, tenant_id, id) > ($1::text::xid8, $2::uuid, $3::uuid)
	AND txid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY txid, tenant_id, id
LIMIT $4::int
