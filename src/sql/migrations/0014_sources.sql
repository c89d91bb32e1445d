-- Who sends from which address: one worker at a time, of all nodes, whatever each calls it.
-- A row holds for as long as its owner's own lease does; nobody renews it.

CREATE TABLE penguin.source_leases (
	address inet PRIMARY KEY CHECK (masklen(address) = CASE family(address) WHEN 4 THEN 32 ELSE 128 END),
	owner uuid NOT NULL,
	source text NOT NULL,
	taken_at timestamptz NOT NULL DEFAULT now()
);
