/*
 * FNV-1a and a final mix.
 *
 * A draw is a function of what it is about and never of the draws before it.  So the
 * same recipients are chosen in every run, in whatever order they come, and a
 * simulation may ask in virtual time what a server asks on a socket.
 */
#include "chance.h"

uint64_t chance_draw(uint64_t seed, uint64_t salt, struct slice key)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ seed * UINT64_C(0x9e3779b97f4a7c15);

	h = (h ^ salt) * UINT64_C(0x100000001b3);
	for (size_t i = 0; i < key.n; i++) {
		h = (h ^ (unsigned char)key.p[i]) * UINT64_C(0x100000001b3);
	}
	h = (h ^ h >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ h >> 27) * UINT64_C(0x94d049bb133111eb);
	return h ^ h >> 31;
}

bool chance_hits(uint64_t seed, uint64_t salt, struct slice key, uint32_t share_ppm)
{
	return share_ppm > 0 && chance_draw(seed, salt, key) % 1000000 < share_ppm;
}
