/* SPDX-License-Identifier: MIT */
#include "base/slice.h"

#include <stdlib.h>

struct buf *buf_new(uint32_t cap)
{
    struct buf *b;

    if (cap > BUF_MAX)
        return NULL;
    b = malloc(sizeof *b + cap);
    if (b == NULL)
        return NULL;
    b->refs = 1;
    b->cap = cap;
    return b;
}

struct buf *buf_ref(struct buf *b)
{
    b->refs++;
    return b;
}

void buf_unref(struct buf *b)
{
    if (b != NULL && --b->refs == 0)
        free(b);
}

struct slice slice_ref(struct slice s)
{
    if (s.buf != NULL)
        buf_ref(s.buf);
    return s;
}

struct slice slice_sub(struct slice s, uint32_t off, uint32_t len)
{
    assert(off <= s.len && len <= s.len - off);
    if (len == 0)
        return (struct slice){NULL, 0, 0};
    buf_ref(s.buf);
    return (struct slice){s.buf, s.off + off, len};
}

struct slice slice_copy(const void *p, uint32_t len)
{
    struct buf *b = len > 0 ? buf_new(len) : NULL;

    if (b == NULL)
        return (struct slice){NULL, 0, 0};
    memcpy(b->data, p, len);
    return slice_take(b, 0, len);
}

void slice_drop(struct slice *s)
{
    buf_unref(s->buf);
    *s = (struct slice){NULL, 0, 0};
}

struct payload payload_ref(const struct payload *p)
{
    struct payload copy;

    for (size_t i = 0; i < PAYLOAD_PARTS; i++)
        copy.part[i] = slice_ref(p->part[i]);
    return copy;
}

void payload_drop(struct payload *p)
{
    for (size_t i = 0; i < PAYLOAD_PARTS; i++)
        slice_drop(&p->part[i]);
}

void payload_copy_out(const struct payload *p, uint32_t off, void *dst, uint32_t len)
{
    uint8_t *to = dst;

    for (size_t i = 0; i < PAYLOAD_PARTS && len > 0; i++) {
        const struct slice *s = &p->part[i];
        uint32_t n;

        if (off >= s->len) {
            off -= s->len;
            continue;
        }
        n = (uint32_t)min_u64(len, s->len - off);
        memcpy(to, slice_data(*s) + off, n);
        to += n;
        len -= n;
        off = 0;
    }
    assert(len == 0);
}
