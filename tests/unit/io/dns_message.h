/*
 * DNS messages for tests, octet by octet: right ones and wrong ones.
 */
#ifndef TESTS_IO_DNS_MESSAGE_H
#define TESTS_IO_DNS_MESSAGE_H

#include <arpa/inet.h>
#include <string.h>

#include "base/buf.h"

enum {
	ANSWER = 0x8180,
	NXDOMAIN = 0x8183,
	SERVFAIL = 0x8182,
	REFUSED = 0x8185,
	FORMERR = 0x8181,
	TRUNCATED = 0x0200,
};

static inline void add_16(struct buf *m, unsigned value)
{
	buf_add_byte(m, (char)(value >> 8));
	buf_add_byte(m, (char)value);
}

static inline void add_32(struct buf *m, unsigned value)
{
	add_16(m, value >> 16);
	add_16(m, value & 0xffff);
}

static inline void add_header(
	struct buf *m, unsigned id, unsigned flags, unsigned answers, unsigned authorities)
{
	add_16(m, id);
	add_16(m, flags);
	add_16(m, 1);
	add_16(m, answers);
	add_16(m, authorities);
	add_16(m, 0);
}

static inline void add_name(struct buf *m, const char *text)
{
	struct slice rest = slice_of(text);
	struct slice label;

	while (rest.n > 0) {
		(void)slice_split(&rest, '.', &label);
		buf_add_byte(m, (char)label.n);
		buf_add(m, label);
	}
	buf_add_byte(m, 0);
}

static inline void add_question(struct buf *m, const char *name, unsigned type)
{
	add_name(m, name);
	add_16(m, type);
	add_16(m, 1);
}

static inline void add_rr(
	struct buf *m, const char *name, unsigned type, unsigned ttl_s, struct slice data)
{
	add_name(m, name);
	add_16(m, type);
	add_16(m, 1);
	add_32(m, ttl_s);
	add_16(m, (unsigned)data.n);
	buf_add(m, data);
}

static inline void add_rr_name(
	struct buf *m, const char *name, unsigned type, unsigned ttl_s, const char *target)
{
	struct buf data;

	buf_init(&data, 0);
	add_name(&data, target);
	add_rr(m, name, type, ttl_s, buf_slice(&data));
	buf_clear(&data);
}

static inline void add_mx(
	struct buf *m, const char *name, unsigned ttl_s, unsigned preference, const char *host)
{
	struct buf data;

	buf_init(&data, 0);
	add_16(&data, preference);
	add_name(&data, host);
	add_rr(m, name, 15, ttl_s, buf_slice(&data));
	buf_clear(&data);
}

static inline void add_address(struct buf *m, const char *name, unsigned ttl_s, const char *text)
{
	char address[16];
	int family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;

	inet_pton(family, text, address);
	add_rr(m, name, family == AF_INET6 ? 28 : 1, ttl_s,
		slice_make(address, family == AF_INET6 ? 16 : 4));
}

static inline void add_soa(struct buf *m, const char *zone, unsigned ttl_s, unsigned least_s)
{
	struct buf data;

	buf_init(&data, 0);
	add_name(&data, "ns.example");
	add_name(&data, "root.example");
	for (int i = 0; i < 4; i++) {
		add_32(&data, 3600);
	}
	add_32(&data, least_s);
	add_rr(m, zone, 6, ttl_s, buf_slice(&data));
	buf_clear(&data);
}

#endif
