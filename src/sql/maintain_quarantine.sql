-- Forgets crashes that nobody will ask for again: of a job that has ended otherwise, a day after
-- the last; of any other that is not in quarantine, after 30 days, which is longer than a job
-- lives; and of one in quarantine when its job is gone.
-- all tenants: tenant_id is in the key
-- rows: tenant_id uuid, job_id uuid
DELETE FROM penguin.quarantine q
WHERE (q.released_at IS NOT NULL AND q.at < now() - interval '1 day'
		AND (q.at < now() - interval '30 days' OR (
			SELECT a.state FROM penguin.attempts a
			WHERE a.tenant_id = q.tenant_id AND a.job_id = q.job_id
			ORDER BY a.flags & 2, a.id DESC
			LIMIT 1) NOT IN ('retrying', 'in_doubt')))
	OR (q.at < now() - interval '30 days' AND NOT EXISTS (
		SELECT FROM penguin.jobs j WHERE j.tenant_id = q.tenant_id AND j.id = q.job_id))
RETURNING q.tenant_id, q.job_id
