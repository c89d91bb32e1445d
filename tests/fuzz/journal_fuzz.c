/*
 * What a crash left in a journal's directory (spool/recover).  The input says what some
 * workers wrote, into several files, and what was damaged afterwards.  Undamaged, exactly
 * those results and doubts come back that a plain count finds; damaged, it ends, and says
 * why where it refuses.
 */
#include "spool/recover.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "files.h"
#include "fuzz.h"
#include "number.h"
#include "spool/journal.h"

enum { FILES = 6, RECORDS = 64 };

struct written {
	unsigned owner;
	uint64_t seq;
	unsigned type;
	uint64_t intent; /* of a result or a withdrawal; of REPORTED the mark */
	int number;      /* of the attempt: tells entries apart */
};

struct script {
	struct slice rest;
	struct buf files[FILES];
	size_t files_count;
	struct written records[RECORDS];
	size_t records_count;
	unsigned owner;
	unsigned owners; /* so far: a new one each time it changes */
	uint64_t seq;
	bool damaged;
};

/* What recover_read() told, in its order. */
struct told {
	const struct script *script;
	unsigned owner;
	int numbers[RECORDS];
	bool doubts[RECORDS];
	unsigned owners[RECORDS];
	size_t count;
};

static unsigned next(struct script *script)
{
	unsigned value = script->rest.n > 0 ? (unsigned char)script->rest.p[0] : 0;

	script->rest = slice_from(script->rest, 1);
	return value;
}

static const char *directory(void)
{
	static char in_memory[] = "/dev/shm/journal-fuzz.XXXXXX";
	static char on_disk[] = "/tmp/journal-fuzz.XXXXXX";
	static const char *made;

	if (made == NULL) {
		made = mkdtemp(in_memory);
		made = made != NULL ? made : mkdtemp(on_disk);
		must(made != NULL);
	}
	return made;
}

static void leave(void)
{
	(void)rmdir(directory());
}

static void begin_file(struct script *script, bool other)
{
	struct segment_header header = {.node = SLICE("node"), .name = SLICE("worker")};

	if (script->files_count == FILES) {
		return;
	}
	if (other || script->files_count == 0) {
		script->owners++;
		script->seq = 1;
	}
	header.number = script->files_count + 1;
	header.first_seq = script->seq;
	header.owner.bytes[0] = (uint8_t)script->owners;
	buf_init(&script->files[script->files_count], 0);
	segment_header_add(&script->files[script->files_count++], &header);
}

static void add_entry(struct buf *out, int number)
{
	struct tenant tenant = {.name = SLICE("")};
	struct campaign campaign = {.tenant = &tenant, .pool = SLICE("default")};
	struct batch batch = {.campaign = &campaign, .tag = SLICE("other")};
	struct job job = {.batch = &batch, .keys = SLICE("k1")};
	struct attempt attempt = {
		.job = &job,
		.number = number,
		.evidence = {.phase = PHASE_DOT, .text = SLICE("250 ok")},
		.recipient = SLICE("ann@example.org"),
	};

	entry_add(out, &attempt);
}

static void add_record(struct script *script, unsigned type)
{
	struct written *written = &script->records[script->records_count];
	struct buf *file = &script->files[script->files_count - 1];
	struct buf payload;

	if (script->records_count == RECORDS) {
		return;
	}
	*written = (struct written){script->owners, script->seq, type, 0, 0};
	written->number = (int)script->records_count;
	buf_init(&payload, 0);
	if (type != JOURNAL_CLAIMED && type != JOURNAL_INTENT) {
		written->intent = next(script) % (script->seq + 1);
		number_add64(&payload, written->intent);
	}
	if (type == JOURNAL_CLAIMED) {
		buf_add(&payload, SLICE("token and batches"));
	} else if (type != JOURNAL_WITHDRAWN && type != JOURNAL_REPORTED) {
		add_entry(&payload, written->number);
	}
	segment_record_add(
		file, &(struct segment_record){script->seq, type, buf_slice(&payload), 0});
	buf_clear(&payload);
	script->records_count++;
	script->seq++;
}

static void damage(struct script *script)
{
	struct buf *file = &script->files[next(script) % script->files_count];
	size_t at = (next(script) << 8 | next(script)) % (file->n + 1);
	unsigned value = next(script);

	script->damaged = true;
	if (value % 4 == 0 || at == file->n) {
		file->n = at; /* cut off */
	} else {
		file->p[at] = (char)(file->p[at] ^ (char)value);
	}
}

