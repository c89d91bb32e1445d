/*
 * VmHWM of /proc/self/status, in the words of proc(5).
 *
 * It belongs to the address space and so begins anew with exec(), other than
 * ru_maxrss, which belongs to the process and keeps what its parent's image had
 * before.
 */
#include "base/peak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int64_t peak_memory_kib(void)
{
	FILE *status = fopen("/proc/self/status", "re");
	char line[256];
	int64_t kib = 0;

	if (status == NULL) {
		return 0;
	}
	while (fgets(line, sizeof(line), status) != NULL) {
		if (strncmp(line, "VmHWM:", 6) == 0) {
			kib = strtoll(line + 6, NULL, 10);
		}
	}
	(void)fclose(status);
	return kib;
}
