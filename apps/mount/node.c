/* SPDX-License-Identifier: MIT */
/* Files that are open. The cluster has one or two handles for a file, to read and to read and write, however often it is
 * open here; while one is there, the file's content is, whoever removes its names. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "mount.h"

#define SEEN_SLOTS 4096u

/* What a file was like when it was last opened: if it still is like that, the pages the kernel has of it are good. */
struct seen {
    uint64_t ino, generation, size;
    int64_t mtime_ns;
};

static bool seen_same(struct mount *m, const struct dfs_attr *a)
{
    if (!m->seen)
        m->seen = xcalloc(SEEN_SLOTS, sizeof *m->seen);
    struct seen *s = &m->seen[a->ino % SEEN_SLOTS];
    bool same = s->ino == a->ino && s->generation == a->generation && s->size == a->size && s->mtime_ns == a->mtime_ns;
    *s = (struct seen){a->ino, a->generation, a->size, a->mtime_ns};
    return same;
}

void node_lost(struct node *n, int err)
{
    struct seen *s = n->m->seen ? &n->m->seen[n->ino % SEEN_SLOTS] : NULL;
    n->error = err;
    n->errors++;
    if (s && s->ino == n->ino)
        s->ino = 0;
    notices_add(n->m, n->ino, NULL);
}

struct node *node_find(const struct mount *m, uint64_t ino)
{
    struct node *n;
    HASH_FIND(hh, m->nodes, &ino, sizeof ino, n);
    return n;
}

struct node *node_use(struct mount *m, uint64_t ino)
{
    struct node *n = node_find(m, ino);
    if (!n) {
        n = xcalloc(1, sizeof *n);
        n->m = m;
        n->ino = ino;
        list_init(&n->extents);
        list_init(&n->waiting);
        HASH_ADD(hh, m->nodes, ino, sizeof n->ino, n);
    }
    n->users++;
    return n;
}

void node_unuse(struct node *n)
{
    if (--n->users > 0)
        return;
    HASH_DELETE(hh, n->m->nodes, n);
    free(n);
}

uint64_t node_file(const struct node *n, bool write)
{
    return n->open[1].file || write ? n->open[1].file : n->open[0].file;
}

void node_is_empty(struct node *n, const struct dfs_attr *a)
{
    n->empty = a->size == 0 && a->chunks == 0 && !n->n_extents;
}

void node_refresh(const struct node *n)
{
    for (unsigned kind = 0; kind < ARRAY_LEN(n->open); kind++)
        if (n->open[kind].file)
            dfs_refresh(n->m->client, n->open[kind].file);
}

/* --- closing --- */

struct closing {
    struct waiter w;
    struct node *node;
    unsigned kind;
};

static void on_closed(void *arg, int status, const struct dfs_result *r)
{
    struct node *n = arg;
    (void)status; /* what was written is durable already; the handle ends with the session at the latest */
    (void)r;
    n->changes++;
    node_unuse(n);
}

static void close_file(struct node *n, uint64_t file)
{
    n->users++;
    if (dfs_close(n->m->client, file, on_closed, n) != 0)
        node_unuse(n);
}

static void close_later(struct waiter *w)
{
    struct closing *c = CONTAINER_OF(w, struct closing, w);
    struct node *n = c->node;
    struct open_file *o = &n->open[c->kind];
    if (o->users == 0 && o->file) { /* nobody has opened it meanwhile */
        close_file(n, o->file);
        o->file = 0;
    }
    free(c);
    node_unuse(n);
}

void node_close(struct node *n, unsigned kind)
{
    struct closing *c;
    if (--n->open[kind].users > 0)
        return;
    c = xcalloc(1, sizeof *c);
    c->node = n;
    c->kind = kind;
    c->w = (struct waiter){.start = 0, .end = UINT64_MAX, .patient = n->m->opt.relaxed, .run = close_later};
    n->users++;
    node_wait(n, &c->w);
}

static void handle_free(struct handle *h)
{
    struct node *n = h->node;
    node_close(n, h->kind);
    free(h);
    node_unuse(n);
}

