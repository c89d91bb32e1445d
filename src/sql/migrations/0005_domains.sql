-- What is known of a recipient domain is known to one tenant.
--
-- One table for all would tell each tenant whom the others write to: by its rows, or by the
-- tags of the tenant's own batches.  What it held is learnt again within a campaign.

DELETE FROM penguin.domains;
ALTER TABLE penguin.domains DROP CONSTRAINT domains_pkey;
ALTER TABLE penguin.domains ADD COLUMN tenant_id uuid NOT NULL;
ALTER TABLE penguin.domains ADD PRIMARY KEY (tenant_id, domain);
