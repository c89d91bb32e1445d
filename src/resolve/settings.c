/*
 * The lists in the settings are the caller's for the call only: a resolver keeps
 * copies, names and all, until the next reload.  Both ways through here: what is copied
 * is what is freed.
 */
#include "settings.h"

#include "base/mem.h"

void settings_clear(struct resolver_settings *settings)
{
	for (size_t i = 0; i < settings->own_name_count; i++) {
		mem_free((char *)settings->own_names[i].p);
	}
	mem_free((void *)settings->own_names);
	mem_free((void *)settings->own_addresses);
	mem_free((void *)settings->allow);
}

static void *copy_array(const void *from, size_t count, size_t size)
{
	return count == 0 ? NULL : mem_copy(from, count * size);
}

void settings_copy(struct resolver_settings *to, const struct resolver_settings *from)
{
	struct slice *names = mem_array(from->own_name_count + 1, sizeof(*names));

	*to = *from;
	to->allow = copy_array(from->allow, from->allow_count, sizeof(*from->allow));
	to->own_addresses = copy_array(
		from->own_addresses, from->own_address_count, sizeof(*from->own_addresses));
	for (size_t i = 0; i < from->own_name_count; i++) {
		names[i] = slice_make(
			mem_copy(from->own_names[i].p, from->own_names[i].n), from->own_names[i].n);
	}
	to->own_names = names;
}