static void play(struct script *script)
{
	begin_file(script, false);
	while (script->rest.n > 0) {
		unsigned op = next(script);

		switch (op % 8) {
		case 0:
			begin_file(script, op & 8);
			break;
		case 6:
			add_record(script, op / 8); /* of a kind that is not known yet, too */
			break;
		case 7:
			damage(script);
			break;
		default:
			add_record(script, op % 8);
			break;
		}
	}
}

static void store(const struct script *script)
{
	for (size_t i = 0; i < script->files_count; i++) {
		char *path = files_path(slice_of(directory()), i + 1, false);
		FILE *file = fopen(path, "wb");

		must(file != NULL);
		must(fwrite(script->files[i].p, 1, script->files[i].n, file) == script->files[i].n);
		must(fclose(file) == 0);
		mem_free(path);
	}
}

static void remove_all(const struct script *script)
{
	for (size_t i = 0; i < script->files_count; i++) {
		for (int done = 0; done < 2; done++) {
			char *path = files_path(slice_of(directory()), i + 1, done);

			(void)unlink(path);
			mem_free(path);
		}
	}
}

static void on_owner(void *owner, const struct segment_header *header, const char *damage)
{
	must(damage == NULL || ((struct told *)owner)->script->damaged);
	((struct told *)owner)->owner = header->owner.bytes[0];
}

static void tell(struct told *told, const struct entry *entry, bool doubt)
{
	if (told->count < RECORDS) {
		told->numbers[told->count] = entry->attempt.number;
		told->doubts[told->count] = doubt;
		told->owners[told->count++] = told->owner;
	}
}

static void on_result(void *owner, const struct entry *entry)
{
	tell(owner, entry, false);
}

static void on_doubt(void *owner, const struct entry *entry)
{
	tell(owner, entry, true);
}

/* What must come back of a record: by looking at all the others. */
static bool is_left(const struct script *script, const struct written *record)
{
	bool ended = false;
	bool reported = false;

	for (size_t i = 0; i < script->records_count; i++) {
		const struct written *other = &script->records[i];

		if (other->owner != record->owner) {
			continue;
		}
		reported = reported ||
			(other->type == JOURNAL_REPORTED && other->intent >= record->seq);
		ended = ended ||
			((other->type == JOURNAL_RESULT || other->type == JOURNAL_WITHDRAWN) &&
				other->intent == record->seq);
	}
	return !reported &&
		(record->type == JOURNAL_RESULT || (record->type == JOURNAL_INTENT && !ended));
}

static void compare(const struct script *script, const struct told *told)
{
	size_t at = 0;

	for (size_t i = 0; i < script->records_count; i++) {
		const struct written *record = &script->records[i];

		if (is_left(script, record)) {
			must(at < told->count && told->numbers[at] == record->number);
			must(told->doubts[at] == (record->type == JOURNAL_INTENT));
			must(told->owners[at] == record->owner);
			at++;
		}
	}
	must(at == told->count);
}

static void read_files(struct slice input)
{
	static const struct recover_events events = {on_owner, on_result, on_doubt};
	struct slice path = slice_of(directory());
	struct script script = {.rest = input};
	struct told told = {.script = &script};
	struct recover_report report;
	struct buf why;
	bool fine;

	play(&script);
	store(&script);
	buf_init(&why, 0);
	fine = recover_read(path, &events, &told, &report, &why);
	must(fine == (why.n == 0));
	must(report.records <= script.records_count);
	must(fine || script.damaged);
	if (!script.damaged) {
		must(report.records == script.records_count && report.torn == 0);
		compare(&script, &told);
	}
	if (script.seq % 8 == 0) { /* it syncs */
		must(!err_is(recover_done(path, script.files_count)));
		must(recover_read(path, &events, &told, &report, &why) && report.records == 0);
	}
	remove_all(&script);
	buf_clear(&why);
	for (size_t i = 0; i < script.files_count; i++) {
		buf_clear(&script.files[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;

	if (!begun) {
		begun = true;
		must(atexit(leave) == 0);
	}
	read_files(slice_make((const char *)data, size));
	return 0;
}
