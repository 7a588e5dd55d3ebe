/* SPDX-License-Identifier: BSD-3-Clause */
/* edge_check.h: a checksum of a model's constants, to be compared with what the generator wrote. */
#ifndef EDGE_CHECK_H
#define EDGE_CHECK_H

#include "edge_port.h"

/* CRC-32 (IEEE 802.3, that of zip and zlib) of values as they are in little-endian order, whatever
 * order this processor has.
 *   crc       of what came before; 0 at the beginning
 *   values    n_bytes of them, item bytes each
 */
EDGE_NOINLINE uint32_t edge_crc(uint32_t crc, const void *values, uint32_t n_bytes, uint32_t item)
{
    static const uint32_t of_nibble[16] = {
        0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u,
        0x4db26158u, 0x5005713cu, 0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu,
        0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};
    const uint16_t one = 1;
    const uint32_t swapped = *(const unsigned char *)&one ? 0 : item - 1;
    const unsigned char *bytes = (const unsigned char *)values;
    crc = ~crc;
    for (uint32_t i = 0; i < n_bytes; i++) {
        crc ^= bytes[i ^ swapped]; /* items have 1, 2, 4 or 8 bytes */
        crc = (crc >> 4) ^ of_nibble[crc & 15u];
        crc = (crc >> 4) ^ of_nibble[crc & 15u];
    }
    return ~crc;
}

#endif
