-- Lifts a suppression.  The row stays, so that the feed carries it.
-- $1 tenant_id uuid, $2 address text, $3 stream text
-- rows: address text (none: there was none in force)
UPDATE penguin.suppressions
SET expires_at = now(), txid = DEFAULT, changed_at = now()
WHERE tenant_id = $1::uuid AND address = lower($2::text) AND stream = $3::text
	AND (expires_at IS NULL OR expires_at > now())
RETURNING address
