/*
 * Sends messages over sessions to the hosts it is given and prints a JSON line for
 * each outcome: what system tests see of src/smtp, without Postgres and DNS.
 *
 *	smtp-send --host mx1.test=127.0.0.2:2525 --tls required --ca ca.pem --count 10
 *
 * Options: --host NAME=ADDRESS[:PORT] (several, in order), --tls POLICY, --ca FILE,
 * --user U --password P, --count N, --connections N, --messages N (a connection),
 * --size BYTES, --from A, --to A (%d = number), --ehlo NAME, --local ADDRESS,
 * --remember SECONDS that a host is asked in clear, --scale F (time), --idle SECONDS
 * before the second half is sent, --keep SECONDS that an idle connection is kept,
 * --hold (the gate stays shut), --utf8, --quiet (only the summary).
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/codec.h"
#include "base/id.h"
#include "base/mem.h"
#include "base/peak.h"
#include "base/time.h"
#include "classify/classify.h"
#include "io/loop.h"
#include "io/tls.h"
#include "smtp/sessions.h"

enum { HOSTS_MAX = 16, TRIES_MAX = 5 };

struct message {
	struct envelope envelope;
	struct id id;
	char *rcpt;
	char *head;
	unsigned tries;
};

struct tool {
	struct loop *loop;
	struct sessions *sessions;
	struct sessions_lane *lane;
	struct sessions_lane_settings settings;
	struct session_timeouts timeouts;
	struct host_choice hosts[HOSTS_MAX];
	size_t host_count;
	struct timer pause; /* until it is set, only the first half goes out */
	struct message *messages;
	size_t *ready; /* indices, as a stack */
	size_t ready_count;
	size_t count;
	size_t done;
	size_t delivered;
	size_t connections;
	size_t size;
	int64_t idle_us;
	int64_t remember_us;
	const char *from;
	const char *to;
	const char *ca;
	char *body;
	bool hold;
	bool utf8;
	bool quiet;
};

static void add_field(struct buf *out, const char *name, struct slice value)
{
	buf_add_format(out, ",\"%s\":", name);
	codec_json(out, value);
}

static void print_evidence(struct tool *tool, struct buf *out, const struct evidence *evidence)
{
	struct verdict verdict = classify(evidence, (struct slice){NULL, 0});

	add_field(out, "phase", slice_of(phase_word(evidence->phase)));
	add_field(out, "failure", slice_of(failure_word(evidence->failure)));
	add_field(out, "text", evidence->text);
	add_field(out, "category", slice_of(category_word(verdict.category)));
	add_field(out, "action", slice_of(action_word(verdict.action)));
	buf_add_format(out, ",\"code\":%u,\"enhanced\":\"%u.%u.%u\",\"dot_sent\":%s",
		evidence->code, evidence->enhanced.class, evidence->enhanced.subject,
		evidence->enhanced.detail, evidence->dot_sent ? "true" : "false");
	buf_add_format(out, ",\"at_ms\":%lld}\n", (long long)(loop_now_us(tool->loop) / 1000));
	if (!tool->quiet) {
		fwrite(out->p, 1, out->n, stdout);
	}
	buf_clear(out);
}

static void end_if_done(struct tool *tool)
{
	if (tool->done == tool->count) {
		timer_stop(&tool->pause);
		sessions_close(tool->sessions);
	}
}

static void want(struct tool *tool)
{
	while (tool->ready_count > 0 && sessions_count(tool->lane) < tool->connections &&
		sessions_opening(tool->lane) < tool->ready_count) {
		sessions_want(tool->lane, tool->hosts, tool->host_count);
	}
}

static void start_message(struct tool *tool, struct session *session)
{
	struct message *message = &tool->messages[tool->ready[--tool->ready_count]];

	message->tries++;
	session_set_user(session, message);
	session_send(session, &message->envelope);
}

static bool on_ready(void *owner, struct session *session)
{
	struct tool *tool = owner;

	if (tool->ready_count == 0) {
		return false;
	}
	start_message(tool, session);
	return true;
}

static void on_go(void *owner, struct session *session)
{
	const struct tool *tool = owner;
	const struct message *message = session_user(session);

	session_body(session, slice_of(message->head), slice_make(tool->body, tool->size));
	if (tool->hold) {
		session_abort(session);
	} else {
		session_release(session);
	}
}

