/* SPDX-License-Identifier: MIT */
#include "group/logreader.h"

#include <stdio.h>
#include <stdlib.h>

#define WINDOW (256u * 1024)

void logreader_open(struct logreader *r, struct disk *disk, const char *name)
{
    memset(r, 0, sizeof *r);
    r->disk = disk;
    snprintf(r->name, sizeof r->name, "%s", name);
}

void logreader_close(struct logreader *r)
{
    free(r->buf);
    r->buf = NULL;
}

static bool window_move(struct logreader *r, uint64_t off, size_t n)
{
    if (n > r->cap || r->buf == NULL) {
        size_t cap = n > WINDOW ? n : WINDOW;
        uint8_t *p = realloc(r->buf, cap);

        if (p == NULL) {
            r->error = DFS_ENOMEM;
            return false;
        }
        r->buf = p;
        r->cap = cap;
    }
    r->off = off;
    r->len = 0;
    r->error = r->disk->ops->read(r->disk, r->name, off, r->buf, r->cap, &r->len);
    return r->error == 0;
}

const uint8_t *logreader_get(struct logreader *r, uint64_t off, size_t n)
{
    if (r->error != 0)
        return NULL;
    if (r->buf == NULL || off < r->off || off + n > r->off + r->len) {
        if (!window_move(r, off, n) || r->len < n)
            return NULL;
    }
    return r->buf + (off - r->off);
}
