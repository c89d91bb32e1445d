/*
 * The configuration as the program sees it: immutable and counted.  A reload makes
 * a new one and swaps the pointer; whoever still works with the old one holds a
 * reference.  Not for several threads.
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/slice.h"
#include "config/routing.h"
#include "config/settings.h"
#include "config/value.h"

struct config_settings;

/* The journal (spool/journal.h). */
struct config_spool {
	const char *directory;
	bool sync;
	uint64_t segment_bytes;
	int64_t keep_us;
	uint64_t keep_bytes;
};

struct config {
	struct config_texts include; /* the files that were read too */
	const char *node;            /* this machine's name among the others; never NULL */
	const char *hostname;        /* for EHLO, where a source has none of its own; never NULL */
	uint32_t workers;            /* 0 = by cores and sources */
	int64_t drain_timeout_us;
	enum log_level log_level;
	struct config_postgres postgres;
	struct config_dns dns;
	struct config_addresses guard_allow;
	struct config_keys keys;
	struct config_delivery delivery;
	struct config_retry retry;
	struct config_timeouts timeouts;
	struct config_limits limits;
	struct config_lease lease;
	struct config_spool spool;
	struct config_report report;
	struct config_sources sources;
	struct config_pools pools;
	struct config_routes routes;
	struct config_providers providers;
	struct config_pace default_site; /* sites that belong to no provider */
	struct config_tls_settings tls;
	struct config_tokens tokens;
};

/*
 * Reads the file and those it includes (an included file's keys lose against the
 * including file's, an earlier one's against a later one's).  On false `problems`
 * has all that is wrong, as printed lines, and *ret_config is left alone.
 */
MUST_USE bool config_load(const char *path, const struct config **ret_config, struct buf *problems);

/* The same from a text; pure but for the machine's name.  `include` is refused. */
MUST_USE bool config_parse(const char *name, struct slice text, const struct config **ret_config,
	struct buf *problems);

const struct config *config_ref(const struct config *config);
void config_unref(const struct config **config); /* accepts NULL; sets NULL */

/* What every key came to and where it was set (config/diff.h shows and compares it). */
const struct config_settings *config_settings(const struct config *config);

/*
 * For mains: the work of --check-config, --dump-config and --dump-schema.  Each
 * fills `out` (what belongs on standard output) or `problems` (on standard error)
 * and returns the exit code: 0 or 78 (EX_CONFIG).
 */
int config_check_file(const char *path, struct buf *out, struct buf *problems);
int config_dump_file(const char *path, struct buf *out, struct buf *problems);
int config_dump_schema(struct buf *out);

/*
 * The content of a password or key file, at most 4096 bytes, without the line end.
 * ERR_INPUT: empty or too long.
 */
MUST_USE struct err config_secret_read(const char *path, struct buf *out);

#endif
