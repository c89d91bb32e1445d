-- What the engine cannot read, hold in an index or divide is refused where it is written.
--
-- Workers ask for the rows of all tenants at once: one instant that is infinite ended the
-- feeds of the fleet, or its claims, and an array of another shape than a list the claims.
-- A campaign's pool goes into each of its batches, and so into an index, when a worker moves
-- the inbox and nobody is there to be told.
--
-- Besides: of the jobs in doubt, few of many attempts, an index by campaign; and none of the
-- campaigns that have ended, which nothing looks for any more.

ALTER TABLE penguin.campaigns
	ADD CONSTRAINT campaigns_pool CHECK (octet_length(pool) BETWEEN 1 AND 200),
	ADD CONSTRAINT campaigns_instants CHECK (
		not_before BETWEEN '1970-01-01 00:00+00' AND '9999-12-31 00:00+00'
		AND not_after BETWEEN '1970-01-01 00:00+00' AND '9999-12-31 00:00+00'
		AND created_at BETWEEN '1970-01-01 00:00+00' AND '9999-12-31 00:00+00'
		AND updated_at BETWEEN '1970-01-01 00:00+00' AND '9999-12-31 00:00+00');
ALTER TABLE penguin.suppressions ADD CONSTRAINT suppressions_instants CHECK (
	expires_at BETWEEN '1970-01-01 00:00+00' AND '9999-12-31 00:00+00'
	AND created_at BETWEEN '1970-01-01 00:00+00' AND '9999-12-31 00:00+00'
	AND changed_at BETWEEN '1970-01-01 00:00+00' AND '9999-12-31 00:00+00');
ALTER TABLE penguin.contents ADD CONSTRAINT contents_instants CHECK (
	created_at BETWEEN '1970-01-01 00:00+00' AND '9999-12-31 00:00+00');
ALTER TABLE penguin.jobs ADD CONSTRAINT jobs_instants CHECK (
	enqueued_at BETWEEN '1970-01-01 00:00+00' AND '9999-12-31 00:00+00');
ALTER TABLE penguin.inbox ADD CONSTRAINT inbox_instants CHECK (
	enqueued_at BETWEEN '1970-01-01 00:00+00' AND '9999-12-31 00:00+00'
	AND not_before BETWEEN '1970-01-01 00:00+00' AND '9999-12-31 00:00+00');
ALTER TABLE penguin.batches
	ADD CONSTRAINT batches_instants CHECK (not_before = 'infinity'
		OR not_before BETWEEN '1970-01-01 00:00+00' AND '9999-12-31 00:00+00'),
	ADD CONSTRAINT batches_list CHECK (array_ndims(jobs) = 1 AND array_lower(jobs, 1) = 1
		AND array_position(jobs, NULL) IS NULL);

CREATE INDEX attempts_doubt ON penguin.attempts (tenant_id, campaign_id, job_id)
	WHERE state = 'in_doubt';
DROP INDEX penguin.campaigns_closed;
