-- The second step, and again the last: what lies in the inbox.  Before the jobs, for a worker
-- may move a row at any time: once it is erased it is moved so, and what was moved before is
-- a job.
-- $1 tenant_id uuid, $2 address text: as it is spelt there, in any case
-- rows: none; the number of rows is in the command tag
UPDATE penguin.inbox
SET recipient = 'sha256:' || encode(sha256(convert_to(lower($2::text), 'UTF8')), 'hex'), vars = '{}'
WHERE tenant_id = $1::uuid AND lower(recipient) = lower($2::text)
