-- What a worker tells the others the moment it finds that Postgres has forgotten commits, until
-- it has told what its journal has of them: nobody claims meanwhile, for what waits may have
-- been sent.

ALTER TABLE penguin.workers ADD COLUMN rewound boolean NOT NULL DEFAULT false;
