/*
 * Three marks move over the sequence numbers, each behind the one before: added,
 * written (one pwrite a turn), durable (one fdatasync for all that was written when it
 * began).  What is added lies in `pending`, which never reaches over the end of the
 * segment: the one that would goes first into the next file.
 *
 * A file is synced before the next one gets its first record: only the last one can
 * have a torn end.  That sync holds the loop, once in a hundred thousand messages.
 *
 * Room is what is left of this segment and of the one that is ready, each less one
 * record of the largest size, since a record never spans two files.
 */
#include "spool/segments.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/time.h"
#include "files.h"
#include "spool/segment.h"

#define LINGER_US (20 * INT64_C(1000))
#define MAKE_AGAIN_US TIME_SECOND_US

/* A file that is full, and not forgotten yet. */
struct full {
	uint64_t number;
	uint64_t last_seq;
};

struct current {
	int fd; /* -1 = none yet */
	uint64_t number;
	uint64_t at; /* where pending goes */
};

struct marks {
	uint64_t added;
	uint64_t written;
	uint64_t syncing; /* what the sync under way will have made durable */
	uint64_t durable;
	uint64_t forgotten;
};

struct segments {
	struct loop *loop;
	struct disk *disk;
	struct segments_settings settings; /* the texts are ours */
	struct segments_events events;
	void *owner;
	struct current current;
	struct marks marks;
	struct buf pending;
	uint64_t reserved;
	uint64_t spare; /* number of the segment that is ready; 0 = none */
	int spare_fd;
	uint64_t next_number;
	struct full *full;
	size_t full_count;
	struct timer linger; /* until a sync begins for what nobody waits for */
	struct timer make;
	struct later turn;
	struct segments_stats stats;
	int sync_fd; /* the thread is at work with it; -1 = with none */
	struct err died;
	uint64_t told_durable;
	bool told_dead;
};

static void die(struct segments *segments, struct err err)
{
	if (!err_is(segments->died)) {
		segments->died = err;
		timer_stop(&segments->linger);
		timer_stop(&segments->make);
		loop_later(segments->loop, &segments->turn);
	}
}

bool segments_dead(const struct segments *segments)
{
	return err_is(segments->died);
}

