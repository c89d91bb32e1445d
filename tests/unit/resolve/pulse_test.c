/* When the DNS counts as ill. */
#include <criterion/criterion.h>

#include "base/time.h"
#include "no_leaks.h"

/* An inner header of src/resolve. */
#include "../../../src/resolve/pulse.h"

TestSuite(pulse, .fini = no_leaks);

static const struct {
	const char *label;
	uint64_t answered;
	uint64_t failed;
	bool weak;
} rows[] = {
	{"nothing was asked", 0, 0, false},
	{"too few to tell", 0, 9, false},
	{"all of ten", 0, 10, true},
	{"half", 10, 10, false},
	{"more than half", 10, 11, true},
	{"few of many", 1000, 400, false},
};

Test(pulse, dns_N7_more_than_half_of_ten)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct pulse pulse = {0};

		pulse_note(&pulse, rows[i].answered, rows[i].failed, 5 * TIME_SECOND_US);
		cr_assert_eq(pulse_is_weak(&pulse, 5 * TIME_SECOND_US), rows[i].weak, "%s",
			rows[i].label);
	}
}

Test(pulse, dns_N7_of_the_last_ten_seconds)
{
	struct pulse pulse = {0};

	for (int64_t s = 100; s < 105; s++) {
		pulse_note(&pulse, 0, 4, s * TIME_SECOND_US);
	}
	cr_assert(pulse_is_weak(&pulse, 104 * TIME_SECOND_US));
	cr_assert(pulse_is_weak(&pulse, 111 * TIME_SECOND_US), "12 of them are in the window");
	cr_assert(!pulse_is_weak(&pulse, 112 * TIME_SECOND_US), "8 are");
	cr_assert(!pulse_is_weak(&pulse, 100000 * TIME_SECOND_US));
	pulse_note(&pulse, 30, 0, 112 * TIME_SECOND_US); /* in the place of an old one */
	pulse_note(&pulse, 0, 20, 113 * TIME_SECOND_US);
	cr_assert(!pulse_is_weak(&pulse, 113 * TIME_SECOND_US));
	pulse_note(&pulse, 0, 11, 114 * TIME_SECOND_US);
	cr_assert(pulse_is_weak(&pulse, 114 * TIME_SECOND_US));
}
