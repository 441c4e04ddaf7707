/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"

static void *or_abort(void *p)
{
    if (p == NULL) {
        fputs("dfs: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *xcalloc(size_t n, size_t size) { return or_abort(calloc(n ? n : 1, size ? size : 1)); }

void *xrealloc(void *p, size_t n, size_t size) { return or_abort(reallocarray(p, n ? n : 1, size ? size : 1)); }

char *xstrndup(const char *s, size_t len)
{
    char *copy = xcalloc(len + 1, 1);

    memcpy(copy, s, len);
    return copy;
}

char *xstrdup(const char *s) { return xstrndup(s, strlen(s)); }