static void on_outcome(void *owner, struct session *session, const struct evidence *evidence)
{
	struct tool *tool = owner;
	struct message *message = session_user(session);
	enum action action = classify(evidence, (struct slice){NULL, 0}).action;
	char id[ID_TEXT + 1];
	struct buf out;

	buf_init(&out, 0);
	id_text(message->id, id);
	buf_add_format(
		&out, "{\"message\":%zu,\"id\":\"%s\"", (size_t)(message - tool->messages), id);
	add_field(&out, "session", slice_of(session_id(session)));
	add_field(&out, "host", session_target(session)->host);
	add_field(&out, "tls", conn_tls_version(session_conn(session)));
	buf_add_format(&out, ",\"verified\":%s",
		conn_tls_verified(session_conn(session)) ? "true" : "false");
	print_evidence(tool, &out, evidence);
	if (action == ACTION_AGAIN && message->tries < TRIES_MAX && !tool->hold) {
		tool->ready[tool->ready_count++] = (size_t)(message - tool->messages);
	} else {
		tool->done++;
		tool->delivered += action == ACTION_DELIVER;
	}
	end_if_done(tool);
}

static void on_unreachable(void *owner, const struct sessions_failure *failure)
{
	struct tool *tool = owner;
	struct buf out;

	buf_init(&out, 0);
	buf_add_text(&out, "{\"unreachable\":");
	codec_json(&out, failure->host);
	print_evidence(tool, &out, &failure->evidence);
	if (tool->ready_count > 0) {
		tool->ready_count--;
		tool->done++;
	}
	end_if_done(tool);
}

static void on_fewer(void *owner)
{
	struct tool *tool = owner;

	if (tool->done < tool->count && !timer_is_set(&tool->pause)) {
		want(tool);
	}
}

static const struct sessions_events events = {
	.on_ready = on_ready,
	.on_go = on_go,
	.on_outcome = on_outcome,
	.on_unreachable = on_unreachable,
	.on_fewer = on_fewer,
};

/* The second half, on what is still open. */
static void on_pause_over(void *owner)
{
	struct tool *tool = owner;
	struct session *session;

	while (tool->ready_count < tool->count - tool->count / 2) {
		tool->ready[tool->ready_count] = tool->count / 2 + tool->ready_count;
		tool->ready_count++;
	}
	while (tool->ready_count > 0 && (session = sessions_idle(tool->lane)) != NULL) {
		start_message(tool, session);
	}
	want(tool);
}

static void make_messages(struct tool *tool)
{
	tool->messages = mem_array(tool->count, sizeof(*tool->messages));
	tool->ready = mem_array(tool->count, sizeof(*tool->ready));
	for (size_t i = 0; i < tool->count; i++) {
		struct message *m = &tool->messages[i];
		char id[ID_TEXT + 1];
		struct buf text;
		struct slice to = slice_of(tool->to);
		size_t mark = slice_search(to, SLICE("%d"));

		m->id = id_make(loop_wall_us(tool->loop) / 1000);
		id_text(m->id, id);
		buf_init(&text, 0);
		buf_add(&text, slice_first(to, mark));
		if (mark < to.n) {
			buf_add_number(&text, i);
			buf_add(&text, slice_from(to, mark + 2));
		}
		m->rcpt = slice_string(buf_slice(&text));
		buf_reset(&text);
		buf_add_format(&text,
			"From: <%s>\r\nTo: <%s>\r\nSubject: %zu\r\nMessage-ID: <%s@sender.test>\r\n\r\n",
			tool->from, m->rcpt, i, id);
		m->head = slice_string(buf_slice(&text));
		m->envelope = (struct envelope){
			.mail_from = slice_of(tool->from),
			.rcpt_to = slice_of(m->rcpt),
			.utf8 = tool->utf8,
			.size_bytes = text.n + tool->size,
		};
		buf_clear(&text);
	}
}

