-- Sends a job again of which it is not known whether it was sent (on_in_doubt: hold).  Its
-- attempts are possible duplicates from here on, which u=1 says to the worker.  The attempt
-- that says so has the id of the job's newest, a millisecond on: of two who decide at once,
-- this or doubt_end, the second finds it there and does nothing.  Attempts stay, so that
-- holds however soon the batch is gone.  One that was in quarantine is released by this.
-- $1 tenant_id uuid, $2 job_id uuid
-- $3 stripe int: of the counters
-- rows: campaign_id uuid (none: the job is not in doubt, or no longer, or its campaign has
--	ended)
WITH doubtful AS MATERIALIZED (
	SELECT j.tenant_id, j.id, j.campaign_id, c.pool, c.priority, a.attempt_no,
		n.newest
	FROM penguin.jobs j
	JOIN penguin.campaigns c ON c.tenant_id = j.tenant_id AND c.id = j.campaign_id
		AND c.state NOT IN ('cancelled', 'finished')
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
		d.id, d.campaign_id, d.attempt_no, 'retrying', 'an operator sends it again', 16,
		now()
	FROM doubtful d
	ON CONFLICT DO NOTHING
	RETURNING tenant_id, job_id, campaign_id
), freed AS (
	UPDATE penguin.quarantine q
	SET released_at = now(), crashes = least(q.crashes, 1)
	FROM decided d
	WHERE q.tenant_id = d.tenant_id AND q.job_id = d.job_id AND q.released_at IS NULL
), counted AS (
	INSERT INTO penguin.campaign_stats AS s (tenant_id, campaign_id, stripe, in_doubt)
	SELECT d.tenant_id, d.campaign_id, $3::int, -1 FROM decided d
	ON CONFLICT (tenant_id, campaign_id, stripe) DO UPDATE
	SET in_doubt = s.in_doubt + excluded.in_doubt
), filed AS (
	INSERT INTO penguin.batches
		(tenant_id, id, campaign_id, pool, priority, state, keys, jobs, attempt_no)
	SELECT d.tenant_id, (left(d.id::text, 20) || substr(d.digest, 1, 3) || '-'
			|| substr(d.digest, 4, 12))::uuid,
		d.campaign_id, d.pool, d.priority, 'retrying', 'u=1',
		ARRAY[d.id], ARRAY[d.attempt_no + 1]
	FROM (SELECT *, md5(newest::text || ' doubt ' || id::text) AS digest FROM doubtful) d
	JOIN decided e ON e.tenant_id = d.tenant_id AND e.job_id = d.id
)
SELECT campaign_id FROM decided
