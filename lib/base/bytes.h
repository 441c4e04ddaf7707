/* SPDX-License-Identifier: MIT */
/* A growable byte string with a maximum, and a borrowed string. (Model: curl's dynbuf.) */
#ifndef DFS_BYTES_H
#define DFS_BYTES_H

#include "base/base.h"

/* Borrowed bytes, not NUL-terminated; valid as long as whatever they point into. */
struct str {
    const char *p;
    uint32_t len;
};

#define STR(literal) ((struct str){(literal), sizeof(literal) - 1})
static inline struct str str_of(const char *s) { return (struct str){s, (uint32_t)strlen(s)}; }
static inline bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}
/* bytewise order, a shorter prefix first */
int str_cmp(struct str a, struct str b);

/* for qsort: numbers of 64 bits in rising order */
int compare_u64(const void *a, const void *b);

/* printf arguments for "%.*s" */
#define STR_ARG(s) (int)(s).len, (s).p

struct bytes {
    uint8_t *p;
    size_t len, cap, max;
};

void bytes_init(struct bytes *b, size_t max); /* allocates nothing */
void bytes_close(struct bytes *b);
static inline void bytes_clear(struct bytes *b) { b->len = 0; }

/* Makes room for n more bytes and returns where they go; the caller adds to len. NULL: over max, or out of memory. */
uint8_t *bytes_reserve(struct bytes *b, size_t n);
/* 0, DFS_ETOOBIG or DFS_ENOMEM; on error nothing was added. */
int bytes_add(struct bytes *b, const void *p, size_t n) MUST_USE;
int bytes_printf(struct bytes *b, const char *fmt, ...) MUST_USE PRINTF_LIKE(2, 3);

#endif
