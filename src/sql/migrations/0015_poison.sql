-- A job that was at hand when a worker died is counted, wherever that was: twice is too often.
-- Such a row stands in quarantine with released_at set, for the job is not in quarantine yet.

ALTER TABLE penguin.quarantine ADD COLUMN crashes int NOT NULL DEFAULT 0 CHECK (crashes >= 0);
ALTER TABLE penguin.quarantine ALTER COLUMN crashes SET STATISTICS 0; -- as 0006 has it of all
