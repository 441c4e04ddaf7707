/* SPDX-License-Identifier: MIT */
/* Open files. A handle belongs to a session and keeps its inode, with or without a name: what lost its last name is
 * dropped when its last handle goes. */
#include <stdio.h>

#include "meta/state.h"

#define REFUSE(m, err, ...) (snprintf((m)->text, sizeof(m)->text, __VA_ARGS__), (err))

static struct handle *find(const struct meta *m, uint64_t id) { return idmap_find(&m->handles, id); }

const struct handle *meta_handle(const struct meta *m, uint64_t id) { return find(m, id); }

bool meta_is_open(const struct meta *m, uint64_t ino) { return u64map_get(&m->opens, ino) != 0; }

static uint64_t handle_weight(uint32_t flags) { return flags & OPEN_WRITE ? 1 + HANDLE_WRITER : 1; }

bool meta_is_written(const struct meta *m, uint64_t ino) { return u64map_get(&m->opens, ino) >= HANDLE_WRITER; }

bool meta_may_write(const struct meta *m, uint64_t session, uint64_t handle, uint64_t *ino)
{
    const struct handle *h = find(m, handle);
    if (h == NULL || h->session != session || !(h->flags & OPEN_WRITE) || !meta_session_exists(m, session))
        return false;
    *ino = h->ino;
    return true;
}

static void chain_in(struct meta *m, struct session *s, uint64_t id, struct handle *h)
{
    h->next = s->handles;
    if (h->next != 0)
        find(m, h->next)->prev = id;
    s->handles = id;
    s->n_handles++;
}

static void chain_out(struct meta *m, struct session *s, const struct handle *h)
{
    if (h->prev != 0)
        find(m, h->prev)->next = h->next;
    else
        s->handles = h->next;
    if (h->next != 0)
        find(m, h->next)->prev = h->prev;
    s->n_handles--;
}

bool meta_handle_add(struct meta *m, uint64_t id, uint64_t session, uint64_t ino, uint32_t flags)
{
    struct session *s = idmap_find(&m->sessions, session);
    const struct inode *in = meta_inode(m, ino);
    bool sane = (flags & (OPEN_READ | OPEN_WRITE)) != 0 && (flags & ~(OPEN_READ | OPEN_WRITE)) == 0;
    if (s == NULL || in == NULL || inode_type(in) != INODE_FILE || !sane || find(m, id) != NULL)
        return false;
    struct handle *h = idmap_add(&m->handles, id);
    *h = (struct handle){.session = session, .ino = ino, .flags = flags};
    chain_in(m, s, id, h);
    u64map_put(&m->opens, ino, u64map_get(&m->opens, ino) + handle_weight(flags));
    return true;
}

static void drop(struct meta *m, const struct stamp *st, uint64_t id)
{
    meta_locks_drop(m, id);
    const struct handle h = *find(m, id);
    chain_out(m, idmap_find(&m->sessions, h.session), &h);
    idmap_remove(&m->handles, id);
    uint64_t left = u64map_get(&m->opens, h.ino) - handle_weight(h.flags);
    if (left != 0) {
        u64map_put(&m->opens, h.ino, left);
        return;
    }
    u64map_remove(&m->opens, h.ino);
    if (meta_inode(m, h.ino)->names == 0)
        meta_inode_drop(m, st, h.ino);
}

void meta_handles_drop(struct meta *m, const struct stamp *st, uint64_t session)
{
    const struct session *s = idmap_find(&m->sessions, session);
    while (s->handles != 0)
        drop(m, st, s->handles);
}

bool meta_locks_outlive(struct meta *m, const struct session *s)
{
    bool held = false, writes = false;
    for (uint64_t id = s->handles; id != 0; id = find(m, id)->next) {
        meta_lock_waits_drop(m, id);
        held = held || find(m, id)->locks > 0;
        writes = writes || (find(m, id)->flags & OPEN_WRITE);
    }
    return held && writes;
}

