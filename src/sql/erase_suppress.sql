-- The first step of erasing a person: whatever waits for the address will not be sent, and
-- it stays suppressed, from now on as a hash that cannot be turned back.
-- $1 tenant_id uuid, $2 address text: as it is spelt there, in any case
-- rows: none
WITH known AS (
	DELETE FROM penguin.suppressions
	WHERE tenant_id = $1::uuid AND address = lower($2::text)
)
INSERT INTO penguin.suppressions AS s (tenant_id, address, stream, reason)
VALUES ($1::uuid, 'sha256:' || encode(sha256(convert_to(lower($2::text), 'UTF8')), 'hex'), '*', 'erased')
ON CONFLICT (tenant_id, address, stream) DO UPDATE
SET reason = excluded.reason, expires_at = NULL, txid = excluded.txid,
	changed_at = excluded.changed_at
