-- Jobs of which it is not known whether they were sent (on_in_doubt: hold), oldest first.
-- Reads the attempts since their campaigns were made.
-- $1 tenant_id uuid
-- $2 campaign_id uuid (null: all of the tenant)
-- $3 limit int
-- rows: job_id uuid, campaign_id uuid, campaign text, recipient text, at_us bigint, source text,
--	mx text, attempt_no int, evidence text (how it ended, as a worker says after all that
--	was lost; or '')
SELECT a.job_id, c.id AS campaign_id, c.name AS campaign, j.recipient,
	(extract(epoch FROM a.at) * 1000000)::bigint AS at_us, a.source, a.mx, a.attempt_no,
	coalesce((SELECT x.state FROM penguin.attempts x
		WHERE x.tenant_id = a.tenant_id AND x.job_id = a.job_id AND x.flags & 2 <> 0
			AND x.state NOT IN ('retrying', 'in_doubt')
		ORDER BY x.id DESC
		LIMIT 1), '') AS evidence
FROM penguin.campaigns c
JOIN penguin.attempts a ON a.tenant_id = c.tenant_id AND a.campaign_id = c.id
	AND a.state = 'in_doubt'
	AND a.id >= (lpad(to_hex(greatest(0, (extract(epoch FROM c.created_at - interval '1 day')
		* 1000)::bigint)), 12, '0') || repeat('0', 20))::uuid
JOIN penguin.jobs j ON j.tenant_id = a.tenant_id AND j.id = a.job_id
WHERE c.tenant_id = $1::uuid AND ($2::uuid IS NULL OR c.id = $2::uuid)
	AND EXISTS (SELECT FROM penguin.campaign_stats s
		WHERE s.tenant_id = c.tenant_id AND s.campaign_id = c.id AND s.in_doubt <> 0)
	AND a.id = (SELECT x.id FROM penguin.attempts x
		WHERE x.tenant_id = a.tenant_id AND x.job_id = a.job_id AND x.state <> 'retrying'
		ORDER BY x.flags & 2, x.id DESC
		LIMIT 1)
	AND NOT EXISTS (SELECT FROM penguin.attempts x
		WHERE x.tenant_id = a.tenant_id AND x.job_id = a.job_id AND x.state <> 'retrying'
			AND x.attempt_no > a.attempt_no)
	AND NOT EXISTS (SELECT FROM penguin.batches b
		WHERE b.tenant_id = c.tenant_id AND b.campaign_id = c.id AND a.job_id = ANY (b.jobs))
ORDER BY a.id
LIMIT $3::int
