/*
 * The schema of one model of a provider: a table of rows as in schema.c.
 *
 * A model stands apart because it is read by two: the world gives it sockets, and a
 * simulation virtual time.
 */
#include "schema_isp.h"

#include "base/mem.h"

#define NO_WORDS NULL, NULL
#define ISP(member) offsetof(struct isp_settings, member)
#define SPELL(member) offsetof(struct isp_spell, member)
#define REPLY(cause) ((cause) * sizeof(struct texts))

static const char *const moment_words[] = {"mail", "rcpt", "dot", NULL};
static const char *const trouble_words[] = {"storm", "dead", "slow", NULL};

static const struct field spell_fields[] = {
	{"spell", FIELD_WORD, SPELL(trouble), trouble_words, NULL},
	{"after", FIELD_DURATION, SPELL(after_us), NO_WORDS},
	{"length", FIELD_DURATION, SPELL(length_us), NO_WORDS},
	{"every", FIELD_DURATION, SPELL(every_us), NO_WORDS},
	{"delay", FIELD_DURATION, SPELL(delay_us), NO_WORDS},
};

static void read_spell(struct reader *reader, const struct config_node *node, void *into)
{
	struct isp_spell *spell = into;

	fields_read(reader, node, spell_fields, ARRAY_LEN(spell_fields), spell);
	if (config_node_get(node, SLICE("spell")) == NULL) {
		config_problem_add(
			reader->problems, node->place, "needs spell: storm, dead or slow");
	} else if (spell->trouble == ISP_SPELL_SLOW && spell->delay_us == 0) {
		config_problem_add(reader->problems, node->place,
			"a slow spell needs delay: of each reply, such as delay: 2s");
	} else if (spell->every_us > 0 && spell->length_us == 0) {
		config_problem_add(reader->problems, node->place,
			"a spell that comes every so often needs length: how long it lasts");
	}
}

static void read_spells(struct reader *reader, const struct config_node *node, void *at)
{
	struct isp_settings *settings = at;

	settings->spells = fields_read_list(
		reader, node, sizeof(struct isp_spell), read_spell, &settings->spell_count);
}

/* By the words of isp_cause_word(). */
static const struct field reply_fields[] = {
	{"storm", FIELD_TEXTS, REPLY(ISP_STORM), NO_WORDS},
	{"connections", FIELD_TEXTS, REPLY(ISP_CONNECTIONS), NO_WORDS},
	{"connect_rate", FIELD_TEXTS, REPLY(ISP_CONNECT_RATE), NO_WORDS},
	{"blocked", FIELD_TEXTS, REPLY(ISP_BLOCKED), NO_WORDS},
	{"reputation", FIELD_TEXTS, REPLY(ISP_REPUTATION), NO_WORDS},
	{"rate", FIELD_TEXTS, REPLY(ISP_RATE), NO_WORDS},
	{"quota", FIELD_TEXTS, REPLY(ISP_QUOTA), NO_WORDS},
	{"greylist", FIELD_TEXTS, REPLY(ISP_GREYLIST), NO_WORDS},
	{"unknown_user", FIELD_TEXTS, REPLY(ISP_UNKNOWN_USER), NO_WORDS},
};

bool schema_is_reply(struct slice text)
{
	return text.n >= 3 && text.p[0] >= '2' && text.p[0] <= '5' && text.p[1] >= '0' &&
		text.p[1] <= '9' && text.p[2] >= '0' && text.p[2] <= '9' &&
		(text.n == 3 || text.p[3] == ' ');
}

static void check_refusals(
	struct reader *reader, const struct config_node *node, const struct texts *lines)
{
	for (size_t i = 0; i < lines->count; i++) {
		if (!schema_is_reply(lines->at[i]) || lines->at[i].p[0] < '4') {
			config_problem_add(reader->problems, node->place,
				"'%.*s' refuses nothing; write a code from 400 and a text, such as "
				"450 4.2.1 try later",
				SHOW(lines->at[i]));
		}
	}
}

