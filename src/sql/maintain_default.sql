-- How many rows the DEFAULT partitions have caught: more than none is an alarm, for it
-- means that maintain did not run or that ids carry a wrong time.
-- all tenants: tenant_id is in the partitions' key
-- rows: name text, rows bigint, oldest uuid (null: none), newest uuid
SELECT 'jobs_default' AS name, count(*) AS rows, min(id::text)::uuid AS oldest,
	max(id::text)::uuid AS newest
FROM penguin.jobs_default
UNION ALL
SELECT 'attempts_default', count(*), min(id::text)::uuid, max(id::text)::uuid
FROM penguin.attempts_default
