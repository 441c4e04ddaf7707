/* SPDX-License-Identifier: MIT */
/* Reference-counted buffers, and slices that own one reference each.
 *
 * Payload travels through a core as slices and is never copied: a buffer filled by a socket read goes to the disk and
 * to the next hop as it is. Not thread-safe: a buffer's count is touched by its loop's thread only (pool work borrows
 * the bytes while the loop holds the reference). */
#ifndef DFS_SLICE_H
#define DFS_SLICE_H

#include "base/base.h"

struct buf {
    uint32_t refs;
    uint32_t cap; /* bytes in data */
    uint8_t data[];
};

struct slice {
    struct buf *buf; /* NULL: empty slice */
    uint32_t off, len;
};

/* At most this many bytes in one buffer. */
#define BUF_MAX (64u * 1024 * 1024)

/* One reference, owned by the caller. NULL when memory is out or cap > BUF_MAX. Contents are uninitialised. */
struct buf *buf_new(uint32_t cap);
struct buf *buf_ref(struct buf *b);
void buf_unref(struct buf *b); /* NULL is fine */

/* Takes over the caller's reference. */
static inline struct slice slice_take(struct buf *b, uint32_t off, uint32_t len) { return (struct slice){b, off, len}; }
/* A further reference to the same bytes, or to a part of them: [off, off+len) relative to s. */
struct slice slice_ref(struct slice s);
struct slice slice_sub(struct slice s, uint32_t off, uint32_t len);
/* Copies bytes into a new buffer; .buf is NULL when memory is out (or len is 0). */
struct slice slice_copy(const void *p, uint32_t len);
/* Gives up the reference and empties s. */
void slice_drop(struct slice *s);

static inline uint8_t *slice_data(struct slice s) { return s.buf ? s.buf->data + s.off : NULL; }

/* The payload of one frame. Two parts, because the first bytes may have arrived in the same read as the header and
 * stay where they are, while the rest is read into a buffer of its own. */
#define PAYLOAD_PARTS 2
struct payload {
    struct slice part[PAYLOAD_PARTS];
};

static inline uint32_t payload_len(const struct payload *p) { return p->part[0].len + p->part[1].len; }
static inline struct payload payload_of(struct slice s) { return (struct payload){{s, {NULL, 0, 0}}}; }
struct payload payload_ref(const struct payload *p);
void payload_drop(struct payload *p);
/* Copies [off, off+len) to dst; the caller has checked the bounds. */
void payload_copy_out(const struct payload *p, uint32_t off, void *dst, uint32_t len);

#endif
