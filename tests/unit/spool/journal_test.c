/*
 * A journal on a real disk: what is durable when, what is found by the next start, and
 * what happens where there is no room.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"
#include "base/time.h"
#include "fixture.h"
#include "no_leaks.h"
#include "spool/journal.h"
#include "spool/recover.h"

TestSuite(journal, .fini = no_leaks, .timeout = 60);

enum { SEGMENT = 256 * 1024 };

struct bench {
	char place[64];
	struct loop *loop;
	struct disk *disk;
	struct journal *journal;
	unsigned durable; /* calls */
	unsigned room;
	unsigned dead;
	struct err err;
	uint8_t owner;
	bool async;
	uint64_t keep_bytes;
};

static void on_durable(void *owner)
{
	((struct bench *)owner)->durable++;
}

static void on_room(void *owner)
{
	((struct bench *)owner)->room++;
}

static void on_dead(void *owner, struct err err)
{
	struct bench *b = owner;

	b->dead++;
	b->err = err;
}

static const struct segments_events events = {on_durable, on_room, on_dead};

static void start(struct bench *b)
{
	struct journal_settings settings = {
		.directory = slice_of(b->place),
		.segment_bytes = SEGMENT,
		.sync = !b->async,
		.keep_bytes = b->keep_bytes,
		.keep_us = 3600 * TIME_SECOND_US,
		.owner = {{++b->owner}},
		.node = SLICE("node"),
		.name = SLICE("w0"),
	};

	b->loop = loop_new();
	b->disk = disk_new(b->loop);
	b->journal = journal_open(b->loop, b->disk, &settings, &events, b);
}

/* As an orderly end, or as a crash that leaves what was written. */
static void stop(struct bench *b)
{
	disk_free(&b->disk);
	journal_close(&b->journal);
	loop_drain(b->loop);
	loop_free(&b->loop);
}

static void begin(struct bench *b)
{
	*b = (struct bench){.keep_bytes = 64 << 20};
	make_place(b->place);
	start(b);
}

static void end(struct bench *b)
{
	stop(b);
	remove_place(b->place);
}

static void turn_until(struct bench *b, bool (*is)(struct bench *b))
{
	int64_t until_us = time_monotonic_us() + 20 * TIME_SECOND_US;

	while (!is(b)) {
		cr_assert_lt(time_monotonic_us(), until_us, "nothing happened");
		loop_drain(b->loop);
	}
}

static bool has_room(struct bench *b)
{
	return b->room > 0;
}

static struct ticket *intend(struct bench *b, uint8_t n)
{
	struct fixture f;

	fixture_init(&f, n);
	return journal_intent(b->journal, &f.attempt);
}

static struct ticket *result(struct bench *b, struct ticket **intent, uint8_t n)
{
	struct fixture f;

	fixture_init(&f, n);
	return journal_result(b->journal, intent, &f.attempt);
}

/* ---- what the next start finds ---- */

struct found {
	struct buf words;
};

static void on_owner(void *owner, const struct segment_header *header, const char *damage)
{
	struct found *found = owner;

	buf_add_format(&found->words, "owner %u%s:", header->owner.bytes[0],
		damage != NULL ? " damaged" : "");
}

static void on_result(void *owner, const struct entry *entry)
{
	struct found *found = owner;

	buf_add_format(&found->words, " result %u", entry->job.id.bytes[15]);
}

static void on_doubt(void *owner, const struct entry *entry)
{
	struct found *found = owner;

	buf_add_format(&found->words, " doubt %u", entry->job.id.bytes[15]);
}

static bool finds(struct bench *b, const char *words)
{
	static const struct recover_events recover_events = {on_owner, on_result, on_doubt};
	struct recover_report report;
	struct found found;
	struct buf why;
	bool same;

	buf_init(&found.words, 0);
	buf_init(&why, 0);
	cr_assert(recover_read(slice_of(b->place), &recover_events, &found, &report, &why), "%s",
		buf_string(&why));
	same = slice_equal(buf_slice(&found.words), slice_of(words));
	cr_expect(same, "%s, not %s", buf_string(&found.words), words);
	buf_clear(&found.words);
	buf_clear(&why);
	return same;
}

