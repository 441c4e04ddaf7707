/* SPDX-License-Identifier: MIT */
/* Files that are promised: the kernel has them open and may write to them, and the cluster is told of each once, with its content,
 * when it is closed (with -o relaxed a little later), flushed, a second old, or when anything else is to be done with it (dfs_make). Until then it is a node
 * with a promise, and without an open file of the library's. */
#include "promise.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define PROMISES_MAX 8192u
#define PROMISES_FEW 4096u
#define NAME_LEN_MAX 255u /* what is longer is refused by the cluster */

/* --- making it --- */

static void make(struct promise *p);

/* The node has no promise any more. */
static void drop(struct promise *p)
{
    struct delegation *d = p->d;
    struct node *n = p->node;
    struct mount *m = n->m;
    list_remove(&p->link);
    m->promised--;
    free(p);
    node_go_on(n);
    node_unuse(n);
    delegation_promise_kept(d);
    held_run(m);
}

static void failed(struct promise *p, int status, const char *why)
{
    struct node *n = p->node;
    say("inode %llu: \"%s\" was not made: %s", (unsigned long long)n->ino, p->name, why);
    node_lost(n, errno_of(status));
    notices_add(n->m, p->d->dir, p->name);
    drop(p);
}

/* The content could not be stored, for want of room, say: the file there shall be all the same. */
static bool may_do_without(const struct promise *p, int status)
{
    return p->with_data && status != 0 && status != DFS_EEXIST && status != DFS_EUNKNOWN && status != DFS_ECANCELED;
}

static void on_made(void *arg, int status, const struct dfs_result *r)
{
    struct promise *p = arg;
    struct node *n = p->node;
    bool again = may_do_without(p, status);
    n->changes++;
    p->making = false;
    if (!again)
        n->promise = NULL;
    if (status == 0) {
        dirs_changed(n->m, p->d->dir, r->dir_ns);
        n->open[1].file = r->file;
        n->opened = r->attr;
    }
    if (p->with_data)
        node_whole_sent(n, status);
    if (again)
        make(p);
    else if (status == 0)
        drop(p);
    else
        failed(p, status, r->error);
}

/* The time of what was written is the file's own from now on, as it will be the cluster's. */
static void take_time(struct promise *p)
{
    int64_t ns = p->node->written_ns;
    p->node->written_ns = 0;
    if (ns <= p->attr.mtime_ns)
        return;
    if (p->attr.atime_ns == p->attr.mtime_ns)
        p->attr.atime_ns = ns;
    p->attr.mtime_ns = ns;
    if (ns > p->attr.ctime_ns)
        p->attr.ctime_ns = ns;
}

static void make(struct promise *p)
{
    struct node *n = p->node;
    const uint8_t *data = NULL;
    size_t len = 0;
    if (p->making)
        return;
    take_time(p);
    p->with_data = node_whole(n, &data, &len);
    const struct dfs_make what = {
        .dir = p->d->dir,
        .ino = n->ino,
        .mode = p->attr.mode,
        .uid = p->attr.uid,
        .gid = p->attr.gid,
        .goal = p->d->attr.goal_chosen ? p->d->attr.goal : 0,
        .mtime_ns = p->attr.mtime_ns,
        .atime_ns = p->atime_ns,
    };
    p->making = true;
    int err = dfs_make(n->m->client, p->name, &what, data, len, on_made, p);
    if (err == 0)
        return;
    p->making = false; /* it is tried again when it is old */
    if (p->with_data)
        node_whole_sent(n, err);
}

void promise_make(struct node *n) { make(n->promise); }

void promises_make(const struct list *promised)
{
    LIST_FOR_EACH (l, promised) {
        struct promise *p = CONTAINER_OF(l, struct promise, link);
        make(p);
    }
}

void promises_hurry(const struct list *promised)
{
    LIST_FOR_EACH (l, promised) {
        struct promise *p = CONTAINER_OF(l, struct promise, link);
        if (p->old)
            make(p);
        else
            p->old = true;
    }
}

bool promises_may_wait(const struct mount *m) { return m->promised < PROMISES_FEW && m->dirty < m->opt.cache / 4; }

/* --- promising it --- */

static struct dfs_attr attr_new(const struct delegation *d, fuse_req_t req, mode_t mode, uint64_t ino)
{
    const struct fuse_ctx *who = fuse_req_ctx(req);
    int64_t now = now_ns();
    return (struct dfs_attr){.ino = ino,
                             .mode = mode & 07777,
                             .uid = who->uid,
                             .gid = d->attr.mode & S_ISGID ? d->attr.gid : who->gid,
                             .nlink = 1,
                             .type = DFS_FILE,
                             .mtime_ns = now,
                             .ctime_ns = now,
                             .atime_ns = now};
}

