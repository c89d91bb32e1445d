/*
 * Two signers behind one contract.  Which one signs is the configuration's choice;
 * what they make is judged by libopendkim in either case (tests, tools).
 *
 * Adding a signer is a row here and a file beside it.
 */
#include "sign/signer.h"

#include "base/mem.h"
#include "native.h"
#include "reference.h"

struct signer {
	enum signer_kind kind;
	struct native *native;
	struct reference *reference;
};

struct signer *signer_new(enum signer_kind kind, int64_t expire_us)
{
	struct signer *signer = MEM_NEW(struct signer);

	signer->kind = kind;
	if (kind == SIGNER_NATIVE) {
		signer->native = native_new(expire_us);
	} else {
		signer->reference = reference_new(expire_us);
	}
	return signer;
}

void signer_free(struct signer **signer)
{
	if (*signer == NULL) {
		return;
	}
	native_free(&(*signer)->native);
	reference_free(&(*signer)->reference);
	mem_free(*signer);
	*signer = NULL;
}

size_t signer_size(const struct signer *signer, const struct key_set *set, struct slice headers,
	int64_t first_us)
{
	return signer->kind == SIGNER_NATIVE
		? native_size(signer->native, set, headers, first_us)
		: reference_size(signer->reference, set, headers, first_us);
}

struct err signer_sign(struct signer *signer, const struct key_set *set, struct slice headers,
	struct slice body, int64_t first_us, struct buf *out)
{
	return signer->kind == SIGNER_NATIVE
		? native_sign(signer->native, set, headers, body, first_us, out)
		: reference_sign(signer->reference, set, headers, body, first_us, out);
}