static void expect(struct bench *b, const char *words)
{
	cr_assert(finds(b, words));
}

/* The same of what comes first. */
static void expect_begin(struct bench *b, const char *words)
{
	static const struct recover_events recover_events = {on_owner, on_result, on_doubt};
	struct recover_report report;
	struct found found;
	struct buf why;

	buf_init(&found.words, 0);
	buf_init(&why, 0);
	cr_assert(recover_read(slice_of(b->place), &recover_events, &found, &report, &why), "%s",
		buf_string(&why));
	cr_assert(slice_starts(buf_slice(&found.words), slice_of(words)), "%s",
		buf_string(&found.words));
	buf_clear(&found.words);
	buf_clear(&why);
}

Test(journal, has_room_when_its_first_file_is_made)
{
	struct bench b;

	begin(&b);
	cr_assert_null(intend(&b, 1), "no room yet: no dot may leave");
	cr_assert_not(journal_has_room(b.journal));
	turn_until(&b, has_room);
	cr_assert(journal_has_room(b.journal));
	end(&b);
}

static struct ticket *awaited;

static bool is_durable(struct bench *b)
{
	return journal_is_durable(b->journal, awaited);
}

Test(journal, an_intent_is_durable_only_after_a_sync)
{
	struct ticket *intent;
	struct bench b;

	begin(&b);
	turn_until(&b, has_room);
	awaited = intent = intend(&b, 1);
	cr_assert_not_null(intent);
	journal_flush(b.journal);
	cr_assert_not(journal_is_durable(b.journal, intent));
	expect(&b, "owner 1: doubt 1");
	journal_sync(b.journal);
	turn_until(&b, is_durable);
	cr_assert_eq(b.durable, 1U);
	cr_assert_eq(journal_stats(b.journal)->syncs, 1U);
	journal_withdraw(b.journal, &intent);
	end(&b);
}

Test(journal, one_sync_serves_all_that_was_written_before_it)
{
	struct ticket *intents[40];
	struct bench b;

	begin(&b);
	turn_until(&b, has_room);
	for (uint8_t i = 0; i < 40; i++) {
		intents[i] = intend(&b, i);
		cr_assert_not_null(intents[i]);
	}
	journal_sync(b.journal);
	awaited = intents[39];
	turn_until(&b, is_durable);
	cr_assert_leq(journal_stats(b.journal)->syncs, 2U);
	cr_assert_leq(journal_stats(b.journal)->writes, 3U, "the header, and one or two");
	for (uint8_t i = 0; i < 40; i++) {
		cr_assert(journal_is_durable(b.journal, intents[i]));
		journal_withdraw(b.journal, &intents[i]);
	}
	end(&b);
}

Test(journal, without_sync_written_counts_as_durable)
{
	struct ticket *intent;
	struct bench b;

	begin(&b);
	stop(&b);
	b.async = true;
	start(&b);
	turn_until(&b, has_room);
	awaited = intent = intend(&b, 1);
	turn_until(&b, is_durable);
	cr_assert_eq(journal_stats(b.journal)->syncs, 0U);
	journal_withdraw(b.journal, &intent);
	end(&b);
}

Test(journal, the_next_start_finds_results_and_doubts_and_nothing_else)
{
	struct ticket *one, *two, *three, *four;
	struct bench b;

	begin(&b);
	turn_until(&b, has_room);
	one = intend(&b, 1);
	two = intend(&b, 2);
	three = intend(&b, 3);
	four = result(&b, &one, 1);
	journal_withdraw(b.journal, &three);
	one = NULL;
	three = result(&b, &one, 4); /* refused at RCPT: there was no intent */
	journal_flush(b.journal);
	expect(&b, "owner 1: doubt 2 result 1 result 4");
	journal_confirm(b.journal, &four);
	loop_drain(b.loop);
	expect(&b, "owner 1: doubt 2 result 1 result 4"); /* again: harmless */
	journal_withdraw(b.journal, &two);
	journal_confirm(b.journal, &three);
	loop_drain(b.loop);
	expect(&b, "owner 1:");
	end(&b);
}

