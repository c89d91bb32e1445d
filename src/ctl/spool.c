/*
 * penguinctl spool: what journals hold, for people who were told of one that is damaged or
 * want to know what a crash left.  It only looks: also at a copy, and while the worker that
 * writes it is at work; then a last record that is not whole is one that is being written.
 *
 * Texts in a journal come from receivers; they go out as everything does here.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "base/codec.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/time.h"
#include "command.h"
#include "config/config.h"
#include "spool/directory.h"
#include "spool/inspect.h"

enum { KINDS = JOURNAL_REWOUND + 1 };

/* One incarnation of a worker, as its files tell. */
struct tally {
	struct id worker;
	struct id boot;
	char *node;
	char *name;
	size_t live;
	size_t done;
	uint64_t bytes;
	uint64_t kinds[KINDS];
	int64_t first_us;
	int64_t last_us;
	struct map *open;   /* intents without an end, by number */
	struct buf results; /* their numbers */
	uint64_t reported;  /* Postgres has all up to here */
	bool in_done;       /* the file that is read is done: Postgres has all of it */
};

struct looking {
	const struct ctl *ctl;
	struct slice place; /* the journal's directory */
	struct tally tally;
	bool begun;
	bool damaged;
	size_t spare; /* files that were made ahead */
	struct slice path;
	struct map *doubts; /* show: worker and number of those without an end */
};

static bool wants_json(const struct ctl *ctl)
{
	return ctl_option(ctl, "json", NULL) != NULL;
}

static struct slice number_key(const uint64_t *number)
{
	return slice_make((const char *)number, sizeof(*number));
}

static void tally_begin(struct tally *tally, const struct segment_header *header)
{
	*tally = (struct tally){
		.worker = header->owner,
		.boot = header->boot,
		.node = slice_string(header->node),
		.name = slice_string(header->name),
		.first_us = header->made_us,
		.last_us = header->made_us,
		.open = map_new(),
	};
	buf_init(&tally->results, 0);
}

static void tally_clear(struct tally *tally)
{
	mem_free(tally->node);
	mem_free(tally->name);
	map_free(&tally->open);
	buf_clear(&tally->results);
}

static void tally_add(struct tally *tally, const struct inspect_record *record)
{
	tally->kinds[inspect_knows(record->type) ? record->type : 0]++;
	if (record->entry != NULL && record->entry->attempt.at_us > tally->last_us) {
		tally->last_us = record->entry->attempt.at_us;
	}
	if (record->type == JOURNAL_INTENT) {
		(void)map_put(tally->open, number_key(&record->seq), tally);
	} else if (record->type == JOURNAL_RESULT) {
		buf_add(&tally->results, number_key(&record->seq));
	}
	if (record->type == JOURNAL_RESULT || record->type == JOURNAL_WITHDRAWN) {
		(void)map_remove(tally->open, number_key(&record->number));
	} else if (record->type == JOURNAL_REPORTED && record->number > tally->reported) {
		tally->reported = record->number;
	}
	if (tally->in_done && record->seq > tally->reported) {
		tally->reported = record->seq;
	}
}

static size_t count_unreported(const struct tally *tally)
{
	size_t count = 0;

	for (size_t at = 0; at < tally->results.n; at += sizeof(uint64_t)) {
		uint64_t number;

		memcpy(&number, tally->results.p + at, sizeof(number));
		count += number > tally->reported;
	}
	return count;
}

/* Intents without an end; their keys to `into` where that is not NULL. */
static size_t count_doubts(const struct tally *tally, struct map *into)
{
	struct slice key;
	void *value;
	size_t count = 0;
	size_t at = 0;

	while (map_next(tally->open, &at, &key, &value)) {
		char both[sizeof(struct id) + sizeof(uint64_t)];
		uint64_t number;

		memcpy(&number, key.p, sizeof(number));
		if (number <= tally->reported) {
			continue;
		}
		count++;
		memcpy(both, tally->worker.bytes, sizeof(struct id));
		memcpy(both + sizeof(struct id), &number, sizeof(number));
		if (into != NULL) {
			(void)map_put(into, slice_make(both, sizeof(both)), into);
		}
	}
	return count;
}

static const char *boot_word(const struct tally *tally)
{
	struct id boot = directory_boot();

	return id_is_zero(boot) || id_is_zero(tally->boot) ? "unknown"
		: id_equal(boot, tally->boot)              ? "this"
							   : "earlier";
}

static void add_member(struct buf *out, const char *name, struct slice text)
{
	buf_add_format(out, "%s\"%s\":", out->n > 1 ? "," : "", name);
	codec_json(out, text);
}

