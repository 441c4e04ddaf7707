/* SPDX-License-Identifier: MIT */
/* Open files: where to write which chunk, and how far the size is committed (file.c); one write (file_write.c). */
#ifndef DFS_CLIENT_FILE_H
#define DFS_CLIENT_FILE_H

#include "base/hash.h"
#include "client/internal.h"

/* Bytes of a write that go into one frame. */
#define FILE_FRAME WIRE_PAYLOAD_MAX
/* The size of a chunk: the NameServer's; an answer that says another is refused. */
#define FILE_CHUNK (64u * 1024 * 1024)

enum place_state { PLACE_UNKNOWN, PLACE_ASKING, PLACE_KNOWN };

#define PLACE_GONE 8u

struct gone { /* a chunk that is not the file's any more */
    uint64_t chunk;
    bool doubtful; /* it is not known why: what was sent to it need not have been there */
};

struct place { /* where to write a chunk of a file */
    UT_hash_handle hh;
    struct file *file;
    uint32_t index;
    enum place_state state;
    uint64_t chunk;
    uint32_t version, failed;  /* failed: the version to be replaced */
    uint32_t sequence;         /* of a write in this version that is known to be done; 0: none is */
    uint64_t generation, size; /* of the file, when this was told */
    uint32_t at;               /* index told: for CHUNK_LAST the chunk the file ends in */
    uint64_t full;             /* CHUNK_LAST: a chunk in which there was no room */
    struct gone gone[PLACE_GONE]; /* chunks it was before they were cut off, the newest ones */
    uint32_t n_gone;
    uint32_t n;
    struct {
        uint32_t server;
        char addr[CLIENT_ADDR_MAX];
    } chain[MAX_REPLICAS];
    struct rpc rpc;
    struct list waiting; /* frames */
    uint32_t refused;    /* the last version in which a server had no space, if nothing went well in a later one; 0: none … */
    uint64_t refused_at; /* … and when this was last so */
};

struct file {
    struct list link; /* in client.files */
    struct client *c;
    uint64_t id; /* the program's name for it */
    uint64_t handle; /* the NameServer's; 0: it does not know yet that the file is open (lazy.c) */
    uint64_t ino, session;
    uint64_t size, generation;          /* the first is committed, as of the second */
    uint64_t wanted, wanted_generation; /* being committed */
    uint8_t goal; /* chosen for it; 0: none */
    bool may_write, dirty, extending;
    int error; /* of a write, since this was last told */
    uint64_t last_write;
    struct list writes;  /* not ended, in the order of their serials */
    struct list syncing; /* ops that wait for those before them */
    struct rpc extend;
    struct task gather;     /* starts it, with the next turn */
    struct list committing; /* ops that wait for it */
    struct place *places;   /* uthash, by index */
    bool lazy, gone; /* gone: its inode is, or may be, or may have another content */
    struct located *page;     /* what was last heard of where its chunks are, if it is lazy */
    uint64_t fresh_after;     /* what was asked before is not good enough */
    struct list untold;       /* in client.untold … */
    uint64_t tell_at;         /* … until then; or in client.unheard */
    struct list telling;      /* in client.tells while the answer is awaited */
    uint64_t tell_serial;
    struct rpc tell;
    struct list waiting; /* tasks of ops that need the handle */
};

/* Of a frame that got an error: refused, by all; taken, by one server at least, in the version it was sent in. */
enum frame_fate { FATE_REFUSED, FATE_UNKNOWN, FATE_TAKEN };

struct frame { /* of one write, within one chunk */
    struct list link;
    struct task t;
    struct pwrite *write;
    uint32_t index, offset; /* of the chunk; in it */
    struct list of_client;  /* in client.frames */
    bool append;            /* index is CHUNK_LAST, offset 0 */
    bool over;              /* it is not sent again: what became of it is being settled */
    uint32_t hole;          /* bytes of a punch, which has no data; 0: a write */
    uint32_t at;            /* index of the chunk it was last sent to */
    uint32_t version;       /* it was last sent in */
    enum frame_fate fate;
    uint32_t first, after;      /* version of the chunk in which it may have been taken first, behind that sequence; 0: it was not */
    uint64_t chunk, generation; /* to which chunk, 0: never; and the file's then */
    uint64_t number;
    struct slice data;
    uint32_t n_crcs;
    uint32_t crcs[];
};

struct pwrite {
    struct op *op;
    struct file *file;
    struct list frames;
    struct list link;    /* in file.committing */
    struct list of_file; /* in file.writes */
    uint64_t serial;
    uint64_t generation; /* the latest in which something of it was written */
    uint32_t next;       /* a punch: the chunk to look up next … */
    bool more;           /* … if there may be others */
};

struct located;

/* The bytes of data, or a hole of so many, at this offset in a chunk: one more frame of the write. */
struct frame *frame_add(struct pwrite *w, uint32_t index, uint32_t in_chunk, struct slice data, uint32_t hole);
/* A write that begins: its frames are to be added. NULL: the op has ended. */
struct pwrite *file_write_new(struct op *op);
/* Sends them. */
void file_write_go(struct pwrite *w, struct effects *fx);
/* All frames of a punch have their answers: looks for more to do. False: there is nothing. */
bool file_punch_more(struct pwrite *w, struct effects *fx);
struct file *file_find(struct client *c, uint64_t id);
/* Of the op that opens it; id, handle and session are to be set. */
struct file *file_new(struct op *op, const struct wire_attr *a);
/* The NameServer has given the rpc, of the op that opens it, a handle: sets the result. */
void file_opened(struct rpc *r, uint64_t handle, const struct wire_attr *a, int64_t dir_ns);
void file_free(struct file *f);
/* The chunk a frame waits for cannot be written, or not yet. */
void frame_refused(struct task *t, int status, const struct event *ev);
/* A server of the chunk had no space a moment ago. */
bool place_is_full(const struct place *p);
/* The place of the frame's chunk if it is known; otherwise the frame runs again when it is. */
struct place *file_place(struct file *f, struct frame *fr, struct effects *fx);
/* The same, if anything was ever asked about it; NULL otherwise. */
struct place *file_place_known(struct file *f, uint32_t index);
/* What was sent to this chunk of the place, and got no answer, has been cut off since: it came before that. NULL: it has not. */
const struct gone *place_was_cut(const struct place *p, uint64_t chunk);
/* A write has ended: those who wait for it go on with the next turn. */
void file_write_ended(struct file *f);
/* It cannot be written there in this version. */
void place_failed(struct place *p, uint32_t version);
/* The open file an operation is to write to; NULL: there is none, and the operation has ended. */
struct file *file_to_write(struct op *op);
/* The data of this write is durable: ends its op when the size is committed too. */
void file_commit(struct file *f, struct pwrite *w);

/* --- lazy.c --- */
void lazy_open_begin(struct op *op, struct effects *fx);
/* The rpc, of an op, starts when the NameServer knows that the file is open, or its op ends with why not. */
void file_hold(struct file *f, struct rpc *r, struct effects *fx);
/* Where the file's chunks are from this one on, if that was heard recently enough; NULL: ask. Borrowed. */
struct located *file_recent(struct file *f, uint32_t index);
/* The NameServer has no such inode: what it does not know to be open is gone. */
void file_lost(struct file *f);
void file_recent_put(struct file *f, struct located *p);
/* What was heard up to now is not good enough. */
void file_recent_drop(struct file *f);
/* We have changed this inode's content. */
void file_touched(struct client *c, uint64_t ino);

#endif
