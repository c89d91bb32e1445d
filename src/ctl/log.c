/*
 * penguinctl log: the delivery log for people.  Reads the file as it is, filters, and
 * shows one line an attempt; with --follow it waits for more and notices when the file
 * was renamed and begun anew (rotation).
 *
 * --json passes the lines on as they are in the file, with escapes for what would steer
 * a terminal.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "command.h"

#define LOG_DEFAULT "/var/log/penguin-mta/delivery.log"
#define LOOK_US 200000

/* Which member of a line each filter compares, and the option of its name. */
static const struct {
	const char *option;
	const char *member;
	const char *other; /* a second member it may stand in */
} filters[] = {
	{"tenant", "tenant", "tenant_id"},
	{"campaign", "campaign", "campaign_id"},
	{"recipient", "recipient", NULL},
	{"job", "id", NULL},
	{"type", "type", NULL},
};

static const char *member(const json_t *line, const char *name)
{
	const char *text = name != NULL ? json_string_value(json_object_get(line, name)) : NULL;

	return text != NULL ? text : "";
}

static bool wanted(const struct ctl *ctl, const json_t *line)
{
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		const char *value = ctl_option(ctl, filters[i].option, NULL);

		if (value != NULL &&
			!slice_equal_nocase(
				slice_of(value), slice_of(member(line, filters[i].member))) &&
			!slice_equal_nocase(
				slice_of(value), slice_of(member(line, filters[i].other)))) {
			return false;
		}
	}
	return true;
}

static void show(const json_t *line)
{
	const json_t *response = json_object_get(line, "response");
	const json_t *peer = json_object_get(line, "peer_address");

	ctl_line("%.19s %-16s %s via %s to %s: %lld %s", member(line, "event_time"),
		member(line, "type"), member(line, "recipient"), member(line, "egress_source"),
		member(peer, "name"),
		(long long)json_integer_value(json_object_get(response, "code")),
		member(response, "content"));
}

static void take_line(struct ctl *ctl, const char *text, size_t n)
{
	json_t *line = json_loadb(text, n, 0, NULL);

	if (json_is_object(line) && wanted(ctl, line)) {
		if (ctl_option(ctl, "json", NULL) != NULL) {
			ctl_json(slice_make(text, n - 1));
		} else {
			show(line);
		}
	}
	json_decref(line);
}

/* Is the open file no more the one of that name? */
static bool is_rotated(FILE *file, const char *path)
{
	struct stat open_one;
	struct stat named;

	return fstat(fileno(file), &open_one) == 0 && stat(path, &named) == 0 &&
		(open_one.st_ino != named.st_ino || open_one.st_dev != named.st_dev);
}

/* All whole lines from where it stands; what has no end yet is left for later. */
static void read_lines(struct ctl *ctl, FILE *file)
{
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	off_t at = ftello(file);

	while ((n = getline(&line, &cap, file)) > 0 && line[n - 1] == '\n') {
		take_line(ctl, line, (size_t)n);
		at = ftello(file);
	}
	free(line);
	(void)fseeko(file, at, SEEK_SET);
	(void)fflush(stdout);
}

static FILE *next_file(FILE *file, const char *path)
{
	FILE *next = fopen(path, "re");

	if (next == NULL) {
		return file;
	}
	(void)fclose(file);
	return next;
}

int log_show(struct ctl *ctl)
{
	const char *path = ctl->count > 0 ? ctl->arguments[0] : LOG_DEFAULT;
	bool follow = ctl_option(ctl, "follow", NULL) != NULL;
	FILE *file = fopen(path, "re");

	if (file == NULL) {
		return ctl_fail(errno == EACCES ? EX_NOPERM : EX_NOINPUT, "cannot open %s: %s%s",
			path, err_text(err_system()),
			ctl->count == 0 ? "; is delivery.log of penguin-mta.yaml another file? "
					  "'penguinctl log FILE' shows that"
					: "");
	}
	read_lines(ctl, file);
	while (follow && ferror(stdout) == 0) {
		(void)usleep(LOOK_US);
		read_lines(ctl, file);
		if (is_rotated(file, path)) {
			read_lines(ctl, file);
			file = next_file(file, path);
		}
	}
	(void)fclose(file);
	return 0;
}
