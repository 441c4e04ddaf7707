/* SPDX-License-Identifier: MIT */
/* copy_file_range: what is read of one file here is written to the other as if a program had written it, so that the bytes do
 * not pass through the kernel. A piece is copied for each request; who asked asks for the rest. While a piece is on its way to the
 * cluster the next one is read. */
#include <errno.h>
#include <string.h>

#include "mount.h"

#define COPY_MAX (4u * 1024 * 1024)

struct copying {
    struct waiter w;
    struct call *k; /* buf, size, offset: of what is read; node: which it is read from */
    struct node *to;
    uint64_t at;
    int flags;
};

static void on_copied(struct call *k, int status, const struct dfs_result *r)
{
    struct copying *s = k->copying;
    if (status != 0)
        fuse_reply_err(k->req, call_errno(k, status));
    else if (r->bytes == 0)
        fuse_reply_write(k->req, 0); /* the file ends there */
    else if (!call_gather(k))
        fuse_reply_err(k->req, ENOMEM);
    else
        node_take(s->to, k->req, s->flags, s->at, k->buf, r->bytes);
    node_unuse(s->to);
    node_unuse(k->node);
    free(s);
    call_free(k);
}

/* Nothing waits to be written to what is read, not even behind the range: the cluster might not know yet that the file reaches so far. */
static void copy_now(struct waiter *w)
{
    struct copying *s = CONTAINER_OF(w, struct copying, w);
    call_read(s->k, node_file(s->k->node, false));
}

static void wait_for_source(struct waiter *w)
{
    struct copying *s = CONTAINER_OF(w, struct copying, w);
    s->w = (struct waiter){.start = 0, .end = UINT64_MAX, .run = copy_now};
    node_wait(s->k->node, &s->w);
}

void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in, struct fuse_file_info *fi_in,
                        fuse_ino_t ino_out, off_t off_out, struct fuse_file_info *fi_out, size_t len, int flags)
{
    (void)ino_out;
    if (flags != 0) {
        fuse_reply_err(req, EINVAL);
        return;
    }
    struct copying *s = xcalloc(1, sizeof *s);
    struct call *k = call_new(fuse_req_userdata(req), req, ino_in, on_copied);
    s->k = k;
    s->to = handle_of(fi_out)->node;
    s->at = (uint64_t)off_out;
    s->flags = fi_out->flags;
    s->to->users++;
    k->copying = s;
    k->node = handle_of(fi_in)->node;
    k->node->users++;
    k->offset = (uint64_t)off_in;
    k->size = min_u64(len, COPY_MAX);
    s->w = (struct waiter){.start = 0, .end = UINT64_MAX, .run = wait_for_source};
    if (node_has_room(s->to, k->size))
        wait_for_source(&s->w);
    else
        node_wait(s->to, &s->w);
}
