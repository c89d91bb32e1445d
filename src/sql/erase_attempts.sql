-- The third step: replies and commands may quote the address.  The one UPDATE of attempts
-- there is; the send path has none.  Jobs that were erased before are looked at as well, for
-- what was reported of them since.
-- $1 tenant_id uuid, $2 address text: as it is spelt there, in any case
-- rows: none; the number of rows is in the command tag
UPDATE penguin.attempts a
SET reply = '', command = ''
FROM penguin.jobs j
WHERE a.tenant_id = $1::uuid AND j.tenant_id = a.tenant_id AND j.id = a.job_id
	AND lower(j.recipient) IN (lower($2::text),
		'sha256:' || encode(sha256(convert_to(lower($2::text), 'UTF8')), 'hex'))
	AND (a.reply <> '' OR a.command <> '')
