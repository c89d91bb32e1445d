/*
 * mail/address: whatever parses has no byte that could end a command, is within
 * the limits, and parses again to the same.
 */
#include "mail/address.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
	if (!holds) {
		abort();
	}
}

static void check_address(const struct address *a)
{
	struct slice local = address_local(a);

	check(a->length <= ADDRESS_MAX && a->local_length <= ADDRESS_LOCAL_MAX);
	check(strlen(a->text) == a->length && a->text[a->local_length] == '@');
	for (size_t i = 0; i < a->length; i++) {
		check((unsigned char)a->text[i] >= ' ' && a->text[i] != 0x7f);
	}
	check(local.p[0] == '"' || slice_find(local, '@') == local.n);
	check(slice_find(address_domain(a), '@') == address_domain(a).n);
	check(slice_find(address_domain(a), '>') == address_domain(a).n);
}

static void check_again(const struct address *a)
{
	struct address again = {0};

	check(address_parse(address_text(a), &again) == ADDRESS_OK);
	check(slice_equal(address_text(&again), address_text(a)));
	check(again.utf8 == a->utf8 && again.literal == a->literal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make((const char *)data, size);
	char domain[ADDRESS_DOMAIN_MAX + 1];
	struct address a = {0};
	struct address normal;

	if (address_parse(text, &a) == ADDRESS_OK) {
		check_address(&a);
		check_again(&a);
		normal = address_normalise(&a);
		check_address(&normal);
		check_again(&normal);
		check(slice_equal(address_domain(&a), address_domain(&normal)));
	} else {
		check(a.length == 0);
	}
	if (address_parse_domain(text, domain) == ADDRESS_OK) {
		check(strlen(domain) > 0 && strlen(domain) <= ADDRESS_DOMAIN_MAX);
	}
	return 0;
}