static void read_replies(struct reader *reader, const struct config_node *node, void *at)
{
	struct texts *replies = at;

	fields_read(reader, node, reply_fields, ARRAY_LEN(reply_fields), replies);
	for (unsigned cause = 0; cause < ISP_CAUSES; cause++) {
		check_refusals(reader, node, &replies[cause]);
	}
}

static void read_quotas(struct reader *reader, const struct config_node *node, void *at)
{
	struct isp_settings *settings = at;

	if (node->kind != CONFIG_NODE_SEQUENCE) {
		config_problem_add(reader->problems, node->place,
			"must be a list of numbers, one a sending day: [50, 100, 500]");
		return;
	}
	settings->quotas = arena_array(reader->arena, node->count + 1, sizeof(uint64_t));
	for (const struct config_node *item = node->first; item != NULL; item = item->next) {
		if (item->kind != CONFIG_NODE_SCALAR ||
			!slice_number(item->text, UINT64_C(1) << 62,
				&settings->quotas[settings->quota_count++])) {
			config_problem_add(reader->problems, item->place, "must be a number");
		}
	}
}

static const struct field isp_fields[] = {
	{"model", FIELD_TEXT, ISP(name), NO_WORDS},
	{"host", FIELD_PATTERN, ISP(host), NO_WORDS},
	{"connections", FIELD_NUMBER, ISP(connections), NO_WORDS},
	{"connect_rate", FIELD_RATE, ISP(connect_rate), NO_WORDS},
	{"rate", FIELD_RATE, ISP(rate), NO_WORDS},
	{"refuses_at", FIELD_WORD, ISP(refuses_at), moment_words, NULL},
	{"messages_per_connection", FIELD_NUMBER, ISP(messages_max), NO_WORDS},
	{"greylist", FIELD_DURATION, ISP(greylist_us), NO_WORDS},
	{"unknown_users", FIELD_SHARE, ISP(unknown_ppm), NO_WORDS},
	{"complaints", FIELD_SHARE, ISP(complaint_ppm), NO_WORDS},
	{"quotas", FIELD_OTHER, 0, NULL, read_quotas},
	{"day", FIELD_DURATION, ISP(day_us), NO_WORDS},
	{"reputation", FIELD_SHARE, ISP(reputation_ppm), NO_WORDS},
	{"unknown_user_costs", FIELD_SHARE, ISP(unknown_cost_ppm), NO_WORDS},
	{"complaint_costs", FIELD_SHARE, ISP(complaint_cost_ppm), NO_WORDS},
	{"excess_costs", FIELD_SHARE, ISP(excess_cost_ppm), NO_WORDS},
	{"recovery", FIELD_DURATION, ISP(recovery_us), NO_WORDS},
	{"slow_below", FIELD_SHARE, ISP(slow_below_ppm), NO_WORDS},
	{"defer_below", FIELD_SHARE, ISP(defer_below_ppm), NO_WORDS},
	{"block_below", FIELD_SHARE, ISP(block_below_ppm), NO_WORDS},
	{"spells", FIELD_OTHER, 0, NULL, read_spells},
	{"replies", FIELD_OTHER, ISP(replies), NULL, read_replies},
};

static void read_model(struct reader *reader, const struct config_node *node, void *into)
{
	struct isp_settings *settings = into;

	isp_defaults(settings);
	settings->day_us = (int64_t)((double)settings->day_us * reader->scale);
	settings->place = node->place;
	fields_read(reader, node, isp_fields, ARRAY_LEN(isp_fields), settings);
	if (settings->name.n == 0 || settings->host.n == 0) {
		config_problem_add(reader->problems, node->place,
			"needs model: a name, and host: the pattern of its hosts, such as mx*.big.test");
	}
	if (settings->day_us <= 0) {
		config_problem_add(reader->problems, node->place, "a day takes some time");
	}
}

void schema_read_models(struct reader *reader, const struct config_node *node,
	struct isp_settings **ret_settings, size_t *ret_count)
{
	*ret_settings =
		fields_read_list(reader, node, sizeof(struct isp_settings), read_model, ret_count);
}
