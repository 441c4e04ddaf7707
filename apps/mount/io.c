/* SPDX-License-Identifier: MIT */
/* Reads of open files. What waits to be written in the range is waited for; what the cluster does not have yet below what
 * waits elsewhere is a hole, and read as zeros. */
#include <errno.h>
#include <string.h>

#include "mount.h"

struct reading {
    struct waiter w;
    struct call *k;
};

static void reply_parts(struct call *k)
{
    struct iovec v[PARTS_MAX];
    for (unsigned i = 0; i < k->n_parts; i++)
        v[i] = (struct iovec){(void *)k->parts[i].p, k->parts[i].len};
    fuse_reply_iov(k->req, v, (int)k->n_parts);
}

/* got: bytes the cluster has of what was asked for. */
static void reply(struct call *k, uint64_t got)
{
    uint64_t want = min_u64(k->size, max_u64(node_end(k->node), k->offset) - k->offset);
    if (want <= got && !k->buf) {
        reply_parts(k);
        return;
    }
    if (!call_gather(k)) {
        fuse_reply_err(k->req, ENOMEM);
        return;
    }
    if (want > got)
        memset(k->buf + got, 0, want - got);
    fuse_reply_buf(k->req, (const char *)k->buf, max_u64(want, got));
}

static void on_read(struct call *k, int status, const struct dfs_result *r)
{
    struct node *n = k->node;
    if (status == 0)
        reply(k, r->bytes);
    else
        fuse_reply_err(k->req, call_errno(k, status));
    node_unuse(n);
    call_free(k);
}

static void read_now(struct waiter *w)
{
    struct reading *s = CONTAINER_OF(w, struct reading, w);
    struct call *k = s->k;
    uint64_t file = node_file(k->node, false);
    free(s);
    if (k->m->opt.attr_ms < DFS_LAZY_MS)
        node_refresh(k->node); /* nothing is to be as old as that */
    call_read(k, file);
}

void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi)
{
    struct mount *m = fuse_req_userdata(req);
    struct call *k = call_new(m, req, ino, on_read);
    struct reading *s = xcalloc(1, sizeof *s);
    k->node = handle_of(fi)->node;
    k->node->users++;
    k->size = size;
    k->offset = (uint64_t)off;
    s->k = k;
    s->w = (struct waiter){.start = k->offset, .end = k->offset + size, .run = read_now};
    node_wait(k->node, &s->w);
}
