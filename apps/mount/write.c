/* SPDX-License-Identifier: MIT */
/* Writes. The kernel is answered when the bytes are here; they go to the cluster at once if little is on its way, and
 * gather otherwise, so that small writes in a row become large ones. close() and fsync() wait for all of a file and tell what
 * failed, through every handle that was open then. Files are mostly small, written once and closed: what is written to an
 * empty one waits for that, as long as it is one piece, and goes as a whole (dfs_fill), or is sent like any other when it
 * has waited for a second.
 *
 *   write() -> extent: gathering -> under way -> durable: gone
 *
 * The library lets writes that are under way together take effect in any order. So an extent is sent only when none that
 * was written before it overlaps it. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mount.h"

#define EXTENT_MAX (1024u * 1024)
/* Extents of a file under way at a time; what is not full gathers when so many are. */
#define FLIGHT_MAX 16u
#define FLIGHT_EAGER 2u
/* Extents a file may have: each is compared with those before it. */
#define EXTENTS_MAX 256u

struct extent {
    struct list link;
    struct node *node;
    uint64_t offset;
    size_t len, room;
    bool sent;
    uint8_t *buf;
};

struct delayed { /* a write that waits for room */
    struct list link;
    struct node *node;
    struct handle *handle; /* it is open as long as a write to it is under way */
    fuse_req_t req;
    int flags;
    uint64_t offset;
    size_t len;
    uint8_t data[];
};

static uint64_t extent_end(const struct extent *e) { return e->offset + e->len; }

int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void node_written(struct node *n) { n->written_ns = now_ns(); }

uint64_t node_end(const struct node *n)
{
    uint64_t end = 0;
    for (const struct list *l = n->extents.next; l != &n->extents; l = l->next)
        end = max_u64(end, extent_end(CONTAINER_OF(l, struct extent, link)));
    return end;
}

int handle_error(struct handle *h)
{
    if (h->errors == h->node->errors)
        return 0;
    h->errors = h->node->errors;
    return h->node->error;
}

/* What is written behind what was lost may be of no use, and where there is no space it is lost as well: each error is
 * told by one write, too. */
static int handle_warning(struct handle *h)
{
    if (h->warned == h->node->errors || h->errors == h->node->errors)
        return 0;
    h->warned = h->node->errors;
    return h->node->error;
}

/* --- to the cluster --- */

#define HURRY_MS 1000u

static void pump(struct node *n);
static void writers_run(struct mount *m);

static bool overlaps(const struct node *n, uint64_t start, uint64_t end, const struct list *before)
{
    for (const struct list *l = n->extents.next; l != before; l = l->next) {
        const struct extent *e = CONTAINER_OF(l, struct extent, link);
        if (e->offset < end && extent_end(e) > start)
            return true;
    }
    return false;
}

static bool must_wait(const struct node *n, const struct waiter *w)
{
    return n->promise || overlaps(n, w->start, w->end, &n->extents);
}

static void waiters_run(struct node *n)
{
    struct list ready;
    list_init(&ready);
    LIST_FOR_EACH (l, &n->waiting) {
        struct waiter *w = CONTAINER_OF(l, struct waiter, link);
        if (must_wait(n, w))
            continue;
        list_remove(l);
        list_push(&ready, l);
    }
    while (!list_empty(&ready)) {
        struct waiter *w = CONTAINER_OF(list_first(&ready), struct waiter, link);
        list_remove(&w->link);
        w->run(w);
    }
}

/* Out of the list, durable or lost. */
static void extent_drop(struct extent *e, int status)
{
    struct node *n = e->node;
    n->m->dirty -= e->len;
    n->n_extents--;
    n->in_flight--;
    n->changes++;
    if (status != 0)
        node_lost(n, errno_of(status));
    list_remove(&e->link);
    free(e->buf);
    free(e);
}

static void on_written(void *arg, int status, const struct dfs_result *r)
{
    struct extent *e = arg;
    struct node *n = e->node;
    struct mount *m = n->m;
    if (status != 0)
        say("inode %llu: %zu bytes written at %llu are lost: %s", (unsigned long long)n->ino, e->len,
            (unsigned long long)e->offset, r->error);
    extent_drop(e, status);
    waiters_run(n);
    pump(n);
    node_unuse(n);
    writers_run(m);
}

