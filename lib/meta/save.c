/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/crc.h"
#include "meta/snapshot.h"

struct saver {
    int (*write)(void *arg, const void *p, size_t len);
    void *arg;
    uint8_t *buf;      /* a block: head and bytes */
    uint32_t len;      /* bytes in it */
    uint32_t crc;      /* of everything in finished blocks */
    int err;           /* the first error; everything after it is dropped */
    uint32_t *numbers; /* of the placements; 0: not saved yet */
    uint32_t n_placements;
};

static void end_block(struct saver *s)
{
    s->crc = s->len > 0 ? crc32c(s->crc, s->buf + SNAPSHOT_BLOCK_HEAD, s->len) : s->crc;
    put_u32(s->buf, s->len);
    put_u32(s->buf + 4, s->crc);
    if (s->err == 0)
        s->err = s->write(s->arg, s->buf, SNAPSHOT_BLOCK_HEAD + s->len);
    s->len = 0;
}

static void put(struct saver *s, const void *p, size_t len)
{
    while (len > 0) {
        size_t n = min_u64(len, SNAPSHOT_BLOCK - s->len);
        memcpy(s->buf + SNAPSHOT_BLOCK_HEAD + s->len, p, n);
        s->len += (uint32_t)n;
        p = (const uint8_t *)p + n;
        len -= n;
        if (s->len == SNAPSHOT_BLOCK)
            end_block(s);
    }
}

/* The host is little-endian (the build refuses others), so a number's bytes are its encoding. */
static void put8(struct saver *s, uint8_t v) { put(s, &v, sizeof v); }
static void put16(struct saver *s, uint16_t v) { put(s, &v, sizeof v); }
static void put32(struct saver *s, uint32_t v) { put(s, &v, sizeof v); }
static void put64(struct saver *s, uint64_t v) { put(s, &v, sizeof v); }

static void put_text(struct saver *s, const char *p, size_t len)
{
    put16(s, (uint16_t)len);
    put(s, p, len);
}

static void save_head(const struct meta *m, struct saver *s)
{
    put64(s, SNAPSHOT_MAGIC);
    put32(s, SNAPSHOT_VERSION);
    put32(s, META_CHUNK_SIZE);
    const uint64_t fields[] = {m->index,
                               m->epoch,
                               m->cluster_hi,
                               m->cluster_lo,
                               m->first_grantable,
                               m->reserved,
                               m->horizon,
                               m->next_ino,
                               m->next_session,
                               m->next_generation,
                               m->next_removal,
                               m->trash_emptied,
                               (uint64_t)m->trash_keep_ns,
                               m->next_handle,
                               m->next_ticket,
                               m->quarantine};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        put64(s, fields[i]);
    put32(s, m->n_servers);
    put32(s, m->n_members);
    put32(s, m->next_member);
    put32(s, m->level);
    put64(s, m->inodes.count);
    put64(s, m->names.count);
    put64(s, m->trash.count);
    put64(s, m->sessions.count);
    put64(s, m->removed.count);
    put64(s, m->handles.count);
    put64(s, m->waits.count);
}

static void save_servers(const struct meta *m, struct saver *s)
{
    for (uint32_t i = 0; i < m->n_servers; i++) {
        const struct meta_server *v = &m->servers[i];
        put64(s, v->uuid_hi);
        put64(s, v->uuid_lo);
        put64(s, v->incarnation);
        put64(s, v->capacity);
        put64(s, v->used);
        put8(s, v->state);
        put8(s, v->up);
        put_text(s, v->addr, strlen(v->addr));
        put_text(s, v->domain, strlen(v->domain));
    }
}

static void save_members(const struct meta *m, struct saver *s)
{
    for (uint32_t i = 0; i < m->n_members; i++) {
        const struct meta_member *v = &m->members[i];
        put32(s, v->id);
        put64(s, v->uuid_hi);
        put64(s, v->uuid_lo);
        put32(s, v->level);
        put_text(s, v->addr, strlen(v->addr));
    }
}