Test(journal, an_early_ticket_holds_the_mark_and_nothing_behind_it_is_lost)
{
	struct ticket *doubt, *early, *late, *none = NULL;
	struct bench b;

	begin(&b);
	turn_until(&b, has_room);
	early = result(&b, &none, 1);
	late = result(&b, &none, 2);
	journal_confirm(b.journal, &late);
	loop_drain(b.loop);
	expect(&b, "owner 1: result 1 result 2"); /* twice is harmless, never is not */
	doubt = intend(&b, 3);
	journal_confirm(b.journal, &early);
	loop_drain(b.loop);
	expect(&b, "owner 1: doubt 3");
	journal_withdraw(b.journal, &doubt);
	end(&b);
}

Test(journal, an_orderly_end_leaves_nothing_to_read)
{
	struct ticket *intent, *ticket;
	struct bench b;

	begin(&b);
	turn_until(&b, has_room);
	intent = intend(&b, 1);
	ticket = result(&b, &intent, 1);
	journal_confirm(b.journal, &ticket);
	stop(&b);
	start(&b);
	expect(&b, "");
	end(&b);
}

Test(journal, incarnations_are_told_apart)
{
	struct ticket *intent;
	struct bench b;

	begin(&b);
	turn_until(&b, has_room);
	intent = intend(&b, 1);
	cr_assert_not_null(intent);
	stop(&b); /* the ticket is open: all of it stays */
	b.room = 0;
	start(&b);
	turn_until(&b, has_room);
	b.room = 0;
	intent = intend(&b, 2);
	cr_assert_not_null(intent);
	journal_flush(b.journal);
	turn_until(&b, has_room); /* some file systems list poorly while a file is made */
	expect(&b, "owner 1: doubt 1owner 2: doubt 2");
	stop(&b);
	b.room = 0;
	start(&b);
	turn_until(&b, has_room);
	cr_assert_not(err_is(recover_done(slice_of(b.place), 99)));
	expect(&b, "");
	end(&b);
}

static void expect_history(struct bench *b, const char *words)
{
	static const struct recover_events recover_events = {on_owner, on_result, on_doubt};
	struct recover_report report;
	struct found found;
	struct buf why;

	buf_init(&found.words, 0);
	buf_init(&why, 0);
	cr_assert(recover_history(slice_of(b->place), &recover_events, &found, &report, &why), "%s",
		buf_string(&why));
	cr_assert_str_eq(buf_string(&found.words), words);
	buf_clear(&found.words);
	buf_clear(&why);
}

Test(journal, history_is_all_that_is_there_whatever_was_reported)
{
	struct ticket *intent, *ticket;
	struct bench b;

	begin(&b);
	turn_until(&b, has_room);
	intent = intend(&b, 1);
	ticket = result(&b, &intent, 1);
	journal_confirm(b.journal, &ticket);
	stop(&b); /* done as a whole */
	b.room = 0;
	start(&b);
	turn_until(&b, has_room);
	b.room = 0;
	intent = intend(&b, 2);
	ticket = result(&b, &intent, 2);
	journal_confirm(b.journal, &ticket);
	loop_drain(b.loop);
	intent = intend(&b, 3);
	journal_flush(b.journal);
	turn_until(&b, has_room);
	expect(&b, "owner 2: doubt 3");
	expect_history(&b, "owner 1: result 1owner 2: result 2 doubt 3");
	journal_withdraw(b.journal, &intent);
	end(&b);
}

static void expect_seen(struct bench *b, uint8_t owner, uint64_t beats, bool rewound)
{
	struct recover_seen seen;

	journal_flush(b->journal);
	recover_seen(slice_of(b->place), &seen);
	cr_assert_eq(seen.owner.bytes[0], owner);
	cr_assert_eq(seen.beats, beats);
	cr_assert_eq(seen.rewound, rewound);
}

