/*
 * The SQL of penguin-mta, embedded from src/sql, one file a statement.  The head of each
 * file says what it does, what its parameters are and what comes back; penguin-sql(7) has
 * the tables.
 *
 * Rules they all keep: instants and durations cross as bigint microseconds (of 1970 and
 * UTC), in columns and parameters that end in _us.  All parameters carry their types in
 * the text, so they may be sent untyped.  Each statement is a transaction of its own
 * unless its head says otherwise, and is harmless when it runs twice: the answer to a
 * lost connection is to run it again.  Statements need no session: any connection, also
 * through PgBouncer in transaction mode, will do.
 */
#ifndef SQL_STATEMENTS_H
#define SQL_STATEMENTS_H

#include <stdbool.h>
#include <stddef.h>

enum sql_id {
	/* workers and their leases */
	SQL_WORKER_START,
	SQL_HEARTBEAT,
	SQL_WORKER_REPLACE,
	SQL_WORKER_STOP,
	SQL_WORKER_LIST,
	SQL_WORKER_BEAT,
	SQL_WORKER_BEATS,
	SQL_WORKER_RECALL,
	SQL_WORKER_PEERS,
	SQL_WORKER_UNTOLD,
	SQL_WORKER_FIND,
	SQL_WORKER_KILL,
	SQL_SOURCE_TAKE,
	SQL_SOURCE_RELEASE,
	SQL_MARK_DEAD,
	SQL_TAKE_OVER,
	SQL_LEASE_SWEEP,
	/* what is ready, and claiming it */
	SQL_READY_RECENT,
	SQL_READY_SWEEP,
	SQL_CLAIM,
	SQL_JOBS_READ,
	SQL_CAMPAIGN_READ,
	SQL_CONTENT_READ,
	SQL_CONTENT_PARTIALS,
	/* what became of it */
	SQL_REPORT,
	SQL_RETRY_FILE,
	SQL_BATCH_CLOSE,
	SQL_BATCH_RELEASE,
	SQL_BATCH_SUSPECT,
	SQL_CRASH_ADD,
	SQL_QUARANTINE_ADD,
	SQL_QUARANTINE_LIST,
	SQL_QUARANTINE_RELEASE,
	SQL_DOUBT_LIST,
	SQL_DOUBT_RETRY,
	SQL_DOUBT_END,
	SQL_LOCK_PATIENCE,
	/* the ways in */
	SQL_ENQUEUE_JOBS,
	SQL_INBOX_READY,
	SQL_INBOX_MOVE,
	/* feeds and what is learnt */
	SQL_FEED_START,
	SQL_SUPPRESSION_FEED,
	SQL_CAMPAIGN_FEED,
	SQL_SUPPRESSION_RECENT,
	SQL_CAMPAIGN_RECENT,
	SQL_EVIDENCE_FEED,
	SQL_EVIDENCE_RECENT,
	SQL_HOLD_FEED,
	SQL_DOMAIN_LEARN,
	SQL_LIMIT_RESERVE,
	/* steering */
	SQL_TENANT_ADD,
	SQL_TENANT_SET_STATE,
	SQL_TENANT_LIST,
	SQL_TENANT_SETTINGS,
	SQL_CONTENT_ADD,
	SQL_CONTENT_LIST,
	SQL_CAMPAIGN_CREATE,
	SQL_CAMPAIGN_PREFLIGHT,
	SQL_CAMPAIGN_START,
	SQL_CAMPAIGN_PAUSE,
	SQL_CAMPAIGN_RESUME,
	SQL_CAMPAIGN_CANCEL,
	SQL_CAMPAIGN_FINISH,
	SQL_CAMPAIGN_OVERDUE,
	SQL_CAMPAIGN_SHOW,
	SQL_CAMPAIGN_SAMPLE,
	SQL_CAMPAIGN_FOLD,
	SQL_FOLD_SWEEP,
	SQL_SUPPRESSION_ADD,
	SQL_SUPPRESSION_LIFT,
	SQL_SUPPRESSION_LIST,
	SQL_HOLD_ADD,
	SQL_HOLD_RELEASE,
	/* looking */
	SQL_JOB_SHOW,
	SQL_ATTEMPT_LIST,
	SQL_QUEUE_SHOW,
	SQL_ACCOUNTING,
	SQL_VERIFY,
	/* housekeeping */
	SQL_ERASE_SUPPRESS,
	SQL_ERASE_ATTEMPTS,
	SQL_ERASE_JOBS,
	SQL_ERASE_INBOX,
	SQL_MAINTAIN_MISSING,
	SQL_MAINTAIN_EXPIRED,
	SQL_MAINTAIN_DEFAULT,
	SQL_MAINTAIN_LIMITS,
	SQL_MAINTAIN_QUARANTINE,
	SQL_MIGRATION_LIST,
	SQL_MIGRATION_NOTE,
	SQL_STATEMENTS
};

struct sql_statement {
	const char *name; /* of the file, without .sql */
	int parameters;   /* $1 to $parameters */
	const char *text;
};

/* Indexed by enum sql_id. */
extern const struct sql_statement sql_statements[SQL_STATEMENTS];

/*
 * Migrations, in the order to apply them: each in one transaction together with
 * SQL_MIGRATION_NOTE, by the simple protocol, for the text has many commands.  An
 * optional one that the server refuses (no CREATE FUNCTION, no CREATE ROLE) is rolled
 * back and noted as skipped.
 */
struct sql_migration {
	int number; /* 1 and up, without gaps */
	const char *name;
	const char *checksum; /* SHA-256 of the text, 64 hexadecimal digits */
	bool optional;
	const char *text;
};

extern const struct sql_migration sql_migrations[];
extern const size_t sql_migrations_count;

#endif