static int extent_write(struct extent *e)
{
    struct node *n = e->node;
    return dfs_pwrite(n->m->client, node_file(n, true), e->offset, e->buf, e->len, on_written, e);
}

static void on_filled(void *arg, int status, const struct dfs_result *r)
{
    struct extent *e = arg;
    if ((status == DFS_EEXIST || status == DFS_ENOTSUP) && extent_write(e) == 0)
        return; /* somebody was faster, or the NameServers are older */
    on_written(arg, status, r);
}

/* All that was written to an empty file, and somebody waits for it. */
static bool is_whole(const struct node *n, const struct extent *e)
{
    return n->empty && n->n_extents == 1 && e->offset == 0 && !list_empty(&n->waiting);
}

/* False: it could not even be tried, and is gone. */
static bool extent_send(struct extent *e)
{
    struct node *n = e->node;
    bool whole = is_whole(n, e);
    e->sent = true;
    n->empty = n->in_a_hurry = false;
    n->in_flight++;
    int err = whole ? dfs_fill(n->m->client, node_file(n, true), e->buf, e->len, on_filled, e) : extent_write(e);
    if (err)
        extent_drop(e, err);
    return err == 0;
}

static bool may_become_whole(const struct node *n, const struct extent *e)
{
    return n->empty && !n->in_a_hurry && n->n_extents == 1 && e->offset == 0 && e->len < EXTENT_MAX;
}

static bool worth_sending(const struct node *n, const struct extent *e)
{
    bool last = e->link.next == &n->extents;
    if (list_empty(&n->waiting) && may_become_whole(n, e))
        return false;
    return !last || n->in_flight < FLIGHT_EAGER || !list_empty(&n->waiting) || extent_end(e) % EXTENT_MAX == 0;
}

static void pump(struct node *n)
{
    uint32_t lost = 0;
    LIST_FOR_EACH (l, &n->extents) {
        struct extent *e = CONTAINER_OF(l, struct extent, link);
        if (n->in_flight >= FLIGHT_MAX)
            break;
        if (e->sent || !worth_sending(n, e) || overlaps(n, e->offset, extent_end(e), l))
            continue;
        if (n->promise) { /* it goes with the file, or after it */
            promise_make(n);
            break;
        }
        lost += !extent_send(e);
    }
    if (lost == 0)
        return;
    n->users++;
    waiters_run(n);
    n->users -= lost;
    node_unuse(n);
}

/* What has waited since the last time goes; what came since waits once more. */
static void on_hurry(uv_timer_t *h)
{
    struct mount *m = h->data;
    struct node *n, *next;
    bool more = false;
    HASH_ITER(hh, m->nodes, n, next)
    {
        if (!n->empty || !n->n_extents)
            continue;
        more |= !n->in_a_hurry;
        if (n->in_a_hurry)
            pump(n);
        else
            n->in_a_hurry = true;
    }
    if (!more)
        uv_timer_stop(h);
}

void writes_init(struct mount *m)
{
    list_init(&m->writers);
    uv_timer_init(&m->loop, &m->hurry);
    m->hurry.data = m;
}

void node_wait(struct node *n, struct waiter *w)
{
    if (!must_wait(n, w)) {
        w->run(w);
        return;
    }
    list_push(&n->waiting, &w->link);
    if (!n->promise)
        pump(n);
    else if (!w->patient || !promises_may_wait(n->m))
        promise_make(n);
}

bool node_whole(struct node *n, const uint8_t **p, size_t *len)
{
    struct extent *e = n->n_extents == 1 ? CONTAINER_OF(list_first(&n->extents), struct extent, link) : NULL;
    if (!e || e->sent || e->offset != 0)
        return false;
    e->sent = true;
    n->empty = n->in_a_hurry = false;
    n->in_flight++;
    *p = e->buf;
    *len = e->len;
    return true;
}

void node_whole_sent(struct node *n, int status)
{
    struct mount *m = n->m;
    struct extent *e = CONTAINER_OF(list_first(&n->extents), struct extent, link);
    extent_drop(e, status);
    node_unuse(n);
    writers_run(m);
}

