/*
 * The DNS wire format, as far as an authoritative server needs it.
 *
 * Questions come from our own sender and from tests, but a wrong length must not
 * hurt: every step is checked against the end of the packet.  The only
 * compression written is a pointer to the question's name; the faults of names.c
 * write others, wrong on purpose.
 */
#include "wire.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/mem.h"

#define HEADER 12
#define FLAG_QR 0x8000
#define FLAG_AA 0x0400
#define FLAG_TC 0x0200
#define FLAG_RD 0x0100

static uint16_t get_16(struct slice s, size_t at)
{
	const unsigned char *p = (const unsigned char *)s.p + at;

	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Reads a name without pointers (a question has none); returns the offset behind it, 0 = bad. */
static size_t read_name(struct slice packet, size_t at, struct wire_question *q)
{
	size_t n = 0;

	for (;;) {
		size_t length;

		if (at >= packet.n) {
			return 0;
		}
		length = (unsigned char)packet.p[at++];
		if (length == 0) {
			break;
		}
		if (length > 63 || at + length > packet.n || n + length + 1 > WIRE_NAME_MAX) {
			return 0;
		}
		if (n > 0) {
			q->text[n++] = '.';
		}
		memcpy(q->text + n, packet.p + at, length);
		n += length;
		at += length;
	}
	q->name = slice_make(q->text, n);
	return at;
}

static void read_opt(struct slice packet, size_t at, struct wire_question *q)
{
	/* root name, type, then the class is the size */
	if (at + 5 <= packet.n && packet.p[at] == 0 && get_16(packet, at + 1) == WIRE_OPT) {
		q->edns = true;
		q->udp_size = get_16(packet, at + 3);
		if (q->udp_size < 512) {
			q->udp_size = 512;
		}
	}
}

bool wire_read(struct slice packet, struct wire_question *ret_question)
{
	uint16_t flags;
	size_t at;

	if (packet.n < HEADER) {
		return false;
	}
	flags = get_16(packet, 2);
	if ((flags & FLAG_QR) != 0 || get_16(packet, 4) != 1) {
		return false;
	}
	ret_question->id = get_16(packet, 0);
	ret_question->opcode = flags >> 11 & 15;
	ret_question->recursion_desired = (flags & FLAG_RD) != 0;
	ret_question->edns = false;
	ret_question->udp_size = 512;
	at = read_name(packet, HEADER, ret_question);
	if (at == 0 || at + 4 > packet.n) {
		return false;
	}
	ret_question->type = get_16(packet, at);
	ret_question->class = get_16(packet, at + 2);
	ret_question->raw = slice_make(packet.p + HEADER, at + 4 - HEADER);
	if (get_16(packet, 10) > 0 && get_16(packet, 6) == 0 && get_16(packet, 8) == 0) {
		read_opt(packet, at + 4, ret_question);
	}
	return true;
}

void wire_add_16(struct wire *wire, uint16_t value)
{
	buf_add_byte(wire->out, (char)(value >> 8));
	buf_add_byte(wire->out, (char)(value & 255));
}

void wire_add_32(struct wire *wire, uint32_t value)
{
	wire_add_16(wire, (uint16_t)(value >> 16));
	wire_add_16(wire, (uint16_t)(value & 65535));
}

void wire_add_name(struct wire *wire, struct slice name)
{
	struct slice label;

	if (name.n > 0 && name.p[name.n - 1] == '.') {
		name.n--;
	}
	while (name.n > 0) {
		(void)slice_split(&name, '.', &label);
		label = slice_first(label, 63);
		buf_add_byte(wire->out, (char)label.n);
		buf_add(wire->out, label);
	}
	buf_add_byte(wire->out, 0);
}

void wire_add_text(struct wire *wire, struct slice text)
{
	do {
		struct slice piece = slice_first(text, 255);

		buf_add_byte(wire->out, (char)piece.n);
		buf_add(wire->out, piece);
		text = slice_from(text, piece.n);
	} while (text.n > 0);
}

bool wire_add_address(struct wire *wire, int family, struct slice text)
{
	char bytes[sizeof(struct in6_addr)];
	char *string = slice_string(text);
	bool ok = inet_pton(family, string, bytes) == 1;

	if (ok) {
		buf_add(wire->out, slice_make(bytes, family == AF_INET ? 4 : 16));
	}
	mem_free(string);
	return ok;
}

void wire_begin(struct wire *wire, struct buf *out, const struct wire_question *question)
{
	memset(wire, 0, sizeof(*wire));
	wire->out = out;
	wire->start = out->n;
	for (size_t i = 0; i < HEADER / 2; i++) {
		wire_add_16(wire, 0);
	}
	wire->question = question->name;
	buf_add(out, question->raw);
}

void wire_record(struct wire *wire, enum wire_section section, struct slice owner, uint16_t type,
	uint32_t ttl)
{
	if (owner.n > 0 && slice_equal(owner, wire->question)) {
		wire_add_16(wire, 0xc000 | HEADER);
	} else {
		wire_add_name(wire, owner);
	}
	wire_add_16(wire, type);
	wire_add_16(wire, 1);
	wire_add_32(wire, ttl);
	wire->length_at = wire->out->n;
	wire_add_16(wire, 0);
	wire->counts[section]++;
}

static void set_16(struct wire *wire, size_t at, size_t value)
{
	wire->out->p[at] = (char)(value >> 8 & 255);
	wire->out->p[at + 1] = (char)(value & 255);
}

void wire_record_end(struct wire *wire)
{
	set_16(wire, wire->length_at, wire->out->n - wire->length_at - 2);
}

static void set_header(struct wire *wire, const struct wire_question *question, unsigned flags)
{
	set_16(wire, wire->start, question->id);
	set_16(wire, wire->start + 2,
		flags | FLAG_QR | FLAG_AA | (question->recursion_desired ? FLAG_RD : 0) |
			question->opcode << 11);
	set_16(wire, wire->start + 4, 1);
	set_16(wire, wire->start + 6, wire->counts[WIRE_ANSWER]);
	set_16(wire, wire->start + 8, wire->counts[WIRE_AUTHORITY]);
	set_16(wire, wire->start + 10, question->edns ? 1 : 0);
}

static void add_opt(struct wire *wire, const struct wire_question *question)
{
	if (question->edns) {
		buf_add_byte(wire->out, 0);
		wire_add_16(wire, WIRE_OPT);
		wire_add_16(wire, 1232);
		wire_add_32(wire, 0);
		wire_add_16(wire, 0);
	}
}

void wire_end(struct wire *wire, const struct wire_question *question, enum wire_rcode rcode)
{
	add_opt(wire, question);
	set_header(wire, question, rcode);
}

void wire_truncate(struct wire *wire, const struct wire_question *question)
{
	struct buf *out = wire->out;

	buf_cut(out, wire->start);
	wire_begin(wire, out, question);
	add_opt(wire, question);
	set_header(wire, question, FLAG_TC);
}
