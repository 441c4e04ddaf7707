/* SPDX-License-Identifier: MIT */
/* The full self-check: everything that is kept twice, or counted, is counted again. */
#include <stdio.h>
#include <stdlib.h>

#include "meta/state.h"

struct verify {
    const struct meta *m;
    char *why;
    size_t len;
    uint64_t files, dirs, symlinks, mapped, several, trashed, with_xattrs, with_atime, open;
    uint64_t removed_bytes;
    struct idmap seen;    /* chunk id -> 1 byte */
    struct idmap sums;    /* directory -> struct totals */
    struct idmap names;   /* inode -> u32, how many mean it */
    struct idmap entries; /* directory -> struct entries */
    uint64_t *server_chunks, *server_bytes;
    struct placement *placed; /* what the chunks say of each placement: numbers only */
};

#define BAD(v, ...) (snprintf((v)->why, (v)->len, __VA_ARGS__), DFS_ECORRUPT)

struct entries { /* what the name index says of a directory */
    uint64_t all, dirs;
};

static int check_placement(struct verify *v, uint64_t id, const struct chunk *c)
{
    if (c->placement >= v->m->placements.n || !meta_placement(v->m, c)->used)
        return BAD(v, "chunk %016" PRIx64 " is placed nowhere", id);
    const struct placement *p = meta_placement(v->m, c);
    struct placement *seen = &v->placed[c->placement];
    seen->mapped += !c->removed;
    seen->removed += c->removed;
    seen->bytes += c->removed ? 0 : c->length;
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t server = placement_servers(p)[i];
        if (meta_server_by_id(v->m, server) == NULL)
            return BAD(v, "chunk %016" PRIx64 " is on an unknown server", id);
        v->server_chunks[server - 1] += !c->removed;
        v->server_bytes[server - 1] += c->removed ? 0 : c->length;
    }
    return 0;
}

static int check_chunk(struct verify *v, uint64_t id, bool removed, uint32_t index_from)
{
    const struct chunk *c = meta_chunk(v->m, id);
    if (c == NULL || (c->removed != 0) != removed)
        return BAD(v, "chunk %016" PRIx64 " is not where its file or the removed queue says", id);
    if (idmap_find(&v->seen, id) != NULL)
        return BAD(v, "chunk %016" PRIx64 " is used twice", id);
    idmap_add(&v->seen, id);
    if (id == 0 || id >= v->m->reserved || (c->length == 0 && !c->open) || c->length > META_CHUNK_SIZE ||
        c->index < index_from)
        return BAD(v, "chunk %016" PRIx64 " breaks a limit", id);
    if (c->open != (u64map_get(&v->m->open_chunks, id) != 0) || (c->open && removed) ||
        (c->cut && (!c->open || c->length == 0)))
        return BAD(v, "chunk %016" PRIx64 " takes writes, or does not", id);
    v->open += c->open;
    v->mapped += !removed;
    v->removed_bytes += removed ? c->length : 0;
    return check_placement(v, id, c);
}

static int check_file(struct verify *v, uint64_t ino, const struct inode *in)
{
    uint32_t index_from = 0;
    uint64_t end = 0;
    for (uint32_t i = 0; i < in->n; i++) {
        int rv = check_chunk(v, meta_file_chunk(in, i), false, index_from);
        if (rv != 0)
            return rv;
        const struct chunk *c = meta_chunk(v->m, meta_file_chunk(in, i));
        if (c->open && u64map_get(&v->m->open_chunks, meta_file_chunk(in, i)) != ino)
            return BAD(v, "inode %" PRIu64 " is not known to have an open chunk", ino);
        if (meta_placement(v->m, c)->goal != in->goal)
            return BAD(v, "a chunk of inode %" PRIu64 " has another goal", ino);
        index_from = c->index + 1;
        end = c->length > 0 ? (uint64_t)c->index * META_CHUNK_SIZE + c->length : end;
    }
    if (end > in->size)
        return BAD(v, "inode %" PRIu64 " is smaller than its chunks", ino);
    v->files++;
    return 0;
}

static int check_dir(struct verify *v, uint64_t ino, const struct inode *in)
{
    static const struct entries none;
    const struct entries *e = idmap_find(&v->entries, ino);
    e = e ? e : &none;
    const struct totals *sum = idmap_find(&v->sums, ino), *all = &in->dir->all;
    if (in->size != e->all || in->dir->subdirs != e->dirs || (!meta_is_root(ino) && in->names != 1))
        return BAD(v, "directory %" PRIu64 " miscounts its entries", ino);
    if (in->dir->ino != ino || (in->dir->up == NULL) != meta_is_root(ino))
        return BAD(v, "directory %" PRIu64 " is not where it should be", ino);
    if (sum->files != all->files || sum->bytes != all->bytes || sum->dirs != all->dirs ||
        sum->symlinks != all->symlinks)
        return BAD(v, "directory %" PRIu64 " miscounts what lies below it", ino);
    v->dirs += !meta_is_root(ino);
    return 0;
}

