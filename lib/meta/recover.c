/* SPDX-License-Identifier: MIT */
/* Files put together again from chunks nobody knows: /recovered/<number of the content>, for root alone, as nobody knows
 * any more whose they were. A command that does not fit the state changes nothing; whoever proposed it sees that the
 * chunks are as unknown as before. */
#include <stdio.h>
#include <stdlib.h>

#include "meta/state.h"

static bool servers_fine(const struct meta *m, const struct wire_recovered *c)
{
    for (uint32_t i = 0; i < c->n_servers; i++) {
        if (meta_server_by_id(m, c->servers[i].id) == NULL)
            return false;
        for (uint32_t k = 0; k < i; k++)
            if (c->servers[k].id == c->servers[i].id)
                return false;
    }
    return c->n_servers > 0;
}

/* ids gets the chunks in order of index. */
static bool content_fine(const struct meta *m, const struct msg_recover_file *r, uint64_t *ids, uint64_t *sorted)
{
    uint64_t end = 0;
    for (uint32_t i = 0; i < r->n_chunks; i++) {
        const struct wire_recovered *c = &r->chunks[i];
        uint64_t start = (uint64_t)c->index * META_CHUNK_SIZE;
        if (c->chunk == 0 || c->chunk >= m->quarantine || meta_knows_chunk(m, c->chunk) || start < end ||
            c->length == 0 || c->length > META_CHUNK_SIZE || !servers_fine(m, c))
            return false;
        end = start + c->length;
        ids[i] = sorted[i] = c->chunk;
    }
    qsort(sorted, r->n_chunks, sizeof *sorted, compare_u64);
    for (uint32_t i = 1; i < r->n_chunks; i++)
        if (sorted[i] == sorted[i - 1])
            return false;
    return r->n_chunks > 0 && r->n_chunks <= INODE_CHUNKS_MAX && r->size >= end;
}

/* Where it goes: w is the free place. False: there is none. */
static bool find_place(struct meta *m, const struct stamp *st, const struct msg_recover_file *r, char *path, size_t len,
                       struct walk *w)
{
    struct msg reply;
    struct msg_mkdir dir = {.dir = ROOT_INO, .path = STR("/recovered"), .mode = 0700, .flags = MKDIR_PARENTS};
    int n = snprintf(path, len, "/recovered%s/%016" PRIx64, r->whole ? "" : "/incomplete", r->file);
    if (!r->whole)
        dir.path = STR("/recovered/incomplete");
    *w = (struct walk){.links = 0};
    if (meta_op_mkdir(m, st, &dir, &reply) != 0)
        return false;
    if (meta_walk(m, ROOT_INO, str_of(path), 0, w) == 0 && w->ino == 0)
        return true;
    /* a second one of the same number, or somebody else's name: no chunk is in two files */
    snprintf(path + n, len - (size_t)n, "-%" PRIx64, r->chunks[0].chunk);
    *w = (struct walk){.links = 0};
    return meta_walk(m, ROOT_INO, str_of(path), 0, w) == 0 && w->ino == 0;
}

static void add_chunk(struct meta *m, const struct wire_recovered *c)
{
    uint16_t servers[META_MAX_REPLICAS];
    for (uint32_t i = 0; i < c->n_servers; i++)
        servers[i] = (uint16_t)c->servers[i].id;
    uint32_t placement = placements_take(&m->placements, 0, servers, c->n_servers); /* 0: the default goal */
    struct chunk *k = meta_chunk_add(m, c->chunk, placement, c->length);
    k->version = c->version;
    k->crc = c->crc;
    k->index = c->index;
}

void meta_apply_recover_file(struct meta *m, const struct stamp *st, const struct msg_recover_file *r)
{
    uint64_t *ids = arena_alloc(&m->arena, r->n_chunks, sizeof *ids), ino;
    uint64_t *sorted = arena_alloc(&m->arena, r->n_chunks, sizeof *sorted);
    char path[80];
    struct walk w;
    if (ids == NULL || sorted == NULL)
        abort(); /* the outcome must not depend on this machine's memory (A6) */
    if (!content_fine(m, r, ids, sorted) || !find_place(m, st, r, path, sizeof path, &w))
        return;
    meta_inode_new(m, st, INODE_FILE, 0600, 0, 0, &ino);
    for (uint32_t i = 0; i < r->n_chunks; i++)
        add_chunk(m, &r->chunks[i]);
    meta_link(m, st, w.parent, w.name, ino);
    struct inode *in = meta_inode(m, ino);
    meta_file_set_chunks(m, in, ids, r->n_chunks);
    meta_file_resize(m, in, r->size);
}
