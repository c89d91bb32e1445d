-- Feeds without an order of transactions, and holds that somebody keeps.
--
-- Where transactions of several nodes have no common order (postgres.distributed), feeds
-- read what changed of late instead, again and again: for that a suppression says when.
-- Sources, providers and domains are held for the whole fleet only; a tenant's own wish
-- is a pause of its campaigns.

ALTER TABLE penguin.suppressions ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();
CREATE INDEX suppressions_changed ON penguin.suppressions (changed_at, tenant_id, address, stream);
CREATE INDEX campaigns_updated ON penguin.campaigns (updated_at, tenant_id, id);
ALTER TABLE penguin.holds ADD CONSTRAINT holds_of_the_fleet CHECK (
	tenant_id = '00000000-0000-0000-0000-000000000000' OR kind IN ('tenant', 'campaign'));
