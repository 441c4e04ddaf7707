/* SPDX-License-Identifier: MIT */
/* The index: which chunks a server holds, and where each byte of them is. In memory; rebuilt from records. Holes that
 * were made, by truncating or punching, are extents like others, so that older records do not show through, in whatever order
 * they come; bytes that were never written have none.
 *
 * A chunk of one extent takes 48 bytes and its share of the hash table (at most 11). Extents are sorted by offset and do
 * not overlap; which record owns a byte is decided by (version, sequence), whatever order records come in. Segments are
 * named by slot (store.h). */
#ifndef DFS_STORE_INDEX_H
#define DFS_STORE_INDEX_H

#include "base/base.h"

/* Further extents are refused before they are written: a bound for what one chunk may cost. */
#define INDEX_MAX_EXTENTS (1u << 20)

struct extent {
    uint32_t off, len;                /* the bytes of the chunk it owns */
    uint32_t rec_off, rec_len;        /* the bytes of the chunk its record holds */
    uint32_t segment;                 /* slot */
    uint32_t position : 31, hole : 1; /* of the record's header; it says that there is nothing */
    uint64_t order;                   /* version << 32 | sequence */
};

static inline uint64_t order_of(uint32_t version, uint64_t sequence) { return (uint64_t)version << 32 | sequence; }

enum chunk_flags {
    CHUNK_DAMAGED = 1,  /* a record is known to be lost: reads fail, for repair */
    CHUNK_BROKEN = 2,   /* a write did not reach everyone: no further ones in this version */
    CHUNK_DELETING = 4, /* a tombstone is being written */
    CHUNK_MANY = 8,     /* u.many holds */
    CHUNK_OPEN = 32,    /* its version takes writes: it is served only while open.c knows it */
    CHUNK_TOUCHED = 16, /* u.one.segment holds a record of it, though it may own no byte */
};

struct chunk {
    uint64_t id;
    uint64_t copy;
    uint32_t version, sequence; /* the highest of both */
    uint8_t flags, disk;
    uint32_t n; /* extents */
    union {
        struct {
            uint32_t off, len, segment, position;
        } one; /* its order is (version, sequence), its record holds what it owns */
        struct many *many;
    } u;
};

struct index_hooks {
    /* A segment gained or lost extents. */
    void (*live)(void *arg, uint32_t segment, int extents, int64_t bytes);
    /* Whether the segment is no more, so that its records need not be remembered. May be NULL. */
    bool (*gone)(void *arg, uint32_t segment);
    void *arg;
};

struct index {
    uint32_t *table; /* slab position + 1; open addressing */
    uint32_t mask, n;
    struct chunk **slabs;
    uint32_t n_slabs, used; /* used: slab positions ever handed out */
    uint32_t free_head;     /* position + 1 of the first free entry */
    struct index_hooks hooks;
};

void index_init(struct index *ix, const struct index_hooks *hooks);
void index_close(struct index *ix);

struct chunk *index_find(const struct index *ix, uint64_t id); /* valid until the chunk is removed; NULL: not held */
/* A chunk without extents. It must not be held yet. */
struct chunk *index_add(struct index *ix, uint64_t id, uint64_t copy, uint32_t version, uint8_t disk);
void index_remove(struct index *ix, struct chunk *c);
/* A chunk of another index with the same hooks becomes one of this. */
struct chunk *index_take(struct index *ix, struct index *from, struct chunk *c);
/* Drops all extents; the touched segments stay known. */
void index_clear(struct index *ix, struct chunk *c);

/* This segment holds a record of the chunk. */
void index_touch(const struct index *ix, struct chunk *c, uint32_t segment);
/* A record [rec_off, rec_off + rec_len) becomes visible; off and len need not be set. Raises version and sequence. */
void index_insert(struct index *ix, struct chunk *c, const struct extent *e);

/* The record of this order that stood at (segment, position) has a copy elsewhere, of the blocks with [rec_off, rec_off +
 * rec_len): extents that still point to the old place and lie within move to the new one. The old segment stays known
 * (index_untouch). Returns the bytes moved. */
uint32_t index_move(struct index *ix, struct chunk *c, uint32_t segment, uint32_t position, const struct extent *to);
/* The segment is gone. A chunk that became simple by it takes little memory again. */
void index_untouch(struct chunk *c, uint32_t segment);

/* The end of its last extent. Where the last is the hole a truncate left, the chunk ends where that begins. */
uint32_t chunk_length(const struct chunk *c);
struct extent chunk_extent(const struct chunk *c, uint32_t i);
/* Sums up which records have the bytes below `end`, those of holes and those from the order `from` on left out: as long as nothing
 * is written it is the same after a start, however records were split and moved, unless one was lost. Never 0. */
uint64_t chunk_sum(const struct chunk *c, uint32_t end, uint64_t from);
/* The first extent that ends behind off; c->n if none does. */
uint32_t chunk_extent_at(const struct chunk *c, uint32_t off);
/* Segments that hold records of the chunk, dead ones included. *v lives until the chunk changes. */
uint32_t chunk_segments(const struct chunk *c, const uint32_t **v);

/* The chunks in no order: position from 0; NULL at the end. */
struct chunk *index_next(const struct index *ix, uint32_t *position);
uint64_t index_memory(const struct index *ix); /* bytes, extents of large chunks not counted */

#endif
