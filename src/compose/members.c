/*
 * Members of the JSON objects that content is made of.  Two things must not happen to
 * who wrote one: that what is there but misspelt or of the wrong kind passes for what is
 * not there, and a message goes out without it; and that a null passes for a text.
 */
#include "members.h"

static bool is_one_of(struct slice name, const struct slice *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (slice_equal(name, names[i])) {
			return true;
		}
	}
	return false;
}

void members_check(struct builder *b, const struct value *object, const char *where,
	const struct slice *names, size_t count)
{
	for (const struct value *v = object->first; v != NULL; v = v->next) {
		if (!is_one_of(v->name, names, count)) {
			builder_fault(b, where, "unknown key '%.*s': see penguin-content(7)",
				(int)v->name.n, v->name.p);
		}
	}
}

const struct value *member_get(const struct value *object, const char *name)
{
	const struct value *v = value_get(object, slice_of(name));

	return v != NULL && v->kind == VALUE_NULL ? NULL : v;
}

struct slice member_text(const struct value *object, const char *name)
{
	const struct value *v = member_get(object, name);

	return v != NULL && v->kind == VALUE_STRING ? v->text : (struct slice){NULL, 0};
}

bool members_are_texts(struct builder *b, const char *field, const struct value *object)
{
	bool texts = true;

	for (const struct value *v = object->first; v != NULL; v = v->next) {
		if (v->kind != VALUE_STRING && v->kind != VALUE_NULL) {
			builder_fault(b, field, "'%.*s' must be a text", (int)v->name.n, v->name.p);
			texts = false;
		}
	}
	return texts;
}
