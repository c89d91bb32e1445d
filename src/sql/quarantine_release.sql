-- Sends a job in quarantine after all: it waits again, in a batch of its own.  Its attempts
-- go on two numbers higher, so that no earlier attempt is taken for evidence of the next; one
-- that was in doubt stays a possible duplicate.  Another crash is one too many, also of the
-- worker that had set it aside.
-- Not of a campaign that has ended: there it would fail once more, and unlisted.
-- The attempt that says so has the id of the job's newest, a millisecond on, as doubt_end
-- has it: of two who decide at once the second finds it there and does nothing.
-- $1 tenant_id uuid, $2 job_id uuid
-- $3 batch_id uuid: UUIDv7, new
-- $4 stripe int: of the counters
-- rows: campaign_id uuid (none: it is not in quarantine, or its campaign has ended)
WITH held AS MATERIALIZED (
	SELECT q.tenant_id, q.job_id, q.campaign_id, c.pool, c.priority, n.newest, n.attempt_no,
		n.fate
	FROM penguin.quarantine q
	JOIN penguin.campaigns c ON c.tenant_id = q.tenant_id AND c.id = q.campaign_id
		AND c.state NOT IN ('cancelled', 'finished')
	CROSS JOIN LATERAL (
		SELECT (array_agg(a.id ORDER BY a.flags & 2, a.id DESC))[1] AS newest,
			max(a.attempt_no) AS attempt_no,
			(array_agg(a.state ORDER BY a.flags & 2, a.id DESC)
				FILTER (WHERE a.state <> 'retrying'))[1] AS fate
		FROM penguin.attempts a
		WHERE a.tenant_id = q.tenant_id AND a.job_id = q.job_id) n
	WHERE q.tenant_id = $1::uuid AND q.job_id = $2::uuid AND q.released_at IS NULL
		AND n.fate IN ('failed', 'in_doubt')
	FOR UPDATE OF q
), decided AS (
	INSERT INTO penguin.attempts (tenant_id, id, job_id, campaign_id, attempt_no, state,
		reply, flags, at)
	SELECT h.tenant_id, (lpad(to_hex(('x' || left(replace(h.newest::text, '-', ''), 12))
			::bit(48)::bigint + 1), 12, '0')
		|| right(replace(h.newest::text, '-', ''), 20))::uuid,
		h.job_id, h.campaign_id, h.attempt_no, 'retrying', 'an operator released it',
		CASE WHEN h.fate = 'in_doubt' THEN 16 ELSE 0 END, now()
	FROM held h
	ON CONFLICT DO NOTHING
	RETURNING tenant_id, job_id, campaign_id
), freed AS (
	UPDATE penguin.quarantine q
	SET released_at = now(), crashes = least(q.crashes, 1), worker = NULL
	FROM decided d
	WHERE q.tenant_id = d.tenant_id AND q.job_id = d.job_id
), counted AS (
	INSERT INTO penguin.campaign_stats AS s
		(tenant_id, campaign_id, stripe, failed, in_doubt)
	SELECT h.tenant_id, h.campaign_id, $4::int, -(h.fate = 'failed')::int,
		-(h.fate = 'in_doubt')::int
	FROM held h JOIN decided d ON d.tenant_id = h.tenant_id AND d.job_id = h.job_id
	ON CONFLICT (tenant_id, campaign_id, stripe) DO UPDATE
	SET failed = s.failed + excluded.failed, in_doubt = s.in_doubt + excluded.in_doubt
), filed AS (
	INSERT INTO penguin.batches
		(tenant_id, id, campaign_id, pool, priority, keys, jobs, attempt_no)
	SELECT h.tenant_id, $3::uuid, h.campaign_id, h.pool, h.priority,
		CASE WHEN h.fate = 'in_doubt' THEN 'u=1' ELSE '' END, ARRAY[h.job_id],
		ARRAY[h.attempt_no + 1]
	FROM held h JOIN decided d ON d.tenant_id = h.tenant_id AND d.job_id = h.job_id
)
SELECT campaign_id FROM decided
