/* SPDX-License-Identifier: MIT */
/* Attributes. What waits to be written counts: the size the kernel is told is never below it. An answer that was under way
 * while something of ours became durable may be from before that; it is asked for again. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "mount.h"

#define BLOCK_SIZE 65536u /* what programs read and write at a time, if they ask */
#define STAT_TRIES 8u

static struct timespec timespec_of(int64_t ns)
{
    int64_t s = ns / 1000000000, rest = ns % 1000000000;
    if (rest < 0) {
        s--;
        rest += 1000000000;
    }
    return (struct timespec){.tv_sec = s, .tv_nsec = (long)rest};
}

static mode_t type_of(uint8_t type)
{
    static const mode_t table[] = {0, S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
    return type < ARRAY_LEN(table) ? table[type] : 0;
}

/* What a file may take, in units of 512 bytes: it has no more than its chunks hold. Programs take one that has less than its size
 * for one with holes, which they look for; one without any block for a hole as a whole. */
static blkcnt_t blocks_of(const struct dfs_attr *a, const struct node *n, uint64_t size)
{
    bool known = a->type == DFS_FILE && !(n && n->n_extents);
    uint64_t held = known ? min_u64(size, (uint64_t)a->chunks * CHUNK_SIZE) : size;
    return (blkcnt_t)max_u64((held + 511) / 512, size > 0);
}

#define TOLD_SLOTS 4096u

struct told {
    uint64_t ino, size, generation;
    int64_t mtime_ns, ctime_ns;
};

static struct told told_of(const struct dfs_attr *a)
{
    return (struct told){a->ino, a->size, a->generation, a->mtime_ns, a->ctime_ns};
}

bool attr_was_told(const struct mount *m, const struct dfs_attr *a)
{
    const struct told *t = m->attrs ? &m->attrs[a->ino % TOLD_SLOTS] : NULL, now = told_of(a);
    return t && t->ino == now.ino && t->size == now.size && t->generation == now.generation &&
           t->mtime_ns == now.mtime_ns && t->ctime_ns == now.ctime_ns;
}

static void told(struct mount *m, const struct dfs_attr *a)
{
    if (!m->attrs)
        m->attrs = xcalloc(TOLD_SLOTS, sizeof *m->attrs);
    m->attrs[a->ino % TOLD_SLOTS] = told_of(a);
}

void attr_stat(struct mount *m, const struct dfs_attr *a, struct stat *st)
{
    told(m, a);
    struct node *n = a->type == DFS_FILE ? node_find(m, a->ino) : NULL;
    int64_t moved_ns = n ? n->written_ns : a->type == DFS_DIRECTORY ? delegation_changed(m, a->ino) : INT64_MIN;
    bool special = a->type > DFS_SYMLINK;
    uint64_t size = special ? 0 : n ? max_u64(a->size, node_end(n)) : a->size;
    if (n)
        n->setid = mode_setid(a->mode);
    memset(st, 0, sizeof *st);
    st->st_ino = a->ino;
    st->st_mode = type_of(a->type) | (a->mode & 07777);
    st->st_nlink = a->nlink;
    st->st_uid = a->uid;
    st->st_gid = a->gid;
    st->st_size = (off_t)(a->type == DFS_DIRECTORY ? 4096 : size);
    st->st_rdev = special ? (dev_t)a->size : 0;
    st->st_blksize = BLOCK_SIZE;
    st->st_blocks = blocks_of(a, n, size);
    st->st_mtim = timespec_of(moved_ns > a->mtime_ns ? moved_ns : a->mtime_ns);
    st->st_ctim = timespec_of(moved_ns > a->ctime_ns ? moved_ns : a->ctime_ns);
    st->st_atim = a->atime_ns == a->mtime_ns ? st->st_mtim : timespec_of(a->atime_ns);
}

void attr_entry(struct mount *m, const struct dfs_attr *a, struct fuse_entry_param *e)
{
    memset(e, 0, sizeof *e);
    e->ino = a->ino;
    e->generation = 1; /* inode numbers are never used again */
    e->attr_timeout = (double)m->opt.attr_ms / 1000;
    e->entry_timeout = (double)m->opt.entry_ms / 1000;
    attr_stat(m, a, &e->attr);
}

void on_entry(struct call *k, int status, const struct dfs_result *r)
{
    struct fuse_entry_param e;
    if (status == 0) {
        dirs_heard(k, &r->attr);
        attr_entry(k->m, &r->attr, &e);
        if (node_find(k->m, r->attr.ino))
            e.attr_timeout = 0; /* it may be from before something of ours */
        fuse_reply_entry(k->req, &e);
    } else {
        fuse_reply_err(k->req, call_errno(k, status));
    }
    call_free(k);
}

static void stat_again(struct call *k);

/* A file that somebody removed before the NameServer knew that it is open: it is what it was, without a name. */
static bool is_nameless(const struct node *n, int status)
{
    return status == DFS_ENOENT && n && n->open[0].users > 0;
}

static void on_attr(struct call *k, int status, const struct dfs_result *r)
{
    const struct node *n = node_find(k->m, k->ino);
    struct dfs_attr nameless;
    struct stat st;
    if (is_nameless(n, status)) {
        nameless = n->opened;
        nameless.nlink = 0;
        attr_stat(k->m, &nameless, &st);
        fuse_reply_attr(k->req, &st, (double)k->m->opt.attr_ms / 1000);
        call_free(k);
        return;
    }
    if (status == 0 && n && n->changes != k->changes && ++k->tries < STAT_TRIES) {
        stat_again(k);
        return;
    }
    if (status == 0) {
        dirs_heard(k, &r->attr);
        attr_stat(k->m, &r->attr, &st);
        fuse_reply_attr(k->req, &st, n && n->n_extents ? 0 : (double)k->m->opt.attr_ms / 1000);
    } else {
        fuse_reply_err(k->req, call_errno(k, status));
    }
    call_free(k);
}

static void stat_again(struct call *k)
{
    const struct node *n = node_find(k->m, k->ino);
    k->changes = n ? n->changes : 0;
    k->done = on_attr;
    call_at(k->m, k->req, k->ino, k->ino);
    call_go(k, dfs_stat(k->m->client, "", DFS_NOFOLLOW, on_call, k));
}

void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
    struct mount *m = fuse_req_userdata(req);
    uint64_t left;
    const struct dfs_attr *known = dirs_know(m, ino_of(m, ino), &left);
    struct stat st;
    (void)fi;
    if (promise_getattr(req, ino))
        return;
    if (known) {
        attr_stat(m, known, &st);
        fuse_reply_attr(req, &st, (double)left / 1000);
        return;
    }
    stat_again(call_new(m, req, ino, on_attr));
}

