-- Jobs in quarantine, newest first.
-- $1 tenant_id uuid (null: of all tenants)
-- $2 limit int
-- rows: tenant_id uuid, job_id uuid, campaign_id uuid, reason text, stage text, worker uuid,
--	at_us bigint, recipient text (null: the job's row is gone), crashes int (in which it
--	was at hand)
SELECT q.tenant_id, q.job_id, q.campaign_id, q.reason, q.stage, q.worker,
	(extract(epoch FROM q.at) * 1000000)::bigint AS at_us, j.recipient,
	q.crashes
FROM penguin.quarantine q
LEFT JOIN penguin.jobs j ON j.tenant_id = q.tenant_id AND j.id = q.job_id
WHERE q.released_at IS NULL AND ($1::uuid IS NULL OR q.tenant_id = $1::uuid)
ORDER BY q.at DESC
LIMIT $2::int
