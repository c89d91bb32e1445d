/*
 * A world's configuration: reading the file and spreading the hosts.
 *
 * Hosts are spread out here (a pattern becomes one host a name and address),
 * because each needs a listening socket; domains stay patterns, because names.c
 * matches them as they are asked.  For every host, address and reverse records are
 * made and put behind the entries of the file, which thus win.
 */
#include "config.h"

#include <string.h>

#include "base/mem.h"
#include "pattern.h"
#include "schema.h"

#define HOSTS_MAX 60000

static void set_defaults(struct loaded *loaded)
{
	static struct slice keywords[] = {
		{"PIPELINING", 10},
		{"SIZE 52428800", 13},
		{"8BITMIME", 8},
		{"SMTPUTF8", 8},
		{"ENHANCEDSTATUSCODES", 19},
		{"DSN", 3},
	};

	loaded->config.dns_address = SLICE("127.0.0.1");
	loaded->config.dns_port = 5353;
	loaded->config.smtp_port = 2525;
	loaded->entry_defaults.ttl = 300;
	loaded->entry_defaults.negative_ttl = 60;
	loaded->defaults.keywords = (struct texts){keywords, ARRAY_LEN(keywords)};
	loaded->defaults.timeout_us = (int64_t)(300e6 * loaded->reader.scale);
	loaded->defaults.recipients_max = 100;
}

static void add_reverse(struct loaded *loaded, struct name_entry *entry, const struct host *host)
{
	struct slice part[4] = {0};
	struct slice rest = host->address;
	struct buf name;

	for (size_t i = 0; i < 4; i++) {
		(void)slice_split(&rest, '.', &part[i]);
	}
	buf_init(&name, 0);
	buf_add_format(&name, "%.*s.%.*s.%.*s.%.*s.in-addr.arpa", SHOW(part[3]), SHOW(part[2]),
		SHOW(part[1]), SHOW(part[0]));
	*entry = loaded->entry_defaults;
	entry->domain = arena_slice(loaded->arena, buf_slice(&name));
	entry->ptr.at = arena_array(loaded->arena, 1, sizeof(struct slice));
	entry->ptr.at[0] = host->name;
	entry->ptr.count = 1;
	buf_clear(&name);
}

/* A and PTR of the hosts, behind what the file says. */
static void add_host_names(struct loaded *loaded)
{
	struct world_config *config = &loaded->config;
	struct name_entry *entries = arena_array(
		loaded->arena, config->names.count + 2 * config->host_count + 1, sizeof(*entries));
	size_t n = config->names.count;

	if (n > 0) {
		memcpy(entries, config->names.entries, n * sizeof(*entries));
	}
	for (size_t i = 0; i < config->host_count; i++) {
		const struct host *host = &config->hosts[i];
		size_t same = 1;

		add_reverse(loaded, &entries[n++], host);
		if (i > 0 && slice_equal(config->hosts[i - 1].name, host->name)) {
			continue;
		}
		while (i + same < config->host_count &&
			slice_equal(config->hosts[i + same].name, host->name)) {
			same++;
		}
		entries[n] = loaded->entry_defaults;
		entries[n].domain = host->name;
		entries[n].a.at = arena_array(loaded->arena, same, sizeof(struct slice));
		for (; entries[n].a.count < same; entries[n].a.count++) {
			entries[n].a.at[entries[n].a.count] =
				config->hosts[i + entries[n].a.count].address;
		}
		n++;
	}
	config->names.entries = entries;
	config->names.count = n;
}

static size_t count_hosts(const struct loaded *loaded)
{
	uint64_t count = 0;

	for (size_t i = 0; i < loaded->profile_count; i++) {
		count += pattern_count(loaded->profiles[i].host) *
			loaded->profiles[i].addresses.count;
	}
	return count > HOSTS_MAX ? HOSTS_MAX + 1 : (size_t)count;
}

static bool spread_profile(struct loaded *loaded, const struct profile *profile, struct host *host)
{
	struct captures captures;
	struct buf name;
	struct buf address;
	bool ok = true;

	buf_init(&name, 0);
	buf_init(&address, 0);
	for (uint64_t i = 0; ok && i < pattern_count(profile->host); i++) {
		struct slice kept;

		pattern_nth(profile->host, i, &name, &captures);
		kept = arena_slice(loaded->arena, buf_slice(&name));
		for (size_t j = 0; ok && j < profile->addresses.count; j++) {
			buf_reset(&address);
			template_add(&address, profile->addresses.at[j], &captures);
			*host++ = (struct host){
				profile, kept, arena_slice(loaded->arena, buf_slice(&address))};
			ok = schema_is_loopback(buf_slice(&address));
		}
	}
	if (!ok) {
		config_problem_add(loaded->reader.problems, profile->place,
			"host '%s' gets the address '%s', which is not in 127.0.0.0/8; "
			"mend the range or its address",
			buf_string(&name), buf_string(&address));
	}
	buf_clear(&name);
	buf_clear(&address);
	return ok;
}

static void spread_hosts(struct loaded *loaded)
{
	struct world_config *config = &loaded->config;
	size_t count = count_hosts(loaded);

	if (count > HOSTS_MAX) {
		config_problem_add(loaded->reader.problems, config_tree_root(loaded->tree)->place,
			"hosts: stand for more than %d addresses; write smaller ranges", HOSTS_MAX);
		return;
	}
	config->hosts = arena_array(loaded->arena, count + 1, sizeof(struct host));
	for (size_t i = 0; i < loaded->profile_count; i++) {
		const struct profile *profile = &loaded->profiles[i];

		if (!spread_profile(loaded, profile, config->hosts + config->host_count)) {
			return;
		}
		config->host_count +=
			(size_t)pattern_count(profile->host) * profile->addresses.count;
	}
}

/* A path of the file counts from the file's directory. */
static struct slice make_path(struct loaded *loaded, const char *file, struct slice path)
{
	struct slice directory = slice_of(file);
	size_t slash = slice_find_last(directory, '/');
	struct buf whole;

	if (path.n == 0 || path.p[0] == '/' || slash == directory.n) {
		return path;
	}
	buf_init(&whole, 0);
	buf_add(&whole, slice_first(directory, slash + 1));
	buf_add(&whole, path);
	path = arena_slice(loaded->arena, buf_slice(&whole));
	buf_clear(&whole);
	return path;
}

struct world_config *world_config_read(
	const char *path, double scale, struct config_problems *problems)
{
	struct loaded *loaded = MEM_NEW(struct loaded);
	struct world_config *config = &loaded->config;

	loaded->arena = arena_new(0);
	loaded->reader = (struct reader){loaded->arena, scale, problems};
	loaded->tree = config_tree_read(path, problems);
	if (loaded->tree != NULL) {
		set_defaults(loaded);
		schema_read(loaded);
		config->names.dkim_dir = make_path(loaded, path, config->names.dkim_dir);
		config->tls_directory = make_path(loaded, path, config->tls_directory);
		config->names.negative_ttl = loaded->entry_defaults.negative_ttl;
	}
	if (problems->count == 0) {
		spread_hosts(loaded);
	}
	if (problems->count > 0) {
		world_config_free(&config);
		return NULL;
	}
	add_host_names(loaded);
	return config;
}

void world_config_free(struct world_config **config)
{
	struct loaded *loaded = (struct loaded *)(void *)*config;

	if (loaded == NULL) {
		return;
	}
	config_tree_free(&loaded->tree);
	arena_free(&loaded->arena);
	mem_free(loaded);
	*config = NULL;
}