bool promise_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi)
{
    struct mount *m = fuse_req_userdata(req);
    struct delegation *d = delegation_find(m, ino_of(m, parent));
    struct fuse_entry_param e;
    size_t len = strlen(name);
    uint64_t ino = len <= NAME_LEN_MAX && m->promised < PROMISES_MAX && delegation_lacks(d, name) ? delegation_number(d) : 0;
    if (!ino)
        return false;
    struct promise *p = xcalloc(1, sizeof *p + len + 1);
    memcpy(p->name, name, len + 1);
    p->d = d;
    p->attr = attr_new(d, req, mode, ino);
    p->number = ++m->last_promise;
    p->node = node_use(m, ino);
    p->node->promise = p;
    p->node->empty = true;
    p->node->opened = p->attr;
    list_push(&d->promised, &p->link);
    m->promised++;
    delegation_promised(d, name);
    d->changed_ns = p->attr.mtime_ns;
    dirs_changed(m, d->dir, d->changed_ns);
    attr_entry(m, &p->attr, &e);
    p->node->users++; /* the handle's */
    node_created(req, p->node, 0, &e, fi);
    return true;
}

static const struct promise *find(const struct delegation *d, const char *name)
{
    for (const struct list *l = d->promised.next; l != &d->promised; l = l->next) {
        const struct promise *p = CONTAINER_OF(l, struct promise, link);
        if (strcmp(p->name, name) == 0)
            return p;
    }
    return NULL;
}

bool promise_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
    struct mount *m = fuse_req_userdata(req);
    const struct delegation *d = delegation_find(m, ino_of(m, parent));
    struct fuse_entry_param e;
    if (!d || strlen(name) > NAME_LEN_MAX)
        return false;
    if (delegation_lacks(d, name)) {
        fuse_reply_err(req, ENOENT);
        return true;
    }
    const struct promise *p = find(d, name);
    if (!p)
        return false;
    attr_entry(m, &p->attr, &e);
    e.attr_timeout = 0;
    fuse_reply_entry(req, &e);
    return true;
}

/* --- its attributes --- */

static const struct promise *promise_of(const struct mount *m, uint64_t ino)
{
    const struct node *n = m->promised ? node_find(m, ino) : NULL;
    return n ? n->promise : NULL;
}

bool promise_getattr(fuse_req_t req, fuse_ino_t ino)
{
    struct mount *m = fuse_req_userdata(req);
    const struct promise *p = promise_of(m, ino_of(m, ino));
    struct stat st;
    if (!p)
        return false;
    attr_stat(m, &p->attr, &st);
    fuse_reply_attr(req, &st, 0);
    return true;
}

static void set_times(struct promise *p, const struct dfs_setattr *set, int64_t now)
{
    if (set->what & (DFS_SET_ATIME | DFS_SET_ATIME_NOW))
        p->attr.atime_ns = p->atime_ns = set->what & DFS_SET_ATIME_NOW ? now : set->atime_ns;
    if (set->what & (DFS_SET_MTIME | DFS_SET_MTIME_NOW)) {
        p->attr.mtime_ns = set->what & DFS_SET_MTIME_NOW ? now : set->mtime_ns;
        p->node->written_ns = 0;
        if (!p->atime_ns)
            p->attr.atime_ns = p->attr.mtime_ns;
    }
}

bool promise_setattr(fuse_req_t req, fuse_ino_t ino, const struct dfs_setattr *set)
{
    struct mount *m = fuse_req_userdata(req);
    struct node *n = m->promised ? node_find(m, ino_of(m, ino)) : NULL;
    struct promise *p = n ? n->promise : NULL;
    if (!p || p->making)
        return false;
    int64_t now = now_ns();
    if (set->what & (DFS_SET_UID | DFS_SET_GID))
        p->attr.mode = mode_without_setid(p->attr.mode);
    if (set->what & DFS_SET_MODE)
        p->attr.mode = set->mode;
    if (set->what & DFS_SET_UID)
        p->attr.uid = set->uid;
    if (set->what & DFS_SET_GID)
        p->attr.gid = set->gid;
    set_times(p, set, now);
    p->attr.ctime_ns = now;
    n->changes++;
    return promise_getattr(req, ino);
}

/* A new file has no extended attributes. */
bool promise_getxattr(fuse_req_t req, fuse_ino_t ino)
{
    const struct mount *m = fuse_req_userdata(req);
    if (!promise_of(m, ino_of(m, ino)))
        return false;
    fuse_reply_err(req, ENODATA);
    return true;
}

bool promise_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
    const struct mount *m = fuse_req_userdata(req);
    if (!promise_of(m, ino_of(m, ino)))
        return false;
    if (size)
        fuse_reply_buf(req, NULL, 0);
    else
        fuse_reply_xattr(req, 0);
    return true;
}