void node_go_on(struct node *n)
{
    n->users++;
    waiters_run(n);
    pump(n);
    node_unuse(n);
}

/* --- from the kernel --- */

/* Adds to the extent written last, if it goes on there or lies within. */
static bool merge(struct node *n, uint64_t offset, const uint8_t *p, size_t len)
{
    if (list_empty(&n->extents))
        return false;
    struct extent *e = CONTAINER_OF(n->extents.prev, struct extent, link);
    if (e->sent || offset < e->offset || offset > extent_end(e))
        return false;
    uint64_t end = max_u64(offset + len, extent_end(e));
    if (end > (e->offset / EXTENT_MAX + 1) * EXTENT_MAX)
        return false;
    if (end - e->offset > e->room) {
        size_t room = end - e->offset > 256u * 1024 ? EXTENT_MAX : 2 * (end - e->offset);
        uint8_t *more = realloc(e->buf, room);
        if (!more)
            return false;
        e->buf = more;
        e->room = room;
    }
    memcpy(e->buf + (offset - e->offset), p, len);
    n->m->dirty += end - extent_end(e);
    e->len = end - e->offset;
    return true;
}

static int add(struct node *n, uint64_t offset, const uint8_t *p, size_t len)
{
    if (merge(n, offset, p, len))
        return 0;
    struct extent *e = xcalloc(1, sizeof *e);
    e->buf = malloc(len);
    if (!e->buf) {
        free(e);
        return DFS_ENOMEM;
    }
    memcpy(e->buf, p, len);
    e->node = n;
    e->offset = offset;
    e->len = e->room = len;
    n->users++;
    n->n_extents++;
    n->m->dirty += len;
    list_push(&n->extents, &e->link);
    return 0;
}

struct synced { /* an answer that waits until the bytes are durable */
    struct waiter w;
    struct node *node;
    struct handle *handle; /* NULL: the node's errors before … */
    uint64_t errors;
    fuse_req_t req;
    size_t len; /* of a write; 0: it is no write */
};

static void on_synced(struct waiter *w)
{
    struct synced *s = CONTAINER_OF(w, struct synced, w);
    int err = s->handle ? handle_error(s->handle) : s->errors != s->node->errors ? s->node->error : 0;
    if (err || !s->len)
        fuse_reply_err(s->req, err);
    else
        fuse_reply_write(s->req, s->len);
    node_unuse(s->node);
    free(s);
}

static void sync_node(struct node *n, struct handle *h, fuse_req_t req, uint64_t start, size_t len)
{
    struct synced *s = xcalloc(1, sizeof *s);
    *s = (struct synced){.node = n, .handle = h, .errors = n->errors, .req = req, .len = len};
    s->w = (struct waiter){.start = len ? start : 0, .end = len ? start + len : UINT64_MAX, .run = on_synced};
    n->users++;
    node_wait(n, &s->w);
}

void node_take(struct node *n, fuse_req_t req, int flags, uint64_t offset, const uint8_t *p, size_t len)
{
    int err = add(n, offset, p, len);
    if (err) {
        fuse_reply_err(req, errno_of(err));
        return;
    }
    node_written(n);
    n->changes++;
    if (n->empty && !uv_is_active((uv_handle_t *)&n->m->hurry))
        uv_timer_start(&n->m->hurry, on_hurry, HURRY_MS, HURRY_MS);
    if (flags & (O_SYNC | O_DSYNC)) {
        sync_node(n, NULL, req, offset, len);
        return;
    }
    fuse_reply_write(req, len);
    pump(n);
}

bool node_has_room(const struct node *n, size_t len)
{
    return n->n_extents < EXTENTS_MAX && (n->m->dirty == 0 || n->m->dirty + len <= n->m->opt.cache);
}

static void take_or_warn(struct handle *h, fuse_req_t req, int flags, uint64_t offset, const uint8_t *p, size_t len)
{
    int err = flags & (O_SYNC | O_DSYNC) ? 0 : handle_warning(h); /* those are told what became of each */
    if (err)
        fuse_reply_err(req, err);
    else
        node_take(h->node, req, flags, offset, p, len);
}

