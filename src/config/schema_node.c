/*
 * The rows of what settings.h describes, and the root that holds all sections.
 *
 * Order of a row: name, type, offset, default, least, greatest, unit, sentence.  Each
 * section stands beside the struct it fills, in the order of the manual.  The
 * timeouts' least values keep to RFC 5321 section 4.5.3.2 where a shorter one makes
 * duplicates (the final dot); tests shorten all of them by the scale.
 */
#include "base/err.h"
#include "config/config.h"
#include "schema_rows.h"

static const char *const level_words[] = {"error", "warning", "info", "debug", NULL};

static const struct config_key log_keys[] = {
	{"level", CONFIG_ENUM, 0, "info", NULL, NULL, NULL,
		.doc = "What the program's own log on standard error tells, and all that is worse.",
		.words = level_words},
};
static const struct config_schema log_schema = SCHEMA_OF(log_keys, enum log_level);

#define AT(member) offsetof(struct config_postgres, member)
static const struct config_key postgres_keys[] = {
	{"dsn", CONFIG_STRING, AT(dsn), "dbname=penguin", NULL, NULL, NULL,
		.doc = "The database, as a libpq connection string or URI, without a password.",
		.flags = CONFIG_LOCAL | CONFIG_RESTART},
	{"password_file", CONFIG_PATH, AT(password_file), NULL, NULL, NULL, NULL,
		.doc = "The file with the password of the database user.",
		.flags = CONFIG_LOCAL | CONFIG_RESTART},
	{"distributed", CONFIG_BOOL, AT(distributed), "false", NULL, NULL, NULL,
		.doc = "One transaction a tenant, for servers that spread tenants over machines.",
		.flags = CONFIG_RESTART},
	{"listen", CONFIG_BOOL, AT(listen), "true", NULL, NULL, NULL,
		.doc = "Use LISTEN as a hint that work came; off behind PgBouncer.",
		.flags = CONFIG_LOCAL | CONFIG_RESTART},
	{"poll_busy", CONFIG_DURATION, AT(poll_busy_us), "50ms", "10ms", "1m", NULL,
		.doc = "How often a worker looks for new work while there is some.",
		.flags = CONFIG_RESTART},
	{"poll_idle", CONFIG_DURATION, AT(poll_idle_us), "100ms", "10ms", "1m", NULL,
		.doc = "How often it looks while there was none.", .flags = CONFIG_RESTART},
	{"sweep", CONFIG_DURATION, AT(sweep_us), "5s", "100ms", "10m", NULL,
		.doc = "How often it looks for all due work, whatever the hints say.",
		.flags = CONFIG_RESTART},
	{"feed", CONFIG_DURATION, AT(feed_us), "1s", "100ms", "1m", NULL,
		.doc = "How often suppressions, pauses, holds and cancellations are read.",
		.flags = CONFIG_RESTART},
	{"connect_timeout", CONFIG_DURATION, AT(connect_timeout_us), "5s", "1s", "5m", NULL,
		.doc = "How long a connection may take to be made.", .flags = CONFIG_RESTART},
	{"statement_timeout", CONFIG_DURATION, AT(statement_timeout_us), "30s", "1s", "10m", NULL,
		.doc = "How long a statement may take before its connection is given up.",
		.flags = CONFIG_RESTART},
};
#undef AT
static const struct config_schema postgres = SCHEMA_OF(postgres_keys, struct config_postgres);

static const char *const source_words[] = {"off", "warn", "require", NULL};

