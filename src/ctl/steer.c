/*
 * penguinctl hold, release, suppress, erase, tenant set: what stops mail, and what
 * lets it go again.  One statement each; workers hear of it on their feeds within
 * two seconds and give back what they hold.
 *
 * Holds are the fleet's: of a source, a provider or a domain, or of a whole tenant
 * or campaign.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/mem.h"
#include "base/time.h"
#include "command.h"
#include "mail/address.h"

#define HOLDS_MOST "10000"
#define NOBODY "00000000-0000-0000-0000-000000000000" /* the fleet */

static const char *const kinds[] = {"source", "provider", "domain", "tenant", "campaign"};

int tenant_set(struct ctl *ctl)
{
	char tenant[ID_TEXT + 1];
	int code = ctl_tenant(ctl, ctl->arguments[0], tenant);

	if (code == 0 && strcmp(ctl->arguments[1], "active") != 0 &&
		strcmp(ctl->arguments[1], "closed") != 0) {
		return ctl_fail(EX_USAGE, "'%s' is no state: active or closed", ctl->arguments[1]);
	}
	return code != 0 ? code
			 : ctl_run(ctl, SQL_TENANT_SET_STATE,
				   (const char *const[]){tenant, ctl->arguments[1]});
}

/* --for as microseconds of the wall clock; NULL in *ret_text without it. */
static int read_end(struct ctl *ctl, char text[32], const char **ret_text)
{
	const char *duration = ctl_option(ctl, "for", NULL);
	int64_t us;

	*ret_text = NULL;
	if (duration == NULL) {
		return 0;
	}
	if (!time_parse_duration(slice_of(duration), &us) || us <= 0) {
		return ctl_fail(EX_USAGE, "--for is a duration such as 2h or 3d");
	}
	(void)snprintf(text, 32, "%" PRId64, time_wall_us() + us);
	*ret_text = text;
	return 0;
}

/*
 * What a hold names: tenants and campaigns by id, domains as A-labels, the rest as it is;
 * and the tenant whose own hold of the same name there may be.
 */
static int read_name(
	struct ctl *ctl, char name[ADDRESS_DOMAIN_MAX + 1], char ret_tenant[ID_TEXT + 1])
{
	const char *kind = ctl->arguments[0];
	const char *given = ctl->arguments[1];
	int64_t created_us;
	size_t i = 0;

	(void)snprintf(ret_tenant, ID_TEXT + 1, "%s", NOBODY);
	while (i < ARRAY_LEN(kinds) && strcmp(kinds[i], kind) != 0) {
		i++;
	}
	if (i == ARRAY_LEN(kinds)) {
		return ctl_fail(EX_USAGE,
			"'%s' cannot be held: source, provider, domain, tenant or campaign", kind);
	}
	if (strcmp(kind, "tenant") == 0) {
		int code = ctl_tenant(ctl, given, ret_tenant);

		(void)snprintf(name, ADDRESS_DOMAIN_MAX + 1, "%s", ret_tenant);
		return code;
	}
	if (strcmp(kind, "campaign") == 0) {
		int code = ctl_tenant(ctl, ctl_option(ctl, "tenant", NULL), ret_tenant);

		return code != 0 ? code : ctl_campaign(ctl, ret_tenant, given, name, &created_us);
	}
	if (strcmp(kind, "domain") == 0) {
		enum address_fault fault = address_parse_domain(slice_of(given), name);

		return fault == ADDRESS_OK
			? 0
			: ctl_fail(EX_DATAERR, "'%s': %s", given, address_fault_text(fault));
	}
	if (strlen(given) > ADDRESS_DOMAIN_MAX) {
		return ctl_fail(EX_DATAERR, "the name is too long");
	}
	(void)snprintf(name, ADDRESS_DOMAIN_MAX + 1, "%s", given);
	return 0;
}

int hold_add(struct ctl *ctl)
{
	char name[ADDRESS_DOMAIN_MAX + 1];
	char tenant[ID_TEXT + 1];
	char until[32];
	const char *end = NULL;
	int code = read_end(ctl, until, &end);

	code = code != 0 ? code : read_name(ctl, name, tenant);
	return code != 0 ? code
			 : ctl_run(ctl, SQL_HOLD_ADD,
				   (const char *const[]){NOBODY, ctl->arguments[0], name,
					   ctl_option(ctl, "reason", "held by an operator"), end});
}

