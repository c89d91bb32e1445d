/*
 * Each start is a program of its own (fork, then /proc/self/exe, so that a worker that is
 * started again is of the same version as the others, whatever a package put in its
 * place).  It gets one end of a socket pair as descriptor 3 and nothing else of ours; when
 * we are gone it reads the end of that, and drains.
 *
 * A worker that ends is started again: after a second, each time after twice as long up to
 * a minute, and after a second again once it has been well for a minute.
 *
 * Its loop is asked every five seconds for a sign of life.  Questions are counted, not
 * seconds: when the whole machine stood still nobody is to blame.  Without an answer to
 * six of them it is aborted, and killed where it does not even take that signal.
 */
#include "child.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"

#define PROGRAM "/proc/self/exe"
#define AGAIN_US TIME_SECOND_US
#define AGAIN_MAX_US (60 * TIME_SECOND_US)
#define WELL_US (60 * TIME_SECOND_US)
#define PING_US (5 * TIME_SECOND_US)

enum { CONTROL_FD = 3, UNANSWERED_MAX = 6 };

struct child {
	struct loop *loop;
	struct child_settings settings;
	struct child_events events;
	enum child_state state;
	pid_t pid; /* 0 = it does not run */
	struct control *control;
	struct timer start;
	struct timer ping;
	int64_t again_us; /* how long the next start waits */
	int64_t ready_us; /* since when it is ready */
	unsigned unanswered;
	bool was_ready;
	bool ending; /* it was told to */
	char *text;  /* what it last said of itself; NULL = nothing */
};

static void on_message(void *owner, const struct control_message *message)
{
	struct child *child = owner;

	child->unanswered = 0;
	if (message->verb == CONTROL_READY) {
		child->state = CHILD_WORKS;
		child->was_ready = true;
		child->ready_us = loop_now_us(child->loop);
	} else if (message->verb == CONTROL_ALIVE) {
		mem_free(child->text);
		child->text = slice_string(message->rest);
	}
	child->events.on_message(child->events.owner, child, message);
}

/* As a rule it has ended, and SIGCHLD says how.  If not, it cannot answer any more. */
static void on_gone(void *owner, const char *why)
{
	struct child *child = owner;

	log_debug(NULL, "worker_silent", "worker=%s why=%s", child->settings.name,
		log_quote(slice_of(why)));
	control_close(&child->control);
}

static void on_ping(void *owner)
{
	struct child *child = owner;

	if (child->unanswered == UNANSWERED_MAX) {
		log_error(NULL, "worker_hangs", "worker=%s pid=%d text=%s", child->settings.name,
			(int)child->pid,
			log_quote(SLICE("its loop has not answered for 30 s: it is aborted")));
		(void)kill(child->pid, SIGABRT);
	} else if (child->unanswered > UNANSWERED_MAX) {
		(void)kill(child->pid, SIGKILL);
	}
	if (child->state == CHILD_WORKS) { /* a start that reads a large journal takes its time */
		child->unanswered++;
		child_say(child, CONTROL_PING, SLICE(""));
	}
	timer_set(&child->ping, loop_now_us(child->loop) + PING_US);
}

/*
 * What we ignore, and descriptors but the standard ones, are not the worker's.  Signals that
 * it will not follow stay blocked until it ignores them (start_limits).
 */
static int spawn(pid_t *ret_pid, char *const *words, int control)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t blocked;
	sigset_t defaults;
	int failed;

	(void)sigemptyset(&blocked);
	(void)sigaddset(&blocked, SIGHUP);
	(void)sigaddset(&blocked, SIGUSR1);
	(void)sigemptyset(&defaults);
	(void)sigaddset(&defaults, SIGHUP);
	(void)sigaddset(&defaults, SIGPIPE);
	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawnattr_init(&attributes);
	(void)posix_spawnattr_setsigmask(&attributes, &blocked);
	(void)posix_spawnattr_setsigdefault(&attributes, &defaults);
	(void)posix_spawnattr_setflags(
		&attributes, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
	failed = posix_spawn_file_actions_adddup2(&actions, control, CONTROL_FD);
	failed = failed != 0 ? failed
			     : posix_spawn(ret_pid, PROGRAM, &actions, &attributes, words, environ);
	(void)posix_spawnattr_destroy(&attributes);
	(void)posix_spawn_file_actions_destroy(&actions);
	return failed;
}

static int execute(const struct child *child, pid_t *ret_pid, int control)
{
	const struct child_settings *settings = &child->settings;
	char workers[16];
	char number[16];
	const char *words[] = {"penguin-mta", "--config", settings->config, "--worker",
		settings->name, "--control", number, "--of", workers,
		settings->replay ? "--replay" : NULL, NULL};

	(void)snprintf(number, sizeof(number), "%d", CONTROL_FD);
	(void)snprintf(workers, sizeof(workers), "%u", settings->workers);
	return spawn(ret_pid, (char *const *)(uintptr_t)words, control);
}

static struct err begin(struct child *child)
{
	static const struct control_events events = {on_message, on_gone};
	int ends[2];
	int failed;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
		return err_system();
	}
	failed = execute(child, &child->pid, ends[1]);
	(void)close(ends[1]);
	if (failed != 0) {
		child->pid = 0;
		(void)close(ends[0]);
		return err_os(failed);
	}
	child->control = control_open(child->loop, ends[0], CONTROL_SUPERVISOR, &events, child);
	return ERR_OK;
}

