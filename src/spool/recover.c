/*
 * The files of one incarnation are read twice: first for how far Postgres was told and
 * which intents have an end, then for what is left of them.  Each file is mapped, so a
 * million records cost their pages and a small index of open intents.
 *
 * A place that cannot be read is passed over: whole records behind it are read as well.
 * A power cut leaves such places in what was not synced yet, and only there: no dot has
 * left whose intent they may have held.  So it is damage, which nobody may pass over in
 * silence, where a later record was written when the place was on the disk already, or
 * where another file of the same incarnation follows, since each was synced before the next
 * began.  Whoever does not sync (spool.sync: off) says nothing of that: all is damage then.
 */
#include "spool/recover.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/map.h"
#include "base/mem.h"
#include "files.h"
#include "number.h"
#include "spool/journal.h"

struct mapped {
	struct slice bytes;
	struct segment_header header;
	uint64_t number;
	bool done;
};

/* What the first reading found. */
struct index {
	struct map *ended; /* sequence numbers of intents that have an end */
	uint64_t reported;
};

/* Records that are not to be read. */
struct hole {
	const struct mapped *file; /* NULL = there is none */
	size_t at;
	uint64_t seq; /* of the first */
};

struct reading {
	struct slice directory;
	const struct recover_events *events;
	void *owner;
	struct recover_report *report;
	struct buf *why;
	struct index index;
	uint64_t seq;      /* that the next file of this incarnation must begin with */
	struct hole hole;  /* the first one of which it is not known yet what it is */
	struct buf damage; /* says where the first one is */
	bool all;          /* whatever Postgres was told */
};

static bool map_file(
	struct slice directory, const struct spool_file *file, struct mapped *ret_mapped)
{
	char *path = files_path(directory, file->number, file->done);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *bytes = MAP_FAILED;
	size_t size = (size_t)file->bytes;

	mem_free(path);
	if (fd >= 0 && size > 0) {
		bytes = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	}
	if (fd >= 0) {
		(void)close(fd);
	}
	*ret_mapped = (struct mapped){.number = file->number, .done = file->done};
	if (bytes != MAP_FAILED) {
		(void)madvise(bytes, size, MADV_SEQUENTIAL);
		ret_mapped->bytes = slice_make(bytes, size);
	}
	return bytes != MAP_FAILED || size == 0;
}

static void unmap(struct mapped *mapped)
{
	if (mapped->bytes.n > 0) {
		(void)munmap((void *)(uintptr_t)mapped->bytes.p, mapped->bytes.n);
	}
	*mapped = (struct mapped){.number = 0};
}

static bool is_blank(struct slice bytes)
{
	while (bytes.n > 0 && bytes.p[bytes.n - 1] == '\0') {
		bytes.n--;
	}
	return bytes.n == 0;
}

/* The header is on the disk before the first record is written (segments.c). */
static bool has_no_record(struct slice bytes)
{
	return is_blank(slice_first(slice_from(bytes, SEGMENT_HEADER_BYTES), SEGMENT_RECORD_BYTES));
}

static bool complain(const struct reading *r, const struct mapped *file, const char *what)
{
	buf_add_format(r->why,
		"%.*s/%016" PRIx64 "%s: %s; move the file out of the directory to go on without "
		"it: what Postgres does not know of it may be sent again; 'penguinctl spool list "
		"%.*s' says what that is",
		(int)r->directory.n, r->directory.p, file->number, file->done ? ".done" : ".seg",
		what, (int)r->directory.n, r->directory.p);
	return false;
}

static uint64_t number_in(struct slice payload)
{
	struct numbers in = {.rest = payload};

	return numbers_u64(&in);
}

static void note_end(struct index *index, uint64_t intent)
{
	if (intent != 0) {
		map_put(index->ended, slice_make((const char *)&intent, sizeof(intent)), index);
	}
}

static bool has_end(const struct index *index, uint64_t intent)
{
	return map_get(index->ended, slice_make((const char *)&intent, sizeof(intent))) != NULL;
}

static void index_record(struct reading *r, const struct segment_record *record)
{
	uint64_t reported;

	r->report->records++;
	switch (record->type) {
	case JOURNAL_REPORTED:
		reported = number_in(record->payload);
		r->index.reported = reported > r->index.reported ? reported : r->index.reported;
		break;
	case JOURNAL_RESULT:
	case JOURNAL_WITHDRAWN:
		note_end(&r->index, number_in(record->payload));
		break;
	default:
		break;
	}
}

