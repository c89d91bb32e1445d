-- Appends attempts.  An id that is there already is left alone, so a replay is harmless.
-- Text must be valid UTF-8 without NUL.  All arrays are parallel.
-- Of a worker that was declared dead they are evidence (flag 2) and change no state: its
-- jobs are somebody else's, who is told of those that have ended (penguin.evidence).  The lock
-- keeps it from being declared so meanwhile.
-- $1 tenants uuid[], $2 ids uuid[] (UUIDv7), $3 jobs uuid[], $4 campaigns uuid[],
-- $5 attempt_nos int[]: 1 for the first, 0 when nothing was offered to anybody
-- $6 states text[]: of the job after it
-- $7 categories text[], $8 scopes text[], $9 actions text[], $10 phases text[],
-- $11 codes int[], $12 enhanced text[], $13 replies text[], $14 commands text[],
-- $15 providers text[], $16 sites text[], $17 mxs text[], $18 mx_addresses text[] (or null),
-- $19 sources text[], $20 source_addresses text[] (or null),
-- $21 tls_versions text[], $22 tls_ciphers text[], $23 sizes bigint[], $24 flags int[],
-- $25 worker uuid, $26 at_us bigint[], $27 duration_ms int[]
-- rows: none; the number of rows inserted is in the command tag
WITH self AS MATERIALIZED (
	SELECT w.state FROM penguin.workers w WHERE w.id = $25::uuid FOR SHARE
), late AS (
	INSERT INTO penguin.evidence (tenant_id, attempt_id, job_id, attempt_no, state)
	SELECT e.tenant_id, e.id, e.job_id, e.attempt_no, e.state
	FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $5::int[], $6::text[])
		AS e (tenant_id, id, job_id, attempt_no, state)
	WHERE e.state <> 'retrying' AND NOT EXISTS (SELECT FROM self WHERE state <> 'dead')
	ON CONFLICT DO NOTHING
)
INSERT INTO penguin.attempts (tenant_id, id, job_id, campaign_id, attempt_no, state, category,
	scope, action, phase, code, enhanced, reply, command, provider, site, mx, mx_address,
	source, source_address, tls_version, tls_cipher, size_bytes, flags, worker, at,
	duration_ms)
SELECT a.tenant_id, a.id, a.job_id, a.campaign_id, a.attempt_no, a.state, a.category,
	a.scope, a.action, a.phase, a.code, a.enhanced, a.reply, a.command, a.provider, a.site,
	a.mx, a.mx_address::inet, a.source, a.source_address::inet, a.tls_version, a.tls_cipher,
	a.size_bytes,
	a.flags | CASE WHEN EXISTS (SELECT FROM self WHERE state <> 'dead') THEN 0 ELSE 2 END,
	$25::uuid, to_timestamp(a.at_us / 1e6), a.duration_ms
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::int[], $6::text[], $7::text[],
	$8::text[], $9::text[], $10::text[], $11::int[], $12::text[], $13::text[], $14::text[],
	$15::text[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[],
	$21::text[], $22::text[], $23::bigint[], $24::int[], $26::bigint[], $27::int[])
	AS a (tenant_id, id, job_id, campaign_id, attempt_no, state, category, scope, action,
		phase, code, enhanced, reply, command, provider, site, mx, mx_address, source,
		source_address, tls_version, tls_cipher, size_bytes, flags, at_us, duration_ms)
ON CONFLICT DO NOTHING
