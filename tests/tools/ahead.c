/*
 * Preloaded, it shows a program a wall clock that is AHEAD seconds ahead, or as many as the file AHEAD_FILE says at
 * that moment; the monotonic clock stays right.  It asks the kernel itself and keeps no state, thus it is safe before
 * any constructor ran: sanitizers read the clock that early.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t told(const char *path)
{
	long fd = syscall(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	char text[32] = "";

	if (fd >= 0) {
		(void)syscall(SYS_read, fd, text, sizeof(text) - 1);
		(void)syscall(SYS_close, fd);
	}
	return (time_t)strtol(text, NULL, 10);
}

static time_t ahead(void)
{
	const char *seconds = getenv("AHEAD");
	const char *path = getenv("AHEAD_FILE");

	if (path) {
		return told(path);
	}
	return seconds ? (time_t)strtol(seconds, NULL, 10) : 0;
}

/* Under names of our own, since the headers have others for the parameters. */
int ahead_clock(clockid_t clock, struct timespec *now) __asm__("clock_gettime");
time_t ahead_time(time_t *seconds) __asm__("time");
int ahead_day(struct timeval *now, void *zone) __asm__("gettimeofday");

int ahead_clock(clockid_t clock, struct timespec *now)
{
	if (syscall(SYS_clock_gettime, clock, now)) {
		return -1;
	}
	if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) {
		now->tv_sec += ahead();
	}
	return 0;
}

time_t ahead_time(time_t *seconds)
{
	struct timespec now;

	if (ahead_clock(CLOCK_REALTIME, &now)) {
		return -1;
	}
	if (seconds) {
		*seconds = now.tv_sec;
	}
	return now.tv_sec;
}

int ahead_day(struct timeval *now, void *zone)
{
	struct timespec precise;

	(void)zone;
	if (ahead_clock(CLOCK_REALTIME, &precise)) {
		return -1;
	}
	*now = (struct timeval){.tv_sec = precise.tv_sec, .tv_usec = precise.tv_nsec / 1000};
	return 0;
}
