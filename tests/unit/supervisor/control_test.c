/*
 * supervisor/control: what is a line and what is not, and that whatever else comes ends
 * the connection and nothing more.
 */
#include "supervisor/control.h"

#include <criterion/criterion.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "no_leaks.h"

TestSuite(control, .fini = no_leaks);

Test(control, lines)
{
	static const struct {
		const char *line;
		enum control_side side;
		bool good;
		enum control_verb verb;
		const char *rest;
	} rows[] = {
		{"ping", CONTROL_WORKER, true, CONTROL_PING, ""},
		{"own s1", CONTROL_WORKER, true, CONTROL_OWN, "s1"},
		{"own s1 s2 s3", CONTROL_WORKER, true, CONTROL_OWN, "s1 s2 s3"},
		{"leave s1", CONTROL_WORKER, true, CONTROL_LEAVE, "s1"},
		{"stop-now", CONTROL_WORKER, true, CONTROL_STOP_NOW, ""},
		{"drain", CONTROL_WORKER, true, CONTROL_DRAIN, ""},
		{"ready", CONTROL_SUPERVISOR, true, CONTROL_READY, ""},
		{"alive", CONTROL_SUPERVISOR, true, CONTROL_ALIVE, ""},
		{"alive 2 jobs at hand", CONTROL_SUPERVISOR, true, CONTROL_ALIVE, "2 jobs at hand"},
		{"refused tokens: \xc3\xbc", CONTROL_SUPERVISOR, true, CONTROL_REFUSED,
			"tokens: \xc3\xbc"},
		{"released s1", CONTROL_SUPERVISOR, true, CONTROL_RELEASED, "s1"},
		{"", CONTROL_WORKER, false, 0, NULL},
		{" ping", CONTROL_WORKER, false, 0, NULL},
		{"PING", CONTROL_WORKER, false, 0, NULL},
		{"pin", CONTROL_WORKER, false, 0, NULL},
		{"ping pong", CONTROL_WORKER, false, 0, NULL},
		{"own", CONTROL_WORKER, false, 0, NULL},
		{"own  ", CONTROL_WORKER, false, 0, NULL},
		{"own a\nleave b", CONTROL_WORKER, false, 0, NULL},
		{"ready", CONTROL_WORKER, false, 0, NULL},
		{"ping", CONTROL_SUPERVISOR, false, 0, NULL},
		{"released s1 s2", CONTROL_SUPERVISOR, false, 0, NULL},
		{"alive \x7f", CONTROL_SUPERVISOR, false, 0, NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct control_message message;
		bool good = control_parse(slice_of(rows[i].line), rows[i].side, &message);

		cr_assert_eq(good, rows[i].good, "'%s'", rows[i].line);
		if (good) {
			cr_expect_eq(message.verb, rows[i].verb, "'%s'", rows[i].line);
			cr_expect(slice_equal(message.rest, slice_of(rows[i].rest)), "'%s'",
				rows[i].line);
		}
	}
}

Test(control, names_come_one_by_one)
{
	struct slice rest = SLICE("s1  s2 s3");
	struct slice name;
	struct buf all;

	buf_init(&all, 0);
	while (control_next(&rest, &name)) {
		buf_add(&all, name);
		buf_add_byte(&all, ',');
	}
	cr_expect_str_eq(buf_string(&all), "s1,s2,s3,");
	buf_clear(&all);
}

struct scene {
	struct loop *loop;
	int ends[2];
	struct control *control;
	struct buf heard;
	bool close_at_once;
	unsigned gone;
};

static void on_message(void *owner, const struct control_message *message)
{
	struct scene *scene = owner;

	buf_add_format(&scene->heard, "%d:%.*s;", (int)message->verb, (int)message->rest.n,
		message->rest.p);
	if (scene->close_at_once) {
		control_close(&scene->control);
	}
}

static void on_gone(void *owner, const char *why)
{
	struct scene *scene = owner;

	cr_expect(strlen(why) > 0);
	scene->gone++;
	control_close(&scene->control);
}

static void begin(struct scene *scene)
{
	static const struct control_events events = {on_message, on_gone};

	memset(scene, 0, sizeof(*scene));
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, scene->ends), 0);
	scene->loop = loop_new();
	buf_init(&scene->heard, 0);
	scene->control = control_open(scene->loop, scene->ends[0], CONTROL_WORKER, &events, scene);
}

