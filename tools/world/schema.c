/*
 * The schema of penguin-world.yaml: one table a section, one row a key.
 *
 * A row says how the value is written and where it goes (fields.h).  The sections
 * dns:, smtp: and tls: are read first, wherever they stand in the file, because
 * the entries of domains: and hosts: begin as copies of the defaults they give.
 * What can only be wrong in combination is checked behind the row-wise reading.
 */
#include "schema.h"

#include "base/mem.h"
#include "config/yaml.h"
#include "pattern.h"
#include "schema_isp.h"
#include "tls.h"

#define NO_WORDS NULL, NULL

/* The whole that the reader is a member of: where the defaults are. */
static struct loaded *loaded_of(struct reader *reader)
{
	return (struct loaded *)(void *)((char *)reader - offsetof(struct loaded, reader));
}

static const char *const tls_words[] = {
	"valid", "self-signed", "expired", "wrong-name", "garbage", "close", NULL};
static const char *const version_words[] = {"any", "1.0", "1.1", "1.2", "1.3", NULL};
static const char *const fault_words[] = {"none", "servfail", "refused", "nxdomain", "formerr",
	"notimp", "timeout", "truncate", "wrong-id", "short-data", "long-data", "name-loop",
	"name-self", NULL};
static const char *const type_words[] = {"mx", "a", "aaaa", "txt", "ptr", "cname", "soa", NULL};
static const char *const phase_words[] = {"connect", "helo", "ehlo", "starttls", "auth", "mail",
	"rcpt", "data", "dot", "rset", "noop", "quit", "vrfy", "unknown", NULL};
static const char *const then_words[] = {"go-on", "close", "reset", "silence", "stall", NULL};
static const char *const key_words[] = {
	"source", "sender", "recipient", "domain", "host", "session", NULL};
static const char *const unknown_words[] = {"nxdomain", "refused", NULL};
static const char *const flag_words[] = {"any", "no", "yes", NULL};

_Static_assert(ARRAY_LEN(phase_words) == PHASES + 1, "a word for every phase");

#define PROFILE(member) offsetof(struct profile, member)

static const struct field profile_fields[] = {
	{"host", FIELD_PATTERN, PROFILE(host), NO_WORDS},
	{"address", FIELD_TEXTS, PROFILE(addresses), NO_WORDS},
	{"keywords", FIELD_TEXTS, PROFILE(keywords), NO_WORDS},
	{"users", FIELD_TEXTS, PROFILE(users), NO_WORDS},
	{"greeting", FIELD_TEXT, PROFILE(greeting), NO_WORDS},
	{"latency", FIELD_DURATION, PROFILE(latency_us), NO_WORDS},
	{"timeout", FIELD_DURATION, PROFILE(timeout_us), NO_WORDS},
	{"messages_per_connection", FIELD_NUMBER, PROFILE(messages_max), NO_WORDS},
	{"connections", FIELD_NUMBER, PROFILE(connections_max), NO_WORDS},
	{"recipients", FIELD_NUMBER, PROFILE(recipients_max), NO_WORDS},
	{"tls_required", FIELD_FLAG, PROFILE(tls_required), NO_WORDS},
	{"auth_required", FIELD_FLAG, PROFILE(auth_required), NO_WORDS},
	{"tls", FIELD_WORD, PROFILE(tls), tls_words, NULL},
	{"tls_min", FIELD_WORD, PROFILE(tls_min), version_words, NULL},
	{"tls_max", FIELD_WORD, PROFILE(tls_max), version_words, NULL},
};

#define ENTRY(member) offsetof(struct name_entry, member)

static const struct field entry_fields[] = {
	{"domain", FIELD_PATTERN, ENTRY(domain), NO_WORDS},
	{"mx", FIELD_TEXTS, ENTRY(mx), NO_WORDS},
	{"a", FIELD_TEXTS, ENTRY(a), NO_WORDS},
	{"aaaa", FIELD_TEXTS, ENTRY(aaaa), NO_WORDS},
	{"txt", FIELD_TEXTS, ENTRY(txt), NO_WORDS},
	{"ptr", FIELD_TEXTS, ENTRY(ptr), NO_WORDS},
	{"cname", FIELD_TEXT, ENTRY(cname), NO_WORDS},
	{"soa", FIELD_FLAG, ENTRY(soa), NO_WORDS},
	{"ttl", FIELD_NUMBER, ENTRY(ttl), NO_WORDS},
	{"negative_ttl", FIELD_NUMBER, ENTRY(negative_ttl), NO_WORDS},
	{"delay", FIELD_DURATION, ENTRY(delay_us), NO_WORDS},
	{"fault", FIELD_WORD, ENTRY(fault), fault_words, NULL},
	{"types", FIELD_WORDS, ENTRY(fault_types), type_words, NULL},
	{"first", FIELD_NUMBER, ENTRY(fault_first), NO_WORDS},
};

