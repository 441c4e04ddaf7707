/* SPDX-License-Identifier: MIT */
/* Open files: where to write which chunk, and how far the size is committed (file.c); one write (file_write.c). */
#ifndef DFS_CLIENT_FILE_H
#define DFS_CLIENT_FILE_H

#include <uthash.h>

#include "client/internal.h"

/* Bytes of a write that go into one frame. */
#define FILE_FRAME WIRE_PAYLOAD_MAX
/* The size of a chunk: the NameServer's; an answer that says another is refused. */
#define FILE_CHUNK (64u * 1024 * 1024)

enum place_state { PLACE_UNKNOWN, PLACE_ASKING, PLACE_KNOWN };

struct place { /* where to write a chunk of a file */
    UT_hash_handle hh;
    struct file *file;
    uint32_t index;
    enum place_state state;
    uint64_t chunk;
    uint32_t version, failed; /* failed: the version to be replaced */
    uint32_t n;
    struct {
        uint32_t server;
        char addr[CLIENT_ADDR_MAX];
    } chain[MAX_REPLICAS];
    struct rpc rpc;
    struct list waiting; /* frames */
};

struct file {
    struct list link; /* in client.files */
    struct client *c;
    uint64_t id; /* the NameServer's handle */
    uint64_t ino, session;
    uint64_t size, wanted; /* committed; to be committed */
    bool may_write, dirty, extending;
    struct rpc extend;
    struct list committing; /* ops that wait for it */
    struct place *places;   /* uthash, by index */
};

struct frame { /* of one write, within one chunk */
    struct list link;
    struct task t;
    struct pwrite *write;
    uint32_t index, offset; /* of the chunk; in it */
    uint32_t version;       /* it was last sent in */
    uint64_t number;
    struct slice data;
    uint32_t n_crcs;
    uint32_t crcs[];
};

struct pwrite {
    struct op *op;
    struct file *file;
    struct list frames;
    struct list link; /* in file.committing */
};

struct file *file_find(struct client *c, uint64_t id);
/* The place of the frame's chunk if it is known; otherwise the frame runs again when it is. */
struct place *file_place(struct file *f, struct frame *fr, struct effects *fx);
/* The same, if anything was ever asked about it; NULL otherwise. */
struct place *file_place_known(struct file *f, uint32_t index);
/* It cannot be written there in this version. */
void place_failed(struct place *p, uint32_t version);
/* The data of this write is durable: ends its op when the size is committed too. */
void file_commit(struct file *f, struct pwrite *w, struct effects *fx);

#endif
