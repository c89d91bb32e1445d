/* The text of an answer to EHLO: whatever it is, the offers are those we know. */
#include <stdint.h>
#include <stdlib.h>

#include "mail/ehlo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ehlo ehlo = ehlo_parse(slice_make((const char *)data, size));

	if (ehlo.offers >= EHLO_AUTH_LOGIN << 1 ||
		(ehlo.size_bytes > 0 && !ehlo_offers(&ehlo, EHLO_SIZE))) {
		abort();
	}
	return 0;
}