static void add_count(struct buf *out, const char *name, uint64_t value)
{
	buf_add_format(
		out, "%s\"%s\":%llu", out->n > 1 ? "," : "", name, (unsigned long long)value);
}

static void end_object(struct buf *out)
{
	buf_add_text(out, "}\n");
	(void)fwrite(out->p, 1, out->n, stdout);
	buf_clear(out);
}

static void print_json(const struct looking *l)
{
	const struct tally *tally = &l->tally;
	char worker[ID_TEXT + 1];
	struct buf out;

	id_text(tally->worker, worker);
	buf_init(&out, 0);
	buf_add_byte(&out, '{');
	add_member(&out, "directory", l->place);
	add_member(&out, "worker", slice_of(worker));
	add_member(&out, "node", slice_of(tally->node));
	add_member(&out, "name", slice_of(tally->name));
	add_member(&out, "boot", slice_of(boot_word(tally)));
	add_count(&out, "live", tally->live);
	add_count(&out, "done", tally->done);
	add_count(&out, "bytes", tally->bytes);
	for (unsigned kind = JOURNAL_CLAIMED; kind < KINDS; kind++) {
		if (inspect_knows(kind)) {
			add_count(&out, inspect_type_word(kind), tally->kinds[kind]);
		}
	}
	add_count(&out, "unknown", tally->kinds[0]);
	add_count(&out, "first_us", (uint64_t)tally->first_us);
	add_count(&out, "last_us", (uint64_t)tally->last_us);
	add_count(&out, "unreported", count_unreported(tally));
	add_count(&out, "doubts", count_doubts(tally, NULL));
	end_object(&out);
}

static void print_text(const struct looking *l)
{
	const struct tally *tally = &l->tally;
	char worker[ID_TEXT + 1];
	struct buf first;
	struct buf last;

	id_text(tally->worker, worker);
	buf_init(&first, 0);
	buf_init(&last, 0);
	time_add_rfc3339(&first, tally->first_us);
	time_add_rfc3339(&last, tally->last_us);
	ctl_line("%.*s: worker %s of node %s, name %s, %s boot", (int)l->place.n, l->place.p,
		worker, tally->node, tally->name, boot_word(tally));
	ctl_line("  files: %zu live, %zu done, %llu bytes, from %s to %s", tally->live, tally->done,
		(unsigned long long)tally->bytes, buf_string(&first), buf_string(&last));
	ctl_line("  records: %llu claimed, %llu intent, %llu withdrawn, %llu result, %llu reported",
		(unsigned long long)tally->kinds[JOURNAL_CLAIMED],
		(unsigned long long)tally->kinds[JOURNAL_INTENT],
		(unsigned long long)tally->kinds[JOURNAL_WITHDRAWN],
		(unsigned long long)tally->kinds[JOURNAL_RESULT],
		(unsigned long long)tally->kinds[JOURNAL_REPORTED]);
	ctl_line("  Postgres may not have: %zu results, and %zu messages of unknown end",
		count_unreported(tally), count_doubts(tally, NULL));
	buf_clear(&last);
	buf_clear(&first);
}

/* What was counted of an incarnation is complete. */
static void settle(struct looking *l)
{
	if (!l->begun) {
		return;
	}
	if (l->doubts != NULL) {
		(void)count_doubts(&l->tally, l->doubts);
	} else if (wants_json(l->ctl)) {
		print_json(l);
	} else {
		print_text(l);
	}
	tally_clear(&l->tally);
	l->begun = false;
}

static void on_file(void *owner, const struct inspect_file *file)
{
	struct looking *l = owner;

	if (file->header == NULL) {
		l->spare++;
		return;
	}
	if (l->begun && !id_equal(l->tally.worker, file->header->owner)) {
		settle(l);
	}
	if (!l->begun) {
		tally_begin(&l->tally, file->header);
		l->begun = true;
	}
	l->tally.in_done = file->done;
	l->tally.live += !file->done;
	l->tally.done += file->done;
	l->tally.bytes += file->bytes;
}

static void on_record(void *owner, const struct inspect_record *record)
{
	tally_add(&((struct looking *)owner)->tally, record);
}

static const struct {
	const char *word;
	const char *remedy;
	bool damage;
} troubles[] = {
	[INSPECT_TORN] = {"torn",
		"nothing: a crash leaves that, and so does a worker that is writing", false},
	[INSPECT_DAMAGED] = {"damaged",
		"look at the disk; penguin-mta goes on with what can be read, and flags the rest as "
		"possible duplicates; it starts without a file whose header is damaged when that "
		"is out of the directory",
		true},
	[INSPECT_MISSING] = {"missing",
		"put the files back; without them penguin-mta goes on and flags what it does not "
		"know as possible duplicates",
		true},
	[INSPECT_NEWER] = {"newer", "use the penguinctl and the penguin-mta of that version", true},
	[INSPECT_UNREADABLE] = {"unreadable",
		"run this as root or as the user that penguin-mta runs as", true},
};

