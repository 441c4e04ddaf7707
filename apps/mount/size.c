/* SPDX-License-Identifier: MIT */
/* Files that are cut and extended, and holes in them. What was written before is durable first, and while the size moves or a hole is
 * made nothing is written; the kernel keeps other writers of this machine out.
 *
 *   truncate   nothing waits -> size set -> other attributes, if some are to be set
 *   fallocate  nothing waits -> [hole made] -> [size raised] */
#include <errno.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "mount.h"

struct resizing {
    struct waiter w;
    struct call *k;
    uint64_t size;
    uint64_t offset, length; /* of the hole to be made first; length 0: none */
    bool shared;             /* it goes through the file that is open for writing anyway */
    bool falls;              /* a fallocate: the file may only grow, and is answered without attributes */
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

static void truncate_now(struct call *k)
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

static void grow(struct call *k)
{
    k->done = on_sized;
    call_go(k, dfs_extend(k->m->client, node_file(k->node, true), k->resizing->size, on_call, k));
}

static void on_punched(struct call *k, int status, const struct dfs_result *r)
{
    (void)r;
    if (status == 0)
        node_written(k->node);
    if (status == 0 && k->resizing->size > 0)
        grow(k);
    else
        resize_end(k, status);
}

static void allocate(struct call *k)
{
    struct resizing *s = k->resizing;
    s->shared = true;
    k->node->open[1].users++;
    if (s->length == 0) {
        grow(k);
        return;
    }
    k->done = on_punched;
    call_go(k, dfs_punch(k->m->client, node_file(k->node, true), s->offset, s->length, on_call, k));
}

/* Nothing waits to be written. */
static void start(struct waiter *w)
{
    struct resizing *s = CONTAINER_OF(w, struct resizing, w);
    if (s->falls)
        allocate(s->k);
    else
        truncate_now(s->k);
}

static void resize_later(struct call *k, const struct resizing *what)
{
    struct resizing *s = xcalloc(1, sizeof *s);
    *s = *what;
    s->k = k;
    s->w = (struct waiter){.start = 0, .end = UINT64_MAX, .run = start};
    k->resizing = s;
    k->node = node_use(k->m, k->ino);
    node_wait(k->node, &s->w);
}

void set_size(struct call *k, uint64_t size) { resize_later(k, &(struct resizing){.size = size}); }

/* Space cannot be set aside; what can be promised is the size. */
void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len, struct fuse_file_info *fi)
{
    bool keeps = mode & FALLOC_FL_KEEP_SIZE, clears = mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE);
    struct resizing what = {.falls = true, .size = keeps ? 0 : (uint64_t)off + (uint64_t)len};
    (void)fi;
    if (clears) {
        what.offset = (uint64_t)off;
        what.length = (uint64_t)len;
    }
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
        fuse_reply_err(req, EOPNOTSUPP);
    else if (keeps && !clears)
        fuse_reply_err(req, 0);
    else
        resize_later(call_new(fuse_req_userdata(req), req, ino, on_sized), &what);
}

/* --- holes that are looked for --- */

struct seeking {
    struct waiter w;
    struct call *k;
    unsigned what;
};

static void on_sought(struct call *k, int status, const struct dfs_result *r)
{
    if (status == 0)
        fuse_reply_lseek(k->req, (off_t)r->offset);
    else
        fuse_reply_err(k->req, status == DFS_ENODATA ? ENXIO : call_errno(k, status));
    node_unuse(k->node);
    call_free(k);
}

static void seek_now(struct waiter *w)
{
    struct seeking *s = CONTAINER_OF(w, struct seeking, w);
    struct call *k = s->k;
    unsigned what = s->what;
    free(s);
    call_go(k, dfs_seek(k->m->client, node_file(k->node, false), k->offset, what, on_call, k));
}

void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi)
{
    if (whence != SEEK_DATA && whence != SEEK_HOLE) {
        fuse_reply_err(req, EINVAL);
        return;
    }
    struct seeking *s = xcalloc(1, sizeof *s);
    s->k = call_new(fuse_req_userdata(req), req, ino, on_sought);
    s->k->node = handle_of(fi)->node;
    s->k->node->users++;
    s->k->offset = (uint64_t)off;
    s->what = whence == SEEK_DATA ? DFS_SEEK_DATA : DFS_SEEK_HOLE;
    s->w = (struct waiter){.start = 0, .end = UINT64_MAX, .run = seek_now};
    node_wait(s->k->node, &s->w);
}