/* What u64map remembers of a file's names must be as many as the index has beyond the first. */
static int check_also(struct verify *v, uint64_t ino, const struct inode *in)
{
    const struct also *a = (const struct also *)(uintptr_t)u64map_get(&v->m->also, ino);
    if (in->names == 0 && a == NULL)
        return 0; /* open, and removed */
    if ((a == NULL ? 0 : a->n) + 1u != in->names)
        return BAD(v, "inode %" PRIu64 " forgot who names it", ino);
    uint64_t last = inode_home(in);
    for (uint32_t i = 0; i + 1u < in->names; last = a->dirs[i++])
        if (a->dirs[i] < last)
            return BAD(v, "inode %" PRIu64 " confuses who names it", ino);
    v->several += a != NULL;
    return 0;
}

static int check_inode(struct verify *v, uint64_t ino, const struct inode *in)
{
    const uint32_t *n = idmap_find(&v->names, ino);
    uint32_t names = n ? *n : 0;
    if (ino >= v->m->next_ino || meta_generation(in) >= v->m->next_generation)
        return BAD(v, "inode %" PRIu64 " is above its counter", ino);
    if (names != in->names || (names == 0 && !meta_is_root(ino) && !meta_is_open(v->m, ino)) ||
        (names && meta_is_root(ino)))
        return BAD(v, "inode %" PRIu64 " counts %u names, the index has %u", ino, in->names, names);
    const struct xattrs *x = meta_xattrs(v->m, ino);
    if ((x != NULL) != ((in->flags & INODE_XATTRS) != 0) || (x != NULL && !meta_xattrs_fine(x->data, x->len)))
        return BAD(v, "inode %" PRIu64 " has damaged attributes", ino);
    if (!meta_acls_fine(v->m, ino, in))
        return BAD(v, "inode %" PRIu64 " has an access control list that does not fit", ino);
    v->with_xattrs += x != NULL;
    bool atime = u64map_get(&v->m->atimes, ino) != 0;
    if (atime != ((in->flags & INODE_ATIME) != 0))
        return BAD(v, "inode %" PRIu64 " has a time of access too much or too little", ino);
    v->with_atime += atime;
    if (is_dir(in))
        return check_dir(v, ino, in);
    v->symlinks += inode_type(in) == INODE_SYMLINK;
    v->files += is_special(in);
    int rv = check_also(v, ino, in);
    return rv == 0 && inode_type(in) == INODE_FILE ? check_file(v, ino, in) : rv;
}

/* The hidden roots hold numbered entries only; the trash has a record of each of its own. */
static int check_hidden(struct verify *v, uint64_t dir, struct str name)
{
    uint64_t number = meta_removal_number(name);
    if (number == 0 || number >= v->m->next_removal)
        return BAD(v, "entry of the hidden directory %" PRIu64 " has no number", dir);
    if (dir == TRASH_INO && idmap_find(&v->m->trash, number) == NULL)
        return BAD(v, "entry %" PRIu64 " of the trash has no record", number);
    v->trashed += dir == TRASH_INO;
    return 0;
}

/* One entry of `parent`, whose number is dir. */
static int tally_name(struct verify *v, uint64_t dir, const struct inode *parent, struct str name, uint64_t ino)
{
    const struct inode *in = meta_inode(v->m, ino);
    if (in == NULL || (is_dir(in) && in->dir->up != parent->dir) ||
        (is_dir(in) && !str_eq(str_of(in->dir->name), name)))
        return BAD(v, "entry of directory %" PRIu64 " leads nowhere", dir);
    uint32_t *names = idmap_find(&v->names, ino);
    if (names == NULL) {
        names = idmap_add(&v->names, ino);
        if (inode_home(in) != dir) /* directories come in rising order: the first is the lowest */
            return BAD(v, "inode %" PRIu64 " has directory %" PRIu64 " for its home", ino, inode_home(in));
    }
    ++*names;
    return dir != ROOT_INO && meta_is_root(dir) ? check_hidden(v, dir, name) : 0;
}

static int tally_names(struct verify *v)
{
    struct names_cursor c;
    struct str name;
    const struct inode *parent = NULL;
    struct entries *e = NULL;
    uint64_t dir, ino, last = 0;
    int rv = names_verify(&v->m->names, v->why, v->len);
    names_seek(&v->m->names, &c, 0, STR(""));
    while (rv == 0 && names_next(&c, &dir, &name, &ino)) {
        if (dir != last) {
            parent = meta_inode(v->m, dir);
            if (parent == NULL || !is_dir(parent))
                return BAD(v, "entry of directory %" PRIu64 " stands nowhere", dir);
            e = idmap_add(&v->entries, dir);
            last = dir;
        }
        rv = tally_name(v, dir, parent, name, ino);
        e->all++;
        e->dirs += rv == 0 && is_dir(meta_inode(v->m, ino));
    }
    return rv;
}

