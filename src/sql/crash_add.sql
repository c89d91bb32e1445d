-- Notes that a job was at hand when a worker died, once for each worker that did: asking
-- twice counts once.  That is not quarantine yet; jobs_read tells whoever claims the job.
-- $1 tenant_id uuid, $2 job_id uuid, $3 campaign_id uuid
-- $4 worker uuid: the one that died
-- $5 stage text: what it was doing with the job
-- rows: crashes int (none: that worker's is counted)
INSERT INTO penguin.quarantine AS q
	(tenant_id, job_id, campaign_id, reason, stage, worker, released_at, crashes)
VALUES ($1::uuid, $2::uuid, $3::uuid, 'at hand when a worker died', $5::text, $4::uuid, now(), 1)
ON CONFLICT (tenant_id, job_id) DO UPDATE
SET crashes = q.crashes + 1, stage = excluded.stage, worker = excluded.worker, at = now()
WHERE q.worker IS DISTINCT FROM excluded.worker
RETURNING crashes
