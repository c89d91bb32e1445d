/*
 * penguinctl as a function: finds the command in its table, reads its arguments and runs
 * it.  Returns an exit code of sysexits.h.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

int ctl_main(int argc, char **argv);

#endif