/* What the newest incarnation that heard of Postgres has seen of it. */
Test(journal, seen_is_the_newest_word)
{
	struct bench b;

	begin(&b);
	journal_seen(b.journal, 7); /* there is no room yet */
	expect_seen(&b, 0, 0, false);
	turn_until(&b, has_room);
	expect_seen(&b, 1, 7, false);
	journal_seen(b.journal, 9);
	expect_seen(&b, 1, 9, false);
	stop(&b);
	b.room = 0;
	start(&b);
	turn_until(&b, has_room);
	expect_seen(&b, 1, 9, false); /* it has not heard of it */
	journal_rewound(b.journal, 4);
	expect_seen(&b, 2, 4, true);
	stop(&b);
	b.room = 0;
	start(&b);
	turn_until(&b, has_room);
	expect_seen(&b, 2, 4, true);
	journal_seen(b.journal, 1);
	expect_seen(&b, 3, 1, false); /* mended */
	end(&b);
}

/* Changes the payload of a record; they are of different sizes, so they are counted. */
static void damage(const struct bench *b, unsigned file, unsigned record)
{
	struct segment_reader reader;
	struct segment_record found;
	static char bytes[SEGMENT];
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%016x.seg", b->place, file);
	fd = open(path, O_RDWR | O_CLOEXEC);
	cr_assert_eq(read(fd, bytes, sizeof(bytes)), (ssize_t)sizeof(bytes));
	segment_reader_init(&reader, slice_make(bytes, sizeof(bytes)), 1);
	for (unsigned i = 1; i < record; i++) {
		cr_assert_eq(segment_next(&reader, &found), SEGMENT_RECORD);
	}
	bytes[reader.at + SEGMENT_RECORD_BYTES + 3] ^= 4;
	cr_assert_eq(pwrite(fd, bytes, sizeof(bytes), 0), (ssize_t)sizeof(bytes));
	close(fd);
}

static const struct {
	const char *label;
	bool async;
	unsigned synced; /* so many, before the others are added in one turn */
	unsigned damaged;
	const char *found;
} holes[] = {
	{"the end was cut", false, 0, 4, "owner 1: doubt 1 doubt 2 doubt 3"},
	{"power cut a hole into what was not synced", false, 0, 2,
		"owner 1: doubt 1 doubt 3 doubt 4"},
	{"... and behind what was", false, 2, 3, "owner 1: doubt 1 doubt 2 doubt 4"},
	{"what was synced is damaged", false, 2, 2, "owner 1 damaged: doubt 1 doubt 3 doubt 4"},
	{"... the first of all", false, 1, 1, "owner 1 damaged: doubt 2 doubt 3 doubt 4"},
	{"nobody knows what was synced", true, 0, 3, "owner 1 damaged: doubt 1 doubt 2 doubt 4"},
};

Test(journal, what_can_be_read_behind_a_hole_is_and_what_was_synced_is_missed)
{
	for (size_t i = 0; i < ARRAY_LEN(holes); i++) {
		struct bench b = {.keep_bytes = 64 << 20, .async = holes[i].async};

		make_place(b.place);
		start(&b);
		turn_until(&b, has_room);
		for (uint8_t n = 1; n <= 4; n++) {
			awaited = intend(&b, n);
			cr_assert_not_null(awaited);
			if (n == holes[i].synced) {
				turn_until(&b, is_durable);
			}
		}
		stop(&b);
		damage(&b, 1, holes[i].damaged);
		cr_expect(finds(&b, holes[i].found), "%s", holes[i].label);
		remove_place(b.place);
	}
}

/* As a file that was moved away, or one that the power cut where nothing is synced. */
Test(journal, a_hole_in_a_file_that_another_follows_is_damage_and_is_passed_over)
{
	struct bench b;
	char path[128];

	begin(&b);
	turn_until(&b, has_room);
	for (uint8_t i = 1; i <= 3; i++) {
		cr_assert_not_null(intend(&b, i));
	}
	stop(&b);
	b.owner = 0;
	b.room = 0;
	start(&b);
	turn_until(&b, has_room);
	cr_assert_not_null(intend(&b, 9));
	stop(&b);
	damage(&b, 1, 3);
	expect(&b, "owner 1 damaged: doubt 1 doubt 2 doubt 9");
	(void)snprintf(path, sizeof(path), "%s/0000000000000001.seg", b.place);
	cr_assert_eq(unlink(path), 0);
	expect(&b, "owner 1: doubt 9"); /* what was reported is gone as well, by and by */
	remove_place(b.place);
}