#define AT(member) offsetof(struct config_dns, member)
static const struct config_key dns_keys[] = {
	{"servers", CONFIG_ADDRESS_PORT, AT(servers), NULL, NULL, NULL, NULL,
		.doc = "Resolvers to ask; those of the system if empty.",
		.flags = CONFIG_LOCAL | CONFIG_LIST},
	{"allow_remote", CONFIG_BOOL, AT(allow_remote), "false", NULL, NULL, NULL,
		.doc = "Whether resolvers off this machine may be named in servers.",
		.flags = CONFIG_LOCAL},
	{"timeout", CONFIG_DURATION, AT(timeout_us), "3s", "10ms", "1m", NULL,
		.doc = "How long to wait for the answer to one query."},
	{"attempts", CONFIG_COUNT, AT(attempts), "3", "1", "10", "queries",
		.doc = "How often a query is asked before it has failed."},
	{"min_ttl", CONFIG_DURATION, AT(min_ttl_us), "60s", "0", "1h", NULL,
		.doc = "Answers are kept at least so long."},
	{"max_ttl", CONFIG_DURATION, AT(max_ttl_us), "1h", "1s", "1d", NULL,
		.doc = "Answers are kept at most so long."},
	{"negative_max_ttl", CONFIG_DURATION, AT(negative_max_ttl_us), "5m", "1s", "1d", NULL,
		.doc = "That a name does not exist is remembered at most so long."},
	{"cache", CONFIG_COUNT, AT(cache), "100000", "100", "10000000", "domains",
		.doc = "How many recipient domains are remembered."},
	{"check_sources", CONFIG_ENUM, AT(check_sources), "warn", NULL, NULL, NULL,
		.doc = "Whether PTR and EHLO name of each source are looked at, and must be right.",
		.words = source_words},
	{"check_interval", CONFIG_DURATION, AT(check_interval_us), "1h", "1s", "1d", NULL,
		.doc = "How often they are looked at."},
};
#undef AT
static const struct config_schema dns = SCHEMA_OF(dns_keys, struct config_dns);

static const struct config_key guard_keys[] = {
	{"allow", CONFIG_NETWORK, 0, NULL, NULL, NULL, NULL,
		.doc = "Networks that mail may be delivered to although they are private, loopback or "
		       "reserved.",
		.flags = CONFIG_LIST},
};
static const struct config_schema guard = SCHEMA_OF(guard_keys, struct config_addresses);

static const char *const signer_words[] = {"native", "libopendkim", NULL};
static const char *const check_words[] = {"off", "on", "required", NULL};

#define AT(member) offsetof(struct config_keys, member)
static const struct config_key keys_keys[] = {
	{"directory", CONFIG_PATH, AT(directory), "/etc/penguin-mta/keys", NULL, NULL, NULL,
		.doc = "The DKIM private keys, TENANT-UUID/DOMAIN/SELECTOR.pem below it.",
		.flags = CONFIG_LOCAL},
	{"signer", CONFIG_ENUM, AT(signer), "native", NULL, NULL, NULL,
		.doc = "What signs: our own signer, or libopendkim.", .words = signer_words},
	{"check_dns", CONFIG_ENUM, AT(check_dns), "required", NULL, NULL, NULL,
		.doc = "Whether keys are compared with what is published, and must match.",
		.words = check_words},
	{"expire", CONFIG_DURATION, AT(expire_us), "7d", "0", "365d", NULL,
		.doc = "How long a signature is valid (x=), a day more than retry.expire; 0 is for "
		       "ever."},
	{"allow_unsigned", CONFIG_BOOL, AT(allow_unsigned), "false", NULL, NULL, NULL,
		.doc = "Whether mail of domains without a key is sent, without a signature."},
	{"cache", CONFIG_COUNT, AT(cache), "10000", "1", "1000000", "domains",
		.doc = "How many domains' keys are kept in memory, ready to sign."},
};
#undef AT
static const struct config_schema keys = SCHEMA_OF(keys_keys, struct config_keys);