/* The file to open: w->ino is 0 if it is to be made. */
static int walk_for_open(const struct meta *m, const struct msg_open *r, struct walk *w)
{
    if (r->flags & OPEN_CREATE)
        return meta_walk_for_file(m, r->dir, r->path, r->flags & OPEN_EXCL, w);
    w->links = 0;
    int rv = meta_walk_existing(m, r->dir, r->path, WALK_FOLLOW, &w->ino);
    if (rv != 0)
        return rv;
    uint8_t type = inode_type(meta_inode(m, w->ino));
    return type == INODE_FILE        ? 0
           : type == INODE_DIRECTORY ? DFS_EISDIR
           : type == INODE_SYMLINK   ? DFS_ELOOP
                                     : DFS_ENOTSUP;
}

int meta_handle_room(struct meta *m, uint64_t session)
{
    const struct session *s = idmap_find(&m->sessions, session);
    return s->n_handles < META_HANDLES_MAX
               ? 0
               : REFUSE(m, DFS_EMFILE, "a session may have %u files open", META_HANDLES_MAX);
}

uint64_t meta_handle_new(struct meta *m, uint64_t session, uint64_t ino, uint32_t flags)
{
    uint64_t id = m->next_handle++;
    bool added = meta_handle_add(m, id, session, ino, flags);
    assert(added);
    (void)added;
    return id;
}

int meta_op_open(struct meta *m, const struct stamp *st, const struct msg_open *r, struct msg *reply)
{
    struct walk w;
    const uint32_t all = OPEN_READ | OPEN_WRITE | OPEN_CREATE | OPEN_EXCL;
    if ((r->flags & (OPEN_READ | OPEN_WRITE)) == 0 || (r->flags & ~all) != 0 || r->goal > META_MAX_REPLICAS)
        return DFS_EINVAL;
    int rv = walk_for_open(m, r, &w);
    if (rv != 0)
        return rv;
    rv = meta_handle_room(m, r->id.session);
    if (rv != 0)
        return rv;
    reply->open_reply.dir_ns = w.ino == 0 ? st->time_ns : 0;
    const struct made what = {r->mode, r->umask, r->uid, r->gid};
    if (w.ino == 0)
        w.ino = meta_file_new(m, st, &w, &what, r->goal);
    reply->type = MSG_TYPE_open_reply;
    reply->open_reply.handle = meta_handle_new(m, r->id.session, w.ino, r->flags & (OPEN_READ | OPEN_WRITE));
    meta_fill_attr(m, w.ino, meta_inode(m, w.ino), &reply->open_reply.attr);
    return 0;
}

/* The handle of this session; NULL: it has none of that number. */
static const struct handle *own_handle(const struct meta *m, uint64_t id, uint64_t session)
{
    const struct handle *h = find(m, id);
    return h != NULL && h->session == session ? h : NULL;
}

int meta_op_close(struct meta *m, const struct stamp *st, const struct msg_close *r, struct msg *reply)
{
    if (own_handle(m, r->handle, r->id.session) != NULL)
        drop(m, st, r->handle);
    reply->type = MSG_TYPE_close_reply;
    reply->close_reply.reserved = 0;
    return 0;
}

int meta_op_extend(struct meta *m, const struct stamp *st, const struct msg_extend *r, struct msg *reply)
{
    const struct handle *h = own_handle(m, r->handle, r->id.session);
    if (h == NULL || !(h->flags & OPEN_WRITE))
        return DFS_EBADF;
    if (r->size > META_FILE_SIZE_MAX)
        return DFS_EFBIG;
    struct inode *in = meta_inode(m, h->ino);
    if (r->size > in->size && (r->generation == 0 || r->generation == meta_generation(in))) {
        if (meta_is_cut(m, in))
            return REFUSE(m, DFS_EAGAIN, "the end of the file is being cut off");
        meta_file_resize(m, in, r->size);
    }
    in->mtime_ns = r->mtime_ns != 0 ? r->mtime_ns : st->time_ns;
    in->ctime_ns = st->time_ns;
    meta_changed(m, h->ino);
    reply->type = MSG_TYPE_extend_reply;
    meta_fill_attr(m, h->ino, in, &reply->extend_reply.attr);
    return 0;
}
