/*
 * penguinctl: the operator's command.  All it does is in ctl/; here is only what belongs
 * to a program: its version, and signals.
 *
 * Exit codes are those of sysexits.h.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "ctl/ctl.h"

int main(int argc, char **argv)
{
	if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0)) {
		(void)printf("penguinctl %s\n", PENGUIN_VERSION);
		return EX_OK;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	return ctl_main(argc, argv);
}
