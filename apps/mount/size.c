/* SPDX-License-Identifier: MIT */
/* Files that are cut and extended. What was written before is durable first, and while the size moves nothing is written; the kernel
 * keeps other writers of this machine out. */
#include <errno.h>
#include <linux/falloc.h>

#include "mount.h"

struct resizing {
    struct waiter w;
    struct call *k;
    uint64_t size;
    bool shared; /* it goes through the file that is open for writing anyway */
    bool falls;  /* a fallocate: the file may only grow, and is answered without attributes */
};

static void resize_end(struct call *k, int status)
{
    struct resizing *s = k->resizing;
    struct node *n = k->node;
    bool falls = s->falls;
    n->changes++;
    if (s->shared)
        node_close(n, 1);
    free(s);
    if (status == 0 && !falls) {
        set_attributes(k);
        return;
    }
    fuse_reply_err(k->req, call_errno(k, status));
    node_unuse(n);
    call_free(k);
}

static void on_sized(struct call *k, int status, const struct dfs_result *r)
{
    if (status == 0) {
        k->node->written_ns = 0; /* the cluster has set the time */
        node_is_empty(k->node, &r->attr);
    }
    resize_end(k, status);
}

static void resize(struct call *k)
{
    struct resizing *s = k->resizing;
    uint64_t file = node_file(k->node, true);
    k->done = on_sized;
    call_at(k->m, k->req, k->ino, k->ino);
    if (!file) {
        call_go(k, dfs_truncate(k->m->client, "", s->size, on_call, k));
        return;
    }
    s->shared = true;
    k->node->open[1].users++; /* it is not closed meanwhile */
    call_go(k, dfs_ftruncate(k->m->client, file, s->size, on_call, k));
}

static void on_length(struct call *k, int status, const struct dfs_result *r)
{
    if (status != 0 || r->attr.size >= k->resizing->size)
        resize_end(k, status);
    else
        resize(k);
}

/* Nothing waits to be written. */
static void start(struct waiter *w)
{
    struct resizing *s = CONTAINER_OF(w, struct resizing, w);
    struct call *k = s->k;
    if (!s->falls) {
        resize(k);
        return;
    }
    k->done = on_length;
    call_at(k->m, k->req, k->ino, k->ino);
    call_go(k, dfs_stat(k->m->client, "", DFS_NOFOLLOW, on_call, k));
}

static void resize_later(struct call *k, uint64_t size, bool falls)
{
    struct resizing *s = xcalloc(1, sizeof *s);
    *s = (struct resizing){.k = k, .size = size, .falls = falls};
    s->w = (struct waiter){.start = 0, .end = UINT64_MAX, .run = start};
    k->resizing = s;
    k->node = node_use(k->m, k->ino);
    node_wait(k->node, &s->w);
}

void set_size(struct call *k, uint64_t size) { resize_later(k, size, false); }

/* Space cannot be set aside; what can be promised is the size. */
void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len, struct fuse_file_info *fi)
{
    (void)fi;
    if (mode & ~FALLOC_FL_KEEP_SIZE)
        fuse_reply_err(req, EOPNOTSUPP);
    else if (mode & FALLOC_FL_KEEP_SIZE)
        fuse_reply_err(req, 0);
    else
        resize_later(call_new(fuse_req_userdata(req), req, ino, on_length), (uint64_t)off + (uint64_t)len, true);
}
