/* SPDX-License-Identifier: MIT */
/* Bytes queued towards a peer, as slices in order. Neighbours in one buffer are joined, so that many small frames
 * encoded one behind the other leave as one piece. Positions count bytes since the queue was made. */
#ifndef DFS_WIRE_OUTQ_H
#define DFS_WIRE_OUTQ_H

#include "base/slice.h"

struct outq {
    struct slice *ring;
    uint32_t cap, first, n; /* cap is a power of two */
    uint32_t first_sent;    /* bytes of the first slice that are gone */
    uint64_t queued, sent;  /* positions: end of the queue, front of the queue */
    uint64_t shown;         /* end of what outq_peek ever returned */
};

void outq_close(struct outq *q);
void outq_push(struct outq *q, struct slice s); /* takes the reference; an empty slice is dropped */
/* Up to max slices from the front, borrowed until outq_sent. */
uint32_t outq_peek(struct outq *q, struct slice *out, uint32_t max);
void outq_sent(struct outq *q, uint64_t bytes); /* at most what is queued */
static inline uint64_t outq_bytes(const struct outq *q) { return q->queued - q->sent; }

#endif
