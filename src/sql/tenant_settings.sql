-- What a tenant has set for its messages, as campaign_read has it for workers.
-- $1 tenant_id uuid
-- rows: bounce_domain text, tracking_domain text, sender_id text (null: not set)
SELECT settings ->> 'bounce_domain' AS bounce_domain,
	settings ->> 'tracking_domain' AS tracking_domain, settings ->> 'sender_id' AS sender_id
FROM penguin.tenants
WHERE tenant_id = $1::uuid
