-- What a worker tells the others of itself: the machine it runs on, so that two machines of
-- one node's name are told apart; a hash of its configuration, so that nodes that send by
-- different rules are noticed; and a number that each of its transactions raises.  Who has
-- seen the number and finds a smaller one knows that Postgres forgot commits: a standby that
-- lagged was promoted, or a backup was put back.

ALTER TABLE penguin.workers
	ADD COLUMN machine text NOT NULL DEFAULT '',
	ADD COLUMN config text NOT NULL DEFAULT '',
	ADD COLUMN beats bigint NOT NULL DEFAULT 0,
	ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now(),
	ADD COLUMN draining boolean NOT NULL DEFAULT false,
	ADD COLUMN ended_at timestamptz;
