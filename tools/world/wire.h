/*
 * DNS messages (RFC 1035 section 4, EDNS of RFC 6891): one question read, one
 * answer written.  Names are text without the last dot; "" is the root.
 */
#ifndef WORLD_WIRE_H
#define WORLD_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/slice.h"

#define WIRE_NAME_MAX 255

enum wire_type {
	WIRE_A = 1,
	WIRE_NS = 2,
	WIRE_CNAME = 5,
	WIRE_SOA = 6,
	WIRE_PTR = 12,
	WIRE_MX = 15,
	WIRE_TXT = 16,
	WIRE_AAAA = 28,
	WIRE_OPT = 41,
	WIRE_ANY = 255,
};

enum wire_rcode {
	WIRE_NOERROR = 0,
	WIRE_FORMERR = 1,
	WIRE_SERVFAIL = 2,
	WIRE_NXDOMAIN = 3,
	WIRE_NOTIMP = 4,
	WIRE_REFUSED = 5,
};

struct wire_question {
	uint16_t id;
	uint16_t type;
	uint16_t class;
	uint16_t udp_size; /* what the asker takes over UDP: 512 without EDNS */
	bool edns;
	bool recursion_desired;
	unsigned opcode;
	struct slice raw;  /* name, type and class as they came */
	struct slice name; /* in `text`, in the case it was asked */
	char text[WIRE_NAME_MAX + 1];
};

/* False when it is no query that could be answered at all.  Borrows the packet. */
bool wire_read(struct slice packet, struct wire_question *ret_question);

enum wire_section {
	WIRE_ANSWER,
	WIRE_AUTHORITY,
	WIRE_SECTIONS,
};

/* The answer under construction; `out` may hold other bytes before it. */
struct wire {
	struct buf *out;
	size_t start;
	struct slice question; /* its name: an owner of that name is a pointer to it */
	size_t length_at;      /* of the open record's RDLENGTH */
	uint16_t counts[WIRE_SECTIONS];
};

void wire_begin(struct wire *wire, struct buf *out, const struct wire_question *question);

/* Between these two the RDATA is added. */
void wire_record(struct wire *wire, enum wire_section section, struct slice owner, uint16_t type,
	uint32_t ttl);
void wire_record_end(struct wire *wire);

void wire_add_16(struct wire *wire, uint16_t value);
void wire_add_32(struct wire *wire, uint32_t value);
void wire_add_name(struct wire *wire, struct slice name); /* not compressed */
void wire_add_text(struct wire *wire, struct slice text); /* TXT strings of 255 octets */
bool wire_add_address(struct wire *wire, int family, struct slice text);

/* Adds OPT where it was asked, and sets the header. */
void wire_end(struct wire *wire, const struct wire_question *question, enum wire_rcode rcode);

/* Only header and question, with TC set: the asker shall come again over TCP. */
void wire_truncate(struct wire *wire, const struct wire_question *question);

#endif
