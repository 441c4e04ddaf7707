/* SPDX-License-Identifier: MIT */
/* A put in progress: chunks being written, frames in flight (put.c decides what to read next, put_chunk.c writes, put_back.c
 * reads what is there already). */
#ifndef DFS_CLIENT_PUT_H
#define DFS_CLIENT_PUT_H

#include "client/internal.h"

/* The first frame is small, so that a small file needs no big buffer; later ones fill a frame's payload. */
#define PUT_FIRST_FRAME (64u * 1024)
#define PUT_FRAME WIRE_PAYLOAD_MAX
/* Chunks not yet acknowledged in full: a source may be asked to go back so far. */
#define PUT_CHUNKS_OPEN 2u
#define PUT_CHUNKS_MAX 16384u
/* A publish that is refused for its grants has its chunks written again so often. */
#define PUT_REWRITES 8u
/* A server that was lost may only have been restarted: much that was written is not written again before. */
#define PUT_PATIENCE (5 * NS_PER_SEC)

struct put_chunk {
    struct put *put;
    uint32_t index;
    struct task wait;    /* for a grant, or before writing the chunk anew */
    struct grant *grant;
    struct list frames;  /* read, not yet acknowledged; in order */
    uint32_t read, acked; /* bytes */
    uint32_t longest;    /* bytes read in any attempt: a source must not shrink */
    uint32_t crc;
    bool full;           /* nothing more to read for it */
    bool waiting;        /* wait is armed */
    struct {
        struct task t;
        struct grant *from; /* read what was written under this one instead of the source; NULL: the source */
        uint32_t length, crc; /* of that */
        uint32_t at;          /* which of its servers is asked */
        bool busy;
    } back;
};

struct put_frame {
    struct list link;
    struct task t;
    struct put_chunk *chunk;
    uint64_t number;
    uint32_t offset;
    struct slice data;
    uint32_t n_crcs;
    uint32_t crcs[];
};

struct put {
    struct op *op;
    uint64_t file;        /* of all its chunks, random */
    uint64_t size;        /* of the file; 0: not known (yet) */
    uint64_t chunk_size;  /* 0: not known before the first grant */
    struct put_chunk **chunks;
    uint32_t n_chunks, cap_chunks;
    uint32_t first_open;  /* chunks below are acknowledged in full */
    uint64_t in_flight;   /* bytes in frames */
    uint64_t acked, best; /* bytes acknowledged now, and at most so far */
    uint32_t rewrites;    /* after a refused publish */
    struct task feed;     /* asks a source again that had nothing yet */
    bool eof, starved, publishing;
};

struct put_chunk *put_chunk_new(struct put *p, uint32_t index);
void put_chunk_free(struct put_chunk *k);
/* Takes data over as the chunk's next bytes, and sends them as soon as there is a grant. */
void put_chunk_add(struct put_chunk *k, struct slice data, struct effects *fx);
/* Forgets what was written: the chunk is read and written again under a new grant. */
void put_chunk_again(struct put_chunk *k);
static inline bool put_chunk_done(const struct put_chunk *k) { return k->full && k->acked == k->read && k->grant; }

/* The one of the grant's servers that an error is about; 0: it does not say. */
uint32_t put_server_named(const struct grant *g, const struct event *ev);

/* --- put_back.c --- */
void put_back_init(struct put_chunk *k);
/* The chunk is complete. From now on, what is written for it is what was written till now. */
void put_back_from_here(struct put_chunk *k);
/* Reads the next frame. */
void put_back_read(struct put_chunk *k, struct effects *fx);

/* Goes on after a grant, an acknowledgement or a failure. */
void put_pump(struct put *p, struct effects *fx);

#endif
