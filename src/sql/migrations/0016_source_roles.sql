-- optional: who may write and read which worker has which address.  The application has no part in it.

GRANT SELECT, INSERT, UPDATE, DELETE ON penguin.source_leases TO penguin_mta, penguin_admin;
