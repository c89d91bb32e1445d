-- The settings of campaigns, as a worker needs them to send.
-- $1 tenants uuid[], $2 campaigns uuid[]: parallel
-- rows: tenant_id uuid, id uuid, name text, state text, content_id uuid, pool text,
--	priority int, weight int, not_after_us bigint (or null),
--	expires_after_us bigint (or null), on_in_doubt text, stream text, settings text (JSON), tenant_name text,
--	tenant_weight int, bounce_domain text, tracking_domain text, sender_id text: settings
--	of the tenant, a number as its digits (null: not set)
SELECT c.tenant_id, c.id, c.name, c.state, c.content_id, c.pool, c.priority, c.weight,
	(extract(epoch FROM c.not_after) * 1000000)::bigint AS not_after_us,
	(extract(epoch FROM c.expires_after) * 1000000)::bigint AS expires_after_us,
	c.on_in_doubt, c.stream, c.settings::text AS settings, t.name AS tenant_name,
	t.weight AS tenant_weight, t.settings ->> 'bounce_domain' AS bounce_domain,
	t.settings ->> 'tracking_domain' AS tracking_domain, t.settings ->> 'sender_id' AS sender_id
FROM unnest($1::uuid[], $2::uuid[]) AS k (tenant_id, id)
JOIN penguin.campaigns c ON c.tenant_id = k.tenant_id AND c.id = k.id
JOIN penguin.tenants t ON t.tenant_id = c.tenant_id