#define AT(member) offsetof(struct config_delivery, member)
static const struct config_key delivery_keys[] = {
	{"log", CONFIG_PATH, AT(log), "/var/log/penguin-mta/delivery.log", NULL, NULL, NULL,
		.doc = "The delivery log, one JSON line an attempt.", .flags = CONFIG_LOCAL},
	{"redirect", CONFIG_HOST_PORT, AT(redirect), NULL, NULL, NULL, NULL,
		.doc = "A host that gets all mail, whoever it is for: for staging."},
	{"port", CONFIG_PORT, AT(port), "25", NULL, NULL, NULL,
		.doc = "The port of recipients' mail hosts."},
};
#undef AT
static const struct config_schema delivery = SCHEMA_OF(delivery_keys, struct config_delivery);

#define AT(member) offsetof(struct config_retry, member)
static const struct config_key retry_keys[] = {
	{"first", CONFIG_DURATION, AT(first_us), "15m", "1s", "1d", NULL,
		.doc = "How long after the first deferral a job is tried again."},
	{"max", CONFIG_DURATION, AT(max_us), "3h", "1s", "7d", NULL,
		.doc = "The longest time between two attempts."},
	{"factor", CONFIG_NUMBER, AT(factor), "2", "1", "10", NULL,
		.doc = "By what the time between attempts grows from one to the next."},
	{"jitter", CONFIG_SHARE, AT(jitter), "20%", "0%", "50%", NULL,
		.doc = "How much of it is left to chance, in both directions."},
	{"expire", CONFIG_DURATION, AT(expire_us), "4d", "1s", "30d", NULL,
		.doc = "How long after its first lease a job expires; a campaign may say less."},
};
#undef AT
static const struct config_schema retry = SCHEMA_OF(retry_keys, struct config_retry);

#define AT(member) offsetof(struct config_timeouts, member)
static const struct config_key timeout_keys[] = {
	{"connect", CONFIG_DURATION, AT(connect_us), "30s", "1s", "10m", NULL,
		.doc = "To make a TCP connection to one address."},
	{"greeting", CONFIG_DURATION, AT(greeting_us), "5m", "1s", "30m", NULL,
		.doc = "From the connection to the whole greeting."},
	{"ehlo", CONFIG_DURATION, AT(ehlo_us), "5m", "1s", "30m", NULL,
		.doc = "From EHLO to its whole reply."},
	{"starttls", CONFIG_DURATION, AT(starttls_us), "60s", "1s", "10m", NULL,
		.doc = "From STARTTLS to the end of the TLS handshake."},
	{"auth", CONFIG_DURATION, AT(auth_us), "60s", "1s", "10m", NULL,
		.doc = "To log in to a relay."},
	{"mail", CONFIG_DURATION, AT(mail_us), "5m", "1s", "30m", NULL,
		.doc = "From MAIL to its whole reply."},
	{"rcpt", CONFIG_DURATION, AT(rcpt_us), "5m", "1s", "30m", NULL,
		.doc = "From RCPT to its whole reply."},
	{"data", CONFIG_DURATION, AT(data_us), "2m", "1s", "30m", NULL,
		.doc = "From DATA to the whole 354."},
	{"data_block", CONFIG_DURATION, AT(data_block_us), "3m", "1s", "30m", NULL,
		.doc = "While the message goes out: for each block of it to be taken."},
	{"final_dot", CONFIG_DURATION, AT(final_dot_us), "10m", "10m", "1h", NULL,
		.doc = "From the final dot to its whole reply; never less, since that makes duplicates."},
	{"rset", CONFIG_DURATION, AT(rset_us), "20s", "1s", "10m", NULL,
		.doc = "From RSET to its whole reply."},
	{"quit", CONFIG_DURATION, AT(quit_us), "5s", "0", "5m", NULL,
		.doc = "From QUIT to its reply, before the connection is closed anyway."},
	{"idle", CONFIG_DURATION, AT(idle_us), "5s", "0", "30s", NULL,
		.doc = "How long a connection with nothing to send is kept for the next message."},
	{"reuse", CONFIG_DURATION, AT(reuse_us), "5m", "1s", "1h", NULL,
		.doc = "After this long a connection gets no more messages."},
	{"scale", CONFIG_NUMBER, AT(scale), "1", "0.001", "10", NULL,
		.doc = "What all timeouts are multiplied by: less than 1 is for tests only."},
};
#undef AT
static const struct config_schema timeouts = SCHEMA_OF(timeout_keys, struct config_timeouts);

