-- Sends a job again of which it is not known whether it was sent (on_in_doubt: hold).  Its
-- attempts are possible duplicates from here on, which u=1 says to the worker.  The new batch
-- is named by the job and its attempt, so that two who ask at once file it once.
-- $1 tenant_id uuid, $2 job_id uuid
-- $3 stripe int: of the counters
-- rows: campaign_id uuid (none: the job is not in doubt, or no longer)
WITH doubtful AS MATERIALIZED (
	SELECT j.tenant_id, j.id, j.campaign_id, c.pool, c.priority, a.attempt_no
	FROM penguin.jobs j
	JOIN penguin.campaigns c ON c.tenant_id = j.tenant_id AND c.id = j.campaign_id
	CROSS JOIN LATERAL (
		SELECT x.state, x.attempt_no FROM penguin.attempts x
		WHERE x.tenant_id = j.tenant_id AND x.job_id = j.id
		ORDER BY x.flags & 2, x.id DESC
		LIMIT 1) a
	WHERE j.tenant_id = $1::uuid AND j.id = $2::uuid AND a.state = 'in_doubt'
		AND NOT EXISTS (SELECT FROM penguin.batches b
			WHERE b.tenant_id = j.tenant_id AND b.campaign_id = j.campaign_id
				AND j.id = ANY (b.jobs))
), filed AS (
	INSERT INTO penguin.batches
		(tenant_id, id, campaign_id, pool, priority, state, keys, jobs, attempt_no)
	SELECT d.tenant_id, (left(d.id::text, 20) || substr(d.digest, 1, 3) || '-'
			|| substr(d.digest, 4, 12))::uuid,
		d.campaign_id, d.pool, d.priority, 'retrying', 'u=1', ARRAY[d.id],
		ARRAY[d.attempt_no + 1]
	FROM (SELECT *, md5(id::text || ' doubt ' || attempt_no) AS digest FROM doubtful) d
	ON CONFLICT DO NOTHING
	RETURNING tenant_id, campaign_id
), counted AS (
	INSERT INTO penguin.campaign_stats AS s (tenant_id, campaign_id, stripe, in_doubt)
	SELECT f.tenant_id, f.campaign_id, $3::int, -1 FROM filed f
	ON CONFLICT (tenant_id, campaign_id, stripe) DO UPDATE
	SET in_doubt = s.in_doubt + excluded.in_doubt
)
SELECT campaign_id FROM filed