static int check_inodes(struct verify *v)
{
    struct idmap_iter it;
    uint64_t ino;
    const struct inode *in;
    for (ino = ROOT_INO; ino <= PURGE_INO; ino++)
        if (meta_inode(v->m, ino) == NULL || !is_dir(meta_inode(v->m, ino)))
            return BAD(v, "there is no root directory %" PRIu64, ino);
    int rv = idmap_iter_init(&it, &v->m->inodes);
    while (rv == 0 && (in = idmap_iter_next(&it, &ino)) != NULL)
        rv = check_inode(v, ino, in);
    idmap_iter_close(&it);
    return rv;
}

static int check_sessions(struct verify *v)
{
    struct idmap_iter it;
    uint64_t id;
    const struct session *s;
    size_t ended = 0;
    int rv = idmap_iter_init(&it, &v->m->sessions);
    while (rv == 0 && (s = idmap_iter_next(&it, &id)) != NULL) {
        uint32_t results = 0;
        ended += s->active_ns == SESSION_ENDED && u64map_get(&v->m->ended, id) != 0;
        for (uint32_t i = 0; i < s->ring_cap; i++)
            results += s->ring[i] != NULL;
        if (u64map_get(&v->m->nonces, s->nonce) != id || results != s->n_results || id >= v->m->next_session)
            rv = BAD(v, "session %" PRIu64 " is not what its indexes say", id);
    }
    idmap_iter_close(&it);
    if (rv == 0 && ended != v->m->ended.count)
        rv = BAD(v, "sessions that have ended are miscounted");
    if (rv == 0 && v->m->nonces.count != v->m->sessions.count)
        rv = BAD(v, "nonces without a session");
    return rv;
}

struct held { /* what is counted anew of an inode's handles */
    uint32_t handles, locks;
};

static int check_handle(struct verify *v, struct idmap *held, uint64_t id, const struct handle *h)
{
    const struct meta *m = v->m;
    const struct session *s = idmap_find(&m->sessions, h->session);
    const struct handle *next = meta_handle(m, h->next), *prev = meta_handle(m, h->prev);
    const struct inode *in = meta_inode(m, h->ino);
    if (s == NULL || in == NULL || inode_type(in) != INODE_FILE || id >= m->next_handle)
        return BAD(v, "handle %" PRIu64 " is on nothing", id);
    if ((h->next != 0 && (next == NULL || next->prev != id || h->next >= id)) ||
        (h->prev != 0 ? prev == NULL || prev->next != id : s->handles != id))
        return BAD(v, "handle %" PRIu64 " is not in its session's chain", id);
    struct held *e = idmap_find(held, h->ino);
    e = e != NULL ? e : idmap_add(held, h->ino);
    e->handles++;
    e->locks += h->locks;
    return 0;
}

static int check_locks(struct verify *v, uint64_t ino, const struct locks *l)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (!meta_lock_fine(v->m, ino, &l->v[i]))
            return BAD(v, "inode %" PRIu64 " has a lock that makes no sense", ino);
    return 0;
}

static int check_held(struct verify *v, const struct idmap *held)
{
    struct idmap_iter it;
    uint64_t ino, waiting = 0, locked = 0;
    const struct held *e;
    int rv = idmap_iter_init(&it, held);
    while (rv == 0 && (e = idmap_iter_next(&it, &ino)) != NULL) {
        const struct locks *l = meta_locks(v->m, ino);
        if ((u64map_get(&v->m->opens, ino) & (HANDLE_WRITER - 1)) != e->handles ||
            (l != NULL ? l->n + l->waiting : 0) != e->locks)
            rv = BAD(v, "inode %" PRIu64 " miscounts its handles or locks", ino);
        else if (l != NULL)
            rv = check_locks(v, ino, l);
        waiting += l != NULL ? l->waiting : 0;
        locked += l != NULL;
    }
    idmap_iter_close(&it);
    if (rv == 0 && (held->count != v->m->opens.count || waiting != v->m->waits.count || locked != v->m->locks.count))
        rv = BAD(v, "locks or handles without an inode");
    return rv;
}

static int check_delegations(struct verify *v, uint64_t counted)
{
    const struct u64map *map = &v->m->delegations;
    if (counted != map->count)
        return BAD(v, "sessions miscount their delegations");
    for (size_t i = 0; i < map->cap; i++) {
        const struct inode *in = map->slots[i].value != 0 ? meta_inode(v->m, map->slots[i].key) : NULL;
        if (map->slots[i].value != 0 &&
            (in == NULL || !is_dir(in) || idmap_find(&v->m->sessions, map->slots[i].value) == NULL))
            return BAD(v, "inode %" PRIu64 " is delegated to session %" PRIu64, map->slots[i].key, map->slots[i].value);
    }
    return 0;
}

