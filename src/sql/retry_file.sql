-- Takes jobs out of leased batches and files them in new unleased ones, in one step, so
-- that a job is in exactly one batch at any time.  For retries, for jobs that belong under
-- another tag, and for what a stopping worker has not sent.  The new batches inherit campaign, content
-- version and Date, and whether their jobs were lost: an attempt made since says nothing of the
-- one that nobody knows of.  A job whose lease was lost, or that was moved already, stays where
-- it is and does not come back.
-- $1 owner uuid, $2 token uuid[] (parallel to the jobs, as are all that follow)
-- $3 tenants uuid[], $4 batches uuid[], $5 jobs uuid[]
-- $6 attempt_nos int[]: attempts made so far
-- $7 due_us bigint[] (null: as soon as claimed), $8 sources text[]: of the last attempt
-- $9 to_batches uuid[]: UUIDv7, new; jobs with the same one are filed together: at most
--	500 of the same tenant, campaign and content version, with equal values of:
-- $10 pools text[], $11 tags text[], $12 priorities int[],
-- $13 states text[]: waiting or retrying
-- $14 keys text[], $15 refiled boolean[],
-- $16 not_before_us bigint[]: the earliest counts; null is infinity
-- rows: tenant_id uuid, batch_id uuid (old), job_id uuid: what was moved
WITH moves AS MATERIALIZED (
	SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::int[],
		$7::bigint[], $8::text[], $9::uuid[], $10::text[], $11::text[], $12::int[],
		$13::text[], $14::text[], $15::boolean[], $16::bigint[])
		AS m (token, tenant_id, batch_id, job_id, attempt_no, due_us, source, to_batch, pool,
			tag, priority, state, keys, refiled, not_before_us)
), held AS MATERIALIZED (
	SELECT b.*
	FROM (SELECT DISTINCT tenant_id, batch_id, token FROM moves) k
	JOIN penguin.batches b ON b.tenant_id = k.tenant_id AND b.id = k.batch_id
	WHERE b.owner IS NOT DISTINCT FROM $1::uuid AND b.token = k.token
	FOR UPDATE OF b
), member AS MATERIALIZED (
	SELECT h.tenant_id, h.id AS batch_id, h.campaign_id, h.content_id, h.content_version,
		h.suspect, h.lost, h.refiled AS refiled_before, u.job_id, u.n,
		h.attempt_no[u.n] AS old_attempt_no, h.due[u.n] AS old_due,
		h.source[u.n] AS old_source, h.first_at[u.n] AS old_first_at,
		coalesce(h.first_at[u.n], h.first_leased_at) AS first_at,
		m.attempt_no, m.due_us, m.source, m.to_batch, m.pool, m.tag, m.priority, m.state,
		m.keys, m.refiled, m.not_before_us
	FROM held h
	CROSS JOIN LATERAL unnest(h.jobs) WITH ORDINALITY AS u (job_id, n)
	LEFT JOIN moves m
		ON m.tenant_id = h.tenant_id AND m.batch_id = h.id AND m.job_id = u.job_id
), kept AS (
	SELECT tenant_id, batch_id,
		coalesce(array_agg(job_id ORDER BY n) FILTER (WHERE to_batch IS NULL), '{}') AS jobs,
		coalesce(array_agg(old_attempt_no ORDER BY n) FILTER (WHERE to_batch IS NULL), '{}')
			AS attempt_no,
		coalesce(array_agg(old_due ORDER BY n) FILTER (WHERE to_batch IS NULL), '{}') AS due,
		coalesce(array_agg(old_source ORDER BY n) FILTER (WHERE to_batch IS NULL), '{}')
			AS source,
		coalesce(array_agg(old_first_at ORDER BY n) FILTER (WHERE to_batch IS NULL), '{}')
			AS first_at
	FROM member
	GROUP BY tenant_id, batch_id
	HAVING count(to_batch) > 0
), shrunk AS (
	UPDATE penguin.batches b
	SET jobs = k.jobs,
		attempt_no = CASE WHEN b.attempt_no IS NOT NULL THEN k.attempt_no END,
		due = CASE WHEN b.due IS NOT NULL THEN k.due END,
		source = CASE WHEN b.source IS NOT NULL THEN k.source END,
		first_at = CASE WHEN b.first_at IS NOT NULL THEN k.first_at END
	FROM kept k
	WHERE b.tenant_id = k.tenant_id AND b.id = k.batch_id
), filed AS (
	INSERT INTO penguin.batches (tenant_id, id, campaign_id, pool, tag, priority, state, jobs,
		not_before, suspect, refiled, content_id, content_version, keys, attempt_no, due,
		source, first_at, lost)
	SELECT tenant_id, to_batch, campaign_id, pool, tag, priority, state,
		array_agg(job_id ORDER BY due_us, n),
		coalesce(to_timestamp(min(not_before_us) / 1e6), 'infinity'),
		bool_or(suspect), bool_or(refiled OR refiled_before), content_id, content_version,
		keys, array_agg(attempt_no ORDER BY due_us, n),
		array_agg(to_timestamp(due_us / 1e6) ORDER BY due_us, n),
		array_agg(source ORDER BY due_us, n), array_agg(first_at ORDER BY due_us, n),
		bool_or(lost)
	FROM member
	WHERE to_batch IS NOT NULL
	GROUP BY tenant_id, to_batch, campaign_id, pool, tag, priority, state, content_id,
		content_version, keys
)
SELECT tenant_id, batch_id, job_id FROM member WHERE to_batch IS NOT NULL
