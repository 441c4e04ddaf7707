/* SPDX-License-Identifier: MIT */
/* Writes to files opened with O_APPEND. The offset the kernel gives is where it believes the end to be; another mount may have
 * moved it. The cluster is asked to append instead, and says where that was. It does not lay one piece across two chunks, so
 * what would is cut in two at the place where the file's own end has it. */
#include <errno.h>

#include "mount.h"

struct appending {
    struct waiter w;
    struct call *k; /* buf, size: all of it; offset: where the kernel thinks it goes */
    uint64_t end;   /* of the file */
    size_t done;
    bool elsewhere;
};

static void append_next(struct appending *s);

static void end(struct appending *s, int status)
{
    struct call *k = s->k;
    k->node->changes++;
    if (s->done)
        fuse_reply_write(k->req, s->done);
    else
        fuse_reply_err(k->req, call_errno(k, status));
    if (s->elsewhere)
        notices_add(k->m, k->ino, NULL); /* the kernel's pages have the bytes where it thought */
    node_unuse(k->node);
    call_free(k);
    free(s);
}

static void on_appended(struct call *k, int status, const struct dfs_result *r)
{
    struct appending *s = k->appending;
    if (status != 0) {
        end(s, status);
        return;
    }
    s->elsewhere |= r->offset != k->offset + s->done;
    s->done += r->bytes;
    s->end = r->offset + r->bytes;
    if (s->done == k->size)
        end(s, 0);
    else
        append_next(s);
}

static void append_next(struct appending *s)
{
    struct call *k = s->k;
    uint64_t file = node_file(k->node, true);
    size_t n = min_u64(k->size - s->done, CHUNK_SIZE - s->end % CHUNK_SIZE);
    n = min_u64(n, DFS_APPEND_MAX);
    k->done = on_appended;
    k->node->empty = false;
    call_go(k, dfs_append(k->m->client, file, k->buf + s->done, n, on_call, k));
}

static void on_end(struct call *k, int status, const struct dfs_result *r)
{
    struct appending *s = k->appending;
    if (status != 0) {
        end(s, status);
        return;
    }
    s->end = r->attr.size;
    append_next(s);
}

static void find_end(struct waiter *w)
{
    struct appending *s = CONTAINER_OF(w, struct appending, w);
    struct call *k = s->k;
    k->done = on_end;
    call_at(k->m, k->req, k->ino, k->ino);
    call_go(k, dfs_stat(k->m->client, "", DFS_NOFOLLOW, on_call, k));
}

void write_at_end(fuse_req_t req, struct node *n, const void *p, size_t len, uint64_t offset)
{
    struct call *k = call_new(n->m, req, n->ino, on_end);
    struct appending *s = xcalloc(1, sizeof *s);
    s->k = k;
    s->w = (struct waiter){.start = 0, .end = UINT64_MAX, .run = find_end};
    k->appending = s;
    k->node = n;
    n->users++;
    k->size = len;
    k->offset = offset;
    k->buf = malloc(len);
    if (!k->buf) {
        end(s, DFS_ENOMEM);
        return;
    }
    memcpy(k->buf, p, len);
    node_wait(n, &s->w);
}
