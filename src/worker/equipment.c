/*
 * What a configuration brings along.  Outlets and jobs at hand hold a reference, so
 * that a reload takes effect for what comes next and pulls nothing from under what
 * is under way.
 *
 * Passwords of relays are read here, once, and wiped when the last user is gone.
 */
#include "equipment.h"

#include <string.h>
#include <sys/resource.h>

#include "base/log.h"
#include "base/mem.h"

#define FILES_KEPT 64

static void fill_timeouts(struct session_timeouts *out, const struct config_timeouts *in)
{
	*out = (struct session_timeouts){
		.connect_us = config_timeout_us(in, in->connect_us),
		.greeting_us = config_timeout_us(in, in->greeting_us),
		.ehlo_us = config_timeout_us(in, in->ehlo_us),
		.starttls_us = config_timeout_us(in, in->starttls_us),
		.auth_us = config_timeout_us(in, in->auth_us),
		.mail_us = config_timeout_us(in, in->mail_us),
		.rcpt_us = config_timeout_us(in, in->rcpt_us),
		.data_us = config_timeout_us(in, in->data_us),
		.block_us = config_timeout_us(in, in->data_block_us),
		.dot_us = config_timeout_us(in, in->final_dot_us),
		.rset_us = config_timeout_us(in, in->rset_us),
		.quit_us = config_timeout_us(in, in->quit_us),
	};
}

static bool read_passwords(struct equipment *equipment, struct buf *why)
{
	const struct config_sources *sources = &equipment->config->sources;
	bool fine = true;

	for (size_t i = 0; i < sources->count && fine; i++) {
		const struct config_source *source = sources->items[i];
		struct buf text;
		struct err err;

		if (source->relay.host.host == NULL || source->relay.password_file == NULL) {
			continue;
		}
		buf_init(&text, 4096);
		err = config_secret_read(source->relay.password_file, &text);
		fine = !err_is(err);
		if (fine) {
			map_put(equipment->passwords, slice_of(source->name),
				mem_copy(text.p, text.n));
			explicit_bzero(text.p, text.n);
		} else {
			buf_add_format(why, "sources.%s.relay.password_file: %s: %s", source->name,
				source->relay.password_file, err_text(err));
		}
		buf_clear(&text);
	}
	return fine;
}

static enum tls_version least_version(const struct config *config)
{
	switch (config->tls.min_version) {
	case CONFIG_TLS_1_0:
		return TLS_VERSION_1_0;
	case CONFIG_TLS_1_1:
		return TLS_VERSION_1_1;
	case CONFIG_TLS_1_2:
		return TLS_VERSION_1_2;
	case CONFIG_TLS_1_3:
		return TLS_VERSION_1_3;
	}
	return TLS_VERSION_1_2;
}

/* Raised as far as it goes when the program began (main/). */
static rlim_t files_max(void)
{
	struct rlimit files;

	return getrlimit(RLIMIT_NOFILE, &files) == 0 ? files.rlim_cur : RLIM_INFINITY;
}

/*
 * Some descriptors are kept for Postgres, the DNS, the journal, keys and logs: connections
 * that took them all would stop what is to be done with their results.
 */
static size_t connections_of(const struct config *config)
{
	rlim_t files = files_max();
	rlim_t kept = files > 2 * FILES_KEPT ? FILES_KEPT : files / 2;
	size_t wanted = config->limits.connections;

	if (files == RLIM_INFINITY || wanted <= files - kept) {
		return wanted;
	}
	log_warning(NULL, "few_open_files", "limit=%lu connections=%lu wanted=%zu text=%s",
		(unsigned long)files, (unsigned long)(files - kept), wanted,
		log_quote(SLICE("limits.connections does not fit to the limit of open files: raise "
				"LimitNOFILE, or lower limits.connections")));
	return (size_t)(files - kept);
}

struct equipment *equipment_new(const struct config *config, struct buf *why)
{
	struct equipment *equipment = MEM_NEW(struct equipment);

	equipment->refs = 1;
	equipment->config = config_ref(config);
	equipment->passwords = map_new();
	equipment->barren = map_new();
	equipment->connections = connections_of(config);
	fill_timeouts(&equipment->timeouts, &config->timeouts);
	if (!read_passwords(equipment, why) ||
		err_is(tls_context_new(
			least_version(config), config->tls.ca_file, &equipment->tls, why))) {
		equipment_unref(&equipment);
	}
	return equipment;
}

struct equipment *equipment_ref(struct equipment *equipment)
{
	equipment->refs++;
	return equipment;
}

static void wipe_passwords(struct equipment *equipment)
{
	size_t at = 0;
	struct slice key;
	void *password;

	while (map_next(equipment->passwords, &at, &key, &password)) {
		explicit_bzero(password, strlen(password));
		mem_free(password);
	}
	map_free(&equipment->passwords);
}

void equipment_unref(struct equipment **equipment)
{
	struct equipment *gone = *equipment;

	*equipment = NULL;
	if (gone == NULL || --gone->refs > 0) {
		return;
	}
	wipe_passwords(gone);
	map_free(&gone->barren);
	tls_context_free(&gone->tls);
	config_unref(&gone->config);
	mem_free(gone);
}

const char *equipment_password(
	const struct equipment *equipment, const struct config_source *source)
{
	return map_get(equipment->passwords, slice_of(source->name));
}
