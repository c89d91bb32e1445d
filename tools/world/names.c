/*
 * The authoritative data of the whole simulated internet.
 *
 * A plain name is found in a map, everything else by trying the patterns in the
 * order of the file.  Several entries may speak for one name: the first whose
 * fault is active answers with that fault, else the first that has records.  So
 * "fails twice, then works" is two entries, or one with a fault and records.
 *
 * A CNAME is followed within our data (RFC 1034 section 4.3.2), at most CHAIN_MAX
 * times: a loop thus gives an answer that goes round, as real servers give it.
 */
#include "names.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "pattern.h"

#define CHAIN_MAX 8

struct names {
	struct names_settings settings;
	struct map *plain; /* lower-case name -> struct name_entry */
	struct buf scratch;
};

/* One question at work. */
struct lookup {
	struct names *names;
	struct wire wire;
	uint16_t type;
	int64_t now_us;
	enum name_fault fault;
	const struct name_entry *entry;
	struct captures captures;
};

static struct slice lower_name(struct slice name, char text[WIRE_NAME_MAX + 1])
{
	name = slice_first(name, WIRE_NAME_MAX);
	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i];

		text[i] = c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
	}
	return slice_make(text, name.n);
}

struct names *names_new(const struct names_settings *settings)
{
	struct names *names = MEM_NEW(struct names);
	char text[WIRE_NAME_MAX + 1];

	names->settings = *settings;
	names->plain = map_new();
	for (size_t i = settings->count; i-- > 0;) {
		struct name_entry *entry = &settings->entries[i];

		if (pattern_is_plain(entry->domain)) {
			entry->same = map_put(names->plain, lower_name(entry->domain, text), entry);
		}
		entry->asked = entry->fault_first > 0 ? tally_new() : NULL;
	}
	return names;
}

void names_free(struct names **names)
{
	if (*names == NULL) {
		return;
	}
	for (size_t i = 0; i < (*names)->settings.count; i++) {
		tally_free(&(*names)->settings.entries[i].asked);
	}
	map_free(&(*names)->plain);
	buf_clear(&(*names)->scratch);
	mem_free(*names);
	*names = NULL;
}

static uint32_t type_bit(uint16_t type)
{
	static const uint16_t types[] = {
		WIRE_MX, WIRE_A, WIRE_AAAA, WIRE_TXT, WIRE_PTR, WIRE_CNAME, WIRE_SOA};

	for (unsigned i = 0; i < ARRAY_LEN(types); i++) {
		if (types[i] == type) {
			return UINT32_C(1) << i;
		}
	}
	return 0;
}

static bool fault_active(struct lookup *l, const struct name_entry *entry, struct slice name)
{
	struct buf *key = &l->names->scratch;

	if (entry->fault == NAME_FAULT_NONE ||
		(entry->fault_types != 0 && (entry->fault_types & type_bit(l->type)) == 0)) {
		return false;
	}
	if (entry->fault_first == 0) {
		return true;
	}
	buf_reset(key);
	buf_add_format(key, "%u ", l->type);
	buf_add(key, name);
	return tally_add(entry->asked, buf_slice(key), l->now_us)->times <= entry->fault_first;
}

static bool has_records(const struct name_entry *e)
{
	return e->mx.count + e->a.count + e->aaaa.count + e->txt.count + e->ptr.count > 0 ||
		e->cname.n > 0 || e->soa;
}

/* Whether this entry speaks for the name; a fault that is spent lets the next one speak. */
static bool entry_speaks(struct lookup *l, const struct name_entry *entry, struct slice name)
{
	l->fault = NAME_FAULT_NONE;
	if (fault_active(l, entry, name)) {
		l->fault = entry->fault;
		return true;
	}
	return entry->fault == NAME_FAULT_NONE || has_records(entry);
}

static bool find_entry(struct lookup *l, struct slice name)
{
	const struct names_settings *settings = &l->names->settings;
	char text[WIRE_NAME_MAX + 1];

	l->captures.count = 0;
	for (const struct name_entry *e = map_get(l->names->plain, lower_name(name, text));
		e != NULL; e = e->same) {
		if (entry_speaks(l, e, name)) {
			l->entry = e;
			return true;
		}
	}
	for (size_t i = 0; i < settings->count; i++) {
		const struct name_entry *e = &settings->entries[i];

		if (!pattern_is_plain(e->domain) && pattern_match(e->domain, name, &l->captures) &&
			entry_speaks(l, e, name)) {
			l->entry = e;
			return true;
		}
	}
	l->entry = NULL;
	return false;
}

static void add_target(struct lookup *l, struct slice text)
{
	struct buf *name = &l->names->scratch;

	buf_reset(name);
	template_add(name, text, &l->captures);
	wire_add_name(&l->wire, buf_slice(name));
}

