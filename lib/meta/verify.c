/* SPDX-License-Identifier: MIT */
/* The full self-check: everything that is kept twice, or counted, is counted again. */
#include <stdio.h>
#include <stdlib.h>

#include "meta/state.h"

struct verify {
    const struct meta *m;
    char *why;
    size_t len;
    uint64_t files, dirs, symlinks, bytes, mapped;
    struct idmap seen; /* chunk id -> 1 byte */
    uint64_t *server_chunks, *server_bytes;
};

#define BAD(v, ...) (snprintf((v)->why, (v)->len, __VA_ARGS__), DFS_ECORRUPT)

struct tally { /* what the name index says of an inode */
    uint32_t names, entries, dirs;
};

static int check_chunk(struct verify *v, uint64_t id, bool removed, uint32_t index_from)
{
    const struct chunk *c = meta_chunk(v->m, id);
    if (c == NULL || (c->removed != 0) != removed)
        return BAD(v, "chunk %016" PRIx64 " is not where its file or the removed queue says", id);
    if (idmap_find(&v->seen, id) != NULL)
        return BAD(v, "chunk %016" PRIx64 " is used twice", id);
    idmap_add(&v->seen, id);
    if (id == 0 || id >= v->m->reserved || c->length == 0 || c->length > META_CHUNK_SIZE || c->index < index_from)
        return BAD(v, "chunk %016" PRIx64 " breaks a limit", id);
    for (uint32_t i = 0; i < c->n_servers; i++) {
        uint32_t server = meta_chunk_servers(v->m, id, c)[i];
        if (meta_server_by_id(v->m, server) == NULL)
            return BAD(v, "chunk %016" PRIx64 " is on an unknown server", id);
        v->server_chunks[server - 1] += !removed;
        v->server_bytes[server - 1] += removed ? 0 : c->length;
    }
    v->mapped += !removed;
    return 0;
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
        index_from = c->index + 1;
        end = (uint64_t)c->index * META_CHUNK_SIZE + c->length;
    }
    if (end > in->size)
        return BAD(v, "inode %" PRIu64 " is smaller than its chunks", ino);
    v->bytes += in->size;
    v->files++;
    return 0;
}

/* Every directory's way up must end at the root. Those known to are marked, so that each is walked once. */
static int check_parents(struct verify *v, struct idmap *rooted, uint64_t ino)
{
    uint64_t at = ino, steps = 0;
    for (; at != ROOT_INO && idmap_find(rooted, at) == NULL; at = meta_inode(v->m, at)->parent) {
        const struct inode *parent = meta_inode(v->m, meta_inode(v->m, at)->parent);
        if (parent == NULL || !is_dir(parent) || steps++ > v->m->n_dirs)
            return BAD(v, "directory %" PRIu64 " does not lead to the root", ino);
    }
    for (at = ino; at != ROOT_INO && idmap_find(rooted, at) == NULL; at = meta_inode(v->m, at)->parent)
        idmap_add(rooted, at);
    return 0;
}

static int check_inode(struct verify *v, uint64_t ino, const struct inode *in, const struct tally *t)
{
    static const struct tally none;
    if (t == NULL)
        t = &none;
    if (ino >= v->m->next_ino || meta_generation(in) >= v->m->next_generation)
        return BAD(v, "inode %" PRIu64 " is above its counter", ino);
    if (t->names != in->names || (ino != ROOT_INO && in->names == 0) || (ino == ROOT_INO && in->names != 0))
        return BAD(v, "inode %" PRIu64 " counts %u names, the index has %u", ino, in->names, t->names);
    if (is_dir(in) && (in->size != t->entries || in->n != t->dirs || (ino != ROOT_INO && in->names != 1)))
        return BAD(v, "directory %" PRIu64 " miscounts its entries", ino);
    if (inode_type(in) == INODE_FILE)
        return check_file(v, ino, in);
    v->dirs += is_dir(in) && ino != ROOT_INO;
    v->symlinks += inode_type(in) == INODE_SYMLINK;
    return 0;
}