static size_t files_with(const char *place, const char *ending)
{
	DIR *dir = opendir(place);
	const struct dirent *entry;
	size_t n = 0;

	cr_assert_not_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		n += slice_ends(slice_of(entry->d_name), slice_of(ending));
	}
	closedir(dir);
	return n;
}

static bool is_spare_ready(struct bench *b)
{
	return b->room >= 2;
}

Test(journal, goes_on_in_the_next_file_and_forgets_the_first)
{
	struct ticket *none = NULL;
	struct ticket *tickets[600];
	size_t n = 0;
	struct bench b;

	begin(&b);
	turn_until(&b, has_room);
	while (files_with(b.place, ".seg") < 2) {
		tickets[n] = result(&b, &none, (uint8_t)n);
		cr_assert_not_null(tickets[n]);
		n++;
		turn_until(&b, has_room);
		loop_drain(b.loop);
		if (b.room == 1) {
			turn_until(&b, is_spare_ready);
		}
	}
	while (files_with(b.place, ".seg") < 3 && n < ARRAY_LEN(tickets)) {
		b.room = 0;
		tickets[n] = result(&b, &none, (uint8_t)n);
		cr_assert_not_null(tickets[n]);
		n++;
		loop_drain(b.loop);
		if (b.room == 0 && files_with(b.place, ".draft") > 0) {
			turn_until(&b, has_room);
		}
	}
	cr_assert_eq(files_with(b.place, ".done"), 0U);
	for (size_t i = 0; i < n; i++) {
		journal_confirm(b.journal, &tickets[i]);
	}
	loop_drain(b.loop);
	cr_assert_geq(files_with(b.place, ".done"), 1U);
	expect(&b, "owner 1:");
	end(&b);
}

Test(journal, room_that_was_kept_is_there_when_all_else_is_full)
{
	struct ticket *intents[2000];
	struct ticket *none = NULL;
	size_t n = 0;
	struct bench b;

	begin(&b);
	turn_until(&b, has_room);
	/* No turn of the loop: no other file gets ready. */
	while (n < ARRAY_LEN(intents) && (intents[n] = intend(&b, (uint8_t)n)) != NULL) {
		n++;
	}
	cr_assert(n > 50 && n < 300, "%zu", n);
	cr_assert_not(journal_has_room(b.journal));
	for (int i = 0; i < 10; i++) {
		none = NULL;
		none = result(&b, &none, 1);
		journal_confirm(b.journal, &none);
	}
	cr_assert_null(result(&b, &none, 1), "without an intent there is no room kept");
	for (size_t i = 0; i < n; i++) {
		struct ticket *ticket = result(&b, &intents[i], (uint8_t)i);

		cr_assert_not_null(ticket, "result %zu of %zu", i, n);
		journal_confirm(b.journal, &ticket);
	}
	end(&b);
}

