/*
 * The public suffix list, by libpsl.  The list is data of the library (Debian keeps
 * it fresh); a libpsl that was built without any has only the rule that holds where
 * no other does: the last label is public.
 */
#include "mail/suffix.h"

#include <libpsl.h>

#include "base/mem.h"

bool suffix_is_public(struct slice domain)
{
	const psl_ctx_t *psl = psl_builtin();
	char *text = slice_string(domain);
	bool is = slice_find(domain, '.') == domain.n ||
		(psl != NULL && psl_is_public_suffix(psl, text));

	mem_free(text);
	return is;
}

struct slice suffix_organisation(struct slice domain)
{
	struct slice at = domain;
	struct slice below = domain;

	while (!suffix_is_public(at)) {
		below = at;
		at = slice_from(at, slice_find(at, '.') + 1);
	}
	return below;
}
