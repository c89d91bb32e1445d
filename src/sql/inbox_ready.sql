-- The tenants that have rows in the inbox, in the order of their ids.  Rows may stay for
-- ever, of a campaign that never comes: so each look goes on where the last one ended.
-- $1 tenant_id uuid: the last one of the look before; nil: from the beginning
-- $2 limit int
-- rows: tenant_id uuid
WITH RECURSIVE t AS (
	(SELECT i.tenant_id, 1 AS n FROM penguin.inbox i WHERE i.tenant_id > $1::uuid
		ORDER BY i.tenant_id LIMIT 1)
	UNION ALL
	SELECT x.tenant_id, t.n + 1
	FROM t CROSS JOIN LATERAL (
		SELECT i.tenant_id FROM penguin.inbox i WHERE i.tenant_id > t.tenant_id
		ORDER BY i.tenant_id LIMIT 1) x
	WHERE t.n < $2::int
)
SELECT tenant_id FROM t
