/*
 * The configuration of a world (penguin-world.yaml(5)), as it was read: hosts are
 * one entry for each name and address, domains and rules are as in the file.
 */
#ifndef WORLD_CONFIG_H
#define WORLD_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "behave.h"
#include "config/problem.h"
#include "fields.h"
#include "isp.h"
#include "names.h"

/* How a host behaves when no rule speaks.  The section `smtp:` has the same keys: the defaults. */
struct profile {
	struct config_place place; /* where the file speaks of it */
	struct slice host;         /* a pattern without star */
	struct texts addresses;    /* templates */
	struct texts keywords;     /* of the EHLO reply */
	struct texts users;        /* "name:password" for AUTH */
	struct slice greeting;     /* behind "220 " */
	int64_t latency_us;
	int64_t timeout_us;       /* of a silent peer */
	uint64_t messages_max;    /* a connection; 0 = no limit */
	uint64_t connections_max; /* from one source to one host; 0 = no limit */
	uint64_t recipients_max;  /* a message */
	bool tls_required;
	bool auth_required;
	unsigned tls;     /* enum tls_mode */
	unsigned tls_min; /* enum tls_version */
	unsigned tls_max;
};

struct host {
	const struct profile *profile;
	struct slice name;
	struct slice address;
};

struct world_config {
	struct slice dns_address;
	uint16_t dns_port;
	uint16_t smtp_port;
	struct slice tls_directory;
	struct names_settings names;
	struct host *hosts;
	size_t host_count;
	struct rule *rules;
	size_t rule_count;
	struct isp_settings *models;
	size_t model_count;
};

/*
 * NULL when problems were found.  Relative paths in the file are relative to it.
 * Durations are multiplied by scale.
 */
struct world_config *world_config_read(
	const char *path, double scale, struct config_problems *problems);
void world_config_free(struct world_config **config);

#endif
