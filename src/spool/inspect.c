/*
 * Tells each place that recover.c passes over, and more of what stands around it.  A torn
 * end is told when it is known whether another file of the same incarnation follows: then
 * it is damage.
 *
 * That a record is whole behind one that is not is told as damage in any case, also where a
 * power cut may have left it: recover.c knows more, and somebody who looks wants to see it.
 */
#include "spool/inspect.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "files.h"
#include "number.h"

struct looking {
	const struct inspect_events *events;
	void *owner;
	bool follows;     /* a file of an incarnation was read before this one */
	struct id worker; /* ... of this one */
	uint64_t seq;     /* ... that the next must begin with */
	char *torn;       /* ... and ended in half a record; NULL = it did not */
	uint64_t torn_at;
};

static const char *const words[] = {
	[JOURNAL_CLAIMED] = "claimed",
	[JOURNAL_INTENT] = "intent",
	[JOURNAL_WITHDRAWN] = "withdrawn",
	[JOURNAL_RESULT] = "result",
	[JOURNAL_REPORTED] = "reported",
	[JOURNAL_SEEN] = "seen",
	[JOURNAL_REWOUND] = "rewound",
};

bool inspect_knows(unsigned type)
{
	return type < ARRAY_LEN(words) && words[type] != NULL;
}

const char *inspect_type_word(unsigned type)
{
	return inspect_knows(type) ? words[type] : "unknown";
}

bool inspect_is_segment(struct slice name)
{
	return slice_ends(name, SLICE(".seg")) || slice_ends(name, SLICE(".done"));
}

static void trouble(const struct looking *l, enum inspect_trouble what, const char *path,
	uint64_t offset, const char *text)
{
	if (l->events->on_trouble != NULL) {
		l->events->on_trouble(l->owner, what, slice_of(path), offset, text);
	}
}

/* The torn end of the file before, now that it is known what comes behind it. */
static void settle(struct looking *l, bool last)
{
	if (l->torn == NULL) {
		return;
	}
	if (!last) {
		trouble(l, INSPECT_DAMAGED, l->torn, l->torn_at,
			"a record in the middle is damaged");
	} else {
		trouble(l, INSPECT_TORN, l->torn, l->torn_at, "the last record is not whole");
	}
	mem_free(l->torn);
	l->torn = NULL;
}

static bool has_entry(unsigned type)
{
	return type == JOURNAL_INTENT || type == JOURNAL_RESULT;
}

static void tell_record(const struct looking *l, const char *path, uint64_t offset,
	const struct segment_record *record)
{
	struct numbers in = {.rest = record->payload};
	struct entry entry;
	struct inspect_record told = {
		.type = record->type,
		.seq = record->seq,
		.offset = offset,
		.payload = record->payload,
	};

	if (inspect_knows(record->type) && record->type != JOURNAL_CLAIMED &&
		record->type != JOURNAL_INTENT) {
		told.number = numbers_u64(&in);
	}
	if (has_entry(record->type) && entry_read(in.rest, &entry)) {
		told.entry = &entry;
	} else if (has_entry(record->type)) {
		trouble(l, INSPECT_NEWER, path, offset, "an entry that this version cannot read");
	}
	if (l->events->on_record != NULL) {
		l->events->on_record(l->owner, &told);
	}
}

static void read_records(struct looking *l, const char *path, struct slice bytes, uint64_t first)
{
	struct segment_reader reader;
	struct segment_record record;
	enum segment_step step;
	size_t at = SEGMENT_HEADER_BYTES;
	bool more;

	segment_reader_init(&reader, bytes, first);
	do {
		while ((step = segment_next(&reader, &record)) == SEGMENT_RECORD) {
			tell_record(l, path, at, &record);
			at = reader.at;
		}
		l->seq = reader.seq;
		more = segment_skip(&reader);
		if (more) {
			trouble(l, INSPECT_DAMAGED, path, at,
				"a record is damaged, and whole ones stand behind it");
			at = reader.at;
		}
	} while (more);
	if (step == SEGMENT_TORN) {
		l->torn = mem_string(path);
		l->torn_at = reader.at;
	}
}

