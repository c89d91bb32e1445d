/*
 * supervisor/notify: what reaches systemd's socket, in the file system or the abstract
 * space, and that without one nothing happens.
 */
#include "notify.h"

#include <criterion/criterion.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "no_leaks.h"

TestSuite(notify, .fini = no_leaks);

/* As systemd listens: a name with @ for the abstract space. */
static int listen_at(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, name, strlen(name));
	if (name[0] == '@') {
		address.sun_path[0] = '\0';
	}
	cr_assert_eq(bind(fd, (struct sockaddr *)&address,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
		0);
	cr_assert_eq(setenv("NOTIFY_SOCKET", name, 1), 0);
	return fd;
}

static void expect(int fd, const char *want)
{
	char got[500] = "";
	ssize_t n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);

	cr_expect(want == NULL ? n < 0 : n > 0);
	cr_expect(want == NULL || strcmp(got, want) == 0, "'%s'", got);
}

static void speak(const char *name)
{
	int fd = listen_at(name);
	struct notify *notify = notify_open();

	notify_say(notify, SLICE("READY=1"));
	expect(fd, "READY=1");
	notify_status(notify, SLICE("all is well"));
	expect(fd, "STATUS=all is well");
	notify_status(notify, SLICE("all is well"));
	expect(fd, NULL);
	notify_status(notify, SLICE("less so"));
	expect(fd, "STATUS=less so");
	notify_close(&notify);
	(void)close(fd);
}

Test(notify, a_socket_in_the_file_system)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "/tmp/penguin-notify-%d", (int)getpid());
	speak(path);
	(void)unlink(path);
}

Test(notify, a_socket_in_the_abstract_space)
{
	char name[64];

	(void)snprintf(name, sizeof(name), "@penguin-notify-%d", (int)getpid());
	speak(name);
}

Test(notify, nobody_to_tell)
{
	static const char *const names[] = {"", "x", "relative/path", "/nowhere/at/all"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct notify *notify;

		cr_assert_eq(setenv("NOTIFY_SOCKET", names[i], 1), 0);
		notify = notify_open();
		notify_say(notify, SLICE("READY=1"));
		notify_status(notify, SLICE("all is well"));
		notify_close(&notify);
	}
}

Test(notify, the_watchdog_is_for_whom_it_names)
{
	static const struct {
		const char *label, *usec, *pid;
		int64_t want;
	} rows[] = {
		{"none", NULL, NULL, 0},
		{"for whoever asks", "30000000", NULL, 30000000},
		{"for another", "30000000", "1", 0},
		{"no number", "soon", NULL, 0},
	};
	char own[16];
	int fd = listen_at("@penguin-notify-watchdog");

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct notify *notify;

		(void)unsetenv("WATCHDOG_USEC");
		(void)unsetenv("WATCHDOG_PID");
		if (rows[i].usec != NULL) {
			(void)setenv("WATCHDOG_USEC", rows[i].usec, 1);
		}
		if (rows[i].pid != NULL) {
			(void)setenv("WATCHDOG_PID", rows[i].pid, 1);
		}
		notify = notify_open();
		cr_expect_eq(notify_watchdog_us(notify), rows[i].want, "%s", rows[i].label);
		notify_close(&notify);
	}
	(void)snprintf(own, sizeof(own), "%d", (int)getpid());
	(void)setenv("WATCHDOG_USEC", "1000", 1);
	(void)setenv("WATCHDOG_PID", own, 1);
	struct notify *notify = notify_open();
	cr_expect_eq(notify_watchdog_us(notify), 1000);
	notify_close(&notify);
	(void)close(fd);
}