static void on_statfs(struct call *k, int status, const struct dfs_result *r)
{
    if (status == 0) {
        const struct dfs_statfs *f = &r->fs;
        uint64_t total = f->capacity / 4096, room = (f->capacity - min_u64(f->used, f->capacity)) / 4096;
        struct statvfs v = {.f_bsize = 4096,
                            .f_frsize = 4096,
                            .f_blocks = total,
                            .f_bfree = room,
                            .f_bavail = room,
                            .f_files = f->files + f->directories + room,
                            .f_ffree = room,
                            .f_favail = room,
                            .f_namemax = 255};
        fuse_reply_statfs(k->req, &v);
    } else {
        fuse_reply_err(k->req, call_errno(k, status));
    }
    call_free(k);
}

void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
    struct mount *m = fuse_req_userdata(req);
    struct call *k = call_new(m, req, ino, on_statfs);
    call_go(k, dfs_statfs(m->client, on_call, k));
}

/* --- changes --- */

static int64_t ns_of(struct timespec t) { return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec; }

struct set_later {
    struct waiter w;
    struct call *k;
};

static void on_set(struct call *k, int status, const struct dfs_result *r)
{
    if (k->node) {
        k->node->changes++;
        if (status == 0 && k->set.what & (DFS_SET_MTIME | DFS_SET_MTIME_NOW))
            k->node->written_ns = 0;
        node_unuse(k->node);
        k->node = NULL;
    }
    on_attr(k, status, r);
}

