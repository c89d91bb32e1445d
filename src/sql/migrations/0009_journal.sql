-- What is known of a worker that is gone: `replayed` left a journal, and all of it is here
-- by now, so what it has not sent is known to be unsent; of a `dead` one nobody knows, and
-- its batches say so until their jobs have ended.

ALTER TABLE penguin.workers DROP CONSTRAINT workers_state_check,
	ADD CONSTRAINT workers_state_check CHECK (state IN ('live', 'stopped', 'dead', 'replayed'));
ALTER TABLE penguin.batches ADD COLUMN lost boolean NOT NULL DEFAULT false;
ALTER TABLE penguin.batches ALTER COLUMN lost SET STATISTICS 0; -- as 0006 has it of all