#define STEP(member) offsetof(struct step, member)

static void read_step_word(struct reader *reader, const struct config_node *node, void *at);

static const struct field step_fields[] = {
	{"send", FIELD_TEXT, STEP(bytes), NO_WORDS},
	{"send_hex", FIELD_HEX, STEP(bytes), NO_WORDS},
	{"times", FIELD_NUMBER, STEP(count), NO_WORDS},
	{"wait", FIELD_DURATION, STEP(wait_us), NO_WORDS},
	{"expect", FIELD_TEXT, STEP(bytes), NO_WORDS},
	{"skip", FIELD_NUMBER, STEP(count), NO_WORDS},
	{"message", FIELD_OTHER, STEP(count), NULL, read_step_word},
	{"end", FIELD_WORD, STEP(then), then_words, NULL},
};

/* `message: true` needs no value of its own: the key says it. */
static void read_step_word(struct reader *reader, const struct config_node *node, void *at)
{
	*(uint64_t *)at = 1;
	if (!slice_equal(node->text, SLICE("true"))) {
		config_problem_add(reader->problems, node->place, "must be true");
	}
}

static enum step_kind step_kind_of(const struct config_node *node)
{
	static const struct {
		const char *key;
		enum step_kind kind;
	} kinds[] = {{"send", STEP_SEND}, {"send_hex", STEP_SEND}, {"wait", STEP_WAIT},
		{"expect", STEP_EXPECT}, {"skip", STEP_SKIP}, {"message", STEP_MESSAGE},
		{"end", STEP_END}};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (config_node_get(node, slice_of(kinds[i].key)) != NULL) {
			return kinds[i].kind;
		}
	}
	return STEP_NONE;
}

static void read_step(struct reader *reader, const struct config_node *node, void *into)
{
	struct step *step = into;

	fields_read(reader, node, step_fields, ARRAY_LEN(step_fields), step);
	step->kind = step_kind_of(node);
	if (step->kind == STEP_NONE) {
		config_problem_add(reader->problems, node->place,
			"a step needs send, send_hex, wait, expect, skip, message or end");
	}
	if (step->kind == STEP_SEND && step->count == 0) {
		step->count = 1;
	}
}

static void read_script(struct reader *reader, const struct config_node *node, void *at)
{
	struct script *script = arena_get(reader->arena, sizeof(*script));

	script->steps =
		fields_read_list(reader, node, sizeof(struct step), read_step, &script->count);
	*(struct script **)at = script;
}

#define WHEN(member) offsetof(struct rule, when.member)
#define DEEDS(member) offsetof(struct rule, deeds.member)

static const struct field rule_fields[] = {
	{"at", FIELD_WORDS, WHEN(at), phase_words, NULL},
	{"host", FIELD_PATTERN, WHEN(host), NO_WORDS},
	{"domain", FIELD_PATTERN, WHEN(domain), NO_WORDS},
	{"recipient", FIELD_PATTERN, WHEN(recipient), NO_WORDS},
	{"sender", FIELD_PATTERN, WHEN(sender), NO_WORDS},
	{"source", FIELD_PATTERN, WHEN(source), NO_WORDS},
	{"ehlo", FIELD_PATTERN, WHEN(ehlo), NO_WORDS},
	{"tls", FIELD_WORD, WHEN(tls), flag_words, NULL},
	{"nth", FIELD_SPAN, WHEN(nth), NO_WORDS},
	{"messages", FIELD_SPAN, WHEN(messages), NO_WORDS},
	{"connections", FIELD_SPAN, WHEN(connections), NO_WORDS},
	{"recipients", FIELD_SPAN, WHEN(recipients), NO_WORDS},
	{"share", FIELD_SHARE, WHEN(share_ppm), NO_WORDS},
	{"per", FIELD_WORDS, WHEN(per), key_words, NULL},
	{"greylist", FIELD_DURATION, WHEN(greylist_us), NO_WORDS},
	{"reply", FIELD_TEXTS, DEEDS(reply), NO_WORDS},
	{"raw", FIELD_TEXT, DEEDS(raw), NO_WORDS},
	{"raw_hex", FIELD_HEX, DEEDS(raw), NO_WORDS},
	{"delay", FIELD_DURATION, DEEDS(delay_us), NO_WORDS},
	{"then", FIELD_WORD, DEEDS(then), then_words, NULL},
	{"split", FIELD_NUMBER, DEEDS(split_bytes), NO_WORDS},
	{"pause", FIELD_DURATION, DEEDS(pause_us), NO_WORDS},
	{"cut_received", FIELD_SPAN, DEEDS(cut_received), NO_WORDS},
	{"cut_sent", FIELD_SPAN, DEEDS(cut_sent), NO_WORDS},
	{"accept", FIELD_FLAG, DEEDS(accept), NO_WORDS},
	{"script", FIELD_OTHER, DEEDS(script), NULL, read_script},
};

