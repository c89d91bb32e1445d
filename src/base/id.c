/*
 * UUIDs.  RFC 9562 section 5.7: 48 bits of Unix milliseconds, 4 of version, 12
 * random, 2 of variant, 62 random.  Random bits come from the kernel each time:
 * a pool of them would be shared by the children of a fork.
 */
#include "base/id.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "hex.h"

void id_random_bytes(void *p, size_t n)
{
	char *at = p;

	while (n > 0) {
		ssize_t got = getrandom(at, n, 0);

		if (got > 0) {
			at += got;
			n -= (size_t)got;
		} else if (errno != EINTR) {
			abort();
		}
	}
}

static void set_version(struct id *id, unsigned version)
{
	id->bytes[6] = (uint8_t)((id->bytes[6] & 0x0f) | version << 4);
	id->bytes[8] = (uint8_t)((id->bytes[8] & 0x3f) | 0x80);
}

struct id id_derive(int64_t wall_ms, const uint8_t bits[10])
{
	struct id id;

	for (int i = 0; i < 6; i++) {
		id.bytes[i] = (uint8_t)((uint64_t)wall_ms >> (40 - 8 * i));
	}
	memcpy(id.bytes + 6, bits, 10);
	set_version(&id, 7);
	return id;
}

struct id id_make(int64_t wall_ms)
{
	uint8_t bits[10];

	id_random_bytes(bits, sizeof(bits));
	return id_derive(wall_ms, bits);
}

struct id id_random(void)
{
	struct id id;

	id_random_bytes(id.bytes, sizeof(id.bytes));
	set_version(&id, 4);
	return id;
}

static bool is_dash_place(size_t at)
{
	return at == 8 || at == 13 || at == 18 || at == 23;
}

bool id_parse(struct slice text, struct id *ret_id)
{
	struct id id;
	size_t at = 0;

	if (text.n != ID_TEXT) {
		return false;
	}
	for (size_t byte = 0; byte < sizeof(id.bytes); byte++) {
		int high;
		int low;

		if (is_dash_place(at) && text.p[at++] != '-') {
			return false;
		}
		high = hex_value(text.p[at++]);
		low = hex_value(text.p[at++]);
		if (high < 0 || low < 0) {
			return false;
		}
		id.bytes[byte] = (uint8_t)(high << 4 | low);
	}
	*ret_id = id;
	return true;
}

static void write_text(const struct id *id, char *text)
{
	char digits[32];

	for (size_t i = 0; i < 4; i++) {
		hex_write_4(digits + 8 * i, id->bytes + 4 * i);
	}
	memcpy(text, digits, 8);
	memcpy(text + 9, digits + 8, 4);
	memcpy(text + 14, digits + 12, 4);
	memcpy(text + 19, digits + 16, 4);
	memcpy(text + 24, digits + 20, 12);
	text[8] = text[13] = text[18] = text[23] = '-';
}

void id_add(struct buf *out, struct id id)
{
	char *p = buf_reserve(out, ID_TEXT);

	if (p != NULL) {
		write_text(&id, p);
		buf_commit(out, ID_TEXT);
	}
}

void id_text(struct id id, char ret_text[ID_TEXT + 1])
{
	write_text(&id, ret_text);
	ret_text[ID_TEXT] = '\0';
}

bool id_equal(struct id a, struct id b)
{
	return memcmp(a.bytes, b.bytes, sizeof(a.bytes)) == 0;
}

bool id_is_zero(struct id id)
{
	return id_equal(id, (struct id){{0}});
}

int id_version(struct id id)
{
	return id.bytes[6] >> 4;
}

int64_t id_wall_ms(struct id id)
{
	int64_t wall_ms = 0;

	for (int i = 0; i < 6; i++) {
		wall_ms = wall_ms << 8 | id.bytes[i];
	}
	return wall_ms;
}