static void on_trouble(void *owner, enum inspect_trouble trouble, struct slice path,
	uint64_t offset, const char *text)
{
	struct looking *l = owner;
	const char *remedy = troubles[trouble].remedy;
	struct buf out;

	l->damaged |= troubles[trouble].damage;
	if (l->doubts != NULL) {
		return; /* the second reading tells */
	}
	if (!wants_json(l->ctl)) {
		ctl_line("%s: %.*s at offset %llu: %s; to do: %s", troubles[trouble].word,
			(int)path.n, path.p, (unsigned long long)offset, text, remedy);
		return;
	}
	buf_init(&out, 0);
	buf_add_byte(&out, '{');
	add_member(&out, "trouble", slice_of(troubles[trouble].word));
	add_member(&out, "file", path);
	add_count(&out, "offset", offset);
	add_member(&out, "text", slice_of(text));
	add_member(&out, "remedy", slice_of(remedy));
	end_object(&out);
}

static int look(struct looking *l, struct slice path, const struct inspect_events *events)
{
	struct buf why;
	int code = 0;

	buf_init(&why, 0);
	if (!inspect(path, events, l, &why)) {
		code = ctl_fail(EX_NOINPUT, "%s", buf_string(&why));
	}
	buf_clear(&why);
	return code;
}

static int list_one(struct looking *l, struct slice path)
{
	static const struct inspect_events events = {on_file, on_record, on_trouble};
	int code;

	l->place = path;
	l->spare = 0;
	code = look(l, path, &events);
	settle(l);
	return code;
}

static int is_segment(const struct dirent *entry)
{
	return inspect_is_segment(slice_of(entry->d_name));
}

static int is_folder(const struct dirent *entry)
{
	return entry->d_name[0] != '.' &&
		(entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN || entry->d_type == DT_LNK);
}

static void free_names(struct dirent **names, int count)
{
	for (int i = 0; i < count; i++) {
		free(names[i]);
	}
	free(names);
}

static int count_segments(const char *path)
{
	struct dirent **names = NULL;
	int count = scandir(path, &names, is_segment, NULL);

	free_names(names, count);
	return count;
}

/* A journal's directory itself, or one with a directory for each worker in it. */
static int list_all(struct looking *l, const char *path)
{
	struct dirent **names = NULL;
	int count = scandir(path, &names, is_folder, alphasort);
	int found = 0;
	int code = 0;

	if (count < 0) {
		return ctl_fail(EX_NOINPUT, "%s: %s", path, err_text(err_system()));
	}
	if (count_segments(path) > 0) {
		found++;
		code = list_one(l, slice_of(path));
	}
	for (int i = 0; i < count && code == 0; i++) {
		struct buf below;

		buf_init(&below, 0);
		buf_add_format(&below, "%s/%s", path, names[i]->d_name);
		if (count_segments(buf_string(&below)) != 0) { /* also what may not be read */
			found++;
			code = list_one(l, buf_slice(&below));
		}
		buf_clear(&below);
	}
	free_names(names, count);
	return code == 0 && found == 0 ? ctl_fail(EX_NOINPUT, "%s: there is no journal in it", path)
				       : code;
}

int spool_list(struct ctl *ctl)
{
	struct looking l = {.ctl = ctl};
	int code = ctl->count > 0 ? 0 : ctl_need_config(ctl);

	if (code == 0) {
		code = list_all(
			&l, ctl->count > 0 ? ctl->arguments[0] : ctl->config->spool.directory);
	}
	return code == 0 && l.damaged ? EX_DATAERR : code;
}

static void show_file(void *owner, const struct inspect_file *file)
{
	struct looking *l = owner;

	l->path = file->path;
	l->tally.worker = file->header != NULL ? file->header->owner : (struct id){{0}};
}

/* Of the records that were asked for? */
static bool is_wanted(const struct looking *l, const struct inspect_record *record)
{
	const char *job = ctl_option(l->ctl, "job", NULL);
	char key[sizeof(struct id) + sizeof(uint64_t)];
	struct id id;

	memcpy(key, l->tally.worker.bytes, sizeof(struct id));
	memcpy(key + sizeof(struct id), &record->seq, sizeof(record->seq));
	if (l->doubts != NULL && map_get(l->doubts, slice_make(key, sizeof(key))) == NULL) {
		return false;
	}
	return job == NULL ||
		(record->entry != NULL && id_parse(slice_of(job), &id) &&
			id_equal(id, record->entry->job.id));
}

