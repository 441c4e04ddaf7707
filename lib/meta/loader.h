/* SPDX-License-Identifier: MIT */
/* The bytes of a snapshot as load.c reads them: blocks with checksums (snapshot.h), and the fields in them. */
#ifndef DFS_META_LOADER_H
#define DFS_META_LOADER_H

#include "meta/snapshot.h"

struct loader {
    int (*read)(void *arg, void *p, size_t len);
    void *arg;
    uint8_t *buf;
    uint32_t at, len; /* in the current block */
    uint32_t crc;
    int err;               /* the first error; every field read after it is 0 */
    uint32_t n_placements; /* so far */
};

/* Behind the last one, and where it is damaged, len is 0. */
void loader_next_block(struct loader *l);
void loader_get_slowly(struct loader *l, void *p, size_t len); /* what may go on in the next block */

static inline void get(struct loader *l, void *p, size_t len)
{
    if (l->err != 0 || len > l->len - l->at) {
        loader_get_slowly(l, p, len);
        return;
    }
    memcpy(p, l->buf + l->at, len);
    l->at += (uint32_t)len;
}

static inline uint8_t get8(struct loader *l)
{
    uint8_t v;
    get(l, &v, sizeof v);
    return v;
}
static inline uint16_t get16(struct loader *l)
{
    uint16_t v;
    get(l, &v, sizeof v);
    return v;
}
static inline uint32_t get32(struct loader *l)
{
    uint32_t v;
    get(l, &v, sizeof v);
    return v;
}
static inline uint64_t get64(struct loader *l)
{
    uint64_t v;
    get(l, &v, sizeof v);
    return v;
}

static inline void check(struct loader *l, bool fine)
{
    if (l->err == 0 && !fine)
        l->err = DFS_ECORRUPT;
}

/* A text16 of at most max bytes into dst, which has room for max + 1; returns it, without a NUL inside. */
static inline struct str get_text(struct loader *l, char *dst, uint32_t max)
{
    uint32_t len = get16(l);
    check(l, len <= max);
    if (l->err != 0)
        len = 0;
    get(l, dst, len);
    dst[len] = '\0';
    check(l, strlen(dst) == len);
    return (struct str){dst, len};
}

#endif