/* Placements are numbered as they come, and told what they are where they come first. */
static void save_placement(const struct meta *m, struct saver *s, uint32_t placement)
{
    const struct placement *p = placements_at(&m->placements, placement);
    bool first = s->numbers[placement] == 0;
    if (first)
        s->numbers[placement] = ++s->n_placements;
    put32(s, s->numbers[placement]);
    if (!first)
        return;
    put8(s, p->goal);
    put8(s, p->n);
    put(s, placement_servers(p), p->n * sizeof(uint16_t));
}

static void save_chunk(const struct meta *m, struct saver *s, uint64_t id)
{
    const struct chunk *c = meta_chunk(m, id);
    put64(s, id);
    put32(s, c->version);
    put32(s, c->length);
    put32(s, c->crc);
    put32(s, c->index);
    put8(s, (uint8_t)(c->open | c->cut << 1));
    save_placement(m, s, c->placement);
}

static void save_inode(const struct meta *m, struct saver *s, uint64_t ino, const struct inode *in)
{
    put64(s, ino);
    put16(s, in->type_mode);
    put8(s, in->goal);
    put8(s, in->flags);
    put32(s, in->uid);
    put32(s, in->gid);
    put64(s, (uint64_t)in->mtime_ns);
    put64(s, (uint64_t)in->ctime_ns);
    put64(s, meta_generation(in));
    if (in->flags & INODE_XATTRS) {
        const struct xattrs *x = meta_xattrs(m, ino);
        put32(s, x->len);
        put(s, x->data, x->len);
    }
    if (in->flags & INODE_ATIME)
        put64(s, (uint64_t)meta_atime(m, ino, in));
    if (inode_type(in) == INODE_SYMLINK)
        put_text(s, in->target, in->size);
    if (is_special(in))
        put64(s, in->size);
    if (inode_type(in) != INODE_FILE)
        return;
    put64(s, in->size);
    put32(s, in->n);
    for (uint32_t i = 0; i < in->n; i++)
        save_chunk(m, s, meta_file_chunk(in, i));
}

static int save_inodes(const struct meta *m, struct saver *s)
{
    struct idmap_iter it;
    uint64_t ino;
    const struct inode *in;
    int rv = idmap_iter_init(&it, &m->inodes);
    while (rv == 0 && s->err == 0 && (in = idmap_iter_next(&it, &ino)) != NULL)
        save_inode(m, s, ino, in);
    idmap_iter_close(&it);
    return rv;
}

static void save_names(const struct meta *m, struct saver *s)
{
    struct names_cursor c;
    struct str name;
    uint64_t dir, ino;
    names_seek(&m->names, &c, 0, STR(""));
    while (s->err == 0 && names_next(&c, &dir, &name, &ino)) {
        put64(s, dir);
        put64(s, ino);
        put8(s, (uint8_t)name.len);
        put(s, name.p, name.len);
    }
}

static int save_trash(const struct meta *m, struct saver *s)
{
    struct idmap_iter it;
    uint64_t number;
    const struct trashed *t;
    int rv = idmap_iter_init(&it, &m->trash);
    while (rv == 0 && s->err == 0 && (t = idmap_iter_next(&it, &number)) != NULL) {
        put64(s, number);
        put64(s, (uint64_t)t->time_ns);
        put32(s, t->uid);
        put_text(s, t->path ? t->path : "", t->path ? strlen(t->path) : 0);
    }
    idmap_iter_close(&it);
    return rv;
}

static void save_session(struct saver *s, uint64_t id, const struct session *v)
{
    put64(s, id);
    put64(s, v->nonce);
    put64(s, (uint64_t)v->active_ns);
    put64(s, v->floor);
    put_text(s, v->who ? v->who : "", v->who ? strlen(v->who) : 0);
    put32(s, v->n_results);
    for (uint32_t i = 0; i < v->ring_cap; i++) {
        const struct session_result *r = meta_session_result(v, v->floor + i);
        if (r == NULL)
            continue;
        put64(s, v->floor + i);
        put16(s, r->type);
        put32(s, r->len);
        put(s, r->head, r->len);
    }
}

