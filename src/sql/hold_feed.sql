-- All holds in force.  There are few: a worker reads them every second and compares.
-- $1 limit int
-- rows: tenant_id uuid (nil: the whole fleet), kind text, name text, reason text,
--	until_us bigint (null: until released)
SELECT tenant_id, kind, name, reason, (extract(epoch FROM until) * 1000000)::bigint AS until_us
FROM penguin.holds
WHERE until IS NULL OR until > now()
ORDER BY tenant_id, kind, name
LIMIT $1::int
