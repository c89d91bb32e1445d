-- What workers that had been declared dead said after all of jobs that have ended, like
-- suppression_feed.
-- $1 txid text, $2 tenant_id uuid, $3 attempt_id uuid: the last row seen; to begin, the answer
--	of feed_start, nil and nil
-- $4 limit int
-- rows: txid text, tenant_id uuid, attempt_id uuid, job_id uuid, attempt_no int, state text
SELECT txid::text AS txid, tenant_id, attempt_id, job_id, attempt_no, state
FROM penguin.evidence
WHERE (txid, tenant_id, attempt_id) > ($1::text::xid8, $2::uuid, $3::uuid)
	AND txid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY txid, tenant_id, attempt_id
LIMIT $4::int