int hold_release(struct ctl *ctl)
{
	char name[ADDRESS_DOMAIN_MAX + 1];
	char tenant[ID_TEXT + 1];
	int code = read_name(ctl, name, tenant);

	code = code != 0 ? code
			 : ctl_run(ctl, SQL_HOLD_RELEASE,
				   (const char *const[]){tenant, ctl->arguments[0], name});
	if (code == 0 && pg_sync_rows(ctl->pg) == 0) {
		return ctl_fail(EX_DATAERR, "there is no hold of %s '%s'", ctl->arguments[0],
			ctl->arguments[1]);
	}
	return code;
}

int hold_list(struct ctl *ctl)
{
	int code = ctl_run(ctl, SQL_HOLD_FEED, (const char *const[]){HOLDS_MOST});

	if (code == 0) {
		ctl_rows(ctl);
	}
	return code;
}

int ctl_tell_holds(struct ctl *ctl, const char *tenant, const char *campaign)
{
	int code = ctl_run(ctl, SQL_HOLD_FEED, (const char *const[]){HOLDS_MOST});

	for (size_t i = 0; code == 0 && i < pg_sync_rows(ctl->pg); i++) {
		const char *whose = pg_sync_text(ctl->pg, i, 0);
		const char *kind = pg_sync_text(ctl->pg, i, 1);
		const char *name = pg_sync_text(ctl->pg, i, 2);

		if (strcmp(whose, NOBODY) != 0 && strcmp(whose, tenant) != 0) {
			continue;
		}
		if ((strcmp(kind, "tenant") == 0 && strcmp(name, tenant) == 0) ||
			(strcmp(kind, "campaign") == 0 && strcmp(name, campaign) == 0)) {
			ctl_line("  on hold (%s): %s", kind, pg_sync_text(ctl->pg, i, 3));
		}
	}
	return code;
}

/* As suppressions are keyed: "ann@example.org", or "@example.org" for a whole domain. */
static int read_address(struct ctl *ctl, char text[ADDRESS_MAX + 2])
{
	struct slice given = slice_of(ctl->arguments[0]);
	struct address address;
	enum address_fault fault;

	if (given.n > 0 && given.p[0] == '@') {
		char domain[ADDRESS_DOMAIN_MAX + 1];

		fault = address_parse_domain(slice_from(given, 1), domain);
		(void)snprintf(text, ADDRESS_MAX + 2, "@%s", fault == ADDRESS_OK ? domain : "");
	} else {
		fault = address_parse(given, &address);
		if (fault == ADDRESS_OK) {
			address = address_normalise(&address);
			(void)snprintf(text, ADDRESS_MAX + 2, "%s", address.text);
		}
	}
	return fault == ADDRESS_OK
		? 0
		: ctl_fail(EX_DATAERR, "'%s': %s", ctl->arguments[0], address_fault_text(fault));
}

static int read_key(struct ctl *ctl, char tenant[ID_TEXT + 1], char address[ADDRESS_MAX + 2])
{
	int code = read_address(ctl, address);

	return code != 0 ? code : ctl_tenant(ctl, ctl_option(ctl, "tenant", NULL), tenant);
}

/* {"x"} for each column of a statement that takes arrays; {NULL} for none. */
static char *array_of(const char *text)
{
	struct buf array;
	char *copy;

	buf_init(&array, 0);
	buf_add_byte(&array, '{');
	if (text != NULL) {
		pg_sync_add_item(&array, slice_of(text));
	} else {
		buf_add_text(&array, "NULL");
	}
	buf_add_byte(&array, '}');
	copy = mem_string(buf_string(&array));
	buf_clear(&array);
	return copy;
}

int suppress_add(struct ctl *ctl)
{
	char tenant[ID_TEXT + 1];
	char address[ADDRESS_MAX + 2];
	char until[32];
	const char *end = NULL;
	int code = read_end(ctl, until, &end);

	code = code != 0 ? code : read_key(ctl, tenant, address);
	if (code == 0) {
		char *values[] = {array_of(tenant), array_of(address),
			array_of(ctl_option(ctl, "stream", "*")), array_of("manual"),
			array_of("penguinctl"), array_of(end)};

		code = ctl_run(ctl, SQL_SUPPRESSION_ADD, (const char *const *)values);
		for (size_t i = 0; i < ARRAY_LEN(values); i++) {
			mem_free(values[i]);
		}
	}
	return code;
}

