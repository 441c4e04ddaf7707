/* SPDX-License-Identifier: MIT */
/* Publish: a whole file appears, or its content is replaced, at once (G5). Fill: the same for a file that is open and empty.
 * Make: a file its client has promised by a delegation appears, open and with its content.
 * Nothing is changed before all of it is checked, and everything is checked here and only here: a grant is not logged, its token brings the placement back
 * (B15). */
#include <stdio.h>
#include <stdlib.h>

#include "meta/state.h"

struct placed { /* one chunk of the request */
    uint64_t chunk;
    uint32_t version;
    uint32_t n_servers;
    uint16_t servers[META_MAX_REPLICAS];
};

#define MIN_REPLICAS(goal) ((goal) == 1 ? 1u : 2u) /* G2 */
#define REFUSE(m, err, ...) (snprintf((m)->text, sizeof(m)->text, __VA_ARGS__), (err))

/* The pieces must cover [0, size) in order, holes allowed between them but not behind the last. */
static int check_shape(struct meta *m, const struct msg_publish *r)
{
    uint64_t end = 0;
    for (uint32_t i = 0; i < r->n_chunks; i++) {
        const struct wire_published *p = &r->chunks[i];
        if (i > 0 && p->index <= r->chunks[i - 1].index)
            return REFUSE(m, DFS_EINVAL, "chunk indexes must rise");
        if (p->length == 0 || p->length > META_CHUNK_SIZE)
            return REFUSE(m, DFS_EINVAL, "chunk %u has %u bytes", p->index, p->length);
        end = (uint64_t)p->index * META_CHUNK_SIZE + p->length;
    }
    if (end != r->size)
        return REFUSE(m, DFS_EINVAL, "size is %" PRIu64 ", the chunks end at %" PRIu64, r->size, end);
    return 0;
}

static int check_servers(struct meta *m, const struct wire_grant_token *t, uint32_t min_replicas, struct placed *out)
{
    uint32_t up = 0, down = 0;
    out->n_servers = 0;
    for (uint32_t i = 0; i < t->n_servers; i++) {
        const struct meta_server *s = meta_server_by_id(m, t->servers[i].id);
        if (s == NULL)
            return REFUSE(m, DFS_EINVAL, "grant names storage server %u, which is unknown", t->servers[i].id);
        for (uint32_t k = 0; k < i; k++)
            if (t->servers[k].id == s->id)
                return REFUSE(m, DFS_EINVAL, "grant names storage server %u twice", s->id);
        if (s->state == SERVER_REMOVED || !s->up)
            down = s->id;
        if (s->state == SERVER_REMOVED)
            continue;
        out->servers[out->n_servers++] = (uint16_t)s->id;
        up += s->up;
    }
    if (up < min_replicas)
        return REFUSE(m, DFS_ENOSERVERS, "server=%u is down: %u of a chunk's %u storage servers are up, %u are needed",
                      down, up, t->n_servers, min_replicas);
    return 0;
}

static int check_chunk(struct meta *m, const struct wire_published *p, uint32_t min_replicas, struct placed *out)
{
    struct wire_grant_token t;
    int rv = wire_decode(&wire_rec_grant_token, p->grant.p, p->grant.len, &t, &m->arena);
    if (rv == DFS_ENOMEM)
        abort(); /* the outcome must not depend on this machine's memory (A6) */
    if (rv != 0)
        return REFUSE(m, DFS_EINVAL, "chunk %u has no readable grant", p->index);
    if (t.chunk == 0 || t.chunk >= m->reserved || t.chunk < m->horizon)
        return REFUSE(m, DFS_ESTALE, "grant expired");
    if (meta_knows_chunk(m, t.chunk))
        return REFUSE(m, DFS_EINVAL, "chunk %016" PRIx64 " is published already", t.chunk);
    out->chunk = t.chunk;
    out->version = t.version;
    return check_servers(m, &t, min_replicas, out);
}

/* Scratch for one command; aborts when memory is out, for the same reason. */
static void *scratch(struct meta *m, size_t n, size_t size)
{
    void *p = arena_alloc(&m->arena, n, size);
    if (p == NULL)
        abort();
    return p;
}

static int check_distinct(struct meta *m, const struct placed *placed, uint32_t n)
{
    uint64_t *ids = scratch(m, n, sizeof *ids);
    for (uint32_t i = 0; i < n; i++)
        ids[i] = placed[i].chunk;
    qsort(ids, n, sizeof *ids, compare_u64);
    for (uint32_t i = 1; i < n; i++)
        if (ids[i] == ids[i - 1])
            return REFUSE(m, DFS_EINVAL, "chunk %016" PRIx64 " comes twice", ids[i]);
    return 0;
}

/* *out: where each chunk of the request lies; lives until the arena is reset. */
static int check_content(struct meta *m, const struct msg_publish *r, uint8_t goal, struct placed **out)
{
    int rv = check_shape(m, r);
    if (rv != 0)
        return rv;
    *out = scratch(m, r->n_chunks, sizeof **out);
    for (uint32_t i = 0; i < r->n_chunks && rv == 0; i++)
        rv = check_chunk(m, &r->chunks[i], MIN_REPLICAS(goal), &(*out)[i]);
    return rv == 0 && r->n_chunks > 1 ? check_distinct(m, *out, r->n_chunks) : rv;
}