#define AT(member) offsetof(struct config_limits, member)
static const struct config_key limit_keys[] = {
	{"jobs", CONFIG_COUNT, AT(jobs), "20000", "100", "1000000", "jobs",
		.doc = "How many jobs a worker holds in memory."},
	{"connections", CONFIG_COUNT, AT(connections), "2000", "1", "100000", "connections",
		.doc = "How many SMTP connections a worker has open."},
	{"memory", CONFIG_SIZE, AT(memory_bytes), "512MiB", "32MiB", "1024GiB", NULL,
		.doc = "A worker that uses more memory claims no more jobs until it has shrunk.",
		.flags = CONFIG_LOCAL},
	{"message", CONFIG_SIZE, AT(message_bytes), "10MiB", "16KiB", "100MiB", NULL,
		.doc = "The largest message that is composed."},
	{"unreported", CONFIG_COUNT, AT(unreported), "5000", "1", "100000", "results",
		.doc = "How many results may wait for Postgres before sending pauses."},
	{"site_share", CONFIG_SHARE, AT(site_share), "5%", "0.1%", "100%", NULL,
		.doc = "How much of jobs one site may hold."},
	{"site_jobs_min", CONFIG_COUNT, AT(site_jobs_min), "50", "1", "100000", "jobs",
		.doc = "What one site may hold whatever site_share says."},
	{"suspended_share", CONFIG_SHARE, AT(suspended_share), "25%", "1%", "100%", NULL,
		.doc = "How much of jobs all suspended sites together may hold."},
};
#undef AT
static const struct config_schema limits = SCHEMA_OF(limit_keys, struct config_limits);

#define AT(member) offsetof(struct config_lease, member)
static const struct config_key lease_keys[] = {
	{"duration", CONFIG_DURATION, AT(duration_us), "20m", "1s", "1d", NULL,
		.doc = "How long what a worker holds is its own since it last renewed."},
	{"renew", CONFIG_DURATION, AT(renew_us), "60s", "100ms", "1h", NULL,
		.doc = "How often a worker renews its lease."},
	{"autonomy", CONFIG_DURATION, AT(autonomy_us), "60s", "0", "1h", NULL,
		.doc = "How long a worker goes on sending while Postgres is away or confirms "
		       "nothing."},
	{"ramp", CONFIG_DURATION, AT(ramp_us), "30s", "0", "1h", NULL,
		.doc = "How long a worker takes to come back to its full pace after such a pause."},
};
#undef AT
static const struct config_schema lease = SCHEMA_OF(lease_keys, struct config_lease);

#define AT(member) offsetof(struct config_spool, member)
static const struct config_key spool_keys[] = {
	{"directory", CONFIG_PATH, AT(directory), "/var/lib/penguin-mta/spool", NULL, NULL, NULL,
		.doc = "Where the journal is: a local disk, of this node's alone.",
		.flags = CONFIG_LOCAL | CONFIG_RESTART},
	{"sync", CONFIG_BOOL, AT(sync), "true", NULL, NULL, NULL,
		.doc = "Whether the final dot waits until the disk has what is about to be sent.",
		.flags = CONFIG_RESTART},
	{"segment", CONFIG_SIZE, AT(segment_bytes), "64MiB", "256KiB", "1GiB", NULL,
		.doc = "The size of one file of the journal; two are there from the start.",
		.flags = CONFIG_LOCAL | CONFIG_RESTART},
	{"keep", CONFIG_DURATION, AT(keep_us), "3d", "0", "365d", NULL,
		.doc = "How long what Postgres knows is kept.",
		.flags = CONFIG_LOCAL | CONFIG_RESTART},
	{"keep_size", CONFIG_SIZE, AT(keep_bytes), "1GiB", "0", "1024GiB", NULL,
		.doc = "How much of what Postgres knows is kept at most.",
		.flags = CONFIG_LOCAL | CONFIG_RESTART},
};
#undef AT
static const struct config_schema spool = SCHEMA_OF(spool_keys, struct config_spool);

