/*
 * The settings of the node, one struct a topic.  man/penguin-mta.yaml.5 says what
 * each key means; the members have the names and the order of the keys.  All of it
 * is read-only and lives as long as its struct config.
 */
#ifndef CONFIG_SETTINGS_H
#define CONFIG_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "config/value.h"

struct config_postgres {
	const char *dsn;           /* without a password */
	const char *password_file; /* NULL = none: config_secret_read() */
	bool distributed;
	bool listen;
	int64_t poll_busy_us;
	int64_t poll_idle_us;
	int64_t sweep_us;
	int64_t feed_us;
	int64_t connect_timeout_us;
	int64_t statement_timeout_us;
};

enum config_check_sources {
	CONFIG_CHECK_SOURCES_OFF,
	CONFIG_CHECK_SOURCES_WARN,
	CONFIG_CHECK_SOURCES_REQUIRE,
};

struct config_dns {
	struct config_addresses servers; /* with ports; none = those of the system */
	bool allow_remote;
	int64_t timeout_us;
	uint32_t attempts;
	int64_t min_ttl_us;
	int64_t max_ttl_us;
	int64_t negative_max_ttl_us;
	uint32_t cache; /* domains */
	enum config_check_sources check_sources;
	int64_t check_interval_us;
};

enum config_signer { CONFIG_SIGNER_NATIVE, CONFIG_SIGNER_LIBOPENDKIM };
enum config_check_dns { CONFIG_CHECK_DNS_OFF, CONFIG_CHECK_DNS_ON, CONFIG_CHECK_DNS_REQUIRED };

/* What a signature is good for at least when a message leaves: receivers judge it later. */
#define CONFIG_SIGNATURE_REST_US (INT64_C(86400) * 1000000)

struct config_keys {
	const char *directory;
	enum config_signer signer;
	enum config_check_dns check_dns;
	int64_t expire_us; /* x= after t=; 0 = none */
	bool allow_unsigned;
	uint32_t cache; /* domains whose keys are kept parsed */
};

struct config_delivery {
	const char *log;
	struct config_endpoint redirect; /* host NULL = off; else with a port */
	uint16_t port;
};

struct config_retry {
	int64_t first_us;
	int64_t max_us;
	double factor;
	double jitter; /* share of the interval, in both directions */
	int64_t expire_us;
};

/* As the file has them: config_timeout_us() gives what to use, with the scale. */
struct config_timeouts {
	int64_t connect_us;
	int64_t greeting_us;
	int64_t ehlo_us;
	int64_t starttls_us;
	int64_t auth_us;
	int64_t mail_us;
	int64_t rcpt_us;
	int64_t data_us;
	int64_t data_block_us;
	int64_t final_dot_us;
	int64_t rset_us;
	int64_t quit_us;
	int64_t idle_us;
	int64_t reuse_us;
	double scale;
};

/* The scale applied; never 0 unless the timeout is. */
int64_t config_timeout_us(const struct config_timeouts *timeouts, int64_t timeout_us);

struct config_limits {
	uint32_t jobs;
	uint32_t connections;
	uint64_t memory_bytes;
	uint64_t message_bytes;
	uint32_t unreported;
	double site_share;
	uint32_t site_jobs_min;
	double suspended_share;
};

struct config_lease {
	int64_t duration_us;
	int64_t renew_us;
	int64_t autonomy_us;
	int64_t ramp_us;
};

struct config_report {
	int64_t interval_us;
	uint32_t rows;
	int64_t retry_interval_us;
};

enum config_tls_version { CONFIG_TLS_1_0, CONFIG_TLS_1_1, CONFIG_TLS_1_2, CONFIG_TLS_1_3 };

struct config_tls_settings {
	enum config_tls_version min_version;
	const char *ca_file; /* NULL = the system's */
	int64_t remember_failure_us;
};

struct config_token_key {
	const char *name;
	const char *file;
	uint8_t id; /* the name as the number it is: 1..255 */
};

struct config_token_keys {
	const struct config_token_key *const *items;
	size_t count;
};

struct config_tokens {
	struct config_token_keys keys;
	const char *sign_with; /* one of them; NULL only when there are none */
};

#endif
