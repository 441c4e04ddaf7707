/* SPDX-License-Identifier: MIT */
/* flock() and fcntl() locks, which hold across clients.
 *
 * Who takes a lock must see what the holder before wrote: pages the kernel has of the file are dropped before the program hears
 * that it has the lock. That waits for reads under way, which only the loop can answer; so it is done on a thread of the pool,
 * which touches its own request and libfuse's descriptor, nothing else. Who gives one up must have written: the unlock waits for
 * what is not durable yet. */
#include <errno.h>
#include <sys/file.h>

#include "mount.h"

struct locking {
    struct waiter w;
    uv_work_t work;
    struct call *k;
    struct dfs_lock lock;
    int reply; /* errno for the kernel, once unlocked */
};

/* --- taking --- */

static void drop_pages(uv_work_t *work)
{
    const struct locking *l = CONTAINER_OF(work, struct locking, work);
    fuse_lowlevel_notify_inval_inode(l->k->m->se, l->k->ino, 0, 0);
}

static void on_dropped(uv_work_t *work, int status)
{
    struct locking *l = CONTAINER_OF(work, struct locking, work);
    (void)status;
    l->k->m->notices_under_way--;
    fuse_reply_err(l->k->req, 0);
    node_unuse(l->k->node);
    call_free(l->k);
    free(l);
}

static void on_locked(struct call *k, int status, const struct dfs_result *r)
{
    struct locking *l;
    (void)r;
    if (status != 0) {
        fuse_reply_err(k->req, status == DFS_ETIMEDOUT && k->interrupted ? EINTR : call_errno(k, status));
        node_unuse(k->node);
        call_free(k);
        return;
    }
    node_refresh(k->node);
    l = xcalloc(1, sizeof *l);
    l->k = k;
    k->m->notices_under_way++;
    uv_queue_work(&k->m->loop, &l->work, drop_pages, on_dropped);
}

/* Programs expect to be woken from this one by any signal. */
static void on_lock_interrupt(fuse_req_t req, void *arg)
{
    struct call *k = arg;
    (void)req;
    k->interrupted = true;
    if (k->number)
        dfs_cancel(k->m->client, k->number);
}

static void take(fuse_req_t req, fuse_ino_t ino, struct handle *h, const struct dfs_lock *lock, bool wait)
{
    struct mount *m = fuse_req_userdata(req);
    struct call *k = call_new(m, req, ino, on_locked);
    k->node = h->node;
    k->node->users++;
    k->node->ranges |= lock->range;
    int err = dfs_lock(m->client, handle_file(h), lock, wait ? DFS_WAIT : 0, on_call, k);
    call_go(k, err);
    if (!err)
        fuse_req_interrupt_func(req, on_lock_interrupt, k);
}

/* --- giving up --- */

static void on_unlocked(struct call *k, int status, const struct dfs_result *r)
{
    (void)r;
    fuse_reply_err(k->req, k->size ? (int)k->size : call_errno(k, status));
    node_unuse(k->node);
    call_free(k);
}

static void unlock_now(struct waiter *w)
{
    struct locking *l = CONTAINER_OF(w, struct locking, w);
    struct call *k = l->k;
    const struct dfs_lock lock = l->lock;
    uint64_t file = node_file(k->node, false);
    free(l);
    call_go(k, dfs_unlock(k->m->client, file, &lock, on_call, k));
}

void unlock_when_durable(fuse_req_t req, struct node *n, const struct dfs_lock *lock, int reply)
{
    struct call *k = call_new(n->m, req, n->ino, on_unlocked);
    struct locking *l = xcalloc(1, sizeof *l);
    k->node = n;
    n->users++;
    k->size = (size_t)reply;
    l->k = k;
    l->lock = *lock;
    l->w = (struct waiter){.start = 0, .end = UINT64_MAX, .run = unlock_now};
    node_wait(n, &l->w);
}

/* --- requests --- */

static struct dfs_lock range_of(const struct flock *f, uint64_t owner)
{
    struct dfs_lock l = {.owner = owner, .range = true, .start = (uint64_t)f->l_start, .end = UINT64_MAX};
    if (f->l_len > 0)
        l.end = l.start + (uint64_t)f->l_len - 1;
    l.type = f->l_type == F_WRLCK ? DFS_LOCK_EXCLUSIVE : DFS_LOCK_SHARED;
    return l;
}

void op_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock, int sleep)
{
    struct handle *h = handle_of(fi);
    const struct dfs_lock l = range_of(lock, fi->lock_owner);
    if (lock->l_type == F_UNLCK)
        unlock_when_durable(req, h->node, &l, 0);
    else
        take(req, ino, h, &l, sleep != 0);
}

void op_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int op)
{
    struct handle *h = handle_of(fi);
    const struct dfs_lock l = {.owner = fi->lock_owner,
                               .type = (op & ~LOCK_NB) == LOCK_EX ? DFS_LOCK_EXCLUSIVE : DFS_LOCK_SHARED};
    if ((op & ~LOCK_NB) == LOCK_UN)
        unlock_when_durable(req, h->node, &l, 0);
    else
        take(req, ino, h, &l, !(op & LOCK_NB));
}

static void on_query(struct call *k, int status, const struct dfs_result *r)
{
    struct flock f = {.l_type = F_UNLCK, .l_whence = SEEK_SET};
    if (status != 0) {
        fuse_reply_err(k->req, call_errno(k, status));
        call_free(k);
        return;
    }
    if (r->lock.type) {
        f.l_type = r->lock.type == DFS_LOCK_EXCLUSIVE ? F_WRLCK : F_RDLCK;
        f.l_start = (off_t)r->lock.start;
        f.l_len = r->lock.end >= INT64_MAX ? 0 : (off_t)(r->lock.end - r->lock.start + 1);
    }
    fuse_reply_lock(k->req, &f);
    call_free(k);
}

void op_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock)
{
    struct mount *m = fuse_req_userdata(req);
    struct call *k = call_new(m, req, ino, on_query);
    const struct dfs_lock l = range_of(lock, fi->lock_owner);
    call_go(k, dfs_lock_query(m->client, handle_file(handle_of(fi)), &l, on_call, k));
}