/* Lines of 70 octets, some of which begin with a dot. */
static void make_body(struct tool *tool)
{
	tool->body = mem_new(tool->size + 1);
	for (size_t i = 0; i < tool->size; i++) {
		size_t column = i % 72;

		tool->body[i] = column == 70 ? '\r' : column == 71 ? '\n' : 'x';
		if (column == 0 && i / 72 % 5 == 0) {
			tool->body[i] = '.';
		}
	}
	if (tool->size >= 2) {
		memcpy(tool->body + tool->size - 2, "\r\n", 2);
	}
	if (tool->size >= 3 && tool->body[tool->size - 3] == '\r') {
		tool->body[tool->size - 3] = 'x';
	}
}

static void add_host(struct tool *tool, const char *text)
{
	struct slice whole = slice_of(text);
	size_t equals = slice_find(whole, '=');
	struct host_choice *host = &tool->hosts[tool->host_count];
	struct slice address = slice_from(whole, equals + 1);
	size_t colon = slice_find_last(address, ':');
	uint64_t port = 25;

	struct slice ip = slice_first(address, colon);

	if (slice_starts(ip, SLICE("[")) && slice_ends(ip, SLICE("]"))) {
		ip = slice_make(ip.p + 1, ip.n - 2);
	}
	host->name = slice_first(whole, equals);
	if (tool->host_count == HOSTS_MAX ||
		(colon < address.n &&
			!slice_number(slice_from(address, colon + 1), 65535, &port)) ||
		!endpoint_parse(ip, (uint16_t)port, &host->address)) {
		fprintf(stderr, "smtp-send: bad --host %s\n", text);
		exit(64);
	}
	tool->host_count++;
}

static void scale_times(struct tool *tool, double scale)
{
	const double s = 1e6 * scale;

	tool->timeouts = (struct session_timeouts){
		.connect_us = (int64_t)(30 * s),
		.greeting_us = (int64_t)(300 * s),
		.ehlo_us = (int64_t)(300 * s),
		.starttls_us = (int64_t)(60 * s),
		.auth_us = (int64_t)(300 * s),
		.mail_us = (int64_t)(300 * s),
		.rcpt_us = (int64_t)(300 * s),
		.data_us = (int64_t)(120 * s),
		.block_us = (int64_t)(180 * s),
		.dot_us = (int64_t)(600 * s),
		.rset_us = (int64_t)(20 * s),
		.quit_us = (int64_t)(5 * s),
	};
}

static enum tls_policy parse_policy(const char *text)
{
	static const char *const words[] = {"none", "opportunistic", "required", "verified"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcmp(text, words[i]) == 0) {
			return (enum tls_policy)i;
		}
	}
	fprintf(stderr, "smtp-send: bad --tls %s\n", text);
	exit(64);
}

static void parse_text_option(struct tool *tool, int option)
{
	switch (option) {
	case 'h':
		add_host(tool, optarg);
		break;
	case 't':
		tool->settings.tls = parse_policy(optarg);
		break;
	case 'a':
		tool->ca = optarg;
		break;
	case 'u':
		tool->settings.username = slice_of(optarg);
		break;
	case 'p':
		tool->settings.password = slice_of(optarg);
		break;
	case 'f':
		tool->from = optarg;
		break;
	case 'r':
		tool->to = optarg;
		break;
	case 'e':
		tool->settings.ehlo = slice_of(optarg);
		break;
	case 'l':
		if (!endpoint_parse(slice_of(optarg), 0,
			    strchr(optarg, ':') != NULL ? &tool->settings.local6
							: &tool->settings.local4)) {
			exit(64);
		}
		break;
	default:
		exit(64);
	}
}

static void parse_option(struct tool *tool, int option)
{
	switch (option) {
	case 'n':
		tool->count = (size_t)strtoul(optarg, NULL, 10);
		break;
	case 'c':
		tool->connections = (size_t)strtoul(optarg, NULL, 10);
		break;
	case 'm':
		tool->settings.messages_max = (unsigned)strtoul(optarg, NULL, 10);
		break;
	case 's':
		tool->size = (size_t)strtoul(optarg, NULL, 10);
		break;
	case 'i':
		tool->idle_us = (int64_t)(strtod(optarg, NULL) * 1e6);
		break;
	case 'R':
		tool->remember_us = (int64_t)(strtod(optarg, NULL) * 1e6);
		break;
	case 'k':
		tool->settings.idle_us = (int64_t)(strtod(optarg, NULL) * 1e6);
		break;
	case 'x':
		scale_times(tool, strtod(optarg, NULL));
		break;
	case 'H':
		tool->hold = true;
		break;
	case '8':
		tool->utf8 = true;
		break;
	case 'q':
		tool->quiet = true;
		break;
	default:
		parse_text_option(tool, option);
		break;
	}
}

