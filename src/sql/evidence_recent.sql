-- evidence_feed for servers whose transactions have no common order, like suppression_recent.
-- $1 changed_us text, $2 tenant_id uuid, $3 attempt_id uuid: the last row of this read; to
--	begin, an instant, nil and nil
-- $4 limit int
-- rows: changed_us text, tenant_id uuid, attempt_id uuid, job_id uuid, attempt_no int,
--	state text
SELECT ((extract(epoch FROM changed_at) * 1000000)::bigint)::text AS changed_us, tenant_id,
	attempt_id, job_id, attempt_no, state
FROM penguin.evidence
WHERE (changed_at, tenant_id, attempt_id)
	> (to_timestamp($1::text::bigint / 1e6), $2::uuid, $3::uuid)
ORDER BY changed_at, tenant_id, attempt_id
LIMIT $4::int