#define AT(member) offsetof(struct config_report, member)
static const struct config_key report_keys[] = {
	{"interval", CONFIG_DURATION, AT(interval_us), "500ms", "10ms", "30s", NULL,
		.doc = "How long a result waits at most before it is reported."},
	{"rows", CONFIG_COUNT, AT(rows), "1000", "1", "10000", "rows",
		.doc = "How many results are reported at once, without waiting."},
	{"retry_interval", CONFIG_DURATION, AT(retry_interval_us), "30s", "100ms", "10m", NULL,
		.doc = "How long a deferred job waits at most before its retry is filed."},
};
#undef AT
static const struct config_schema report = SCHEMA_OF(report_keys, struct config_report);

static const char *const version_words[] = {"1.0", "1.1", "1.2", "1.3", NULL};

#define AT(member) offsetof(struct config_tls_settings, member)
static const struct config_key tls_keys[] = {
	{"min_version", CONFIG_ENUM, AT(min_version), "1.2", NULL, NULL, NULL,
		.doc = "The oldest TLS that counts as TLS.", .words = version_words},
	{"ca_file", CONFIG_PATH, AT(ca_file), NULL, NULL, NULL, NULL,
		.doc = "The certificates that prove names, in PEM; the system's if unset.",
		.flags = CONFIG_LOCAL},
	{"remember_failure", CONFIG_DURATION, AT(remember_failure_us), "1h", "0", "7d", NULL,
		.doc = "How long a host whose TLS failed gets mail in the clear, where that is allowed."},
};
#undef AT
static const struct config_schema tls = SCHEMA_OF(tls_keys, struct config_tls_settings);

static const struct config_key token_key_keys[] = {
	{"file", CONFIG_PATH, offsetof(struct config_token_key, file), NULL, NULL, NULL, NULL,
		.doc = "The file with the secret, at least 16 bytes.",
		.flags = CONFIG_LOCAL | CONFIG_REQUIRED},
};
static const struct config_schema token_key = SCHEMA_OF(token_key_keys, struct config_token_key);

#define AT(member) offsetof(struct config_tokens, member)
static const struct config_key token_keys[] = {
	{"keys", CONFIG_TABLE, AT(keys), NULL, NULL, NULL, NULL,
		.doc = "The secrets of return paths and unsubscribe links, by key id: a number from 1 to 255.",
		.schema = &token_key, .flags = CONFIG_SHORTHAND},
	{"sign_with", CONFIG_NAME, AT(sign_with), NULL, NULL, NULL, NULL,
		.doc = "The key id that new tokens are made with; the last of keys if unset."},
};
#undef AT
static const struct config_schema tokens = SCHEMA_OF(token_keys, struct config_tokens);

