/* SPDX-License-Identifier: MIT */
/* CRC32C (Castagnoli), as in iSCSI and ext4. The work is done by ISA-L. */
#ifndef DFS_CRC_H
#define DFS_CRC_H

#include "base/base.h"

/* crc32c(0, p, n) starts; feeding the result back continues: crc32c(crc32c(0, a), b) == crc32c(0, ab). */
uint32_t crc32c(uint32_t crc, const void *p, size_t len);

/* The CRC of A followed by B, from crc(A), crc(B) and the length of B. (Method: zlib's crc32_combine.) */
uint32_t crc32c_combine(uint32_t a, uint32_t b, uint64_t len_b);

#endif
