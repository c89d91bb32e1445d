-- Puts something on hold, or changes reason and end of a hold.
-- $1 tenant_id uuid: nil for the whole fleet
-- $2 kind text: source, provider, domain, tenant or campaign
-- $3 name text: of a tenant or a campaign its id
-- $4 reason text, $5 until_us bigint (null: until released)
-- rows: none
INSERT INTO penguin.holds (tenant_id, kind, name, reason, until)
VALUES ($1::uuid, $2::text, $3::text, $4::text, to_timestamp($5::bigint / 1e6))
ON CONFLICT (tenant_id, kind, name) DO UPDATE
SET reason = excluded.reason, until = excluded.until
