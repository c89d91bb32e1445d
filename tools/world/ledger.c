/*
 * The files of the world.
 *
 * One buffer a file, one write a turn.  The files are opened for appending, so a
 * world that is started again goes on where the last one ended, and a killed one
 * leaves at most lines whose 250 was never sent.
 */
#include "ledger.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/codec.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/time.h"

struct ledger {
	int fd;
	int event_fd;
	const char *mailboxes;
	struct map *places; /* mailbox path -> struct place */
	struct buf lines;
	struct buf event_lines;
};

struct place {
	uint64_t count;
};

static int open_append(const char *path)
{
	return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

struct err ledger_open(
	const struct ledger_paths *paths, struct ledger **ret_ledger, const char **ret_path)
{
	struct ledger *ledger = MEM_NEW(struct ledger);

	ledger->event_fd = -1;
	ledger->mailboxes = paths->mailboxes;
	ledger->places = map_new();
	*ret_ledger = ledger;
	*ret_path = paths->ledger;
	ledger->fd = open_append(paths->ledger);
	if (ledger->fd < 0) {
		return err_system();
	}
	if (paths->events != NULL) {
		*ret_path = paths->events;
		ledger->event_fd = open_append(paths->events);
		if (ledger->event_fd < 0) {
			return err_system();
		}
	}
	if (paths->mailboxes != NULL) {
		*ret_path = paths->mailboxes;
		if (mkdir(paths->mailboxes, 0755) < 0 && errno != EEXIST) {
			return err_system();
		}
	}
	return ERR_OK;
}

void ledger_close(struct ledger **ledger)
{
	struct ledger *l = *ledger;
	struct slice key;
	void *place;
	size_t at = 0;

	if (l == NULL) {
		return;
	}
	(void)!err_is(ledger_flush(l));
	if (l->fd >= 0) {
		close(l->fd);
	}
	if (l->event_fd >= 0) {
		close(l->event_fd);
	}
	while (map_next(l->places, &at, &key, &place)) {
		mem_free(place);
	}
	map_free(&l->places);
	buf_clear(&l->lines);
	buf_clear(&l->event_lines);
	mem_free(l);
	*ledger = NULL;
}

void json_text(struct buf *line, const char *key, struct slice value)
{
	buf_add_text(line, line->p[line->n - 1] == '{' ? "\"" : ",\"");
	buf_add_text(line, key);
	buf_add_text(line, "\":");
	codec_json(line, value);
}

void json_number(struct buf *line, const char *key, uint64_t value)
{
	buf_add_text(line, ",\"");
	buf_add_text(line, key);
	buf_add_text(line, "\":");
	buf_add_number(line, value);
}

void json_null_or_text(struct buf *line, const char *key, struct slice value)
{
	if (value.n > 0) {
		json_text(line, key, value);
	} else {
		buf_add_format(line, ",\"%s\":null", key);
	}
}

struct buf *ledger_begin(struct ledger *ledger)
{
	buf_add_byte(&ledger->lines, '{');
	return &ledger->lines;
}

struct buf *ledger_begin_event(struct ledger *ledger, const char *event)
{
	struct buf *line = &ledger->event_lines;

	if (ledger->event_fd < 0) {
		return NULL;
	}
	buf_add_text(line, "{\"time\":\"");
	time_add_rfc3339(line, time_wall_us());
	buf_add_text(line, "\",\"event\":\"");
	buf_add_text(line, event);
	buf_add_byte(line, '"');
	return line;
}

void ledger_end(struct buf *line)
{
	buf_add_text(line, "}\n");
}

static struct err write_all(int fd, struct slice bytes)
{
	while (bytes.n > 0) {
		ssize_t n = write(fd, bytes.p, bytes.n);

		if (n < 0 && errno != EINTR) {
			return err_system();
		}
		bytes = slice_from(bytes, n > 0 ? (size_t)n : 0);
	}
	return ERR_OK;
}

static struct err write_lines(int fd, struct buf *lines)
{
	struct err err = write_all(fd, buf_slice(lines));

	buf_reset(lines);
	return err;
}

struct err ledger_flush(struct ledger *ledger)
{
	struct err err = ERR_OK;

	if (ledger->lines.n > 0 && ledger->fd >= 0) {
		err = write_lines(ledger->fd, &ledger->lines);
	}
	if (!err_is(err) && ledger->event_lines.n > 0) {
		err = write_lines(ledger->event_fd, &ledger->event_lines);
	}
	return err;
}

bool ledger_wants_mail(const struct ledger *ledger)
{
	return ledger->mailboxes != NULL;
}

/* A recipient is the peer's text: it names a directory, so it may not leave ours. */
static void add_component(struct buf *path, struct slice name)
{
	buf_add_byte(path, '/');
	name = slice_first(name, 200);
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];
		bool bad = c <= ' ' || c == '/' || c == 127 || (c == '.' && i == 0);

		buf_add_byte(path, bad ? '_' : name.p[i]);
	}
}

static struct place *find_place(struct ledger *ledger, struct buf *path)
{
	struct place *place = map_get(ledger->places, buf_slice(path));

	if (place == NULL) {
		place = MEM_NEW(struct place);
		(void)map_put(ledger->places, buf_slice(path), place);
	}
	return place;
}

static struct err write_new(struct ledger *ledger, struct buf *path, struct slice message)
{
	struct place *place = find_place(ledger, path);
	size_t directory = path->n;
	struct err err;
	int fd;

	do {
		place->count++;
		buf_cut(path, directory);
		buf_add_format(path, "/%llu.eml", (unsigned long long)place->count);
		fd = open(buf_string(path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	} while (fd < 0 && errno == EEXIST);
	if (fd < 0) {
		return err_system();
	}
	err = write_all(fd, message);
	close(fd);
	return err;
}

struct err ledger_store(
	struct ledger *ledger, struct slice domain, struct slice recipient, struct slice message)
{
	struct buf path;
	struct err err;

	buf_init(&path, 0);
	buf_add_text(&path, ledger->mailboxes);
	add_component(&path, domain.n > 0 ? domain : SLICE("_"));
	(void)mkdir(buf_string(&path), 0755);
	add_component(&path, recipient);
	(void)mkdir(buf_string(&path), 0755);
	err = write_new(ledger, &path, message);
	buf_clear(&path);
	return err;
}