int suppress_remove(struct ctl *ctl)
{
	char tenant[ID_TEXT + 1];
	char address[ADDRESS_MAX + 2];
	int code = read_key(ctl, tenant, address);

	code = code != 0
		? code
		: ctl_run(ctl, SQL_SUPPRESSION_LIFT,
			  (const char *const[]){tenant, address, ctl_option(ctl, "stream", "*")});
	if (code == 0 && pg_sync_rows(ctl->pg) == 0) {
		return ctl_fail(
			EX_DATAERR, "'%s' is not suppressed in this stream (--stream)", address);
	}
	return code;
}

int suppress_list(struct ctl *ctl)
{
	char tenant[ID_TEXT + 1];
	char address[ADDRESS_MAX + 2];
	int code = ctl->count > 0 ? read_key(ctl, tenant, address)
				  : ctl_tenant(ctl, ctl_option(ctl, "tenant", NULL), tenant);

	code = code != 0 ? code
			 : ctl_run(ctl, SQL_SUPPRESSION_LIST,
				   (const char *const[]){
					   tenant, ctl->count > 0 ? address : NULL, "", "100000"});
	if (code == 0) {
		ctl_rows(ctl);
	}
	return code;
}

#define SPELLINGS 3

/* Unless it is there: each spelling is a search through all jobs. */
static size_t add_spelling(struct buf spellings[SPELLINGS], size_t count, struct slice spelling)
{
	for (size_t i = 0; i < count; i++) {
		if (slice_equal_nocase(buf_slice(&spellings[i]), spelling)) {
			return count;
		}
	}
	buf_add(&spellings[count], spelling);
	return count + 1;
}

/* Jobs hold an address as an app wrote it: normalised, in U-labels, or as it is given here. */
static size_t spell(struct ctl *ctl, const char *normal, struct buf spellings[SPELLINGS])
{
	struct address address;
	struct buf u_labels;
	size_t count;

	for (size_t i = 0; i < SPELLINGS; i++) {
		buf_init(&spellings[i], 0);
	}
	buf_init(&u_labels, 0);
	if (address_parse(slice_of(normal), &address) == ADDRESS_OK) {
		address_add_u_labels(&u_labels, &address);
	} else {
		buf_add_text(&u_labels, normal);
	}
	count = add_spelling(spellings, 0, slice_of(normal));
	count = add_spelling(spellings, count, buf_slice(&u_labels));
	count = add_spelling(spellings, count, slice_of(ctl->arguments[0]));
	buf_clear(&u_labels);
	return count;
}

/* The heads of the statements say why in this order. */
static int erase_spelling(
	struct ctl *ctl, const char *tenant, const char *address, uint64_t rows[SQL_STATEMENTS])
{
	static const enum sql_id steps[] = {SQL_ERASE_SUPPRESS, SQL_ERASE_INBOX, SQL_ERASE_ATTEMPTS,
		SQL_ERASE_JOBS, SQL_ERASE_INBOX, SQL_ERASE_ATTEMPTS};
	int code = 0;

	for (size_t i = 0; i < ARRAY_LEN(steps) && code == 0; i++) {
		code = ctl_run(ctl, steps[i], (const char *const[]){tenant, address});
		rows[steps[i]] += code == 0 ? strtoull(pg_sync_affected(ctl->pg), NULL, 10) : 0;
	}
	return code;
}

int erase(struct ctl *ctl)
{
	static const enum sql_id told[] = {SQL_ERASE_INBOX, SQL_ERASE_ATTEMPTS, SQL_ERASE_JOBS};
	uint64_t rows[SQL_STATEMENTS] = {0};
	struct buf spellings[SPELLINGS];
	char tenant[ID_TEXT + 1];
	char address[ADDRESS_MAX + 2];
	size_t count;
	int code;

	if (ctl->arguments[0][0] == '@') {
		return ctl_fail(EX_USAGE, "a person is erased, not a domain");
	}
	code = read_key(ctl, tenant, address);
	count = code == 0 ? spell(ctl, address, spellings) : 0;
	for (size_t i = 0; i < count && code == 0; i++) {
		code = erase_spelling(ctl, tenant, buf_string(&spellings[i]), rows);
	}
	for (size_t i = 0; i < ARRAY_LEN(told) && code == 0; i++) {
		ctl_print("%s: %" PRIu64 " rows\n", sql_statements[told[i]].name, rows[told[i]]);
	}
	for (size_t i = 0; i < SPELLINGS && count > 0; i++) {
		buf_clear(&spellings[i]);
	}
	return code;
}