static void wait_to_start(struct child *child)
{
	child->state = CHILD_WAITS;
	timer_set(&child->start, loop_now_us(child->loop) + child->again_us);
	child->again_us = child->again_us * 2 < AGAIN_MAX_US ? child->again_us * 2 : AGAIN_MAX_US;
}

static void on_start(void *owner)
{
	struct child *child = owner;
	struct err err = begin(child);

	child->unanswered = 0;
	if (err_is(err)) {
		log_error(NULL, "worker_not_started", "worker=%s why=%s", child->settings.name,
			log_quote(slice_of(err_text(err))));
		wait_to_start(child);
		return;
	}
	child->state = CHILD_STARTS;
	timer_set(&child->ping, loop_now_us(child->loop) + PING_US);
	child->events.on_started(child->events.owner, child);
}

struct child *child_new(
	struct loop *loop, const struct child_settings *settings, const struct child_events *events)
{
	struct child *child = MEM_NEW(struct child);

	child->loop = loop;
	child->settings = *settings;
	child->settings.name = mem_string(settings->name);
	child->settings.config = mem_string(settings->config);
	child->events = *events;
	child->again_us = AGAIN_US;
	timer_init(&child->start, loop, on_start, child);
	timer_init(&child->ping, loop, on_ping, child);
	timer_set(&child->start, loop_now_us(loop));
	return child;
}

void child_free(struct child **child)
{
	struct child *gone = *child;

	if (gone == NULL) {
		return;
	}
	*child = NULL;
	timer_stop(&gone->start);
	timer_stop(&gone->ping);
	control_close(&gone->control);
	mem_free(gone->text);
	mem_free((char *)(uintptr_t)gone->settings.name);
	mem_free((char *)(uintptr_t)gone->settings.config);
	mem_free(gone);
}

static bool is_over(const struct child *child, int how)
{
	return child->ending ||
		(child->settings.replay && WIFEXITED(how) && WEXITSTATUS(how) == EX_OK);
}

static void tell_end(const struct child *child, pid_t pid, int how)
{
	const char *again = is_over(child, how) ? "no" : "yes";

	if (WIFSIGNALED(how)) {
		log_error(NULL, "worker_killed", "worker=%s pid=%d signal=%d again=%s",
			child->settings.name, (int)pid, WTERMSIG(how), again);
	} else if (WEXITSTATUS(how) != 0) {
		log_error(NULL, "worker_ended", "worker=%s pid=%d status=%d again=%s",
			child->settings.name, (int)pid, WEXITSTATUS(how), again);
	} else {
		log_info(NULL, "worker_ended", "worker=%s pid=%d status=0 again=%s",
			child->settings.name, (int)pid, again);
	}
}

static void ended(struct child *child, int how)
{
	int status = WIFSIGNALED(how) ? EX_SOFTWARE : WEXITSTATUS(how);
	pid_t pid = child->pid;

	if (child->state == CHILD_WORKS && loop_now_us(child->loop) - child->ready_us >= WELL_US) {
		child->again_us = AGAIN_US;
	}
	child->pid = 0;
	timer_stop(&child->ping);
	control_close(&child->control);
	mem_free(child->text);
	child->text = NULL;
	if (is_over(child, how)) {
		child->state = CHILD_IS_OVER;
	} else {
		wait_to_start(child);
	}
	child->events.on_ended(child->events.owner, child, status);
	tell_end(child, pid, how); /* whether it is started again may have been decided just now */
}

void child_reap(struct child *child)
{
	int how;

	if (child->pid != 0 && waitpid(child->pid, &how, WNOHANG) == child->pid) {
		ended(child, how);
	}
}

void child_say(struct child *child, enum control_verb verb, struct slice rest)
{
	if (child->control != NULL) {
		control_say(child->control, verb, rest);
	}
}

void child_say_names(
	struct child *child, enum control_verb verb, const struct slice *names, size_t count)
{
	if (child->control != NULL) {
		control_say_names(child->control, verb, names, count);
	}
}

static void end(struct child *child, enum control_verb verb)
{
	child->ending = true;
	timer_stop(&child->start);
	if (child->pid == 0) {
		child->state = CHILD_IS_OVER;
	}
	child_say(child, verb, SLICE(""));
}

void child_drain(struct child *child)
{
	end(child, CONTROL_DRAIN);
}

void child_stop_now(struct child *child)
{
	end(child, CONTROL_STOP_NOW);
}

void child_kill(struct child *child)
{
	if (child->pid != 0) {
		(void)kill(child->pid, SIGKILL);
	}
}

enum child_state child_state(const struct child *child)
{
	return child->state;
}

bool child_runs(const struct child *child)
{
	return child->pid != 0;
}

bool child_hangs(const struct child *child)
{
	return child->pid != 0 && child->unanswered > UNANSWERED_MAX;
}

bool child_was_ready(const struct child *child)
{
	return child->was_ready;
}

const char *child_name(const struct child *child)
{
	return child->settings.name;
}

void child_describe(const struct child *child, struct buf *out)
{
	static const char *const words[] = {
		[CHILD_WAITS] = "waits to be started again",
		[CHILD_STARTS] = "starts",
		[CHILD_WORKS] = "works",
		[CHILD_IS_OVER] = "has ended",
	};
	bool said = child->state == CHILD_WORKS && child->text != NULL;

	buf_add_format(
		out, "%s (%s)", child->settings.name, said ? child->text : words[child->state]);
}
