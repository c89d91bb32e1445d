-- The members of claimed batches, in their order, with what must be known before sending.
-- $1 tenants uuid[], $2 batches uuid[]: parallel
-- $3 owner uuid, $4 token uuid: of the claim; a lost lease yields nothing
-- $5 since uuid: lower bound of attempt ids to look at for evidence (a UUIDv7 made of the
--	oldest first_leased_us less a day, all other bits 0); of a job that was leased in another
--	batch before, a day before that
-- $6 tenants uuid[], $7 ids uuid[], $8 addresses text[]: parallel; how suppressions spell the recipients of
--	these jobs, where that is not the recipient in lower case
-- $9 bytes_max bigint: of vars, all together; the first job's come in any case
-- rows: tenant_id uuid, batch_id uuid, id uuid, recipient text (null: the job's row is
--	gone), vars text (JSON; null: they would not have fit), engagement real,
--	attempt_no int (attempts made before), due_us bigint (null: now), source text (of
--	the last attempt, or ''), first_us bigint (for Date and t=), suppressed text
--	(reason, or ''), final text (the final state, where a lost owner left evidence of
--	one, or ''), tried boolean (any attempt), bytes int (of vars, come or not),
--	doubtful boolean (evidence of an attempt that may have been delivered), crashes
--	int (in which the job was at hand), crashed_us bigint (the last), stage text (what
--	was done with it then), hearsay boolean (only dead workers say what is final, and
--	another of them may say otherwise: who counts it writes it down)
SELECT r.tenant_id, r.batch_id, r.id, r.recipient,
	CASE WHEN r.ahead = 0 OR r.ahead + r.bytes <= $9::bigint THEN r.vars END AS vars,
	r.engagement, r.attempt_no, r.due_us, r.source, r.first_us, r.suppressed, r.final, r.tried,
	r.bytes, r.doubtful, r.crashes, r.crashed_us, r.stage, r.hearsay
FROM (
SELECT b.tenant_id, b.id AS batch_id, m.n, m.id, j.recipient, j.vars, j.engagement,
	greatest(b.attempt_no[m.n], e.attempt_no, 0) AS attempt_no,
	(extract(epoch FROM b.due[m.n]) * 1000000)::bigint AS due_us,
	coalesce(b.source[m.n], '') AS source,
	(extract(epoch FROM coalesce(b.first_at[m.n], b.first_leased_at)) * 1000000)::bigint
		AS first_us,
	coalesce(s.reason, '') AS suppressed, coalesce(e.states[1], '') AS final,
	coalesce(cardinality(e.states) > 0, b.attempt_no[m.n] > 0, false) AS tried,
	coalesce(octet_length(j.vars), 0) AS bytes, coalesce(e.doubtful, false) AS doubtful,
	coalesce(q.crashes, 0) AS crashes,
	coalesce(q.crashed_us, 0) AS crashed_us, coalesce(q.stage, '') AS stage,
	coalesce(e.hearsay, false) AS hearsay,
	sum(coalesce(octet_length(j.vars), 0)) OVER (ORDER BY b.tenant_id, b.id, m.n
		ROWS UNBOUNDED PRECEDING) - coalesce(octet_length(j.vars), 0) AS ahead
FROM unnest($1::uuid[], $2::uuid[]) AS k (tenant_id, id)
JOIN penguin.batches b ON b.tenant_id = k.tenant_id AND b.id = k.id
	AND b.owner IS NOT DISTINCT FROM $3::uuid AND b.token = $4::uuid
JOIN penguin.campaigns c ON c.tenant_id = b.tenant_id AND c.id = b.campaign_id
CROSS JOIN LATERAL unnest(b.jobs) WITH ORDINALITY AS m (id, n)
LEFT JOIN LATERAL (
	SELECT x.recipient, x.vars::text AS vars, x.engagement FROM penguin.jobs x
	WHERE x.tenant_id = b.tenant_id AND x.id = m.id
	LIMIT 1) j ON true
LEFT JOIN LATERAL (
	SELECT x.crashes, x.stage, (extract(epoch FROM x.at) * 1000000)::bigint AS crashed_us
	FROM penguin.quarantine x
	WHERE x.tenant_id = b.tenant_id AND x.job_id = m.id AND x.crashes > 0
	LIMIT 1) q ON true
LEFT JOIN unnest($6::uuid[], $7::uuid[], $8::text[]) AS o (tenant_id, id, address)
	ON o.tenant_id = b.tenant_id AND o.id = m.id
LEFT JOIN LATERAL (
	SELECT x.reason FROM penguin.suppressions x
	WHERE x.tenant_id = b.tenant_id AND x.stream IN ('*', c.stream)
		AND x.address IN (lower(j.recipient), '@' || lower(split_part(j.recipient, '@', -1)),
			'sha256:' || encode(sha256(convert_to(lower(j.recipient), 'UTF8')), 'hex'),
			lower(o.address), '@' || split_part(o.address, '@', -1),
			'sha256:' || encode(sha256(convert_to(lower(o.address), 'UTF8')), 'hex'))
		AND (x.expires_at IS NULL OR x.expires_at > now())
	LIMIT 1) s ON true
LEFT JOIN LATERAL (
	SELECT array_agg(CASE WHEN x.state <> 'retrying'
			AND x.attempt_no >= coalesce(b.attempt_no[m.n], 0) THEN x.state END
		ORDER BY x.state = 'retrying' OR x.attempt_no < coalesce(b.attempt_no[m.n], 0),
			x.flags & 2, x.id DESC) AS states,
		bool_and(x.flags & 2 <> 0) FILTER (WHERE x.state <> 'retrying'
			AND x.attempt_no >= coalesce(b.attempt_no[m.n], 0)) AS hearsay,
		max(x.attempt_no) AS attempt_no, bool_or(x.flags & 16 <> 0) AS doubtful
	FROM penguin.attempts x
	WHERE b.suspect AND x.tenant_id = b.tenant_id AND x.job_id = m.id
		AND x.id >= least($5::uuid, (lpad(to_hex(greatest(
			(extract(epoch FROM b.first_at[m.n]) * 1000)::bigint - 86400000, 0)), 12, '0')
			|| '70008000000000000000')::uuid)
	OFFSET 0) e ON true
) r
ORDER BY r.tenant_id, r.batch_id, r.n
