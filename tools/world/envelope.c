/*
 * MAIL and RCPT: paths and parameters (RFC 5321 section 4.1.2), judged by what the
 * host offers.
 *
 * A parameter is taken exactly when its extension stands in the EHLO reply of the
 * configuration: so a test of "never use what was not offered" needs one line of YAML.
 */
#include "session.h"

static const struct profile *profile_of(const struct session *session)
{
	return session->site->host->profile;
}

bool smtp_offers(const struct session *session, struct slice word)
{
	const struct texts *keywords = &profile_of(session)->keywords;

	for (size_t i = 0; i < keywords->count; i++) {
		struct slice rest = keywords->at[i];
		struct slice first = {0};

		(void)slice_split(&rest, ' ', &first);
		if (slice_equal_nocase(first, word)) {
			return true;
		}
	}
	return false;
}

void envelope_reset(struct envelope *envelope)
{
	struct buf sender = envelope->sender;
	struct buf recipients = envelope->recipients;

	*envelope = (struct envelope){.sender = sender, .recipients = recipients};
	buf_reset(&envelope->sender);
	buf_reset(&envelope->recipients);
}

/* "FROM:<path> parameters": the path without brackets, and the parameters. */
bool envelope_take_path(struct slice arguments, struct slice keyword, struct slice *ret_path,
	struct slice *ret_parameters)
{
	size_t end;

	if (!slice_starts_nocase(arguments, keyword)) {
		return false;
	}
	arguments = slice_from(arguments, keyword.n);
	end = slice_find(arguments, '>');
	if (arguments.n < 2 || arguments.p[0] != '<' || end == arguments.n) {
		return false;
	}
	*ret_path = slice_make(arguments.p + 1, end - 1);
	*ret_parameters = slice_from(arguments, end + 1);
	return ret_parameters->n == 0 || ret_parameters->p[0] == ' ';
}

/* Parameters of MAIL and RCPT, each with the keyword that allows it. */
static const struct {
	struct slice name;
	struct slice keyword;
	bool of_mail;
} parameters[] = {
	{{"SIZE", 4}, {"SIZE", 4}, true},
	{{"BODY", 4}, {"8BITMIME", 8}, true},
	{{"SMTPUTF8", 8}, {"SMTPUTF8", 8}, true},
	{{"RET", 3}, {"DSN", 3}, true},
	{{"ENVID", 5}, {"DSN", 3}, true},
	{{"AUTH", 4}, {"AUTH", 4}, true},
	{{"REQUIRETLS", 10}, {"REQUIRETLS", 10}, true},
	{{"NOTIFY", 6}, {"DSN", 3}, false},
	{{"ORCPT", 5}, {"DSN", 3}, false},
};

static bool is_hex(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
}

/* xtext, RFC 3461 section 4: printable, `+` only as the mark of an octet, no `=`. */
static bool is_xtext(struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] <= ' ' || text.p[i] > '~' || text.p[i] == '=') {
			return false;
		}
		if (text.p[i] == '+' &&
			(i + 2 >= text.n || !is_hex(text.p[i + 1]) || !is_hex(text.p[i + 2]))) {
			return false;
		}
	}
	return text.n > 0;
}

static bool is_ret(const struct envelope *envelope, struct slice value)
{
	(void)envelope;
	return slice_equal_nocase(value, SLICE("HDRS")) || slice_equal_nocase(value, SLICE("FULL"));
}

static bool is_envid(const struct envelope *envelope, struct slice value)
{
	(void)envelope;
	return is_xtext(value) && value.n <= 100;
}

/* NEVER stands alone. */
static bool is_notify(const struct envelope *envelope, struct slice value)
{
	struct slice word;
	size_t words = 0;
	bool never = false;

	(void)envelope;
	while (slice_split(&value, ',', &word)) {
		bool known = slice_equal_nocase(word, SLICE("SUCCESS")) ||
			slice_equal_nocase(word, SLICE("FAILURE")) ||
			slice_equal_nocase(word, SLICE("DELAY"));

		never |= slice_equal_nocase(word, SLICE("NEVER"));
		words++;
		if (!known && !never) {
			return false;
		}
	}
	return words > 0 && (!never || words == 1);
}

static bool is_orcpt(const struct envelope *envelope, struct slice value)
{
	size_t semicolon = slice_find(value, ';');
	struct slice address = slice_from(value, semicolon + 1);

	if (value.n > 500 || !is_xtext(slice_first(value, semicolon)) || address.n == 0) {
		return false;
	}
	return envelope->smtputf8 ? slice_find(address, '=') == address.n : is_xtext(address);
}

/* Values with a form of their own. */
static const struct {
	struct slice name;
	bool (*is_valid)(const struct envelope *envelope, struct slice value);
} forms[] = {
	{{"RET", 3}, is_ret},
	{{"ENVID", 5}, is_envid},
	{{"NOTIFY", 6}, is_notify},
	{{"ORCPT", 5}, is_orcpt},
};

static bool has_form(const struct envelope *envelope, struct slice name, struct slice value)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		if (slice_equal_nocase(name, forms[i].name)) {
			return forms[i].is_valid(envelope, value);
		}
	}
	return true;
}

static bool take_parameter(struct session *session, bool of_mail, struct slice parameter)
{
	struct envelope *envelope = &session->talk.envelope;
	struct slice value = parameter;
	struct slice name = {0};

	(void)slice_split(&value, '=', &name);
	for (size_t i = 0; i < ARRAY_LEN(parameters); i++) {
		if (of_mail != parameters[i].of_mail ||
			!slice_equal_nocase(name, parameters[i].name)) {
			continue;
		}
		if (!smtp_offers(session, parameters[i].keyword) ||
			!has_form(envelope, name, value)) {
			return false;
		}
		envelope->smtputf8 |= slice_equal_nocase(name, SLICE("SMTPUTF8"));
		envelope->body_8bit |= slice_equal_nocase(value, SLICE("8BITMIME"));
		return !slice_equal_nocase(name, SLICE("SIZE")) ||
			slice_number(value, UINT64_C(1) << 40, &envelope->size);
	}
	return false;
}

bool envelope_take_parameters(struct session *session, bool of_mail, struct slice text)
{
	struct slice word;

	if (text.n == 0) {
		return true;
	}
	text = slice_from(text, 1); /* the blank before the first */
	while (slice_split(&text, ' ', &word)) {
		if (!take_parameter(session, of_mail, word)) {
			return false;
		}
	}
	return true;
}

uint64_t smtp_size_limit(const struct session *session)
{
	const struct texts *keywords = &profile_of(session)->keywords;
	uint64_t limit = 0;

	for (size_t i = 0; i < keywords->count; i++) {
		if (slice_starts_nocase(keywords->at[i], SLICE("SIZE "))) {
			(void)slice_number(
				slice_from(keywords->at[i], 5), UINT64_C(1) << 40, &limit);
		}
	}
	return limit;
}
