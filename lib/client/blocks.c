/* SPDX-License-Identifier: MIT */
/* Checksums of blocks and chunks. A chunk's CRC is put together from those of its blocks, so that every byte is read
 * once: appending a full block to a running CRC is one 32x32 bit matrix, kept in the client. */
#include "base/crc.h"
#include "client/internal.h"

void blocks_init(struct client *c)
{
    for (unsigned bit = 0; bit < 32; bit++)
        c->shift_block[bit] = crc32c_combine((uint32_t)1 << bit, 0, DFS_BLOCK);
}

uint32_t blocks_count(uint32_t off, uint32_t len)
{
    if (len == 0)
        return 0;
    return (uint32_t)(((uint64_t)off + len - 1) / DFS_BLOCK - off / DFS_BLOCK + 1);
}

void blocks_crc(const void *p, uint32_t len, uint32_t *out)
{
    const uint8_t *b = p;
    for (uint32_t at = 0; at < len; at += DFS_BLOCK)
        *out++ = crc32c(0, b + at, min_u64(len - at, DFS_BLOCK));
}

uint32_t blocks_append(const struct client *c, uint32_t crc, const uint32_t *crcs, uint32_t len)
{
    for (; len >= DFS_BLOCK; len -= DFS_BLOCK) {
        uint32_t shifted = 0;
        for (unsigned bit = 0; crc; bit++, crc >>= 1)
            shifted ^= crc & 1 ? c->shift_block[bit] : 0;
        crc = shifted ^ *crcs++;
    }
    return len ? crc32c_combine(crc, *crcs, len) : crc;
}
