-- What an index cannot hold is refused where it is written: a campaign's pool goes into each of
-- its batches, and a worker that moves the inbox has nobody to tell.
--
-- Of the jobs in doubt, few of many attempts, an index by campaign; and none of the campaigns
-- that have ended, which nothing looks for any more.

ALTER TABLE penguin.campaigns ADD CONSTRAINT campaigns_pool
	CHECK (octet_length(pool) BETWEEN 1 AND 200);
CREATE INDEX attempts_doubt ON penguin.attempts (tenant_id, campaign_id, job_id)
	WHERE state = 'in_doubt';
DROP INDEX penguin.campaigns_closed;