static int check_files(struct verify *v)
{
    struct idmap held;
    struct idmap_iter it;
    uint64_t id;
    const struct handle *h;
    const struct session *s;
    idmap_init(&held, sizeof(struct held));
    int rv = idmap_iter_init(&it, &v->m->handles);
    while (rv == 0 && (h = idmap_iter_next(&it, &id)) != NULL)
        rv = check_handle(v, &held, id, h);
    idmap_iter_close(&it);
    uint64_t n = 0, n_delegations = 0;
    if (rv == 0)
        rv = idmap_iter_init(&it, &v->m->sessions);
    while (rv == 0 && (s = idmap_iter_next(&it, &id)) != NULL) {
        n += s->n_handles;
        n_delegations += s->n_delegations;
    }
    idmap_iter_close(&it);
    if (rv == 0 && n != v->m->handles.count)
        rv = BAD(v, "sessions miscount their handles");
    if (rv == 0)
        rv = check_delegations(v, n_delegations);
    if (rv == 0)
        rv = check_held(v, &held);
    idmap_close(&held);
    return rv;
}

static int check_totals(struct verify *v)
{
    const struct meta *m = v->m;
    if (v->files != m->n_files || v->dirs != m->n_dirs || v->symlinks != m->n_symlinks || v->several != m->also.count ||
        v->trashed != m->trash.count || v->with_xattrs != m->xattrs.count || v->with_atime != m->atimes.count)
        return BAD(v, "totals differ from the inodes there are");
    if (v->open != m->open_chunks.count)
        return BAD(v, "open chunks without a file");
    if (v->removed_bytes != m->removed.bytes)
        return BAD(v, "the removed queue counts %" PRIu64 " bytes and has %" PRIu64, m->removed.bytes, v->removed_bytes);
    if (v->mapped + m->removed.count != m->chunks.count)
        return BAD(v, "chunks without a file");
    for (uint32_t i = 0; i < m->placements.n; i++) {
        const struct placement *p = &m->placements.v[i], *seen = &v->placed[i];
        if (p->used && (p->mapped != seen->mapped || p->removed != seen->removed || p->bytes != seen->bytes))
            return BAD(v, "placement %u miscounts its chunks", i);
    }
    for (uint32_t i = 0; i < m->n_servers; i++)
        if (m->servers[i].chunks != v->server_chunks[i] || m->servers[i].bytes != v->server_bytes[i])
            return BAD(v, "storage server %u miscounts its chunks", i + 1);
    return 0;
}

static int check_small(struct verify *v)
{
    const struct meta *m = v->m;
    int rv = placements_verify(&m->placements, v->why, v->len);
    for (uint32_t i = 0; rv == 0 && i < m->n_servers; i++)
        if ((m->servers[i].state == SERVER_DRAINED || m->servers[i].state == SERVER_REMOVED) &&
            m->servers[i].chunks > 0)
            rv = BAD(v, "storage server %u has chunks, and should have none", i + 1);
    if (rv == 0)
        rv = check_sessions(v);
    return rv == 0 ? check_files(v) : rv;
}

int meta_verify_small(const struct meta *m, char *why, size_t len)
{
    struct verify v = {.m = m, .why = why, .len = len};
    return check_small(&v);
}

int meta_verify(const struct meta *m, char *why, size_t len)
{
    struct verify v = {.m = m, .why = why, .len = len};
    idmap_init(&v.names, sizeof(uint32_t));
    idmap_init(&v.entries, sizeof(struct entries));
    idmap_init(&v.seen, 1);
    v.server_chunks = xcalloc(m->n_servers, sizeof *v.server_chunks);
    v.server_bytes = xcalloc(m->n_servers, sizeof *v.server_bytes);
    v.placed = xcalloc(m->placements.n + 1, sizeof *v.placed);
    meta_totals_sum(m, &v.sums);
    int rv = check_small(&v); /* before what leans on the placements */
    if (rv == 0)
        rv = tally_names(&v);
    if (rv == 0)
        rv = check_inodes(&v);
    for (size_t i = 0; rv == 0 && i < m->removed.count; i++)
        rv = check_chunk(&v, meta_removed_at(m, i)->chunk, true, 0);
    if (rv == 0)
        rv = check_totals(&v);
    idmap_close(&v.names);
    idmap_close(&v.entries);
    idmap_close(&v.sums);
    idmap_close(&v.seen);
    free(v.server_chunks);
    free(v.server_bytes);
    free(v.placed);
    return rv;
}
