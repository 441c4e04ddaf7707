/* SPDX-License-Identifier: MIT */
/* A get in progress: where the chunks are, and the reads in flight (get.c decides what to read and delivers in order,
 * get_read.c reads one range from one replica after the other, get_verify.c checks what came). */
#ifndef DFS_CLIENT_GET_H
#define DFS_CLIENT_GET_H

#include "client/internal.h"

/* Bytes one read asks for at most: whole blocks that fit a frame's payload. */
#define GET_FRAME WIRE_PAYLOAD_MAX
/* Chunks one locate asks for. */
#define GET_PAGE 256u
/* A file that is replaced again and again is given up after so many starts. */
#define GET_RESTARTS 64u

struct located { /* located.c */
    uint32_t refs;
    uint32_t first;    /* chunk index it starts with */
    uint64_t asked;    /* when; monotonic ns */
    struct slice head; /* msg points into it and into arena */
    struct arena arena;
    struct msg msg;
};

struct get_read;
struct get {
    struct op *op;
    uint64_t file;            /* the open file's inode; 0: by path */
    uint64_t generation, ino; /* of the content being read; 0: not known yet */
    uint64_t chunk_size;
    uint64_t next, delivered, end; /* file offsets: to ask for, to deliver, where the range ends */
    uint64_t in_flight;            /* bytes asked for and not delivered */
    uint32_t spread;               /* which replica is asked first */
    uint32_t restarts;
    bool located, locating;
    bool full;         /* the sink had no room */
    struct task drain; /* asks it again */
    bool recent; /* the page is what the open file knew already: it may be too old */
    struct located *page;
    uint32_t page_first;         /* chunk index it starts with, or is asked for with */
    struct list reads;           /* in file order */
    struct list waiting;         /* reads that wait for the next page */
    uint32_t run_index, run_crc; /* CRC of a chunk's bytes delivered so far, from its start on */
    uint64_t run_at;
};

struct get_read {
    struct list link;
    struct task t;
    struct get *get;
    uint64_t offset; /* in the file */
    uint32_t index, chunk_offset, length;
    bool hole, done;
    bool open;      /* the chunk is being written: no length, no checksum, and holes are holes */
    bool checked;   /* against the chunk's checksum */
    uint32_t found; /* of a seek: how far into the range what it looks for is; length: not in it */
    uint32_t given; /* bytes the sink has taken */
    /* of the chunk, as located when it was asked for */
    uint64_t chunk;
    uint32_t version, chunk_length, chunk_crc;
    uint32_t replica; /* asked now: position in the chain */
    uint32_t server;
    uint32_t tried;         /* bits of the chain */
    bool being_written;     /* the last one asked cannot tell what is there */
    uint32_t gaps;          /* replicas that had nothing for a part of the range */
    bool holes_ok;          /* all of them agree: it is a hole */
    uint32_t crc;           /* of the range's bytes */
    struct payload payload; /* the range is its bytes from skip on … */
    uint32_t skip;
    struct slice copy; /* … or this, if .buf is set */
    char last[160];    /* what the last replica said */
};

/* --- located.c --- */
/* Of a locate's answer, whose request left when the clock said `asked`. 0, DFS_EPROTO, DFS_ENOMEM. */
int located_new(const struct event *ev, uint32_t first, uint64_t asked, struct located **out) MUST_USE;
struct located *located_ref(struct located *p);
void located_drop(struct located *p); /* one reference; NULL: nothing */
const struct wire_chunk_loc *located_find(const struct located *p, uint32_t index); /* NULL: a hole, or not on it */
/* Whether it tells what the file has at this index, a chunk or a hole. */
bool located_covers(const struct located *p, uint32_t index);

/* Asks for the page that begins with chunk `first`; waiting reads run when it is there. */
void get_locate(struct get *g, uint32_t first, struct effects *fx);
/* A read found the page too old: it is located anew, at once. */
void get_locate_again(struct get *g, struct get_read *r, struct effects *fx);
/* Delivers what is ready, asks for more. */
void get_pump(struct get *g, struct effects *fx);

struct get_read *get_read_new(struct get *g, uint64_t offset, uint32_t length);
void get_read_start(struct get_read *r, struct effects *fx);
void get_read_free(struct get_read *r);

/* Checks a reply against its checksums and the chunk's, and keeps the range's bytes in r. 0; DFS_ECORRUPT;
 * DFS_EPROTO; DFS_ENOMEM; GET_GAP: some of the range is not stored there. */
#define GET_GAP 1
int get_read_take(struct get_read *r, const struct msg_chunk_read_reply *m, const struct payload *p);

/* --- seek.c: the get is of an OP_SEEK --- */
static inline bool get_seeks(const struct get *g) { return g->op->req.kind == OP_SEEK; }
/* Notes what a reply says; 0 or DFS_EPROTO. */
int seek_take(struct get_read *r, const struct msg_chunk_read_reply *m);
/* Ends the op if it was found in r. */
void seek_deliver(struct get_read *r);
/* It was found nowhere before the file's end. */
void seek_end(struct get *g);

#endif
