/*
 * The self-check: a child that verifies one message and says on a pipe what it
 * found.  Its first byte is the verdict, the rest the reason; a child that ends
 * without a word has crashed, which is a fault of the check and not of the key.
 *
 * The child shares nothing that it could spoil: signals stay blocked until it has
 * let go of every descriptor but the pipe (a handler would write to the parent's
 * loop), it leaves no core with keys in it, and an alarm ends it whatever happens.
 */
#include "sign/selfcheck.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "sign/judge.h"

#define ANSWER_MAX 2048 /* within what a pipe takes at once */
#define SAYS_PASS '+'
#define SAYS_FAIL '-'
#define PIPE_FD 3 /* in the child */

struct selfcheck {
	pid_t child;
	int answer; /* the reading end */
};

struct err selfcheck_sample(
	const struct key_set *set, struct signer *signer, int64_t now_us, struct buf *out)
{
	static const struct slice body = SLICE("This message\tchecks  a signature. \r\n\r\n");
	struct slice domain = key_set_domain(set);
	struct buf headers;
	struct err err;

	buf_init(&headers, 0);
	buf_add_format(&headers,
		"From: selfcheck@%.*s\r\nTo: selfcheck@%.*s\r\n"
		"Subject: self-check\r\n of  signatures\r\n",
		(int)domain.n, domain.p, (int)domain.n, domain.p);
	err = signer_sign(signer, set, buf_slice(&headers), body, now_us, out);
	buf_add(out, buf_slice(&headers));
	buf_add(out, SLICE("\r\n"));
	buf_add(out, body);
	buf_clear(&headers);
	return err;
}

static void judge_and_say(struct slice records, struct slice message)
{
	struct judge *judge = NULL;
	struct buf says;
	struct buf why;
	bool good;
	ssize_t written;

	buf_init(&says, 0);
	buf_init(&why, 0);
	good = !err_is(judge_new(records, &judge, &why)) && judge_message(judge, message, &why) > 0;
	buf_add_byte(&says, good ? SAYS_PASS : SAYS_FAIL);
	buf_add(&says, buf_slice(&why));
	if (says.n > ANSWER_MAX) {
		buf_cut(&says, ANSWER_MAX);
	}
	written = write(PIPE_FD, says.p, says.n);
	_exit(written == (ssize_t)says.n ? 0 : 1);
}

static void run_child(int answer, struct slice records, struct slice message)
{
	static const int handled[] = {SIGALRM, SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
	const struct rlimit none = {0, 0};
	sigset_t all;

	if (answer != PIPE_FD && dup2(answer, PIPE_FD) < 0) {
		_exit(1);
	}
	(void)close_range(PIPE_FD + 1, ~0U, 0);
	(void)setrlimit(RLIMIT_CORE, &none);
	for (size_t i = 0; i < ARRAY_LEN(handled); i++) {
		(void)signal(handled[i], SIG_DFL);
	}
	(void)alarm(SELFCHECK_SECONDS);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_UNBLOCK, &all, NULL);
	judge_and_say(records, message);
}

struct err selfcheck_start(struct slice records, struct slice message, struct selfcheck **ret_check)
{
	struct err err = ERR_OK;
	int ends[2];
	sigset_t all;
	sigset_t before;
	pid_t child;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		return err_system();
	}
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	child = fork();
	if (child == 0) {
		run_child(ends[1], records, message);
	}
	if (child < 0) {
		err = err_system();
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)close(ends[1]);
	if (child < 0) {
		(void)close(ends[0]);
		return err;
	}
	*ret_check = MEM_NEW(struct selfcheck);
	(*ret_check)->child = child;
	(*ret_check)->answer = ends[0];
	return ERR_OK;
}

int selfcheck_fd(const struct selfcheck *check)
{
	return check->answer;
}

/* The octets read, 0 = it ended without a word, -1 = nothing yet. */
static ssize_t read_answer(const struct selfcheck *check, char *out)
{
	struct pollfd waiting = {.fd = check->answer, .events = POLLIN};
	ssize_t n;
	int ready;

	do {
		ready = poll(&waiting, 1, 0);
	} while (ready < 0 && errno == EINTR);
	if (ready <= 0) {
		return -1;
	}
	do {
		n = read(check->answer, out, ANSWER_MAX);
	} while (n < 0 && errno == EINTR);
	return n;
}

static void end_child(struct selfcheck *check, bool answered)
{
	int status;
	pid_t gone;

	if (!answered) {
		(void)kill(check->child, SIGKILL);
	}
	do {
		gone = waitpid(check->child, &status, 0);
	} while (gone < 0 && errno == EINTR);
	(void)close(check->answer);
	mem_free(check);
}

struct err selfcheck_finish(struct selfcheck **check, struct buf *why)
{
	char answer[ANSWER_MAX];
	ssize_t n = read_answer(*check, answer);

	end_child(*check, n >= 0);
	*check = NULL;
	if (n < 0) {
		buf_add_text(why, "the self-check gave no answer in time");
		return err_limit();
	}
	if (n == 0) {
		buf_add_text(why, "the self-check's process crashed");
		return err_os(0);
	}
	if (answer[0] != SAYS_PASS) {
		buf_add_text(why, "libopendkim does not pass what was signed: ");
		buf_add(why, slice_make(answer + 1, (size_t)n - 1));
		return err_input();
	}
	return ERR_OK;
}
