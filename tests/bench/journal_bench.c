/*
 * journal_bench RECORDS DIRECTORY [sync]: writes a journal of so many records, an intent and
 * a result for each message, none of which Postgres has; then reads it as a restarted
 * worker does.  Prints what writing a message and reading it all costs.  With `sync` each
 * turn of 100 messages is made durable, else nothing is.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/time.h"
#include "io/disk.h"
#include "io/loop.h"
#include "model/job.h"
#include "spool/journal.h"
#include "spool/recover.h"

enum { TURN = 100 };

struct bench {
	struct loop *loop;
	struct journal *journal;
	struct later turn;
	struct tenant tenant;
	struct campaign campaign;
	struct batch batch;
	struct job job;
	struct attempt attempt;
	long messages;
	long written;
	bool sync;
	struct segments_stats stats;
	long results;
	long doubts;
};

static int64_t cpu_us(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * TIME_SECOND_US +
		usage.ru_utime.tv_usec + usage.ru_stime.tv_usec;
}

static void make_attempt(struct bench *b)
{
	b->campaign.tenant = &b->tenant;
	b->campaign.pool = SLICE("default");
	b->batch.campaign = &b->campaign;
	b->batch.tag = SLICE("gmail");
	b->job.batch = &b->batch;
	b->job.keys = SLICE("t=1 d=shop.example;s=s1,s2 k=t.shop.example");
	b->attempt = (struct attempt){
		.job = &b->job,
		.number = 1,
		.evidence = {.phase = PHASE_DOT,
			.code = 250,
			.text = SLICE(
				"2.0.0 OK  1732449600 d2e1a72fcca58-7254a0f2b3csi1234567b3a")},
		.state = OUTCOME_DELIVERED,
		.route = {.pool = SLICE("default"),
			.source = SLICE("mta1"),
			.source_address = SLICE("192.0.2.17"),
			.provider = SLICE("gmail"),
			.site = SLICE("0123456789abcdef"),
			.mx = SLICE("gmail-smtp-in.l.google.example"),
			.mx_address = SLICE("198.51.100.26"),
			.session = SLICE("8f31a2"),
			.tls_version = SLICE("TLSv1.3"),
			.tls_cipher = SLICE("TLS_AES_256_GCM_SHA384")},
		.mail_from = SLICE("b.abcdefghijklmnopqrstuvwxyz234567abcdefgh@r.shop.example"),
		.recipient = SLICE("somebody.with.a.name@example.com"),
		.size_bytes = 10240,
		.duration_us = 123456,
	};
}

static void write_some(void *owner)
{
	struct bench *b = owner;

	for (int i = 0; i < TURN && b->written < b->messages; i++) {
		struct ticket *intent;

		b->attempt.at_us = loop_wall_us(b->loop);
		b->attempt.id = id_make(b->attempt.at_us / 1000);
		b->job.id = b->attempt.id;
		intent = journal_intent(b->journal, &b->attempt);
		if (intent == NULL) {
			return; /* until there is room */
		}
		(void)journal_result(b->journal, &intent, &b->attempt);
		b->written++;
	}
	if (b->sync) {
		journal_sync(b->journal);
	}
	if (b->written < b->messages) {
		loop_later(b->loop, &b->turn);
	} else {
		loop_stop(b->loop);
	}
}

static void on_durable(void *owner)
{
	(void)owner;
}

static void on_dead(void *owner, struct err err)
{
	(void)owner;
	fprintf(stderr, "journal_bench: %s\n", err_text(err));
	exit(1);
}

static void write_all(struct bench *b, struct slice directory)
{
	static const struct segments_events events = {on_durable, write_some, on_dead};
	struct journal_settings settings = {
		.directory = directory,
		.segment_bytes = 64 << 20,
		.sync = b->sync,
		.keep_bytes = UINT64_MAX,
		.keep_us = INT64_MAX,
		.owner = id_random(),
		.node = SLICE("node"),
		.name = SLICE("worker"),
	};
	struct disk *disk = disk_new(b->loop);

	b->journal = journal_open(b->loop, disk, &settings, &events, b);
	loop_run(b->loop);
	journal_flush(b->journal);
	b->stats = *journal_stats(b->journal);
	disk_free(&disk);
	journal_close(&b->journal);
}

static void on_result(void *owner, const struct entry *entry)
{
	((struct bench *)owner)->results += entry->attempt.number == 1;
}

static void on_doubt(void *owner, const struct entry *entry)
{
	((struct bench *)owner)->doubts += entry->attempt.number == 1;
}

static void read_all(struct bench *b, struct slice directory)
{
	static const struct recover_events events = {.on_result = on_result, .on_doubt = on_doubt};
	struct recover_report report;
	int64_t begun_us = time_monotonic_us();
	int64_t begun_cpu_us = cpu_us();
	struct buf why;

	buf_init(&why, 0);
	if (!recover_read(directory, &events, b, &report, &why)) {
		fprintf(stderr, "journal_bench: %s\n", buf_string(&why));
		exit(1);
	}
	buf_clear(&why);
	printf("read: %llu records, %ld results, %ld doubts in %.2f s, CPU %.2f s\n",
		(unsigned long long)report.records, b->results, b->doubts,
		(double)(time_monotonic_us() - begun_us) / TIME_SECOND_US,
		(double)(cpu_us() - begun_cpu_us) / TIME_SECOND_US);
}

int main(int argc, char **argv)
{
	struct bench b = {.loop = NULL};
	int64_t begun_us;

	if (argc < 3) {
		fprintf(stderr, "usage: journal_bench RECORDS DIRECTORY [sync]\n");
		return 64;
	}
	b.messages = strtol(argv[1], NULL, 10) / 2;
	b.sync = argc > 3 && strcmp(argv[3], "sync") == 0;
	b.loop = loop_new();
	later_init(&b.turn, write_some, &b);
	make_attempt(&b);
	begun_us = cpu_us();
	write_all(&b, slice_of(argv[2]));
	printf("write: %ld messages, %.2f us of CPU, %.0f bytes, %.3f writes, %.4f syncs each\n",
		b.written, (double)(cpu_us() - begun_us) / (double)b.messages,
		(double)b.stats.bytes / (double)b.messages,
		(double)b.stats.writes / (double)b.messages,
		(double)b.stats.syncs / (double)b.messages);
	read_all(&b, slice_of(argv[2]));
	loop_free(&b.loop);
	return b.results == b.messages ? 0 : 1;
}