static uint64_t record_most(const struct segments *segments)
{
	return segment_record_size(segments->settings.record_max);
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* Free octets of the current file behind what is pending. */
static uint64_t left(const struct segments *segments)
{
	return segments->current.fd < 0
		? 0
		: segments->settings.segment_bytes - segments->current.at - segments->pending.n;
}

uint64_t segments_room(const struct segments *segments)
{
	uint64_t most = record_most(segments);
	uint64_t room = less(left(segments), most);

	if (segments_dead(segments)) {
		return 0;
	}
	if (segments->spare != 0) {
		room += less(segments->settings.segment_bytes - SEGMENT_HEADER_BYTES, most);
	}
	return less(room, segments->reserved);
}

static void on_made(void *owner, struct err err);

static void make_spare(void *owner)
{
	struct segments *segments = owner;
	char *path;

	if (segments->spare != 0 || segments_dead(segments)) {
		return;
	}
	path = files_path(segments->settings.directory, segments->next_number, false);
	if (!disk_make(segments->disk, path, segments->settings.segment_bytes, on_made, segments)) {
		timer_set(&segments->make, loop_now_us(segments->loop) + MAKE_AGAIN_US);
	}
	mem_free(path);
}

/*
 * Open from here on, for a file that had to be opened when its room is needed could fail
 * for lack of descriptors, with the result of a message in hand.
 */
static bool open_spare(struct segments *segments)
{
	char *path = files_path(segments->settings.directory, segments->next_number, false);

	segments->spare_fd = open(path, O_WRONLY | O_CLOEXEC);
	mem_free(path);
	return segments->spare_fd >= 0;
}

static void on_made(void *owner, struct err err)
{
	struct segments *segments = owner;

	/* No space, no descriptor: what waits goes on waiting, and the file is made again. */
	if (err_is(err) || !open_spare(segments)) {
		if (err.os == ENOSPC || err.os == EDQUOT) { /* mail comes before history */
			files_drop_oldest(segments->settings.directory);
		}
		timer_set(&segments->make, loop_now_us(segments->loop) + MAKE_AGAIN_US);
		return;
	}
	segments->spare = segments->next_number++;
	segments->events.on_room(segments->owner);
}

static bool write_all(struct segments *segments, struct slice bytes, uint64_t at)
{
	while (bytes.n > 0) {
		ssize_t n = pwrite(segments->current.fd, bytes.p, bytes.n, (off_t)at);

		if (n < 0 && errno == EINTR) {
			continue;
		}
		if (n <= 0) {
			die(segments, n < 0 ? err_system() : err_os(EIO));
			return false;
		}
		segments->stats.writes++;
		segments->stats.bytes += (uint64_t)n;
		at += (uint64_t)n;
		bytes = slice_from(bytes, (size_t)n);
	}
	return true;
}

static void became_durable(struct segments *segments, uint64_t seq)
{
	if (seq > segments->marks.durable) {
		segments->marks.durable = seq;
		loop_later(segments->loop, &segments->turn);
	}
}

static void begin_sync(struct segments *segments);

static void on_synced(void *owner, struct err err)
{
	struct segments *segments = owner;

	if (segments->sync_fd != segments->current.fd) {
		(void)close(segments->sync_fd); /* its file became full meanwhile */
	}
	segments->sync_fd = -1;
	if (err_is(err)) {
		die(segments, err);
		return;
	}
	became_durable(segments, segments->marks.syncing);
	if (segments->marks.written > segments->marks.durable) {
		begin_sync(segments);
	}
}

static void begin_sync(struct segments *segments)
{
	timer_stop(&segments->linger);
	if (segments->sync_fd >= 0 || segments_dead(segments) ||
		segments->marks.written == segments->marks.durable) {
		return;
	}
	segments->marks.syncing = segments->marks.written;
	if (disk_sync(segments->disk, segments->current.fd, on_synced, segments)) {
		segments->sync_fd = segments->current.fd;
		segments->stats.syncs++;
	}
}

static void on_linger(void *owner)
{
	begin_sync(owner);
}

void segments_flush(struct segments *segments)
{
	if (segments->pending.n == 0 || segments_dead(segments) ||
		!write_all(segments, buf_slice(&segments->pending), segments->current.at)) {
		return;
	}
	segments->current.at += segments->pending.n;
	segments->marks.written = segments->marks.added;
	buf_reset(&segments->pending);
	if (!segments->settings.sync) {
		became_durable(segments, segments->marks.written);
	} else if (!timer_is_set(&segments->linger) && segments->sync_fd < 0) {
		timer_set(&segments->linger, loop_now_us(segments->loop) + LINGER_US);
	}
}

void segments_sync(struct segments *segments)
{
	segments_flush(segments);
	if (segments->settings.sync) {
		begin_sync(segments);
	}
}

static void on_turn(void *owner)
{
	struct segments *segments = owner;

	segments_flush(segments);
	if (segments->marks.durable > segments->told_durable) {
		segments->told_durable = segments->marks.durable;
		segments->events.on_durable(segments->owner);
	}
	if (segments_dead(segments) && !segments->told_dead) {
		segments->told_dead = true;
		segments->events.on_dead(segments->owner, segments->died);
	}
}

static void note_full(struct segments *segments)
{
	segments->full =
		mem_grow(segments->full, segments->full_count + 1, sizeof(segments->full[0]));
	segments->full[segments->full_count++] =
		(struct full){segments->current.number, segments->marks.added};
}

/* The bytes of the full file are on the disk before the next begins. */
static void leave_file(struct segments *segments)
{
	segments_flush(segments);
	if (segments_dead(segments)) {
		return;
	}
	if (segments->settings.sync && fdatasync(segments->current.fd) < 0) {
		die(segments, err_system());
		return;
	}
	segments->stats.syncs++;
	became_durable(segments, segments->marks.written);
	note_full(segments);
	if (segments->sync_fd != segments->current.fd) {
		(void)close(segments->current.fd); /* else when the thread is done with it */
	}
	segments->current.fd = -1;
}

/* It is on the disk before any record is: a file with records has a whole header. */
static bool write_header(struct segments *segments, const struct segment_header *header)
{
	struct buf bytes;
	bool written;

	buf_init(&bytes, 0);
	segment_header_add(&bytes, header);
	written = write_all(segments, buf_slice(&bytes), 0);
	buf_clear(&bytes);
	if (written && segments->settings.sync && fdatasync(segments->current.fd) < 0) {
		die(segments, err_system());
	}
	return written && !segments_dead(segments);
}

static bool enter_file(struct segments *segments)
{
	struct segments_settings *settings = &segments->settings;
	struct segment_header header = {
		.number = segments->spare,
		.first_seq = segments->marks.added + 1,
		.owner = settings->owner,
		.boot = settings->boot,
		.made_us = loop_wall_us(segments->loop),
		.node = settings->node,
		.name = settings->name,
	};

	segments->current = (struct current){
		.fd = segments->spare_fd,
		.number = segments->spare,
		.at = SEGMENT_HEADER_BYTES,
	};
	segments->spare = 0;
	segments->spare_fd = -1;
	make_spare(segments);
	files_expire(settings->directory, settings->keep_bytes, settings->keep_us, header.made_us);
	return write_header(segments, &header);
}

/* So that a record of this size fits into the current file. */
static bool make_place(struct segments *segments, uint64_t size)
{
	if (segments_dead(segments)) {
		return false;
	}
	if (segments->current.fd >= 0 && left(segments) >= size) {
		return true;
	}
	if (segments->spare == 0) {
		return false;
	}
	if (segments->current.fd >= 0) {
		leave_file(segments);
	}
	return !segments_dead(segments) && enter_file(segments);
}

/* With the record that comes: how many would be lost with the power. */
static unsigned unsynced(const struct segments *segments)
{
	uint64_t n = segments->marks.added + 1 - segments->marks.durable;

	return !segments->settings.sync ? 0 : (unsigned)(n < UINT16_MAX ? n : UINT16_MAX);
}

static uint64_t add(struct segments *segments, unsigned type, struct slice payload)
{
	struct segment_record record = {
		segments->marks.added + 1, type, payload, unsynced(segments)};

	if (!make_place(segments, segment_record_size(payload.n))) {
		return 0;
	}
	segment_record_add(&segments->pending, &record);
	segments->marks.added++;
	segments->stats.records++;
	loop_later(segments->loop, &segments->turn);
	return segments->marks.added;
}

uint64_t segments_add(
	struct segments *segments, unsigned type, struct slice payload, uint64_t reserve)
{
	uint64_t seq;

	if (segments_room(segments) < segment_record_size(payload.n) + reserve) {
		return 0;
	}
	seq = add(segments, type, payload);
	if (seq != 0) {
		segments->reserved += reserve;
	}
	return seq;
}

uint64_t segments_add_reserved(
	struct segments *segments, unsigned type, struct slice payload, uint64_t reserved)
{
	segments->reserved = less(segments->reserved, reserved);
	return add(segments, type, payload);
}

uint64_t segments_durable(const struct segments *segments)
{
	return segments->marks.durable;
}

const struct segments_stats *segments_stats(const struct segments *segments)
{
	return &segments->stats;
}

void segments_forget(struct segments *segments, uint64_t seq)
{
	size_t gone = 0;

	segments->marks.forgotten =
		seq > segments->marks.forgotten ? seq : segments->marks.forgotten;
	/* In their order: one that cannot be renamed is tried again, and no later one goes before. */
	while (gone < segments->full_count && segments->full[gone].last_seq <= seq &&
		!err_is(files_done(segments->settings.directory, segments->full[gone].number))) {
		gone++;
	}
	if (gone > 0) {
		segments->full_count -= gone;
		for (size_t i = 0; i < segments->full_count; i++) {
			segments->full[i] = segments->full[i + gone];
		}
	}
}

/* Behind all that are there: where that cannot be known, one of them would be written over. */
static void begin_numbers(struct segments *segments)
{
	struct spool_file *files = NULL;
	size_t count = 0;
	struct err err = files_list(segments->settings.directory, &files, &count);

	if (err_is(err)) {
		die(segments, err);
		return;
	}
	segments->next_number = count > 0 ? files[count - 1].number + 1 : 1;
	mem_free(files);
}

struct segments *segments_open(struct loop *loop, struct disk *disk,
	const struct segments_settings *settings, const struct segments_events *events, void *owner)
{
	struct segments *segments = MEM_NEW(struct segments);

	segments->loop = loop;
	segments->disk = disk;
	segments->settings = *settings;
	segments->settings.directory = slice_of(slice_string(settings->directory));
	segments->settings.node = slice_of(slice_string(settings->node));
	segments->settings.name = slice_of(slice_string(settings->name));
	segments->events = *events;
	segments->owner = owner;
	segments->current.fd = -1;
	segments->sync_fd = -1;
	segments->spare_fd = -1;
	buf_init(&segments->pending, 0);
	timer_init(&segments->linger, loop, on_linger, segments);
	timer_init(&segments->make, loop, make_spare, segments);
	later_init(&segments->turn, on_turn, segments);
	files_remove_drafts(settings->directory);
	begin_numbers(segments);
	make_spare(segments);
	return segments;
}

/* The file ends where its records do: what is kept need not be as large as what is used. */
static void end_file(struct segments *segments)
{
	struct segments_settings *settings = &segments->settings;

	if (segments_dead(segments) || segments->current.fd < 0) {
		return;
	}
	if (settings->sync && fdatasync(segments->current.fd) < 0) {
		return;
	}
	segments_forget(segments, segments->marks.forgotten);
	if (segments->marks.forgotten >= segments->marks.added && segments->full_count == 0) {
		(void)!ftruncate(segments->current.fd, (off_t)segments->current.at);
		(void)err_is(files_done(settings->directory, segments->current.number));
	}
}

/* A segment that was made and never used. */
static void remove_spare(struct segments *segments)
{
	if (segments->spare != 0) {
		char *path = files_path(segments->settings.directory, segments->spare, false);

		(void)unlink(path);
		(void)close(segments->spare_fd);
		mem_free(path);
	}
}

void segments_close(struct segments **segments)
{
	struct segments *gone = *segments;

	if (gone == NULL) {
		return;
	}
	*segments = NULL;
	segments_flush(gone);
	end_file(gone);
	remove_spare(gone);
	timer_stop(&gone->linger);
	timer_stop(&gone->make);
	loop_later_cancel(gone->loop, &gone->turn);
	if (gone->sync_fd >= 0 && gone->sync_fd != gone->current.fd) {
		(void)close(gone->sync_fd);
	}
	if (gone->current.fd >= 0) {
		(void)close(gone->current.fd);
	}
	mem_free((char *)(uintptr_t)gone->settings.directory.p);
	mem_free((char *)(uintptr_t)gone->settings.node.p);
	mem_free((char *)(uintptr_t)gone->settings.name.p);
	buf_clear(&gone->pending);
	mem_free(gone->full);
	mem_free(gone);
}
