-- Reserves permits of a limit that is shared by the fleet, for the next seconds, by the
-- generic cell rate algorithm.  The permits are spent on schedule, one every $5
-- microseconds, the last at tat_us.
-- $1 tenant_id uuid (nil: the whole fleet), $2 scope text, $3 name text
-- $4 want int
-- $5 interval_us bigint: between two permits
-- $6 ahead_us bigint: how far the schedule may run ahead of now (burst and horizon)
-- $7 now_us bigint: the database's clock, from the last heartbeat and the time since
-- rows: granted int, tat_us bigint
INSERT INTO penguin.limits AS l (tenant_id, scope, name, tat_us, granted)
VALUES ($1::uuid, $2::text, $3::text,
	$7::bigint + $5::bigint * least($4::int, $6::bigint / $5::bigint),
	least($4::int, $6::bigint / $5::bigint))
ON CONFLICT (tenant_id, scope, name) DO UPDATE
SET granted = greatest(0, least($4::int,
		($6::bigint - (greatest(l.tat_us, $7::bigint) - $7::bigint)) / $5::bigint)),
	tat_us = greatest(l.tat_us, $7::bigint) + $5::bigint * greatest(0, least($4::int,
		($6::bigint - (greatest(l.tat_us, $7::bigint) - $7::bigint)) / $5::bigint))
RETURNING granted, tat_us
