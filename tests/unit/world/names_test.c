/* Questions that nobody should ask: any bytes give an answer or nothing, never harm. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"
#include "no_leaks.h"

TestSuite(names, .fini = no_leaks);

static struct slice one_mx[] = {{"10 mx{1}.test", 13}};

static const unsigned char question[] = {0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 2, 'd', '7', 4,
	't', 'e', 's', 't', 0, 0, 15, 0, 1};

static struct names *make(struct name_entry *entry)
{
	entry->domain = SLICE("d[1-9].test");
	entry->mx = (struct texts){one_mx, 1};
	entry->ttl = 300;
	return names_new(&(struct names_settings){.entries = entry, .count = 1, .negative_ttl = 5});
}

static struct buf ask(struct names *names, struct slice packet, bool *ret_read)
{
	struct wire_question q;
	struct buf out;

	buf_init(&out, 65535);
	*ret_read = wire_read(packet, &q);
	if (*ret_read) {
		(void)names_answer(names, &q, true, 0, &out);
		cr_assert_not(out.spoiled);
		cr_assert_geq(out.n, 12);
	}
	return out;
}

Test(names, answers_by_pattern)
{
	static const unsigned char answer[] = {0x12, 0x34, 0x85, 0, 0, 1, 0, 1, 0, 0, 0, 0, 2, 'd',
		'7', 4, 't', 'e', 's', 't', 0, 0, 15, 0, 1, 0xc0, 12, 0, 15, 0, 1, 0, 0, 1, 44, 0,
		12, 0, 10, 3, 'm', 'x', '7', 4, 't', 'e', 's', 't', 0};
	struct name_entry entry = {0};
	struct names *names = make(&entry);
	bool read;
	struct buf out = ask(names, slice_make((const char *)question, sizeof(question)), &read);

	cr_expect(read);
	cr_expect_eq(out.n, sizeof(answer));
	cr_expect_arr_eq(out.p, answer, sizeof(answer));
	buf_clear(&out);
	names_free(&names);
}

Test(names, every_cut_and_every_flip)
{
	struct name_entry entry = {0};
	struct names *names = make(&entry);
	char bytes[sizeof(question)];
	bool read;
	struct buf out;

	for (size_t n = 0; n < sizeof(question); n++) {
		out = ask(names, slice_make((const char *)question, n), &read);
		cr_expect_not(read, "%zu", n);
		buf_clear(&out);
	}
	for (size_t i = 0; i < sizeof(question); i++) {
		for (int value = 0; value < 256; value++) {
			memcpy(bytes, question, sizeof(question));
			bytes[i] = (char)value;
			out = ask(names, slice_make(bytes, sizeof(bytes)), &read);
			buf_clear(&out);
		}
	}
	names_free(&names);
}

Test(names, random_bytes)
{
	struct name_entry entry = {0};
	struct names *names = make(&entry);
	unsigned short state[3] = {1, 2, 3};
	char bytes[64];
	bool read;

	for (int round = 0; round < 20000; round++) {
		struct buf out;

		for (size_t i = 0; i < sizeof(bytes); i++) {
			bytes[i] = (char)nrand48(state);
		}
		memcpy(bytes, question, 12); /* else hardly one gets beyond the header */
		out = ask(names, slice_make(bytes, sizeof(bytes)), &read);
		buf_clear(&out);
	}
	names_free(&names);
}
