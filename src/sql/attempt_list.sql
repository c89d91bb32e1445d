-- The attempts of a job, oldest first.
-- $1 tenant_id uuid, $2 job_id uuid
-- rows: id uuid, attempt_no int, state text, category text, scope text, action text, phase
--	text, code int, enhanced text, reply text, command text, provider text, site text, mx
--	text, mx_address text, source text, source_address text, tls_version text, tls_cipher
--	text, size_bytes bigint, flags int, worker uuid, at_us bigint, duration_ms int
SELECT id, attempt_no, state, category, scope, action, phase, code, enhanced, reply, command,
	provider, site, mx, host(mx_address) AS mx_address, source,
	host(source_address) AS source_address, tls_version, tls_cipher, size_bytes, flags,
	worker, (extract(epoch FROM at) * 1000000)::bigint AS at_us, duration_ms
FROM penguin.attempts
WHERE tenant_id = $1::uuid AND job_id = $2::uuid
ORDER BY id
