/* SPDX-License-Identifier: MIT */
#include "base/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define FIRST_CAP 128u

int str_cmp(struct str a, struct str b)
{
    uint32_t n = a.len < b.len ? a.len : b.len;
    int c = n > 0 ? memcmp(a.p, b.p, n) : 0;

    if (c != 0)
        return c;
    return a.len < b.len ? -1 : a.len > b.len;
}

int compare_u64(const void *a, const void *b)
{
    uint64_t x = get_u64(a), y = get_u64(b);
    return x < y ? -1 : x > y;
}

void bytes_init(struct bytes *b, size_t max) { *b = (struct bytes){.max = max}; }

void bytes_close(struct bytes *b)
{
    free(b->p);
    bytes_init(b, b->max);
}

uint8_t *bytes_reserve(struct bytes *b, size_t n)
{
    size_t cap;
    uint8_t *p;

    if (b->len > b->max || n > b->max - b->len)
        return NULL;
    if (b->p != NULL && n <= b->cap - b->len)
        return b->p + b->len;
    cap = max_u64(b->cap * 2, FIRST_CAP);
    cap = max_u64(cap, b->len + n);
    cap = max_u64(min_u64(cap, b->max), 1);
    p = realloc(b->p, cap);
    if (p == NULL)
        return NULL;
    b->p = p;
    b->cap = cap;
    return p + b->len;
}

/* Why bytes_reserve(b, n) failed. */
static int reserve_error(const struct bytes *b, size_t n)
{
    return b->len > b->max || n > b->max - b->len ? DFS_ETOOBIG : DFS_ENOMEM;
}

int bytes_add(struct bytes *b, const void *p, size_t n)
{
    uint8_t *to = bytes_reserve(b, n);

    if (to == NULL)
        return reserve_error(b, n);
    if (n > 0)
        memcpy(to, p, n);
    b->len += n;
    return 0;
}

int bytes_printf(struct bytes *b, const char *fmt, ...)
{
    va_list ap;
    uint8_t *to;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0)
        return DFS_EINVAL;
    /* vsnprintf wants room for a NUL that is not part of the string: a full buffer may need one byte over max. */
    if ((size_t)n > b->max - min_u64(b->len, b->max))
        return DFS_ETOOBIG;
    if (b->len + (size_t)n == b->max) {
        char *tmp = malloc((size_t)n + 1);
        int err;

        if (tmp == NULL)
            return DFS_ENOMEM;
        va_start(ap, fmt);
        vsnprintf(tmp, (size_t)n + 1, fmt, ap);
        va_end(ap);
        err = bytes_add(b, tmp, (size_t)n);
        free(tmp);
        return err;
    }
    to = bytes_reserve(b, (size_t)n + 1);
    if (to == NULL)
        return DFS_ENOMEM;
    va_start(ap, fmt);
    vsnprintf((char *)to, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
    return 0;
}
