/* SPDX-License-Identifier: MIT */
#include "wire/outq.h"

#include <stdlib.h>

#define FIRST_CAP 8u

static struct slice *nth(const struct outq *q, uint32_t i) { return &q->ring[(q->first + i) & (q->cap - 1)]; }

void outq_close(struct outq *q)
{
    for (uint32_t i = 0; i < q->n; i++)
        slice_drop(nth(q, i));
    free(q->ring);
    *q = (struct outq){0};
}

static void grow(struct outq *q)
{
    uint32_t cap = q->cap > 0 ? q->cap * 2 : FIRST_CAP;
    struct slice *ring = xcalloc(cap, sizeof *ring);

    for (uint32_t i = 0; i < q->n; i++)
        ring[i] = *nth(q, i);
    free(q->ring);
    q->ring = ring;
    q->cap = cap;
    q->first = 0;
}

void outq_push(struct outq *q, struct slice s)
{
    struct slice *last = q->n > 0 ? nth(q, q->n - 1) : NULL;

    if (s.len == 0) {
        slice_drop(&s);
        return;
    }
    q->queued += s.len;
    if (last != NULL && last->buf == s.buf && last->off + last->len == s.off) {
        last->len += s.len;
        slice_drop(&s);
        return;
    }
    if (q->n == q->cap)
        grow(q);
    q->n++;
    *nth(q, q->n - 1) = s;
}

uint32_t outq_peek(struct outq *q, struct slice *out, uint32_t max)
{
    uint32_t n = q->n < max ? q->n : max;
    uint64_t end = q->sent;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t gone = i == 0 ? q->first_sent : 0;

        out[i] = *nth(q, i);
        out[i].off += gone;
        out[i].len -= gone;
        end += out[i].len;
    }
    q->shown = max_u64(q->shown, end);
    return n;
}

void outq_sent(struct outq *q, uint64_t bytes)
{
    assert(bytes <= outq_bytes(q));
    q->sent += bytes;
    while (bytes > 0) {
        struct slice *s = nth(q, 0);
        uint32_t left = s->len - q->first_sent;

        if (bytes < left) {
            q->first_sent += (uint32_t)bytes;
            return;
        }
        bytes -= left;
        slice_drop(s);
        q->first = (q->first + 1) & (q->cap - 1);
        q->first_sent = 0;
        q->n--;
    }
    if (q->n == 0 && q->cap > FIRST_CAP) {
        free(q->ring);
        q->ring = NULL;
        q->cap = q->first = 0;
    }
}
