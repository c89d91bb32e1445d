-- Sends a job in quarantine after all: it waits again, in a batch of its own.  Its attempts
-- go on two numbers higher, so that no earlier attempt is taken for evidence of the next.
-- Not of a campaign that has ended: there it would fail once more, and unlisted.
-- $1 tenant_id uuid, $2 job_id uuid
-- $3 batch_id uuid: UUIDv7, new
-- $4 stripe int: of the counters
-- rows: campaign_id uuid (none: it is not in quarantine, or its campaign has ended)
WITH freed AS (
	UPDATE penguin.quarantine q
	SET released_at = now()
	FROM penguin.campaigns c
	WHERE q.tenant_id = $1::uuid AND q.job_id = $2::uuid AND q.released_at IS NULL
		AND c.tenant_id = q.tenant_id AND c.id = q.campaign_id
		AND c.state NOT IN ('cancelled', 'finished')
	RETURNING q.tenant_id, q.job_id, q.campaign_id, c.pool, c.priority
), counted AS (
	INSERT INTO penguin.campaign_stats AS s (tenant_id, campaign_id, stripe, failed)
	SELECT f.tenant_id, f.campaign_id, $4::int, -1 FROM freed f
	ON CONFLICT (tenant_id, campaign_id, stripe) DO UPDATE
	SET failed = s.failed + excluded.failed
), filed AS (
	INSERT INTO penguin.batches
		(tenant_id, id, campaign_id, pool, priority, jobs, attempt_no)
	SELECT f.tenant_id, $3::uuid, f.campaign_id, f.pool, f.priority, ARRAY[f.job_id],
		ARRAY[(SELECT max(a.attempt_no) + 1 FROM penguin.attempts a
			WHERE a.tenant_id = f.tenant_id AND a.job_id = f.job_id)]
	FROM freed f
)
SELECT campaign_id FROM freed
