-- An operator says what became of a job of which it is not known whether it was sent
-- (on_in_doubt: hold): that it was, or that it was not and is not to be.  As in doubt_retry
-- the attempt that says so has an id made of the job's newest, so the first counts.
-- $1 tenant_id uuid, $2 job_id uuid
-- $3 state text: delivered or failed
-- $4 reply text: who says so, and why
-- $5 stripe int: of the counters
-- rows: campaign_id uuid (none: the job is not in doubt, or no longer)
WITH doubtful AS MATERIALIZED (
	SELECT j.tenant_id, j.id, j.campaign_id, a.attempt_no, n.newest
	FROM penguin.jobs j
	CROSS JOIN LATERAL (
		SELECT x.state, x.attempt_no FROM penguin.attempts x
		WHERE x.tenant_id = j.tenant_id AND x.job_id = j.id AND x.state <> 'retrying'
		ORDER BY x.flags & 2, x.id DESC
		LIMIT 1) a
	CROSS JOIN LATERAL (
		SELECT (array_agg(x.id ORDER BY x.flags & 2, x.id DESC))[1] AS newest,
			count(*) FILTER (WHERE x.state <> 'retrying'
				AND x.attempt_no > a.attempt_no) AS later
		FROM penguin.attempts x
		WHERE x.tenant_id = j.tenant_id AND x.job_id = j.id) n
	WHERE j.tenant_id = $1::uuid AND j.id = $2::uuid AND a.state = 'in_doubt' AND n.later = 0
		AND NOT EXISTS (SELECT FROM penguin.batches b
			WHERE b.tenant_id = j.tenant_id AND b.campaign_id = j.campaign_id
				AND j.id = ANY (b.jobs))
), decided AS (
	INSERT INTO penguin.attempts (tenant_id, id, job_id, campaign_id, attempt_no, state,
		reply, flags, at)
	SELECT d.tenant_id, (lpad(to_hex(('x' || left(replace(d.newest::text, '-', ''), 12))
			::bit(48)::bigint + 1), 12, '0')
		|| right(replace(d.newest::text, '-', ''), 20))::uuid,
		d.id, d.campaign_id, d.attempt_no, $3::text, $4::text,
		CASE WHEN $3::text = 'delivered' THEN 4 ELSE 0 END, now()
	FROM doubtful d
	ON CONFLICT DO NOTHING
	RETURNING tenant_id, job_id, campaign_id
), freed AS (
	UPDATE penguin.quarantine q
	SET released_at = now(), crashes = least(q.crashes, 1)
	FROM decided d
	WHERE q.tenant_id = d.tenant_id AND q.job_id = d.job_id AND q.released_at IS NULL
), counted AS (
	INSERT INTO penguin.campaign_stats AS s
		(tenant_id, campaign_id, stripe, in_doubt, delivered, failed)
	SELECT d.tenant_id, d.campaign_id, $5::int, -1,
		CASE WHEN $3::text = 'delivered' THEN 1 ELSE 0 END,
		CASE WHEN $3::text = 'failed' THEN 1 ELSE 0 END
	FROM decided d
	ON CONFLICT (tenant_id, campaign_id, stripe) DO UPDATE
	SET in_doubt = s.in_doubt + excluded.in_doubt,
		delivered = s.delivered + excluded.delivered, failed = s.failed + excluded.failed
)
SELECT campaign_id FROM decided
