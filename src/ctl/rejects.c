/*
 * FILE.rejected.csv: one line for each row that was not taken, with the reason, for who
 * mends the file.  It is made with the first of them, and tells of one run only: what an
 * earlier run has left there is removed at the start.  We know our own by its first line;
 * a file of somebody else's is neither removed nor written over.
 */
#include "rejects.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "command.h"

#define HEAD "line,reason,email\n"

struct rejects {
	FILE *file; /* NULL before the first */
	char *path;
};

static void forget_earlier(const struct rejects *rejects)
{
	char head[sizeof(HEAD)] = "";
	FILE *file = fopen(rejects->path, "re");
	bool ours;

	if (file == NULL) {
		return;
	}
	ours = fgets(head, sizeof(head), file) != NULL && strcmp(head, HEAD) == 0;
	(void)fclose(file);
	if (ours) {
		(void)unlink(rejects->path);
	}
}

struct rejects *rejects_new(const char *of)
{
	struct rejects *rejects = MEM_NEW(struct rejects);
	struct buf path;

	buf_init(&path, 0);
	buf_add_format(&path, "%s.rejected.csv", strcmp(of, "-") == 0 ? "stdin" : of);
	rejects->path = mem_string(buf_string(&path));
	buf_clear(&path);
	forget_earlier(rejects);
	return rejects;
}

const char *rejects_path(const struct rejects *rejects)
{
	return rejects->path;
}

static int open_file(struct rejects *rejects)
{
	struct err err;

	if (rejects->file != NULL) {
		return 0;
	}
	rejects->file = fopen(rejects->path, "wxe");
	if (rejects->file == NULL) {
		err = err_system();
		return ctl_fail(EX_CANTCREAT, "cannot write the rejected rows to %s: %s%s",
			rejects->path, err_text(err),
			err.os == EEXIST ? "; it is none of ours: move it away" : "");
	}
	(void)fputs(HEAD, rejects->file);
	return 0;
}

static void add_quoted(struct buf *line, struct slice text)
{
	buf_add_byte(line, '"');
	for (size_t i = 0; i < text.n; i++) {
		buf_add_text(line, text.p[i] == '"' ? "\"" : "");
		buf_add_byte(line, text.p[i]);
	}
	buf_add_byte(line, '"');
}

/* A row of many lines may be rows behind a quote too many: nobody should have to guess. */
static void add_reason(struct buf *out, const char *reason, size_t line, size_t last_line)
{
	struct buf text;

	buf_init(&text, 0);
	buf_add_text(&text, reason);
	if (last_line > line) {
		buf_add_format(&text, " (one row down to line %zu, by its quotes)", last_line);
	}
	add_quoted(out, buf_slice(&text));
	buf_clear(&text);
}

int rejects_add(struct rejects *rejects, size_t line, size_t last_line, const char *reason,
	struct slice email)
{
	struct buf out;
	int code = open_file(rejects);

	if (code != 0) {
		return code;
	}
	buf_init(&out, 0);
	buf_add_format(&out, "%zu,", line);
	add_reason(&out, reason, line, last_line);
	buf_add_byte(&out, ',');
	add_quoted(&out, email);
	buf_add_byte(&out, '\n');
	if (fwrite(out.p, 1, out.n, rejects->file) != out.n) {
		code = ctl_fail(
			EX_IOERR, "cannot write the rejected rows: %s", err_text(err_system()));
	}
	buf_clear(&out);
	return code;
}

int rejects_free(struct rejects **rejects)
{
	struct rejects *gone = *rejects;
	int code = 0;

	if (gone == NULL) {
		return 0;
	}
	*rejects = NULL;
	if (gone->file != NULL && fclose(gone->file) != 0) {
		code = ctl_fail(
			EX_IOERR, "cannot write the rejected rows: %s", err_text(err_system()));
	}
	mem_free(gone->path);
	mem_free(gone);
	return code;
}