static void read_rule(struct reader *reader, const struct config_node *node, void *into)
{
	struct rule *rule = into;

	fields_read(reader, node, rule_fields, ARRAY_LEN(rule_fields), rule);
	if (rule->when.at == 0) {
		config_problem_add(reader->problems, node->place,
			"a rule needs at: the commands it is about, such as at: rcpt");
	}
	if (rule->when.greylist_us > 0 && rule->when.per == 0) {
		rule->when.per = UINT32_C(1) << KEY_SOURCE | UINT32_C(1) << KEY_SENDER |
			UINT32_C(1) << KEY_RECIPIENT;
	}
	for (size_t i = 0; i < rule->deeds.reply.count; i++) {
		if (!schema_is_reply(rule->deeds.reply.at[i])) {
			config_problem_add(reader->problems, node->place,
				"'%.*s' is no reply; write a code and a text, such as "
				"450 4.2.1 try later (raw: sends anything)",
				SHOW(rule->deeds.reply.at[i]));
		}
	}
	if ((rule->deeds.cut_received.high > 0 || rule->deeds.cut_sent.high > 0) &&
		rule->deeds.then == THEN_GO_ON) {
		rule->deeds.then = THEN_RESET;
	}
}

static void read_rules(struct reader *reader, const struct config_node *node, void *at)
{
	struct world_config *config = at;

	config->rules =
		fields_read_list(reader, node, sizeof(struct rule), read_rule, &config->rule_count);
}

static void read_models(struct reader *reader, const struct config_node *node, void *at)
{
	struct world_config *config = at;

	schema_read_models(reader, node, &config->models, &config->model_count);
}

static void check_templates(struct reader *reader, const struct config_node *node,
	struct slice pattern, const struct texts *texts)
{
	struct captures captures = {0};
	const char *fault;

	for (size_t i = 0; i < pattern.n; i++) {
		captures.count += pattern.p[i] == '[' || pattern.p[i] == '*' ? 1 : 0;
	}
	for (size_t i = 0; i < texts->count; i++) {
		fault = template_fault(texts->at[i], captures.count);
		if (fault != NULL) {
			config_problem_add(reader->problems, node->place, "'%.*s' %s",
				SHOW(texts->at[i]), fault);
		}
	}
}

static void read_entry(struct reader *reader, const struct config_node *node, void *into)
{
	struct name_entry *entry = into;
	const struct texts *lists[] = {&entry->mx, &entry->a, &entry->aaaa, &entry->ptr};

	*entry = loaded_of(reader)->entry_defaults;
	fields_read(reader, node, entry_fields, ARRAY_LEN(entry_fields), entry);
	if (entry->domain.n == 0) {
		config_problem_add(reader->problems, node->place,
			"needs domain: a name or a pattern such as d[1-50].test");
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
		check_templates(reader, node, entry->domain, lists[i]);
	}
}

static void read_entries(struct reader *reader, const struct config_node *node, void *at)
{
	struct world_config *config = at;

	config->names.entries = fields_read_list(
		reader, node, sizeof(struct name_entry), read_entry, &config->names.count);
}

static void read_profile(struct reader *reader, const struct config_node *node, void *into)
{
	struct profile *profile = into;

	*profile = loaded_of(reader)->defaults;
	profile->place = node->place;
	fields_read(reader, node, profile_fields, ARRAY_LEN(profile_fields), profile);
	if (profile->host.n == 0 || pattern_has_star(profile->host)) {
		config_problem_add(reader->problems, node->place,
			"needs host: a name or a pattern without '*', such as "
			"mx[1-3].d1.test");
	} else if (profile->addresses.count == 0) {
		config_problem_add(
			reader->problems, node->place, "needs address: such as 127.0.1.{1}");
	} else {
		check_templates(reader, node, profile->host, &profile->addresses);
	}
}

static void read_profiles(struct reader *reader, const struct config_node *node, void *at)
{
	struct loaded *loaded = loaded_of(reader);

	(void)at;
	loaded->profiles = fields_read_list(
		reader, node, sizeof(struct profile), read_profile, &loaded->profile_count);
}

static bool read_port(struct slice text, uint16_t *ret_port)
{
	uint64_t port;

	if (!slice_number(text, 65535, &port)) {
		return false;
	}
	*ret_port = (uint16_t)port;
	return true;
}