static int save_sessions(const struct meta *m, struct saver *s)
{
    struct idmap_iter it;
    uint64_t id;
    const struct session *v;
    int rv = idmap_iter_init(&it, &m->sessions);
    while (rv == 0 && s->err == 0 && (v = idmap_iter_next(&it, &id)) != NULL)
        save_session(s, id, v);
    idmap_iter_close(&it);
    return rv;
}

static void save_lock(struct saver *s, const struct lock *l)
{
    put64(s, l->owner);
    put64(s, l->start);
    put64(s, l->end);
    put8(s, l->space);
    put8(s, l->type);
}

static void save_handle(const struct meta *m, struct saver *s, uint64_t id, const struct handle *h)
{
    const struct locks *l = meta_locks(m, h->ino);
    uint32_t held = 0;
    for (uint32_t i = 0; l != NULL && i < l->n; i++)
        held += l->v[i].handle == id;
    put64(s, id);
    put64(s, h->session);
    put64(s, h->ino);
    put32(s, h->flags);
    put32(s, held);
    for (uint32_t i = 0; held > 0 && i < l->n; i++)
        if (l->v[i].handle == id)
            save_lock(s, &l->v[i]);
}

static int save_files(const struct meta *m, struct saver *s)
{
    struct idmap_iter it;
    uint64_t id;
    const struct handle *h;
    const struct lock_wait *w;
    int rv = idmap_iter_init(&it, &m->handles);
    while (rv == 0 && s->err == 0 && (h = idmap_iter_next(&it, &id)) != NULL)
        save_handle(m, s, id, h);
    idmap_iter_close(&it);
    if (rv == 0)
        rv = idmap_iter_init(&it, &m->waits);
    while (rv == 0 && s->err == 0 && (w = idmap_iter_next(&it, &id)) != NULL) {
        put64(s, id);
        put64(s, w->lock.handle);
        save_lock(s, &w->lock);
    }
    idmap_iter_close(&it);
    return rv;
}

/* Nothing, where there are none. */
static int save_delegations(const struct meta *m, struct saver *s)
{
    uint32_t n;
    uint64_t *dirs = meta_delegated(m, &n);
    if (n > 0 && dirs == NULL)
        return DFS_ENOMEM;
    if (n > 0)
        put32(s, n);
    for (uint32_t i = 0; i < n; i++) {
        put64(s, dirs[i]);
        put64(s, meta_delegated_to(m, dirs[i]));
    }
    free(dirs);
    return 0;
}

int meta_save(const struct meta *m, int (*write)(void *arg, const void *p, size_t len), void *arg)
{
    struct saver s = {.write = write, .arg = arg, .buf = malloc(SNAPSHOT_BLOCK_HEAD + SNAPSHOT_BLOCK)};
    s.numbers = calloc(m->placements.n + 1, sizeof *s.numbers);
    if (s.buf == NULL || s.numbers == NULL) {
        free(s.buf);
        free(s.numbers);
        return DFS_ENOMEM;
    }
    save_head(m, &s);
    save_servers(m, &s);
    save_members(m, &s);
    int rv = save_inodes(m, &s);
    save_names(m, &s);
    if (rv == 0)
        rv = save_trash(m, &s);
    if (rv == 0)
        rv = save_sessions(m, &s);
    if (rv == 0)
        rv = save_files(m, &s);
    for (size_t i = 0; i < m->removed.count; i++) {
        put64(&s, (uint64_t)meta_removed_at(m, i)->time_ns);
        save_chunk(m, &s, meta_removed_at(m, i)->chunk);
    }
    if (rv == 0)
        rv = save_delegations(m, &s);
    if (rv != 0)
        s.err = rv;
    if (s.len > 0)
        end_block(&s);
    end_block(&s);
    free(s.buf);
    free(s.numbers);
    return s.err;
}