static void add_mx(struct lookup *l, struct slice template)
{
	struct buf *text = &l->names->scratch;
	uint64_t preference = 10;
	struct slice host;
	size_t blank;

	buf_reset(text);
	template_add(text, template, &l->captures);
	host = buf_slice(text);
	blank = slice_find(host, ' ');
	if (blank < host.n) {
		(void)slice_number(slice_first(host, blank), 65535, &preference);
		host = slice_from(host, blank + 1);
	}
	wire_add_16(&l->wire, (uint16_t)preference);
	wire_add_name(&l->wire, host);
}

static void add_address(struct lookup *l, int family, struct slice text)
{
	struct buf *address = &l->names->scratch;

	buf_reset(address);
	template_add(address, text, &l->captures);
	(void)wire_add_address(&l->wire, family, buf_slice(address));
}

static uint32_t negative_ttl(const struct lookup *l)
{
	return (uint32_t)(l->entry != NULL ? l->entry->negative_ttl
					   : l->names->settings.negative_ttl);
}

static void add_soa_data(struct lookup *l)
{
	wire_add_name(&l->wire, SLICE("ns.world.test"));
	wire_add_name(&l->wire, SLICE("hostmaster.world.test"));
	wire_add_32(&l->wire, 1);
	wire_add_32(&l->wire, 3600);
	wire_add_32(&l->wire, 600);
	wire_add_32(&l->wire, 86400);
	wire_add_32(&l->wire, negative_ttl(l));
}

static void add_data(struct lookup *l, uint16_t type, struct slice text)
{
	switch (type) {
	case WIRE_MX:
		add_mx(l, text);
		break;
	case WIRE_A:
		add_address(l, AF_INET, text);
		break;
	case WIRE_AAAA:
		add_address(l, AF_INET6, text);
		break;
	case WIRE_SOA:
		add_soa_data(l);
		break;
	case WIRE_TXT:
		buf_reset(&l->names->scratch);
		template_add(&l->names->scratch, text, &l->captures);
		wire_add_text(&l->wire, buf_slice(&l->names->scratch));
		break;
	default: /* PTR and CNAME */
		add_target(l, text);
		break;
	}
}

/* RDATA that no parser may believe (RFC 1035 section 4.1.4 knows only pointers backwards). */
static void add_bad_data(struct lookup *l, enum name_fault fault)
{
	size_t here;

	if (fault == NAME_FAULT_SHORT_DATA) {
		buf_add_byte(l->wire.out, 0);
		return;
	}
	wire_add_16(&l->wire, 10);
	here = l->wire.out->n - l->wire.start;
	wire_add_16(
		&l->wire, (uint16_t)(0xc000 | (fault == NAME_FAULT_NAME_LOOP ? here + 2 : here)));
	wire_add_16(&l->wire, (uint16_t)(0xc000 | here));
}

static bool is_malformed(enum name_fault fault)
{
	return fault >= NAME_FAULT_SHORT_DATA;
}

static void add_record(struct lookup *l, struct slice owner, uint16_t type, struct slice text)
{
	wire_record(&l->wire, WIRE_ANSWER, owner, type, (uint32_t)l->entry->ttl);
	if (is_malformed(l->fault)) {
		add_bad_data(l, l->fault);
	} else {
		add_data(l, type, text);
	}
	wire_record_end(&l->wire);
	if (l->fault == NAME_FAULT_LONG_DATA) {
		l->wire.out->p[l->wire.length_at] = 0x7f;
	}
}

static size_t add_records(struct lookup *l, struct slice owner, uint16_t type)
{
	const struct name_entry *e = l->entry;
	struct slice none = SLICE("");
	const struct texts soa = {&none, e->soa ? 1 : 0};
	const struct {
		uint16_t type;
		const struct texts *texts;
	} table[] = {{WIRE_MX, &e->mx}, {WIRE_A, &e->a}, {WIRE_AAAA, &e->aaaa}, {WIRE_TXT, &e->txt},
		{WIRE_PTR, &e->ptr}, {WIRE_SOA, &soa}};
	size_t count = 0;

	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (type != table[i].type && type != WIRE_ANY) {
			continue;
		}
		for (size_t j = 0; j < table[i].texts->count; j++) {
			add_record(l, owner, table[i].type, table[i].texts->at[j]);
			count++;
		}
	}
	if (count == 0 && is_malformed(l->fault)) {
		add_record(l, owner, type, SLICE(""));
		count = 1;
	}
	return count;
}

/* For the answer that there is nothing (RFC 2308): how long that may be believed. */
static void add_soa(struct lookup *l, struct slice zone)
{
	wire_record(&l->wire, WIRE_AUTHORITY, zone, WIRE_SOA, negative_ttl(l));
	add_soa_data(l);
	wire_record_end(&l->wire);
}

/*
 * Public keys lie as files, one a name, and are read when they are asked for: a
 * test or the demo may make them after the world began.
 */
