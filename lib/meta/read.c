/* SPDX-License-Identifier: MIT */
#include "meta/state.h"

/* Encoded sizes, generously: a page is cut before it could outgrow a frame. */
#define DIRENT_BYTES 88u
#define CHUNK_LOC_BYTES 48u
#define REPLICA_BYTES 16u
#define PAGE_MAX 4096u
#define SCAN_MAX 65536u /* names one request looks at */

static int read_lookup(const struct meta *m, const struct msg_lookup *r, struct msg *reply)
{
    uint64_t ino;
    int rv = meta_walk_existing(m, r->dir, r->path, r->flags & LOOKUP_NOFOLLOW ? 0 : WALK_FOLLOW, &ino);
    if (rv != 0)
        return rv;
    const struct inode *in = meta_inode(m, ino);
    reply->type = MSG_TYPE_lookup_reply;
    meta_fill_attr(m, ino, in, &reply->lookup_reply.attr);
    reply->lookup_reply.target = STR("");
    if (inode_type(in) == INODE_SYMLINK)
        reply->lookup_reply.target = (struct str){in->target, (uint32_t)in->size};
    return 0;
}

static int read_readdir(const struct meta *m, const struct msg_readdir *r, struct msg *reply, struct arena *a)
{
    struct msg_readdir_reply *out = &reply->readdir_reply;
    uint64_t dir, at, ino;
    int rv = meta_walk_existing(m, r->dir, r->path, WALK_FOLLOW, &dir);
    if (rv != 0)
        return rv;
    const struct inode *in = meta_inode(m, dir);
    if (!is_dir(in))
        return DFS_ENOTDIR;
    if (r->after.len > WIRE_NAME_MAX)
        return DFS_ENAMETOOLONG;
    uint32_t limit = r->limit == 0 || r->limit > PAGE_MAX ? PAGE_MAX : r->limit;
    *out = (struct msg_readdir_reply){.eof = 1};
    reply->type = MSG_TYPE_readdir_reply;
    meta_fill_attr(m, dir, in, &out->dir);
    out->entries = arena_alloc(a, min_u64(limit, in->size), sizeof *out->entries);
    if (out->entries == NULL)
        return DFS_ENOMEM;
    struct names_cursor c;
    struct str name;
    names_seek(&m->names, &c, dir, r->after);
    for (uint32_t bytes = 0; names_next(&c, &at, &name, &ino) && at == dir;) {
        bytes += DIRENT_BYTES + name.len;
        if (out->n_entries == limit || bytes > META_PAGE_BYTES) {
            out->eof = 0;
            break;
        }
        struct wire_dirent *e = &out->entries[out->n_entries++];
        const struct inode *entry = meta_inode(m, ino);
        e->name = name;
        if (r->attrs)
            meta_fill_attr(m, ino, entry, &e->attr);
        else
            e->attr = (struct wire_attr){.ino = ino, .type = inode_type(entry)};
    }
    return 0;
}

static int read_usage(const struct meta *m, const struct msg_usage *r, struct msg *reply, struct arena *a)
{
    struct msg_usage_reply *out = &reply->usage_reply;
    uint64_t ino, at, entry;
    int rv = meta_walk_existing(m, r->dir, r->path, 0, &ino);
    if (rv != 0)
        return rv;
    if (r->after.len > WIRE_NAME_MAX)
        return DFS_ENAMETOOLONG;
    const struct inode *in = meta_inode(m, ino);
    *out = (struct msg_usage_reply){.next = STR(""), .eof = 1};
    reply->type = MSG_TYPE_usage_reply;
    meta_fill_attr(m, ino, in, &out->attr);
    out->totals = meta_wire_totals(is_dir(in) ? in->dir->all : meta_totals_of(in));
    if (!is_dir(in) || in->dir->subdirs == 0)
        return 0;
    uint32_t limit = r->limit == 0 || r->limit > PAGE_MAX ? PAGE_MAX : r->limit;
    out->entries = arena_alloc(a, min_u64(limit, in->dir->subdirs), sizeof *out->entries);
    if (out->entries == NULL)
        return DFS_ENOMEM;
    struct names_cursor c;
    struct str name;
    names_seek(&m->names, &c, ino, r->after);
    for (uint32_t seen = 0; names_next(&c, &at, &name, &entry) && at == ino;) {
        if (out->n_entries == limit || seen++ == SCAN_MAX) {
            out->eof = 0;
            break;
        }
        const struct inode *e = meta_inode(m, entry);
        if (is_dir(e))
            out->entries[out->n_entries++] = (struct wire_usage_entry){name, meta_wire_totals(e->dir->all)};
        out->next = name;
    }
    return 0;
}

static int fill_loc(const struct meta *m, uint64_t id, struct wire_chunk_loc *loc, struct arena *a, uint32_t *bytes)
{
    const struct chunk *c = meta_chunk(m, id);
    const struct placement *p = meta_placement(m, c);
    *loc = (struct wire_chunk_loc){
        .chunk = id,
        .index = c->index,
        .version = c->version,
        .length = c->length,
        .crc = c->crc,
        .n_replicas = p->n,
        .grant = STR(""),
        .open = c->open,
    };
    loc->replicas = arena_alloc(a, p->n, sizeof *loc->replicas);
    if (loc->replicas == NULL)
        return DFS_ENOMEM;
    *bytes += CHUNK_LOC_BYTES;
    for (uint32_t i = 0; i < p->n; i++) {
        const struct meta_server *s = &m->servers[meta_chain_server(id, p, i) - 1];
        loc->replicas[i] = (struct wire_replica){.server = s->id, .addr = str_of(s->addr)};
        *bytes += REPLICA_BYTES + loc->replicas[i].addr.len;
    }
    return 0;
}