static void fill_file(struct meta *m, const struct stamp *st, const struct msg_publish *r, const struct placed *placed,
                      struct inode *in)
{
    uint64_t *ids = scratch(m, r->n_chunks, sizeof *ids);
    for (uint32_t i = 0; i < r->n_chunks; i++) {
        const struct wire_published *p = &r->chunks[i];
        uint32_t placement = placements_take(&m->placements, in->goal, placed[i].servers, placed[i].n_servers);
        struct chunk *c = meta_chunk_add(m, placed[i].chunk, placement, p->length);
        c->version = placed[i].version;
        c->crc = p->crc;
        c->index = p->index;
        ids[i] = placed[i].chunk;
    }
    meta_file_set_chunks(m, in, ids, r->n_chunks);
    meta_file_resize(m, in, r->size);
    in->mtime_ns = r->mtime_ns != 0 ? r->mtime_ns : st->time_ns;
    in->ctime_ns = st->time_ns;
}

/* Somebody has the file open: its content stays with them, as when another is renamed over it, and the name gets a new file
 * that looks the same. */
static struct inode *take_its_place(struct meta *m, const struct stamp *st, struct walk *w)
{
    uint64_t old = w->ino;
    const struct inode before = *meta_inode(m, old);
    const struct xattrs *x = meta_xattrs(m, old);
    struct inode *in;
    meta_unlink(m, st, w->parent, w->name);
    in = meta_inode_new(m, st, INODE_FILE, before.type_mode & 07777, before.uid, before.gid, &w->ino);
    if (x != NULL)
        meta_xattrs_put(m, w->ino, in, x->data, x->len);
    meta_link(m, st, w->parent, w->name, w->ino);
    return in;
}

int meta_op_publish(struct meta *m, const struct stamp *st, const struct msg_publish *r, struct msg *reply)
{
    struct walk w;
    struct placed *placed = NULL;
    struct inode *in = NULL;
    if (r->goal > META_MAX_REPLICAS)
        return DFS_EINVAL;
    int rv = meta_walk_for_file(m, r->dir, r->path, r->flags & CREATE_EXCL, &w);
    if (rv != 0)
        return rv;
    if (w.ino != 0)
        in = meta_inode(m, w.ino);
    uint8_t goal = r->goal != 0 ? r->goal : in != NULL ? in->goal : meta_inode(m, w.parent)->goal;
    rv = check_content(m, r, meta_goal(m, goal), &placed);
    if (rv != 0)
        return rv;
    if (in == NULL) {
        in = meta_inode_new(m, st, INODE_FILE, r->mode, r->uid, r->gid, &w.ino);
        meta_acl_inherit(m, w.parent, w.ino, in, 0);
        meta_link(m, st, w.parent, w.name, w.ino);
    } else if (meta_is_open(m, w.ino) && w.kind == LAST_NAME) {
        in = take_its_place(m, st, &w);
    } else {
        meta_file_drop_chunks(m, st, in);
        meta_drop_atime(m, w.ino, in);
        meta_set_generation(in, m->next_generation++);
    }
    in->goal = goal & 31;
    fill_file(m, st, r, placed, in);
    meta_changed(m, w.ino);
    reply->type = MSG_TYPE_publish_reply;
    meta_fill_attr(m, w.ino, in, &reply->publish_reply.attr);
    return 0;
}

int meta_op_fill(struct meta *m, const struct stamp *st, const struct msg_fill *r, struct msg *reply)
{
    const struct msg_publish content = {
        .size = r->size, .mtime_ns = r->mtime_ns, .chunks = r->chunks, .n_chunks = r->n_chunks};
    struct placed *placed = NULL;
    uint64_t ino;
    if (!meta_may_write(m, r->id.session, r->handle, &ino))
        return DFS_EBADF;
    struct inode *in = meta_inode(m, ino);
    if (in->size != 0 || in->n != 0)
        return REFUSE(m, DFS_EEXIST, "the file has content");
    if (meta_is_cut(m, in))
        return REFUSE(m, DFS_EAGAIN, "the end of the file is being cut off");
    int rv = check_content(m, &content, meta_goal(m, in->goal), &placed);
    if (rv != 0)
        return rv;
    fill_file(m, st, &content, placed, in);
    meta_changed(m, ino);
    reply->type = MSG_TYPE_fill_reply;
    meta_fill_attr(m, ino, in, &reply->fill_reply.attr);
    return 0;
}

int meta_op_make(struct meta *m, const struct stamp *st, const struct msg_make *r, struct msg *reply)
{
    const struct msg_publish content = {
        .size = r->size, .mtime_ns = r->mtime_ns, .chunks = r->chunks, .n_chunks = r->n_chunks};
    struct placed *placed = NULL;
    struct walk w;
    int rv = meta_walk_for_file(m, r->dir, r->path, true, &w);
    if (rv != 0)
        return rv;
    if (r->ino < FIRST_INO || r->ino >= m->next_ino)
        return REFUSE(m, DFS_EINVAL, "%" PRIu64 " is no number that was given out for an inode", r->ino);
    if (meta_inode(m, r->ino) != NULL)
        return REFUSE(m, DFS_EEXIST, "there is an inode %" PRIu64 " already", r->ino);
    uint8_t goal = meta_inode(m, w.parent)->goal;
    rv = check_content(m, &content, meta_goal(m, goal), &placed);
    if (rv == 0)
        rv = meta_handle_room(m, r->id.session);
    if (rv != 0)
        return rv;
    const struct made what = {r->mode, r->umask, r->uid, r->gid};
    struct inode *in = meta_file_add(m, st, &w, &what, r->ino);
    fill_file(m, st, &content, placed, in);
    if (r->atime_ns != 0)
        meta_set_atime(m, r->ino, in, r->atime_ns);
    reply->type = MSG_TYPE_make_reply;
    reply->make_reply.dir_ns = st->time_ns;
    reply->make_reply.handle = meta_handle_new(m, r->id.session, r->ino, OPEN_READ | OPEN_WRITE);
    meta_fill_attr(m, r->ino, in, &reply->make_reply.attr);
    return 0;
}
