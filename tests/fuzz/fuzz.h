/*
 * What every fuzz target has: the entry that libFuzzer and corpus_main.c call, and
 * must(), which turns a fact that does not hold into a finding.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void must(bool fact)
{
	if (!fact) {
		abort();
	}
}

#endif