static int tally_names(struct verify *v, struct idmap *tallies)
{
    struct names_cursor c;
    struct str name;
    uint64_t dir, ino;
    int rv = names_verify(&v->m->names, v->why, v->len);
    if (rv != 0)
        return rv;
    names_seek(&v->m->names, &c, 0, STR(""));
    while (names_next(&c, &dir, &name, &ino)) {
        const struct inode *in = meta_inode(v->m, ino), *parent = meta_inode(v->m, dir);
        if (in == NULL || parent == NULL || !is_dir(parent) || (is_dir(in) && in->parent != dir))
            return BAD(v, "entry of directory %" PRIu64 " leads nowhere", dir);
        struct tally *t = idmap_find(tallies, ino);
        t = t ? t : idmap_add(tallies, ino);
        t->names++;
        t = idmap_find(tallies, dir);
        t = t ? t : idmap_add(tallies, dir);
        t->entries++;
        t->dirs += is_dir(in);
    }
    return 0;
}

static int check_inodes(struct verify *v, const struct idmap *tallies, struct idmap *rooted)
{
    struct idmap_iter it;
    uint64_t ino;
    const struct inode *in, *root = meta_inode(v->m, ROOT_INO);
    if (root == NULL || !is_dir(root) || root->parent != ROOT_INO)
        return BAD(v, "there is no root directory");
    int rv = idmap_iter_init(&it, &v->m->inodes);
    while (rv == 0 && (in = idmap_iter_next(&it, &ino)) != NULL) {
        rv = check_inode(v, ino, in, idmap_find(tallies, ino));
        if (rv == 0 && is_dir(in))
            rv = check_parents(v, rooted, ino);
    }
    idmap_iter_close(&it);
    return rv;
}

static int check_sessions(struct verify *v)
{
    struct idmap_iter it;
    uint64_t id;
    const struct session *s;
    int rv = idmap_iter_init(&it, &v->m->sessions);
    while (rv == 0 && (s = idmap_iter_next(&it, &id)) != NULL) {
        uint32_t results = 0;
        for (uint32_t i = 0; i < s->ring_cap; i++)
            results += s->ring[i] != NULL;
        if (u64map_get(&v->m->nonces, s->nonce) != id || results != s->n_results || id >= v->m->next_session)
            rv = BAD(v, "session %" PRIu64 " is not what its indexes say", id);
    }
    idmap_iter_close(&it);
    if (rv == 0 && v->m->nonces.count != v->m->sessions.count)
        rv = BAD(v, "nonces without a session");
    return rv;
}

static int check_totals(struct verify *v)
{
    const struct meta *m = v->m;
    if (v->files != m->n_files || v->dirs != m->n_dirs || v->symlinks != m->n_symlinks || v->bytes != m->file_bytes)
        return BAD(v, "totals differ from the inodes there are");
    if (v->mapped + m->removed.count != m->chunks.count)
        return BAD(v, "chunks without a file");
    for (uint32_t i = 0; i < m->n_servers; i++)
        if (m->servers[i].chunks != v->server_chunks[i] || m->servers[i].bytes != v->server_bytes[i])
            return BAD(v, "storage server %u miscounts its chunks", i + 1);
    return 0;
}

int meta_verify(const struct meta *m, char *why, size_t len)
{
    struct verify v = {.m = m, .why = why, .len = len};
    struct idmap tallies, rooted;
    idmap_init(&tallies, sizeof(struct tally));
    idmap_init(&rooted, 1);
    idmap_init(&v.seen, 1);
    v.server_chunks = xcalloc(m->n_servers, sizeof *v.server_chunks);
    v.server_bytes = xcalloc(m->n_servers, sizeof *v.server_bytes);
    int rv = tally_names(&v, &tallies);
    if (rv == 0)
        rv = check_inodes(&v, &tallies, &rooted);
    for (size_t i = 0; rv == 0 && i < m->removed.count; i++)
        rv = check_chunk(&v, meta_removed_at(m, i)->chunk, true, 0);
    if (rv == 0)
        rv = check_totals(&v);
    if (rv == 0)
        rv = check_sessions(&v);
    idmap_close(&tallies);
    idmap_close(&rooted);
    idmap_close(&v.seen);
    free(v.server_chunks);
    free(v.server_bytes);
    return rv;
}