#define AT(member) offsetof(struct config, member)
static const struct config_key root_keys[] = {
	{"include", CONFIG_PATH, AT(include), NULL, NULL, NULL, NULL,
		.doc = "Files that are read too; this file's keys win, and later files' over earlier ones'.",
		.flags = CONFIG_LOCAL | CONFIG_LIST},
	{"node", CONFIG_NAME, AT(node), NULL, NULL, NULL, NULL,
		.doc = "This machine's name among the others; its host name if unset.",
		.flags = CONFIG_LOCAL | CONFIG_RESTART},
	{"hostname", CONFIG_HOST, AT(hostname), NULL, NULL, NULL, NULL,
		.doc = "What sources without a name of their own say in EHLO; the host name if unset.",
		.flags = CONFIG_LOCAL},
	{"workers", CONFIG_COUNT, AT(workers), "0", "0", "256", NULL,
		.doc = "How many processes send; 0: as many as there are cores, or sources if fewer.",
		.flags = CONFIG_LOCAL | CONFIG_RESTART},
	{"drain_timeout", CONFIG_DURATION, AT(drain_timeout_us), "11m", "0", "1d", NULL,
		.doc = "How long a stop waits for what is on the wire.", .flags = CONFIG_LOCAL},
	{"log", CONFIG_SECTION, AT(log_level), NULL, NULL, NULL, NULL,
		.doc = "The program's own log.", .schema = &log_schema, .flags = CONFIG_LOCAL},
	{"postgres", CONFIG_SECTION, AT(postgres), NULL, NULL, NULL, NULL,
		.doc = "The database that is the queue.", .schema = &postgres},
	{"dns", CONFIG_SECTION, AT(dns), NULL, NULL, NULL, NULL, .doc = "How names are resolved.",
		.schema = &dns},
	{"guard", CONFIG_SECTION, AT(guard_allow), NULL, NULL, NULL, NULL,
		.doc = "Where mail may be delivered.", .schema = &guard},
	{"keys", CONFIG_SECTION, AT(keys), NULL, NULL, NULL, NULL, .doc = "DKIM.", .schema = &keys},
	{"delivery", CONFIG_SECTION, AT(delivery), NULL, NULL, NULL, NULL,
		.doc = "Delivery as such.", .schema = &delivery},
	{"retry", CONFIG_SECTION, AT(retry), NULL, NULL, NULL, NULL,
		.doc = "When deferred jobs are tried again.", .schema = &retry},
	{"timeouts", CONFIG_SECTION, AT(timeouts), NULL, NULL, NULL, NULL,
		.doc = "How long SMTP waits in each phase.", .schema = &timeouts},
	{"limits", CONFIG_SECTION, AT(limits), NULL, NULL, NULL, NULL,
		.doc = "What a worker takes on at once.", .schema = &limits},
	{"lease", CONFIG_SECTION, AT(lease), NULL, NULL, NULL, NULL,
		.doc = "A worker's right to the jobs it holds.", .schema = &lease},
	{"spool", CONFIG_SECTION, AT(spool), NULL, NULL, NULL, NULL,
		.doc = "The journal that makes a crash safe.", .schema = &spool},
	{"report", CONFIG_SECTION, AT(report), NULL, NULL, NULL, NULL,
		.doc = "How results get into Postgres.", .schema = &report},
	{"sources", CONFIG_TABLE, AT(sources), NULL, NULL, NULL, NULL,
		.doc = "The sending identities, by name.", .schema = &config_schema_sources,
		.flags = CONFIG_LOCAL},
	{"pools", CONFIG_TABLE, AT(pools), NULL, NULL, NULL, NULL,
		.doc = "Named sets of sources, which campaigns choose.",
		.schema = &config_schema_pools},
	{"routes", CONFIG_TABLE, AT(routes), NULL, NULL, NULL, NULL,
		.doc = "Recipient domains that go elsewhere than to their MX: DOMAIN, *.DOMAIN or *.",
		.schema = &config_schema_routes, .flags = CONFIG_SHORTHAND},
	{"providers", CONFIG_TABLE, AT(providers), NULL, NULL, NULL, NULL,
		.doc = "Mailbox providers and the pace each tolerates, by name.",
		.schema = &config_schema_providers},
	{"default_site", CONFIG_SECTION, AT(default_site), NULL, NULL, NULL, NULL,
		.doc = "The pace at sites that belong to no provider.",
		.schema = &config_schema_default_site},
	{"tls", CONFIG_SECTION, AT(tls), NULL, NULL, NULL, NULL, .doc = "What counts as protected.",
		.schema = &tls},
	{"tokens", CONFIG_SECTION, AT(tokens), NULL, NULL, NULL, NULL,
		.doc = "Signed return paths and links.", .schema = &tokens},
};
#undef AT
const struct config_schema config_schema_root = SCHEMA_OF(root_keys, struct config);