/* As recover.c has it: one without a record was never used, whatever its header is. */
static bool has_no_record(struct slice bytes)
{
	struct slice first =
		slice_first(slice_from(bytes, SEGMENT_HEADER_BYTES), SEGMENT_RECORD_BYTES);
	size_t n = first.n;

	while (n > 0 && first.p[n - 1] == '\0') {
		n--;
	}
	return n == 0;
}

static void tell_file(
	const struct looking *l, struct inspect_file *file, const struct segment_header *header)
{
	file->header = header;
	if (l->events->on_file != NULL) {
		l->events->on_file(l->owner, file);
	}
	file->header = NULL;
}

static void read_bytes(struct looking *l, struct inspect_file *file, struct slice bytes)
{
	struct segment_header header;
	unsigned version;
	bool more;

	if (has_no_record(bytes)) {
		tell_file(l, file, NULL);
		return;
	}
	if (!segment_header_read(bytes, &header, &version)) {
		settle(l, true);
		l->follows = false;
		trouble(l, version > SEGMENT_VERSION ? INSPECT_NEWER : INSPECT_DAMAGED,
			file->path.p, 0,
			version > SEGMENT_VERSION ? "it was written by a newer penguin-mta"
						  : "its header is damaged, or it is no journal");
		return;
	}
	more = l->follows && id_equal(l->worker, header.owner);
	settle(l, !more);
	tell_file(l, file, &header);
	if (more && header.first_seq != l->seq) {
		trouble(l, INSPECT_MISSING, file->path.p, 0,
			"records between it and the file before are missing");
	}
	l->follows = true;
	l->worker = header.owner;
	read_records(l, file->path.p, bytes, header.first_seq);
}

/* A file that is gone by now was kept long enough. */
static void read_file(struct looking *l, const char *path, bool done)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct inspect_file file = {.path = slice_of(path), .done = done};
	void *bytes = MAP_FAILED;
	struct stat st;

	if (fd < 0) {
		trouble(l, INSPECT_UNREADABLE, path, 0, err_text(err_system()));
		return;
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
		file.bytes = (uint64_t)st.st_size;
		bytes = st.st_size > 0
			? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
			: NULL;
	}
	(void)close(fd);
	if (bytes == MAP_FAILED) {
		trouble(l, INSPECT_UNREADABLE, path, 0, "it cannot be read");
		return;
	}
	read_bytes(l, &file, slice_make(bytes, file.bytes));
	if (bytes != NULL) {
		(void)munmap(bytes, file.bytes);
	}
}

static bool read_directory(struct looking *l, struct slice path, struct buf *why)
{
	struct spool_file *files = NULL;
	size_t count = 0;
	struct err err = files_list(path, &files, &count);

	if (err_is(err)) {
		buf_add_format(why, "%.*s: %s", (int)path.n, path.p, err_text(err));
		return false;
	}
	for (size_t i = 0; i < count; i++) {
		char *name = files_path(path, files[i].number, files[i].done);

		read_file(l, name, files[i].done);
		mem_free(name);
	}
	mem_free(files);
	return true;
}

bool inspect(struct slice path, const struct inspect_events *events, void *owner, struct buf *why)
{
	struct looking l = {.events = events, .owner = owner};
	char *name = slice_string(path);
	struct stat st;
	bool fine = true;

	if (stat(name, &st) < 0) {
		buf_add_format(why, "%s: %s", name, err_text(err_system()));
		fine = false;
	} else if (S_ISDIR(st.st_mode)) {
		fine = read_directory(&l, path, why);
	} else {
		read_file(&l, name, slice_ends(path, SLICE(".done")));
	}
	settle(&l, true);
	mem_free(name);
	return fine;
}
