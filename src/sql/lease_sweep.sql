-- The leases of a worker whose token it does not know: a claim that was committed while
-- the connection broke, of which nothing was ever sent; or a batch that it could not close,
-- since the sum was not right.  They go back to the queue, and who claims them looks at what
-- became of their jobs.
-- all tenants: tenant_id is in the key
-- $1 owner uuid
-- $2 tokens uuid[]: what the worker knows
-- rows: tenant_id uuid, id uuid
UPDATE penguin.batches
SET owner = NULL, token = NULL, leases = leases - 1, suspect = true
WHERE owner = $1::uuid AND token <> ALL ($2::uuid[]) AND size > 0
RETURNING tenant_id, id
