/*
 * Hex digits, for codec.c and id.c: four bytes at a time to eight digits.
 */
#ifndef SRC_BASE_HEX_H
#define SRC_BASE_HEX_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

/* Each nibble gets a byte of the word; nibbles above 9 are then lifted to 'a'. */
static inline void hex_write_4(char out[8], const uint8_t bytes[4])
{
	const uint64_t ones = UINT64_C(0x0101010101010101);
	const uint64_t low_nibbles = UINT64_C(0x000f000f000f000f);
	uint32_t in;
	uint64_t v;

	memcpy(&in, bytes, sizeof(in));
	v = le32toh(in);
	v = (v | v << 16) & UINT64_C(0x0000ffff0000ffff);
	v = (v | v << 8) & UINT64_C(0x00ff00ff00ff00ff);
	v = (v >> 4 & low_nibbles) | (v & low_nibbles) << 8;
	v += '0' * ones + ((v + 6 * ones) >> 4 & ones) * ('a' - '0' - 10);
	v = htole64(v);
	memcpy(out, &v, sizeof(v));
}

/* 0..15, or -1. */
static inline int hex_value(char c)
{
	unsigned digit = (unsigned)(unsigned char)c - '0';
	unsigned letter = ((unsigned)(unsigned char)c | 0x20) - 'a';

	if (digit < 10) {
		return (int)digit;
	}
	return letter < 6 ? (int)letter + 10 : -1;
}

#endif