static void add_entry_json(struct buf *out, const struct entry *entry)
{
	const struct attempt *attempt = &entry->attempt;
	char text[ID_TEXT + 1];

	id_text(entry->tenant.id, text);
	add_member(out, "tenant_id", slice_of(text));
	id_text(entry->campaign.id, text);
	add_member(out, "campaign_id", slice_of(text));
	id_text(entry->job.id, text);
	add_member(out, "job_id", slice_of(text));
	id_text(attempt->id, text);
	add_member(out, "attempt_id", slice_of(text));
	add_count(out, "attempt_no", (uint64_t)attempt->number);
	add_count(out, "at_us", (uint64_t)attempt->at_us);
	add_member(out, "recipient", attempt->recipient);
	add_member(out, "source", attempt->route.source);
	add_member(out, "mx", attempt->route.mx);
	add_member(out, "phase", slice_of(phase_word(attempt->evidence.phase)));
	add_member(out, "state", slice_of(outcome_word(attempt->state)));
	add_count(out, "code", (uint64_t)attempt->evidence.code);
	add_member(out, "reply", attempt->evidence.text);
}

static void show_json(const struct looking *l, const struct inspect_record *record)
{
	struct buf out;

	buf_init(&out, 0);
	buf_add_byte(&out, '{');
	add_member(&out, "file", l->path);
	add_count(&out, "offset", record->offset);
	add_count(&out, "seq", record->seq);
	add_member(&out, "type", slice_of(inspect_type_word(record->type)));
	add_count(&out, "number", record->number);
	if (record->entry != NULL) {
		add_entry_json(&out, record->entry);
	}
	end_object(&out);
}

static void show_entry(const struct inspect_record *record)
{
	const struct attempt *attempt = &record->entry->attempt;
	char job[ID_TEXT + 1];
	struct buf at;

	id_text(record->entry->job.id, job);
	buf_init(&at, 0);
	time_add_rfc3339(&at, attempt->at_us);
	ctl_line("%8llu %-9s %s job=%s attempt=%d to=%.*s via=%.*s mx=%.*s %s %u %.*s",
		(unsigned long long)record->seq, inspect_type_word(record->type), buf_string(&at),
		job, attempt->number, (int)attempt->recipient.n, attempt->recipient.p,
		(int)attempt->route.source.n, attempt->route.source.p, (int)attempt->route.mx.n,
		attempt->route.mx.p, outcome_word(attempt->state), attempt->evidence.code,
		(int)attempt->evidence.text.n, attempt->evidence.text.p);
	buf_clear(&at);
}

static void show_text(const struct inspect_record *record)
{
	if (record->entry != NULL) {
		show_entry(record);
	} else if (inspect_knows(record->type) && record->type != JOURNAL_CLAIMED) {
		ctl_line("%8llu %-9s %s %llu", (unsigned long long)record->seq,
			inspect_type_word(record->type),
			record->type == JOURNAL_WITHDRAWN ? "intent" : "up to",
			(unsigned long long)record->number);
	} else {
		ctl_line("%8llu %-9s %zu octets", (unsigned long long)record->seq,
			inspect_type_word(record->type), record->payload.n);
	}
}

static void show_record(void *owner, const struct inspect_record *record)
{
	struct looking *l = owner;

	if (!is_wanted(l, record)) {
		return;
	}
	if (wants_json(l->ctl)) {
		show_json(l, record);
	} else {
		show_text(record);
	}
}

static void show_trouble(void *owner, enum inspect_trouble trouble, struct slice path,
	uint64_t offset, const char *text)
{
	struct looking *l = owner;
	struct map *doubts = l->doubts;

	l->doubts = NULL;
	on_trouble(l, trouble, path, offset, text);
	l->doubts = doubts;
}

/* Doubts are known when all is read: so it is read twice. */
int spool_show(struct ctl *ctl)
{
	static const struct inspect_events count = {on_file, on_record, on_trouble};
	static const struct inspect_events show = {show_file, show_record, show_trouble};
	struct looking l = {.ctl = ctl};
	struct slice path = slice_of(ctl->arguments[0]);
	const char *job = ctl_option(ctl, "job", NULL);
	struct id id;
	int code = 0;

	if (job != NULL && !id_parse(slice_of(job), &id)) {
		return ctl_fail(EX_USAGE, "'%s' is no job's id", job);
	}
	if (ctl_option(ctl, "doubts", NULL) != NULL) {
		l.doubts = map_new();
		code = look(&l, path, &count);
		settle(&l);
	}
	code = code != 0 ? code : look(&l, path, &show);
	map_free(&l.doubts);
	return code == 0 && l.damaged ? EX_DATAERR : code;
}
