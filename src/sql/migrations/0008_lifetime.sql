-- How long a job lives is the sender's `retry.expire`, unless its campaign says less.
--
-- A default of the column was always less, so that the configuration said nothing.  Campaigns
-- that are there keep what they have: whether somebody meant it cannot be seen.

ALTER TABLE penguin.campaigns
	ALTER COLUMN expires_after DROP NOT NULL,
	ALTER COLUMN expires_after DROP DEFAULT;