static bool add_dkim_file(struct lookup *l, struct slice name)
{
	struct buf *path = &l->names->scratch;
	char text[WIRE_NAME_MAX + 1];
	char bytes[8192];
	ssize_t n;
	int fd;

	name = lower_name(name, text);
	if (l->names->settings.dkim_dir.n == 0 || slice_find(name, '/') < name.n ||
		slice_search(name, SLICE("._domainkey.")) == name.n ||
		(l->type != WIRE_TXT && l->type != WIRE_ANY)) {
		return false;
	}
	buf_reset(path);
	buf_add_format(path, "%.*s/%.*s.txt", (int)l->names->settings.dkim_dir.n,
		l->names->settings.dkim_dir.p, (int)name.n, name.p);
	fd = open(buf_string(path), O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		buf_cut(path, path->n - 4);
		fd = open(buf_string(path), O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0) {
		return false;
	}
	n = read(fd, bytes, sizeof(bytes));
	close(fd);
	if (n <= 0) {
		return false;
	}
	wire_record(&l->wire, WIRE_ANSWER, name, WIRE_TXT, 300);
	wire_add_text(&l->wire, slice_trim(slice_make(bytes, (size_t)n)));
	wire_record_end(&l->wire);
	return true;
}

/* We have no zones: a name that is not there is missing in its last label's. */
static struct slice parent(struct slice name)
{
	size_t dot = slice_find_last(name, '.');

	return dot < name.n ? slice_from(name, dot + 1) : name;
}

static enum wire_rcode unknown_name(struct lookup *l, struct slice name)
{
	if (add_dkim_file(l, name)) {
		return WIRE_NOERROR;
	}
	if (l->names->settings.unknown != 0) {
		return WIRE_REFUSED;
	}
	add_soa(l, parent(name));
	return WIRE_NXDOMAIN;
}

static enum wire_rcode answer_records(struct lookup *l, struct slice name)
{
	char texts[2][WIRE_NAME_MAX + 1];
	unsigned hops = 0;

	while (l->entry->cname.n > 0 && l->type != WIRE_CNAME && hops < CHAIN_MAX) {
		struct buf *target = &l->names->scratch;

		add_record(l, name, WIRE_CNAME, l->entry->cname);
		buf_reset(target);
		template_add(target, l->entry->cname, &l->captures);
		name = lower_name(buf_slice(target), texts[hops % 2]);
		hops++;
		if (!find_entry(l, name)) {
			return unknown_name(l, name);
		}
	}
	if (l->type == WIRE_CNAME && l->entry->cname.n > 0) {
		add_record(l, name, WIRE_CNAME, l->entry->cname);
	} else if (add_records(l, name, l->type) == 0 && hops < CHAIN_MAX &&
		!add_dkim_file(l, name)) {
		add_soa(l, name);
	}
	return WIRE_NOERROR;
}

static bool fault_rcode(enum name_fault fault, enum wire_rcode *ret_rcode)
{
	static const enum wire_rcode rcodes[] = {
		[NAME_FAULT_SERVFAIL] = WIRE_SERVFAIL,
		[NAME_FAULT_REFUSED] = WIRE_REFUSED,
		[NAME_FAULT_NXDOMAIN] = WIRE_NXDOMAIN,
		[NAME_FAULT_FORMERR] = WIRE_FORMERR,
		[NAME_FAULT_NOTIMP] = WIRE_NOTIMP,
	};

	if (fault == NAME_FAULT_NONE || fault > NAME_FAULT_NOTIMP) {
		return false;
	}
	*ret_rcode = rcodes[fault];
	return true;
}

struct names_answer names_answer(struct names *names, const struct wire_question *question,
	bool over_tcp, int64_t now_us, struct buf *out)
{
	struct lookup l = {.names = names, .type = question->type, .now_us = now_us};
	struct names_answer answer = {.rcode = WIRE_NOERROR};
	struct wire_question header = *question;
	bool truncate;

	if (question->opcode != 0) {
		answer.rcode = WIRE_NOTIMP;
	}
	(void)find_entry(&l, question->name);
	answer.delay_us = l.entry != NULL ? l.entry->delay_us : 0;
	answer.silent = l.fault == NAME_FAULT_TIMEOUT;
	if (answer.silent) {
		return answer;
	}
	truncate = l.fault == NAME_FAULT_TRUNCATE && !over_tcp;
	header.id ^= l.fault == NAME_FAULT_WRONG_ID ? 1 : 0;
	wire_begin(&l.wire, out, question);
	if (fault_rcode(l.fault, &answer.rcode)) {
		if (answer.rcode == WIRE_NXDOMAIN) {
			add_soa(&l, parent(question->name));
		}
	} else if (answer.rcode == WIRE_NOERROR) {
		answer.rcode = l.entry == NULL ? unknown_name(&l, question->name)
					       : answer_records(&l, question->name);
	}
	wire_end(&l.wire, &header, answer.rcode);
	if (truncate || (!over_tcp && out->n - l.wire.start > question->udp_size)) {
		wire_truncate(&l.wire, &header);
	}
	return answer;
}
