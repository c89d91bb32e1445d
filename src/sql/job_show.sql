-- A job, and where it is: for penguinctl explain.
-- $1 tenant_id uuid, $2 id uuid
-- rows: campaign_id uuid, campaign text, campaign_state text, recipient text, vars text (JSON),
--	enqueued_us bigint, state text, batch_id uuid (null: in none), pool text, tag text,
--	not_before_us bigint, owner uuid, attempt_no int, due_us bigint
SELECT j.campaign_id, coalesce(c.name, '') AS campaign, coalesce(c.state, '') AS campaign_state,
	j.recipient, j.vars::text AS vars,
	(extract(epoch FROM j.enqueued_at) * 1000000)::bigint AS enqueued_us,
	CASE WHEN b.owner IS NOT NULL THEN 'leased' WHEN b.id IS NOT NULL THEN b.state
		WHEN f.state IS NOT NULL THEN f.state WHEN c.state = 'cancelled' THEN 'cancelled'
		WHEN c.state = 'finished' THEN 'expired' ELSE 'lost' END AS state,
	b.id AS batch_id, b.pool, b.tag,
	(extract(epoch FROM nullif(b.not_before, 'infinity')) * 1000000)::bigint
		AS not_before_us,
	b.owner, coalesce(b.attempt_no[array_position(b.jobs, j.id)], 0) AS attempt_no,
	(extract(epoch FROM b.due[array_position(b.jobs, j.id)]) * 1000000)::bigint AS due_us
FROM penguin.jobs j
LEFT JOIN penguin.campaigns c ON c.tenant_id = j.tenant_id AND c.id = j.campaign_id
LEFT JOIN penguin.batches b ON b.tenant_id = j.tenant_id AND b.campaign_id = j.campaign_id
	AND j.id = ANY (b.jobs)
LEFT JOIN LATERAL (
	SELECT a.state FROM penguin.attempts a
	WHERE a.tenant_id = j.tenant_id AND a.job_id = j.id
		AND a.state <> 'retrying'
	ORDER BY a.flags & 2, a.id DESC
	LIMIT 1) f ON true
WHERE j.tenant_id = $1::uuid AND j.id = $2::uuid
