-- How long the rest of this transaction waits for a lock that somebody else holds.  For
-- statements that meet rows of tenants: a tenant's open transaction must not hold up others.
-- fleet table: none; a setting of this transaction only
-- $1 milliseconds text
-- rows: set_config text
SELECT set_config('lock_timeout', $1::text, true)