static void tell_entry(const struct reading *r, struct slice bytes,
	void (*on_entry)(void *owner, const struct entry *entry))
{
	struct entry entry;

	if (on_entry != NULL && entry_read(bytes, &entry)) {
		on_entry(r->owner, &entry);
	}
}

static void tell_record(struct reading *r, const struct segment_record *record)
{
	if (record->seq <= r->index.reported && !r->all) {
		return;
	}
	if (record->type == JOURNAL_RESULT) {
		tell_entry(r, slice_from(record->payload, sizeof(uint64_t)), r->events->on_result);
	} else if (record->type == JOURNAL_INTENT && !has_end(&r->index, record->seq)) {
		tell_entry(r, record->payload, r->events->on_doubt);
	}
}

static void call_damage(struct reading *r)
{
	const struct mapped *file = r->hole.file;

	if (file != NULL && r->damage.n == 0) {
		buf_add_format(&r->damage, "%.*s/%016" PRIx64 "%s at offset %zu",
			(int)r->directory.n, r->directory.p, file->number,
			file->done ? ".done" : ".seg", r->hole.at);
	}
	r->hole.file = NULL;
}

/* Was what is in the hole on the disk when this record was added? */
static void judge_hole(struct reading *r, const struct segment_record *record)
{
	if (r->hole.file != NULL &&
		(record->behind == 0 || record->seq - record->behind >= r->hole.seq)) {
		call_damage(r);
	}
}

static void note_hole(struct reading *r, const struct hole *hole)
{
	if (r->hole.file == NULL) {
		r->hole = *hole;
	}
}

/* One pass over what can be read of one file. */
static void walk(struct reading *r, const struct mapped *mapped,
	void (*visit)(struct reading *r, const struct segment_record *record))
{
	struct segment_reader reader;
	struct segment_record record;
	enum segment_step step;
	struct hole hole;
	bool more;

	segment_reader_init(&reader, mapped->bytes, mapped->header.first_seq);
	do {
		while ((step = segment_next(&reader, &record)) == SEGMENT_RECORD) {
			judge_hole(r, &record);
			visit(r, &record);
		}
		r->seq = reader.seq;
		hole = (struct hole){mapped, reader.at, reader.seq};
		more = segment_skip(&reader);
		if (more || step == SEGMENT_TORN) {
			note_hole(r, &hole);
		}
	} while (more);
}

static void walk_all(struct reading *r, const struct mapped *files, size_t count,
	void (*visit)(struct reading *r, const struct segment_record *record))
{
	r->hole.file = NULL;
	for (size_t i = 0; i < count; i++) {
		if (i > 0 && files[i].header.first_seq != r->seq) {
			note_hole(r, &(struct hole){&files[i], 0, r->seq});
		}
		call_damage(r); /* a file follows */
		walk(r, &files[i], visit);
	}
}

/* All files of one incarnation. */
static void read_owner(struct reading *r, const struct mapped *files, size_t count)
{
	r->index = (struct index){.ended = map_new()};
	buf_init(&r->damage, 0);
	walk_all(r, files, count, index_record);
	r->report->torn += r->hole.file != NULL;
	r->report->damaged += r->damage.n > 0;
	if (r->events->on_owner != NULL) {
		r->events->on_owner(r->owner, &files[0].header,
			r->damage.n > 0 ? buf_string(&r->damage) : NULL);
	}
	walk_all(r, files, count, tell_record);
	map_free(&r->index.ended);
	buf_clear(&r->damage);
}

/*
 * An incarnation whose power went before its first record lasted: it had claimed, perhaps, and
 * no dot of it can have left, so it is one that was read.
 */
static bool begins_owner(const struct mapped *mapped)
{
	struct segment_header header;
	unsigned version;

	return segment_header_read(mapped->bytes, &header, &version) && header.first_seq == 1;
}

/* One without a record says nothing more, whatever became of its header. */
static bool open_files(struct reading *r, const struct spool_file *files, size_t count,
	struct mapped *ret_mapped, size_t *ret_count)
{
	unsigned version;

	for (size_t i = 0; i < count; i++) {
		struct mapped *mapped = &ret_mapped[*ret_count];

		if (!map_file(r->directory, &files[i], mapped)) {
			return complain(r, mapped, err_text(err_system()));
		}
		if (has_no_record(mapped->bytes) && !begins_owner(mapped)) {
			unmap(mapped);
			continue;
		}
		(*ret_count)++;
		if (!segment_header_read(mapped->bytes, &mapped->header, &version)) {
			return complain(r, mapped,
				version > SEGMENT_VERSION ? "it was written by a newer penguin-mta"
							  : "its header is damaged");
		}
	}
	return true;
}