static int read_locate(const struct meta *m, const struct msg_locate *r, struct msg *reply, struct arena *a)
{
    struct msg_locate_reply *out = &reply->locate_reply;
    uint64_t ino;
    if (r->handle != 0 && meta_handle(m, r->handle) == NULL)
        return DFS_EBADF; /* what it held may be another content by now */
    int rv = meta_walk_existing(m, r->dir, r->path, WALK_FOLLOW, &ino);
    if (rv != 0)
        return rv;
    const struct inode *in = meta_inode(m, ino);
    if (inode_type(in) != INODE_FILE)
        return is_dir(in) ? DFS_EISDIR : DFS_EINVAL;
    if (r->generation != 0 && r->generation != meta_generation(in))
        return DFS_EREPLACED;
    *out = (struct msg_locate_reply){.chunk_size = META_CHUNK_SIZE};
    reply->type = MSG_TYPE_locate_reply;
    meta_fill_attr(m, ino, in, &out->attr);
    uint32_t i = r->first == 0 ? 0 : meta_first_chunk(m, in, r->first);
    uint32_t limit = r->limit == 0 || r->limit > PAGE_MAX ? PAGE_MAX : r->limit, bytes = 0;
    out->chunks = arena_alloc(a, min_u64(limit, in->n - i), sizeof *out->chunks);
    if (out->chunks == NULL)
        return DFS_ENOMEM;
    for (; i < in->n && out->n_chunks < limit && bytes < META_PAGE_BYTES; i++) {
        rv = fill_loc(m, meta_file_chunk(in, i), &out->chunks[out->n_chunks++], a, &bytes);
        if (rv != 0)
            return rv;
    }
    out->eof = i == in->n;
    return 0;
}

/* What was removed for good, or replaced, and whose chunks are still there. */
static struct wire_totals reclaiming(const struct meta *m)
{
    struct wire_totals t = meta_wire_totals(meta_inode(m, PURGE_INO)->dir->all);
    t.bytes += m->removed.bytes;
    return t;
}

static int read_statfs(const struct meta *m, struct msg *reply)
{
    struct msg_statfs_reply *out = &reply->statfs_reply;
    reply->type = MSG_TYPE_statfs_reply;
    const struct totals *live = &meta_inode(m, ROOT_INO)->dir->all;
    *out = (struct msg_statfs_reply){
        .files = live->files,
        .directories = live->dirs,
        .trash = meta_wire_totals(meta_inode(m, TRASH_INO)->dir->all),
        .reclaiming = reclaiming(m),
        .chunks = m->chunks.count - m->removed.count,
    };
    for (uint32_t i = 0; i < m->n_servers; i++) {
        if (!m->servers[i].up || m->servers[i].state == SERVER_REMOVED)
            continue;
        out->capacity += m->servers[i].capacity;
        out->used += m->servers[i].used;
    }
    return 0;
}

int meta_read(const struct meta *m, const struct msg *req, struct msg *reply, struct arena *a)
{
    switch (req->type) {
    case MSG_TYPE_lookup: return read_lookup(m, &req->lookup, reply);
    case MSG_TYPE_readdir: return read_readdir(m, &req->readdir, reply, a);
    case MSG_TYPE_locate: return read_locate(m, &req->locate, reply, a);
    case MSG_TYPE_usage: return read_usage(m, &req->usage, reply, a);
    case MSG_TYPE_getxattr: return meta_read_getxattr(m, &req->getxattr, reply);
    case MSG_TYPE_listxattr: return meta_read_listxattr(m, &req->listxattr, reply, a);
    case MSG_TYPE_trash_list: return meta_read_trash(m, &req->trash_list, reply, a);
    case MSG_TYPE_statfs: return read_statfs(m, reply);
    case MSG_TYPE_lock_query: return meta_read_lock(m, &req->lock_query, reply);
    default: return DFS_ENOTSUP;
    }
}

void meta_fill_status(const struct meta *m, struct msg_status_reply *s, struct arena *a)
{
    s->cluster_hi = m->cluster_hi;
    s->cluster_lo = m->cluster_lo;
    s->epoch = m->epoch;
    s->sessions = m->sessions.count;
    const struct totals *live = &meta_inode(m, ROOT_INO)->dir->all;
    s->files = live->files;
    s->directories = live->dirs;
    s->symlinks = live->symlinks;
    s->trash = meta_wire_totals(meta_inode(m, TRASH_INO)->dir->all);
    s->reclaiming = reclaiming(m);
    s->chunks = m->chunks.count - m->removed.count;
    s->bytes = live->bytes;
    s->goal = meta_default_goal(m);
    s->servers = arena_alloc(a, m->n_servers, sizeof *s->servers);
    s->n_servers = 0;
    for (uint32_t i = 0; s->servers != NULL && i < m->n_servers; i++) {
        const struct meta_server *v = &m->servers[i];
        if (v->state == SERVER_REMOVED)
            continue;
        s->servers[s->n_servers++] = (struct wire_server_info){
            .id = v->id,
            .uuid_hi = v->uuid_hi,
            .uuid_lo = v->uuid_lo,
            .addr = str_of(v->addr),
            .domain = str_of(v->domain),
            .state = v->state,
            .capacity = v->capacity,
            .used = v->used,
            .chunks = v->chunks,
        };
    }
}