/* The descriptor of the first file of such a name becomes one that cannot be written. */
static void break_file(const char *name)
{
	int broken = open("/dev/full", O_WRONLY | O_CLOEXEC);
	int fd;

	for (fd = 3; fd < 100; fd++) {
		char link[64];
		char target[256];
		ssize_t length;

		(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		length = readlink(link, target, sizeof(target) - 1);
		if (length > 0 && memmem(target, (size_t)length, name, strlen(name)) != NULL) {
			break;
		}
	}
	cr_assert_lt(fd, 100);
	cr_assert_eq(dup2(broken, fd), fd);
	close(broken);
}

Test(journal, is_dead_after_a_failed_write_and_says_so_once)
{
	struct ticket *intent;
	struct bench b;

	begin(&b);
	turn_until(&b, has_room);
	intent = intend(&b, 1);
	cr_assert_not_null(intent);
	break_file(".seg");
	journal_flush(b.journal);
	loop_drain(b.loop);
	cr_assert(journal_dead(b.journal));
	cr_assert_eq(b.dead, 1U);
	cr_assert_eq(b.err.os, ENOSPC);
	cr_assert_null(intend(&b, 2));
	cr_assert_not(journal_is_durable(b.journal, intent));
	loop_drain(b.loop);
	cr_assert_eq(b.dead, 1U);
	journal_withdraw(b.journal, &intent);
	end(&b);
}

Test(journal, what_is_done_is_kept_up_to_a_size)
{
	struct bench b;

	begin(&b);
	turn_until(&b, has_room);
	b.keep_bytes = 20000; /* a short file has a header and a record or two */
	for (int i = 0; i < 8; i++) {
		struct ticket *none = NULL;
		struct ticket *ticket = result(&b, &none, 1);

		journal_confirm(b.journal, &ticket);
		stop(&b);
		b.room = 0;
		start(&b);
		turn_until(&b, has_room);
	}
	cr_assert_leq(files_with(b.place, ".done"), 6U);
	cr_assert_geq(files_with(b.place, ".done"), 2U);
	end(&b);
}

/* The power went while the header of a new file was written: nothing of it was used. */
Test(journal, a_torn_header_is_damage_only_where_records_follow)
{
	static const struct recover_events silent = {0};
	static const char half[2048] = "PENGUIN";
	struct recover_report report;
	char path[128];
	struct bench b;
	struct buf why;
	int fd;

	begin(&b);
	turn_until(&b, has_room);
	stop(&b);
	(void)snprintf(path, sizeof(path), "%s/00000000000000aa.seg", b.place);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	cr_assert_eq(write(fd, half, sizeof(half)), (ssize_t)sizeof(half));
	cr_assert_eq(ftruncate(fd, SEGMENT), 0);
	buf_init(&why, 0);
	cr_assert(recover_read(slice_of(b.place), &silent, NULL, &report, &why), "%s",
		buf_string(&why));
	cr_assert_eq(report.records, 0U);
	cr_assert_eq(pwrite(fd, "record", 6, 4096), 6);
	cr_assert_not(recover_read(slice_of(b.place), &silent, NULL, &report, &why));
	cr_assert_not_null(strstr(buf_string(&why), "its header is damaged"));
	close(fd);
	buf_clear(&why);
	remove_place(b.place);
}

static bool has_more_room(struct bench *b)
{
	return journal_has_room(b->journal);
}

/* Results that are confirmed at once, until the file with this number is in use. */
static void fill_up_to(struct bench *b, unsigned number)
{
	char draft[128];
	char next[128];

	/* The next one is begun when this one is entered. */
	(void)snprintf(next, sizeof(next), "%s/%016x.seg", b->place, number + 1);
	(void)snprintf(draft, sizeof(draft), "%s/%016x.seg.draft", b->place, number + 1);
	while (access(draft, F_OK) != 0 && access(next, F_OK) != 0) {
		struct ticket *none = NULL;
		struct ticket *ticket = result(b, &none, 200);

		journal_confirm(b->journal, &ticket);
		turn_until(b, has_more_room);
	}
}

Test(journal, one_that_failed_forgets_nothing_that_its_successor_must_know)
{
	struct ticket *intent, *ticket;
	struct bench b;

	begin(&b);
	turn_until(&b, has_room);
	intent = intend(&b, 1);
	fill_up_to(&b, 2);
	break_file("0000000000000002.seg");
	ticket = intend(&b, 2);
	journal_flush(b.journal);
	cr_assert(journal_dead(b.journal));
	cr_assert_null(result(&b, &intent, 1), "it is known here, and cannot be written");
	journal_withdraw(b.journal, &ticket);
	loop_drain(b.loop);
	stop(&b);
	cr_assert_eq(files_with(b.place, ".done"), 0U);
	expect_begin(&b, "owner 1: doubt 1");
	remove_place(b.place);
}

/* Names are durable in no order but that of a sync of their directory (POSIX). */
Test(journal, a_file_that_is_done_before_an_older_one_is_no_hole)
{
	struct ticket *intent;
	char from[128];
	char to[128];
	struct bench b;

	begin(&b);
	turn_until(&b, has_room);
	intent = intend(&b, 1);
	fill_up_to(&b, 3);
	stop(&b);
	(void)intent;
	(void)snprintf(from, sizeof(from), "%s/0000000000000002.seg", b.place);
	(void)snprintf(to, sizeof(to), "%s/0000000000000002.done", b.place);
	cr_assert_eq(rename(from, to), 0);
	expect_begin(&b, "owner 1: doubt 1");
	remove_place(b.place);
}

static void make_done(const struct bench *b, unsigned number, time_t age)
{
	struct timespec times[2] = {{.tv_sec = time(NULL) - age}, {.tv_sec = time(NULL) - age}};
	char path[128];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%016x.done", b->place, number);
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	cr_assert_geq(fd, 0);
	cr_assert_eq(futimens(fd, times), 0);
	close(fd);
}

static bool is_there(const struct bench *b, unsigned number)
{
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/%016x.done", b->place, number);
	return access(path, F_OK) == 0;
}

/* The clock was wrong when the second was written: history is read as a whole, or not at all. */
Test(journal, what_is_done_goes_oldest_first_whatever_the_clock_was)
{
	struct ticket *intent;
	struct bench b;

	b = (struct bench){.keep_bytes = 64 << 20};
	make_place(b.place);
	make_done(&b, 1, 100000);
	make_done(&b, 2, 10);
	make_done(&b, 3, 100000);
	make_done(&b, 4, 10);
	start(&b);
	turn_until(&b, has_room);
	intent = intend(&b, 1);
	cr_assert_not(is_there(&b, 1));
	cr_assert(is_there(&b, 2));
	cr_assert(is_there(&b, 3), "it is between two that are kept");
	cr_assert(is_there(&b, 4));
	journal_withdraw(b.journal, &intent);
	end(&b);
}

Test(journal, that_postgres_has_forgotten_is_written_when_there_is_room)
{
	struct recover_seen seen;
	struct ticket *intents[300];
	uint64_t records;
	size_t n = 0;
	struct bench b;

	begin(&b);
	turn_until(&b, has_room);
	while ((intents[n] = intend(&b, (uint8_t)n)) != NULL) {
		n++;
	}
	for (records = 0; journal_stats(b.journal)->records > records;) {
		records = journal_stats(b.journal)->records;
		journal_seen(b.journal, records); /* the smallest there are */
	}
	journal_rewound(b.journal, 96);
	b.room = 0;
	turn_until(&b, has_room);
	journal_flush(b.journal);
	recover_seen(slice_of(b.place), &seen);
	cr_assert(seen.rewound);
	for (size_t i = 0; i < n; i++) {
		journal_withdraw(b.journal, &intents[i]);
	}
	end(&b);
}

/* Its numbers would begin anew, and a file that is there be written over. */
Test(journal, of_a_directory_that_cannot_be_listed_is_dead)
{
	struct bench b = {.keep_bytes = 64 << 20};

	make_place(b.place);
	remove_place(b.place);
	start(&b);
	loop_drain(b.loop);
	cr_assert(journal_dead(b.journal));
	cr_assert_eq(b.dead, 1U);
	stop(&b);
}

/* Who is not named passes for lost with its journal, and what it had claimed for perhaps sent. */
Test(journal, names_an_incarnation_whose_first_record_was_lost_with_the_power)
{
	static const char zeros[4096];
	struct ticket *intent;
	char path[128];
	struct bench b;
	int fd;

	begin(&b);
	turn_until(&b, has_room);
	intent = intend(&b, 1);
	cr_assert_not_null(intent);
	stop(&b);
	(void)snprintf(path, sizeof(path), "%s/0000000000000001.seg", b.place);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	cr_assert_eq(pwrite(fd, zeros, sizeof(zeros), 4096), (ssize_t)sizeof(zeros));
	close(fd);
	expect(&b, "owner 1:");
	remove_place(b.place);
}