static void set_now(struct call *k)
{
    k->done = on_set;
    call_at(k->m, k->req, k->ino, k->ino);
    call_go(k, dfs_setattr(k->m->client, "", &k->set, DFS_NOFOLLOW, on_call, k));
}

/* The time of the last write has been told, so that it does not come after the one that is set. */
static void on_time_told(struct call *k, int status, const struct dfs_result *r)
{
    (void)status;
    (void)r;
    set_now(k);
}

static void set_later(struct waiter *w)
{
    struct set_later *s = CONTAINER_OF(w, struct set_later, w);
    struct call *k = s->k;
    uint64_t file = node_file(k->node, true);
    free(s);
    k->done = on_time_told;
    if (file)
        call_go(k, dfs_fsync(k->m->client, file, on_call, k));
    else
        set_now(k);
}

void set_attributes(struct call *k)
{
    struct node *n = k->node ? k->node : node_find(k->m, k->ino);
    if (!k->set.what) {
        if (k->node)
            node_unuse(k->node);
        k->node = NULL;
        stat_again(k);
        return;
    }
    if (!k->node && n)
        n->users++;
    k->node = n;
    if (!n || !node_file(n, true) || !(k->set.what & (DFS_SET_MTIME | DFS_SET_MTIME_NOW))) {
        set_now(k);
        return;
    }
    struct set_later *s = xcalloc(1, sizeof *s);
    s->k = k;
    s->w = (struct waiter){.start = 0, .end = UINT64_MAX, .run = set_later};
    node_wait(n, &s->w);
}

static struct dfs_setattr changes_of(const struct stat *st, int set)
{
    struct dfs_setattr c = {.mode = st->st_mode & 07777, .uid = st->st_uid, .gid = st->st_gid};
    c.what = (set & FUSE_SET_ATTR_MODE ? DFS_SET_MODE : 0) | (set & FUSE_SET_ATTR_UID ? DFS_SET_UID : 0) |
             (set & FUSE_SET_ATTR_GID ? DFS_SET_GID : 0);
    if (set & FUSE_SET_ATTR_MTIME_NOW)
        c.what |= DFS_SET_MTIME_NOW;
    else if (set & FUSE_SET_ATTR_MTIME)
        c.what |= DFS_SET_MTIME;
    if (set & FUSE_SET_ATTR_ATIME_NOW)
        c.what |= DFS_SET_ATIME_NOW;
    else if (set & FUSE_SET_ATTR_ATIME)
        c.what |= DFS_SET_ATIME;
    c.mtime_ns = ns_of(st->st_mtim);
    c.atime_ns = ns_of(st->st_atim);
    return c;
}

void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int set, struct fuse_file_info *fi)
{
    struct mount *m = fuse_req_userdata(req);
    struct dfs_setattr changes = changes_of(st, set);
    const struct node *n = node_find(m, ino_of(m, ino));
    if (m->kills && (!n || n->setid) && !(changes.what & (DFS_SET_UID | DFS_SET_GID)))
        changes.what |= DFS_KILL_SETID;
    (void)fi;
    if (promise_setattr(req, ino, &changes))
        return;
    delegation_end(m, ino_of(m, ino)); /* what is made there follows some of its attributes */
    struct call *k = call_new_change(m, req, ino, on_attr);
    k->set = changes;
    if (set & FUSE_SET_ATTR_SIZE)
        set_size(k, (uint64_t)st->st_size);
    else
        set_attributes(k);
}
