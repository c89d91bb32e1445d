-- The fourth step: the address becomes its hash, which is suppressed, and the merge variables
-- go.  The rows stay, so that the accounting holds.  The one UPDATE of jobs there is.
-- $1 tenant_id uuid, $2 address text: as it is spelt there, in any case
-- rows: none; the number of rows is in the command tag
UPDATE penguin.jobs
SET recipient = 'sha256:' || encode(sha256(convert_to(lower($2::text), 'UTF8')), 'hex'), vars = '{}'
WHERE tenant_id = $1::uuid AND lower(recipient) = lower($2::text)