static void end(struct scene *scene)
{
	control_close(&scene->control);
	loop_drain(scene->loop);
	loop_free(&scene->loop);
	buf_clear(&scene->heard);
	(void)close(scene->ends[1]);
}

static void say(const struct scene *scene, const char *line)
{
	cr_assert_eq(send(scene->ends[1], line, strlen(line), 0), (ssize_t)strlen(line));
}

Test(control, lines_arrive_in_order)
{
	struct scene scene;

	begin(&scene);
	say(&scene, "own a b");
	say(&scene, "ping");
	loop_drain(scene.loop);
	cr_expect_str_eq(buf_string(&scene.heard), "0:a b;6:;");
	cr_expect_eq(scene.gone, 0);
	end(&scene);
}

Test(control, what_is_no_line_ends_the_connection)
{
	static const char *const lines[] = {"hello", "own", "alive I am you", "ping\nping"};

	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		struct scene scene;

		begin(&scene);
		say(&scene, lines[i]);
		say(&scene, "ping");
		loop_drain(scene.loop);
		cr_expect_eq(scene.gone, 1, "%s", lines[i]);
		cr_expect_eq(scene.heard.n, 0, "%s", lines[i]);
		end(&scene);
	}
}

Test(control, a_line_that_is_too_long_ends_it)
{
	struct scene scene;
	char *line = mem_new(2 * CONTROL_LINE_MAX);

	memset(line, 'x', 2 * CONTROL_LINE_MAX - 1);
	memcpy(line, "own ", 4);
	begin(&scene);
	say(&scene, line);
	loop_drain(scene.loop);
	cr_expect_eq(scene.gone, 1);
	end(&scene);
	mem_free(line);
}

Test(control, a_closed_end_is_told_once)
{
	struct scene scene;

	begin(&scene);
	(void)close(scene.ends[1]);
	control_say(scene.control, CONTROL_READY, SLICE(""));
	loop_drain(scene.loop);
	cr_expect_eq(scene.gone, 1);
	end(&scene);
}

Test(control, may_be_closed_from_within)
{
	struct scene scene;

	begin(&scene);
	scene.close_at_once = true;
	say(&scene, "ping");
	say(&scene, "drain");
	loop_drain(scene.loop);
	cr_expect_str_eq(buf_string(&scene.heard), "6:;");
	end(&scene);
}

/* Nobody waits for a peer that does not read. */
Test(control, who_does_not_listen_is_gone)
{
	struct scene scene;

	begin(&scene);
	for (int i = 0; i < 100000 && scene.gone == 0; i++) {
		control_say(scene.control, CONTROL_ALIVE, SLICE("still here"));
	}
	loop_drain(scene.loop);
	cr_expect_eq(scene.gone, 1);
	end(&scene);
}

Test(control, what_is_said_can_be_heard)
{
	struct scene scene;
	struct control_message message;
	char line[CONTROL_LINE_MAX];
	ssize_t n;

	begin(&scene);
	control_say(scene.control, CONTROL_REFUSED, SLICE("line 1\nline\t2 \x01 \xff"));
	n = recv(scene.ends[1], line, sizeof(line), 0);
	cr_assert(n > 0);
	cr_assert(control_parse(slice_make(line, (size_t)n), CONTROL_SUPERVISOR, &message));
	cr_expect_eq(message.verb, CONTROL_REFUSED);
	cr_expect(slice_starts(message.rest, SLICE("line 1")));
	end(&scene);
}

Test(control, many_names_take_several_lines)
{
	enum { COUNT = 3000 };
	static const struct slice name = SLICE("a-source-with-a-name-of-its-own");
	struct slice *names = mem_array(COUNT, sizeof(*names));
	struct scene scene;
	struct control_message message;
	char line[CONTROL_LINE_MAX];
	size_t count = 0;
	ssize_t n;

	for (size_t i = 0; i < COUNT; i++) {
		names[i] = name;
	}
	begin(&scene);
	control_say_names(scene.control, CONTROL_OWN, names, COUNT);
	while ((n = recv(scene.ends[1], line, sizeof(line), MSG_DONTWAIT)) > 0) {
		cr_assert(control_parse(slice_make(line, (size_t)n), CONTROL_WORKER, &message));
		for (struct slice got; control_next(&message.rest, &got); count++) {
			cr_assert(slice_equal(got, name));
		}
	}
	cr_expect_eq(count, COUNT);
	end(&scene);
	mem_free(names);
}
