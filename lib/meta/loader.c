/* SPDX-License-Identifier: MIT */
#include "meta/loader.h"

#include "base/crc.h"

void loader_next_block(struct loader *l)
{
    uint8_t head[SNAPSHOT_BLOCK_HEAD];
    l->at = l->len = 0;
    l->err = l->read(l->arg, head, sizeof head);
    if (l->err != 0)
        return;
    uint32_t len = get_u32(head);
    if (len > SNAPSHOT_BLOCK) {
        l->err = DFS_ECORRUPT;
        return;
    }
    if (len > 0) {
        l->err = l->read(l->arg, l->buf, len);
        if (l->err != 0)
            return;
        l->crc = crc32c(l->crc, l->buf, len);
    }
    if (l->crc != get_u32(head + 4))
        l->err = DFS_ECORRUPT;
    else
        l->len = len;
}

void loader_get_slowly(struct loader *l, void *p, size_t len)
{
    while (len > 0 && l->err == 0) {
        if (l->at == l->len) {
            loader_next_block(l);
            if (l->err == 0 && l->len == 0)
                l->err = DFS_ECORRUPT; /* the stream ends in the middle of something */
            continue;
        }
        size_t n = min_u64(len, l->len - l->at);
        memcpy(p, l->buf + l->at, n);
        l->at += (uint32_t)n;
        p = (uint8_t *)p + n;
        len -= n;
    }
    if (l->err != 0)
        memset(p, 0, len);
}
