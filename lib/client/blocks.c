/* SPDX-License-Identifier: MIT */
/* Checksums of blocks and chunks. A chunk's CRC is put together from those of its blocks, so that every byte is read
 * once: appending a full block to a running CRC is a 32x32 bit matrix, kept in the client as what it does to each byte. */
#include "base/crc.h"
#include "client/internal.h"

void blocks_init(struct client *c)
{
    for (unsigned byte = 0; byte < 4; byte++)
        for (unsigned bit = 0; bit < 8; bit++) {
            uint32_t *table = c->shift_block[byte], n = (uint32_t)1 << bit;
            table[n] = crc32c_combine(n << 8 * byte, 0, DFS_BLOCK);
            for (uint32_t i = 1; i < n; i++)
                table[n + i] = table[n] ^ table[i];
        }
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
        for (unsigned byte = 0; byte < 4; byte++)
            shifted ^= c->shift_block[byte][crc >> 8 * byte & 0xff];
        crc = shifted ^ *crcs++;
    }
    return len ? crc32c_combine(crc, *crcs, len) : crc;
}