static const struct option options[] = {
	{"host", required_argument, NULL, 'h'},
	{"tls", required_argument, NULL, 't'},
	{"ca", required_argument, NULL, 'a'},
	{"user", required_argument, NULL, 'u'},
	{"password", required_argument, NULL, 'p'},
	{"from", required_argument, NULL, 'f'},
	{"to", required_argument, NULL, 'r'},
	{"ehlo", required_argument, NULL, 'e'},
	{"local", required_argument, NULL, 'l'},
	{"count", required_argument, NULL, 'n'},
	{"connections", required_argument, NULL, 'c'},
	{"messages", required_argument, NULL, 'm'},
	{"size", required_argument, NULL, 's'},
	{"idle", required_argument, NULL, 'i'},
	{"keep", required_argument, NULL, 'k'},
	{"remember", required_argument, NULL, 'R'},
	{"scale", required_argument, NULL, 'x'},
	{"hold", no_argument, NULL, 'H'},
	{"utf8", no_argument, NULL, '8'},
	{"quiet", no_argument, NULL, 'q'},
	{NULL, 0, NULL, 0},
};

static void run(struct tool *tool)
{
	size_t first = tool->idle_us > 0 ? tool->count / 2 : tool->count;
	int64_t begun_us = time_monotonic_us();

	while (tool->ready_count < first) {
		tool->ready[tool->ready_count] = first - 1 - tool->ready_count;
		tool->ready_count++;
	}
	if (tool->idle_us > 0) {
		timer_set(&tool->pause, loop_now_us(tool->loop) + tool->idle_us);
	}
	want(tool);
	loop_run(tool->loop);
	printf("{\"count\":%zu,\"delivered\":%zu,\"cpu_us\":%lld,\"wall_us\":%lld,\"rss_kib\":%lld}\n",
		tool->count, tool->delivered, (long long)time_cpu_us(),
		(long long)(time_monotonic_us() - begun_us), (long long)peak_memory_kib());
}

int main(int argc, char **argv)
{
	struct tool tool = {.count = 1,
		.connections = 1,
		.size = 1000,
		.from = "a@sender.test",
		.to = "b%d@d1.test"};
	struct buf why;
	int option;

	buf_init(&why, 0);
	tool.settings.ehlo = SLICE("client.test");
	tool.settings.idle_us = 30 * TIME_SECOND_US;
	tool.settings.age_us = 300 * TIME_SECOND_US;
	scale_times(&tool, 1);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		parse_option(&tool, option);
	}
	if (tool.host_count == 0 ||
		err_is(tls_context_new(
			TLS_VERSION_1_0, tool.ca, &tool.settings.tls_context, &why))) {
		fprintf(stderr, "smtp-send: %s\n", why.n > 0 ? buf_string(&why) : "no --host");
		return 64;
	}
	tool.settings.timeouts = &tool.timeouts;
	tool.loop = loop_new();
	timer_init(&tool.pause, tool.loop, on_pause_over, &tool);
	tool.sessions = sessions_new(tool.loop);
	if (tool.remember_us > 0) {
		sessions_remember(tool.sessions, tool.remember_us);
	}
	tool.lane = sessions_lane_new(tool.sessions, &tool.settings, &events, &tool);
	make_body(&tool);
	make_messages(&tool);
	run(&tool);
	sessions_lane_free(&tool.lane);
	sessions_free(&tool.sessions);
	loop_drain(tool.loop);
	loop_free(&tool.loop);
	tls_context_free(&tool.settings.tls_context);
	for (size_t i = 0; i < tool.count; i++) {
		mem_free(tool.messages[i].rcpt);
		mem_free(tool.messages[i].head);
	}
	mem_free(tool.messages);
	mem_free(tool.ready);
	mem_free(tool.body);
	buf_clear(&why);
	return tool.delivered == tool.count ? 0 : 1;
}