void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct handle *h = handle_of(fi);
    const struct dfs_lock whole = {.owner = fi->lock_owner};
    (void)ino;
    if (fi->flock_release)
        unlock_when_durable(req, h->node, &whole, 0);
    else
        fuse_reply_err(req, 0);
    handle_free(h);
}

/* --- opening --- */

/* file: a new one of the library's; 0: the node's own is used. Takes over one use of the node. */
static struct handle *handle_new(struct node *n, unsigned kind, uint64_t file)
{
    struct handle *h = xcalloc(1, sizeof *h);
    struct open_file *o = &n->open[kind];
    if (!o->file)
        o->file = file;
    else if (file)
        close_file(n, file); /* two at the same time */
    o->users++;
    *h = (struct handle){n, kind, n->errors, n->errors};
    return h;
}

static void on_open(struct call *k, int status, const struct dfs_result *r);

static void open_file(struct call *k)
{
    call_at(k->m, k->req, k->ino, k->ino);
    call_go(k, dfs_open(k->m->client, "", DFS_LAZY | DFS_READ | (k->wants_write ? DFS_WRITE : 0), 0, on_call, k));
}

static void on_open(struct call *k, int status, const struct dfs_result *r)
{
    struct node *n = k->node;
    unsigned kind = k->wants_write;
    if (status == 0 && !r->file && !n->open[kind].file) { /* it was closed while we looked */
        open_file(k);
        return;
    }
    if (status != 0) {
        fuse_reply_err(k->req, call_errno(k, status));
        node_unuse(n);
        call_free(k);
        return;
    }
    struct handle *h = handle_new(n, kind, r->file);
    n->opened = r->attr;
    n->setid = mode_setid(r->attr.mode);
    node_is_empty(n, &r->attr);
    k->fi.fh = (uintptr_t)h;
    k->fi.keep_cache = seen_same(k->m, &r->attr) && !n->n_extents;
    if (!k->fi.keep_cache && !attr_was_told(k->m, &r->attr))
        fuse_lowlevel_notify_inval_inode(k->m->se, k->ino == k->m->root ? FUSE_ROOT_ID : k->ino, -1, 0);
    if (fuse_reply_open(k->req, &k->fi) != 0)
        handle_free(h);
    call_free(k);
}

void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct mount *m = fuse_req_userdata(req);
    struct call *k = call_new(m, req, ino, on_open);
    unsigned kind = (fi->flags & O_ACCMODE) != O_RDONLY;
    k->node = node_use(m, k->ino);
    k->fi = *fi;
    k->wants_write = kind;
    node_refresh(k->node);
    if (k->node->open[kind].users)
        call_go(k, dfs_stat(m->client, "", 0, on_call, k));
    else
        open_file(k);
}

void node_created(fuse_req_t req, struct node *n, uint64_t file, const struct fuse_entry_param *e,
                  struct fuse_file_info *fi)
{
    struct handle *h = handle_new(n, 1, file);
    fi->fh = (uintptr_t)h;
    if (fuse_reply_create(req, e, fi) != 0)
        handle_free(h);
}

static void on_create(struct call *k, int status, const struct dfs_result *r)
{
    struct fuse_entry_param e;
    if (status != 0) {
        fuse_reply_err(k->req, call_errno(k, status));
        call_free(k);
        return;
    }
    struct node *n = node_use(k->m, r->attr.ino);
    n->opened = r->attr;
    node_is_empty(n, &r->attr);
    attr_entry(k->m, &r->attr, &e);
    node_created(k->req, n, r->file, &e, &k->fi);
    call_free(k);
}

void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
    struct mount *m = fuse_req_userdata(req);
    if (promise_create(req, parent, name, mode, fi))
        return;
    delegation_file_made(m, ino_of(m, parent));
    delegation_name(m, ino_of(m, parent), name);
    struct call *k = call_new_change(m, req, parent, on_create);
    unsigned flags = DFS_LAZY | DFS_READ | DFS_WRITE | DFS_CREATE | (fi->flags & O_EXCL ? DFS_EXCL : 0);
    k->fi = *fi;
    call_go(k, dfs_open(m->client, name, flags, mode & 07777, on_call, k));
}