static void read_all(struct reading *r, const struct mapped *files, size_t count)
{
	size_t from = 0;

	while (from < count) {
		size_t to = from + 1;

		while (to < count && id_equal(files[to].header.owner, files[from].header.owner)) {
			to++;
		}
		read_owner(r, files + from, to - from);
		from = to;
	}
}

/*
 * From the first that is not done on.  One that was done before an older one is read as well:
 * the power went between their renames, and nothing says which of them lasts.
 */
static size_t drop_done(struct spool_file *files, size_t count)
{
	size_t first = 0;
	size_t end = count;

	while (first < end && files[first].done) {
		first++;
	}
	while (end > first && files[end - 1].done) {
		end--;
	}
	for (size_t i = first; i < end; i++) {
		files[i - first] = files[i];
	}
	return end - first;
}

static bool read_directory(struct reading *r)
{
	struct spool_file *files = NULL;
	struct mapped *mapped;
	size_t count = 0;
	size_t opened = 0;
	struct err err = files_list(r->directory, &files, &count);
	bool fine;

	*r->report = (struct recover_report){0};
	if (err_is(err)) {
		buf_add_format(
			r->why, "%.*s: %s", (int)r->directory.n, r->directory.p, err_text(err));
		return false;
	}
	count = r->all ? count : drop_done(files, count);
	mapped = mem_array(count + 1, sizeof(*mapped));
	fine = open_files(r, files, count, mapped, &opened);
	if (fine) {
		read_all(r, mapped, opened);
	}
	r->report->last_number = count > 0 ? files[count - 1].number : 0;
	for (size_t i = 0; i < opened; i++) {
		unmap(&mapped[i]);
	}
	mem_free(mapped);
	mem_free(files);
	return fine;
}

bool recover_read(struct slice directory, const struct recover_events *events, void *owner,
	struct recover_report *ret_report, struct buf *why)
{
	return read_directory(&(struct reading){
		.directory = directory,
		.events = events,
		.owner = owner,
		.report = ret_report,
		.why = why,
	});
}

bool recover_history(struct slice directory, const struct recover_events *events, void *owner,
	struct recover_report *ret_report, struct buf *why)
{
	return read_directory(&(struct reading){
		.directory = directory,
		.events = events,
		.owner = owner,
		.report = ret_report,
		.why = why,
		.all = true,
	});
}

/* The last such record of a file. */
static void seen_in(struct slice bytes, struct recover_seen *ret_seen)
{
	struct segment_header header;
	struct segment_reader reader;
	struct segment_record record;
	unsigned version;

	if (!segment_header_read(bytes, &header, &version)) {
		return; /* recover_read() says what is wrong with it */
	}
	segment_reader_init(&reader, bytes, header.first_seq);
	while (segment_next(&reader, &record) == SEGMENT_RECORD ||
		(segment_skip(&reader) && segment_next(&reader, &record) == SEGMENT_RECORD)) {
		if (record.type == JOURNAL_SEEN || record.type == JOURNAL_REWOUND) {
			*ret_seen = (struct recover_seen){
				.owner = header.owner,
				.beats = number_in(record.payload),
				.rewound = ret_seen->rewound || record.type == JOURNAL_REWOUND,
			};
		}
	}
}

void recover_seen(struct slice directory, struct recover_seen *ret_seen)
{
	struct spool_file *files = NULL;
	size_t count = 0;

	*ret_seen = (struct recover_seen){.beats = 0};
	if (err_is(files_list(directory, &files, &count))) {
		return;
	}
	while (count-- > 0 && id_is_zero(ret_seen->owner)) {
		struct mapped mapped;

		if (map_file(directory, &files[count], &mapped)) {
			seen_in(mapped.bytes, ret_seen);
		}
		unmap(&mapped);
	}
	mem_free(files);
}

struct err recover_done(struct slice directory, uint64_t last_number)
{
	struct spool_file *files = NULL;
	size_t count = 0;
	struct err err = files_list(directory, &files, &count);

	for (size_t i = 0; i < count && !err_is(err); i++) {
		if (!files[i].done && files[i].number <= last_number) {
			err = files_done(directory, files[i].number);
		}
	}
	mem_free(files);
	return err;
}
