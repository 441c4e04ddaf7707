/* SPDX-License-Identifier: MIT */
/* A file that is written to by somebody who may not set its setuid and setgid bits loses them, or he could run what he wrote as
 * somebody else. The kernel leaves that to us (FUSE_HANDLE_KILLPRIV_V2), and says with each write whether it is to be done: it
 * would look for reasons before each write otherwise, one request for a write. Where it does not say it, we go by the user. */
#include <errno.h>
#include <linux/fuse.h>
#include <stdlib.h>
#include <string.h>

#include "mount.h"

struct kept {
    struct mount *m;
    uint64_t ino;
    size_t len;
    uint8_t request[];
};

static bool kills(const struct fuse_in_header *h, const void *body)
{
    switch (h->opcode) {
    case FUSE_WRITE:
        return ((const struct fuse_write_in *)body)->write_flags & FUSE_WRITE_KILL_SUIDGID;
    case FUSE_SETATTR:
        return ((const struct fuse_setattr_in *)body)->valid & FATTR_KILL_SUIDGID;
    case FUSE_FALLOCATE:
    case FUSE_COPY_FILE_RANGE:
        return h->uid != 0;
    default:
        return false;
    }
}

/* The kernel's number of the file it is about. */
static fuse_ino_t written(const struct fuse_buf *buf)
{
    const struct fuse_in_header *h = buf->mem;
    return h->opcode == FUSE_COPY_FILE_RANGE ? ((const struct fuse_copy_file_range_in *)(const void *)(h + 1))->nodeid_out
                                             : h->nodeid;
}

bool setid_is_lost(const struct node *n, const void *request)
{
    const struct fuse_in_header *h = request;
    return n && n->setid && h->opcode != FUSE_SETATTR && kills(h, h + 1);
}

static void on_killed(void *arg, int status, const struct dfs_result *r)
{
    struct kept *q = arg;
    struct mount *m = q->m;
    struct node *n = node_find(m, q->ino);
    const struct fuse_buf buf = {.size = q->len, .mem = q->request};
    m->calls--;
    if (status == 0) {
        if (n)
            n->setid = mode_setid(r->attr.mode);
        fuse_lowlevel_notify_inval_inode(m->se, written(&buf), -1, 0); /* it would run the file as before for a while */
        session_take(m, &buf);
    } else {
        session_refuse(m, ((const struct fuse_in_header *)buf.mem)->unique, errno_of(status));
    }
    free(q);
}

bool setid_comes_first(struct mount *m, const struct fuse_buf *buf)
{
    const struct fuse_in_header *h = buf->mem;
    const void *body = h + 1;
    if (buf->size < sizeof *h)
        return false;
    uint64_t ino = ino_of(m, written(buf));
    m->kills = kills(h, body);
    if (!m->kills || !setid_is_lost(node_find(m, ino), h))
        return false;
    struct kept *q = xcalloc(1, sizeof *q + buf->size);
    *q = (struct kept){.m = m, .ino = ino, .len = buf->size};
    memcpy(q->request, buf->mem, buf->size);
    call_at(m, NULL, ino, ino);
    m->calls++;
    int err = dfs_setattr(m->client, "", &(struct dfs_setattr){.what = DFS_KILL_SETID}, DFS_NOFOLLOW, on_killed, q);
    if (err) {
        static const struct dfs_result none = {.error = ""};
        on_killed(q, err, &none);
    }
    return true;
}