static void read_port_field(struct reader *reader, const struct config_node *node, void *at)
{
	if (!read_port(node->text, at)) {
		config_problem_add(reader->problems, node->place,
			"'%.*s' is not a port; write 0 (any free one) to 65535", SHOW(node->text));
	}
}

bool schema_is_loopback(struct slice address)
{
	struct slice part;
	uint64_t value;
	unsigned parts = 0;

	while (slice_split(&address, '.', &part)) {
		if (!slice_number(part, 255, &value) || (parts++ == 0 && value != 127)) {
			return false;
		}
	}
	return parts == 4;
}

static void read_listen(struct reader *reader, const struct config_node *node, void *at)
{
	struct world_config *config = at;
	size_t colon = slice_find_last(node->text, ':');

	config->dns_address = slice_first(node->text, colon);
	if (!schema_is_loopback(config->dns_address) ||
		(colon < node->text.n &&
			!read_port(slice_from(node->text, colon + 1), &config->dns_port))) {
		config_problem_add(reader->problems, node->place,
			"'%.*s' is no loopback address and port; write 127.0.0.1:5353",
			SHOW(node->text));
	}
}

/* dns: is read into the loaded whole, for its parts go to different places. */
#define WORLD(member) offsetof(struct loaded, member)

static const struct field dns_fields[] = {
	{"listen", FIELD_OTHER, WORLD(config), NULL, read_listen},
	{"ttl", FIELD_NUMBER, WORLD(entry_defaults.ttl), NO_WORDS},
	{"negative_ttl", FIELD_NUMBER, WORLD(entry_defaults.negative_ttl), NO_WORDS},
	{"delay", FIELD_DURATION, WORLD(entry_defaults.delay_us), NO_WORDS},
	{"dkim_dir", FIELD_TEXT, WORLD(config.names.dkim_dir), NO_WORDS},
	{"unknown", FIELD_WORD, WORLD(config.names.unknown), unknown_words, NULL},
};

static const struct field tls_fields[] = {
	{"directory", FIELD_TEXT, WORLD(config.tls_directory), NO_WORDS},
};

static void read_dns(struct reader *reader, const struct config_node *node, void *at)
{
	fields_read(reader, node, dns_fields, ARRAY_LEN(dns_fields), at);
}

static void read_tls(struct reader *reader, const struct config_node *node, void *at)
{
	fields_read(reader, node, tls_fields, ARRAY_LEN(tls_fields), at);
}

/* The keys of a host, and the port. */
static void read_smtp(struct reader *reader, const struct config_node *node, void *at)
{
	struct field fields[ARRAY_LEN(profile_fields) + 1];
	struct loaded *loaded = at;

	for (size_t i = 0; i < ARRAY_LEN(profile_fields); i++) {
		fields[i] = profile_fields[i];
		fields[i].offset += offsetof(struct loaded, defaults);
	}
	fields[ARRAY_LEN(profile_fields)] =
		(struct field){"port", FIELD_OTHER, WORLD(config.smtp_port), NULL, read_port_field};
	/* The first two name one host and have no default. */
	fields_read(reader, node, fields + 2, ARRAY_LEN(fields) - 2, loaded);
}

/* Defaults come before what inherits them, wherever they stand in the file. */
static const struct field first_fields[] = {
	{"dns", FIELD_OTHER, 0, NULL, read_dns},
	{"smtp", FIELD_OTHER, 0, NULL, read_smtp},
	{"tls", FIELD_OTHER, 0, NULL, read_tls},
};

static const struct field then_fields[] = {
	{"dns", FIELD_SKIP, 0, NO_WORDS},
	{"smtp", FIELD_SKIP, 0, NO_WORDS},
	{"tls", FIELD_SKIP, 0, NO_WORDS},
	{"hosts", FIELD_OTHER, WORLD(config), NULL, read_profiles},
	{"domains", FIELD_OTHER, WORLD(config), NULL, read_entries},
	{"rules", FIELD_OTHER, WORLD(config), NULL, read_rules},
	{"models", FIELD_OTHER, WORLD(config), NULL, read_models},
};

void schema_read(struct loaded *loaded)
{
	const struct config_node *root = config_tree_root(loaded->tree);

	for (size_t i = 0; i < ARRAY_LEN(first_fields); i++) {
		const struct config_node *node =
			config_node_get(root, slice_of(first_fields[i].name));

		if (node != NULL) {
			first_fields[i].read(&loaded->reader, node, loaded);
		}
	}
	fields_read(&loaded->reader, root, then_fields, ARRAY_LEN(then_fields), loaded);
}