static void writers_run(struct mount *m)
{
    while (!list_empty(&m->writers)) {
        struct delayed *d = CONTAINER_OF(list_first(&m->writers), struct delayed, link);
        if (!node_has_room(d->node, d->len))
            return;
        list_remove(&d->link);
        take_or_warn(d->handle, d->req, d->flags, d->offset, d->data, d->len);
        node_unuse(d->node);
        free(d);
    }
}

void op_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *in, off_t off, struct fuse_file_info *fi)
{
    struct mount *m = fuse_req_userdata(req);
    struct node *n = handle_of(fi)->node;
    size_t len = in->buf[0].size; /* one piece of memory: nothing is spliced */
    (void)ino;
    if (fi->flags & O_APPEND) {
        write_at_end(req, n, in->buf[0].mem, len, (uint64_t)off);
        return;
    }
    if (list_empty(&m->writers) && node_has_room(n, len)) {
        take_or_warn(handle_of(fi), req, fi->flags, (uint64_t)off, in->buf[0].mem, len);
        return;
    }
    struct delayed *d = xcalloc(1, sizeof *d + len);
    d->node = n;
    d->handle = handle_of(fi);
    d->req = req;
    d->flags = fi->flags;
    d->offset = (uint64_t)off;
    d->len = len;
    memcpy(d->data, in->buf[0].mem, len);
    n->users++;
    list_push(&m->writers, &d->link);
    pump(n);
}

struct closing {
    struct waiter w;
    struct handle *handle;
    fuse_req_t req;
    uint64_t owner;
};

static void on_flushed(struct waiter *w)
{
    struct closing *c = CONTAINER_OF(w, struct closing, w);
    const struct dfs_lock all = {.owner = c->owner, .range = true, .start = 0, .end = UINT64_MAX};
    unlock_when_durable(c->req, c->handle->node, &all, handle_error(c->handle));
    free(c);
}

/* What a process locked goes with the first of its descriptors it closes: POSIX. */
static void flush_and_unlock(fuse_req_t req, struct handle *h, uint64_t owner)
{
    struct closing *c = xcalloc(1, sizeof *c);
    *c = (struct closing){.handle = h, .req = req, .owner = owner};
    c->w = (struct waiter){.start = 0, .end = UINT64_MAX, .run = on_flushed};
    node_wait(h->node, &c->w);
}

struct fsyncing {
    struct waiter w;
    struct call *k;
    struct handle *handle;
};

static void on_time_told(struct call *k, int status, const struct dfs_result *r)
{
    (void)r;
    k->node->changes++;
    fuse_reply_err(k->req, k->error ? k->error : call_errno(k, status));
    node_unuse(k->node);
    call_free(k);
}

static void on_fsynced(struct waiter *w)
{
    struct fsyncing *s = CONTAINER_OF(w, struct fsyncing, w);
    struct call *k = s->k;
    uint64_t file = node_file(k->node, true);
    k->error = handle_error(s->handle);
    free(s);
    if (file) { /* also after an error, which the library knows too and would tell the next time */
        call_go(k, dfs_fsync(k->m->client, file, on_call, k));
        return;
    }
    fuse_reply_err(k->req, k->error);
    node_unuse(k->node);
    call_free(k);
}

/* Others see by the time that something was written, and that their pages are old: it is told, too. */
static void sync_and_tell(fuse_req_t req, fuse_ino_t ino, struct handle *h)
{
    struct fsyncing *s = xcalloc(1, sizeof *s);
    s->k = call_new(fuse_req_userdata(req), req, ino, on_time_told);
    s->handle = h;
    s->k->node = h->node;
    s->k->node->users++;
    s->w = (struct waiter){.start = 0, .end = UINT64_MAX, .run = on_fsynced};
    node_wait(s->k->node, &s->w);
}

void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
    (void)datasync;
    sync_and_tell(req, ino, handle_of(fi));
}

void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct handle *h = handle_of(fi);
    if (h->node->ranges)
        flush_and_unlock(req, h, fi->lock_owner);
    else if (h->kind == 0 || h->node->m->opt.relaxed)
        fuse_reply_err(req, handle_error(h));
    else
        sync_and_tell(req, ino, h);
}
