/* SPDX-License-Identifier: MIT */
/* Chunks of files that are written in place: a chunk is sealed (version, length and CRC are state) or open (it takes
 * writes). The leader has made sure that what it logs is so on the servers it names (group/agree.c, CONSISTENCY B10 to B12);
 * here it is only checked that it fits the chunk as it is. */
#include <stdlib.h>

#include "meta/state.h"

/* The first of a file's chunks whose index is at least `index`. */
uint32_t meta_first_chunk(const struct meta *m, const struct inode *in, uint32_t index)
{
    uint32_t low = 0, high = in->n;
    while (low < high) {
        uint32_t mid = (low + high) / 2;
        if (meta_chunk(m, meta_file_chunk(in, mid))->index < index)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static struct inode *file_of(const struct meta *m, uint64_t ino)
{
    struct inode *in = meta_inode(m, ino);
    return in != NULL && inode_type(in) == INODE_FILE ? in : NULL;
}

bool meta_chunk_of(const struct meta *m, uint64_t ino, uint32_t index, struct meta_chunk_info *out)
{
    const struct inode *in = file_of(m, ino);
    uint32_t at = in != NULL ? meta_first_chunk(m, in, index) : 0;
    if (in == NULL || at == in->n || !meta_chunk_get(m, meta_file_chunk(in, at), out))
        return false;
    return meta_chunk(m, out->chunk)->index == index;
}

uint32_t meta_chunk_chain(const struct meta *m, uint64_t chunk, uint16_t servers[META_MAX_REPLICAS])
{
    const struct chunk *c = meta_chunk(m, chunk);
    const struct placement *p = c != NULL ? meta_placement(m, c) : NULL;
    for (uint32_t i = 0; p != NULL && i < p->n; i++)
        servers[i] = meta_chain_server(chunk, p, i);
    return p != NULL ? p->n : 0;
}

bool meta_chunk_index(const struct meta *m, uint64_t chunk, uint32_t *index)
{
    const struct chunk *c = meta_chunk(m, chunk);
    if (c != NULL)
        *index = c->index;
    return c != NULL;
}

uint64_t meta_open_chunk(const struct meta *m, uint64_t chunk) { return u64map_get(&m->open_chunks, chunk); }

bool meta_open_chunk_next(const struct meta *m, size_t *position, uint64_t *chunk, uint64_t *ino)
{
    while (*position < m->open_chunks.cap) {
        const struct u64map_slot *s = &m->open_chunks.slots[(*position)++];
        if (s->value == 0)
            continue;
        *chunk = s->key;
        *ino = s->value;
        return true;
    }
    return false;
}

uint64_t meta_file_size(const struct meta *m, uint64_t ino)
{
    const struct inode *in = file_of(m, ino);
    return in != NULL ? in->size : 0;
}

uint32_t meta_file_last(const struct meta *m, uint64_t ino)
{
    const struct inode *in = file_of(m, ino);
    if (in == NULL)
        return 0;
    uint64_t end = in->size > 0 ? (in->size - 1) / META_CHUNK_SIZE : 0;
    uint64_t last = in->n > 0 ? meta_chunk(m, meta_file_chunk(in, in->n - 1))->index : 0;
    return (uint32_t)max_u64(end, last);
}

uint64_t meta_file_generation(const struct meta *m, uint64_t ino)
{
    const struct inode *in = file_of(m, ino);
    return in != NULL ? meta_generation(in) : 0;
}

uint8_t meta_file_goal(const struct meta *m, uint64_t ino)
{
    const struct inode *in = file_of(m, ino);
    return meta_goal(m, in != NULL ? in->goal : 0);
}

/* --- the list of a file's chunks --- */

static void set_chunks(struct meta *m, struct inode *in, const uint64_t *ids, uint32_t n)
{
    if (in->n > 1) {
        m->heap_bytes -= heap_cost(in->n * sizeof *in->chunks);
        free(in->chunks);
    }
    in->chunks = NULL;
    meta_file_set_chunks(m, in, ids, n);
}

static void insert_chunk(struct meta *m, struct inode *in, uint32_t at, uint64_t id)
{
    uint64_t *ids = xcalloc(in->n + 1, sizeof *ids);
    for (uint32_t i = 0; i < in->n; i++)
        ids[i + (i >= at)] = meta_file_chunk(in, i);
    ids[at] = id;
    set_chunks(m, in, ids, in->n + 1);
    free(ids);
}

void meta_file_keep_chunks(struct meta *m, struct inode *in, uint32_t n)
{
    uint64_t *ids = xcalloc(n + 1, sizeof *ids);
    for (uint32_t i = 0; i < n; i++)
        ids[i] = meta_file_chunk(in, i);
    set_chunks(m, in, ids, n);
    free(ids);
}

void meta_chunk_cut(struct meta *m, uint64_t id, struct chunk *c, uint64_t ino, uint32_t length)
{
    meta_chunk_resize(m, c, length);
    c->open = c->cut = 1;
    u64map_put(&m->open_chunks, id, ino);
}

static void take_out_chunk(struct meta *m, struct inode *in, uint32_t at)
{
    uint64_t *ids = xcalloc(in->n, sizeof *ids);
    for (uint32_t i = 0; i < in->n; i++)
        if (i != at)
            ids[i - (i > at)] = meta_file_chunk(in, i);
    set_chunks(m, in, ids, in->n - 1);
    free(ids);
}

/* --- commands --- */

/* The placement of these servers; false: there are none, or one that is not known. */
static bool place(struct meta *m, const struct inode *in, const struct wire_server_id *v, uint32_t n, uint32_t *out)
{
    uint16_t servers[META_MAX_REPLICAS];
    for (uint32_t i = 0; i < n; i++) {
        const struct meta_server *s = meta_server_by_id(m, v[i].id);
        if (s == NULL || s->state == SERVER_REMOVED)
            return false;
        servers[i] = (uint16_t)s->id;
        for (uint32_t k = 0; k < i; k++)
            if (servers[k] == servers[i])
                return false;
    }
    if (n == 0 || n > META_MAX_REPLICAS)
        return false;
    *out = placements_take(&m->placements, in->goal, servers, n);
    return true;
}

static void open_up(struct meta *m, uint64_t id, struct chunk *c, uint64_t ino, uint32_t version)
{
    c->version = version;
    c->open = 1;
    u64map_put(&m->open_chunks, id, ino);
}

void meta_chunk_closed(struct meta *m, uint64_t id, struct chunk *c)
{
    if (c->open)
        u64map_remove(&m->open_chunks, id);
    c->open = c->cut = 0;
}

static void begin_new(struct meta *m, const struct msg_chunk_begin *b, struct inode *in, uint32_t at)
{
    uint32_t placement;
    if (b->chunk < m->horizon || b->chunk >= m->reserved || b->chunk == 0 || meta_chunk(m, b->chunk) != NULL ||
        in->n == INODE_CHUNKS_MAX || !place(m, in, b->servers, b->n_servers, &placement))
        return;
    struct chunk *c = meta_chunk_add(m, b->chunk, placement, 0);
    c->index = b->index;
    open_up(m, b->chunk, c, b->ino, b->version);
    insert_chunk(m, in, at, b->chunk);
}

void meta_apply_chunk_begin(struct meta *m, const struct stamp *st, const struct msg_chunk_begin *b)
{
    struct inode *in = file_of(m, b->ino);
    uint32_t at = in != NULL ? meta_first_chunk(m, in, b->index) : 0, placement;
    (void)st;
    if (in == NULL || b->version == 0 || b->version <= b->from || b->index > META_INDEX_MAX)
        return;
    struct chunk *c = at < in->n ? meta_chunk(m, meta_file_chunk(in, at)) : NULL;
    bool there = c != NULL && c->index == b->index;
    if (!there && b->from == 0)
        begin_new(m, b, in, at);
    if (!there || meta_file_chunk(in, at) != b->chunk || c->open || c->version != b->from ||
        !place(m, in, b->servers, b->n_servers, &placement))
        return;
    meta_chunk_place(m, c, placement);
    open_up(m, b->chunk, c, b->ino, b->version);
}

void meta_apply_chunk_seal(struct meta *m, const struct msg_chunk_seal *s)
{
    struct chunk *c = meta_chunk(m, s->chunk);
    struct inode *in = file_of(m, s->ino);
    uint32_t placement;
    if (c == NULL || in == NULL || c->removed || !c->open || c->version != s->from || s->version <= s->from ||
        s->length > META_CHUNK_SIZE || (c->cut && s->length > c->length) ||
        u64map_get(&m->open_chunks, s->chunk) != s->ino)
        return;
    uint32_t at = meta_first_chunk(m, in, c->index);
    if (s->length == 0) { /* the servers find out with their next reports */
        meta_chunk_closed(m, s->chunk, c);
        take_out_chunk(m, in, at);
        meta_chunk_forget(m, s->chunk);
        return;
    }
    if (!place(m, in, s->servers, s->n_servers, &placement))
        return;
    meta_chunk_place(m, c, placement);
    meta_chunk_resize(m, c, s->length);
    c->version = s->version;
    c->crc = s->crc;
    meta_chunk_closed(m, s->chunk, c);
    /* What was written and not acknowledged may have stayed; beyond the file's end it would show when that moves. */
    uint64_t end = (uint64_t)c->index * META_CHUNK_SIZE + s->length;
    if (end > in->size)
        meta_file_resize(m, in, end);
}
