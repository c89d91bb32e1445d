/*
 * The table's way to a CRC-32C, for processors without an instruction for it; seen
 * by the tests, which compare the two.
 */
#ifndef SRC_BASE_CODEC_CRC_H
#define SRC_BASE_CODEC_CRC_H

#include <stdint.h>

#include "base/slice.h"

uint32_t codec_crc32c_table(uint32_t crc, struct slice bytes);

#endif
