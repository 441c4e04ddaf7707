/* SPDX-License-Identifier: MIT */
/* StorageServer cores wired together for tests: simulated disks, a scripted NameServer, a client that verifies what it
 * reads as the real one does. No time passes unless rig_pass lets it. */
#ifndef DFS_TESTS_SS_RIG_H
#define DFS_TESTS_SS_RIG_H

#include "base/rand.h"
#include "store/ss.h"
#include "support/memdisk.h"

#define RIG_SERVERS 3
#define RIG_DISKS 2
#define RIG_REQUESTS 4096
#define RIG_TASKS 1024

struct rig_answer {
    bool done;
    int status; /* 0 or DFS_E… */
    char text[200];
    uint64_t sequence;
    uint8_t *read_buf; /* where a read goes, and its range */
    uint32_t read_off, read_len, length;
    struct wire_piece runs[2]; /* of data, if there is no read_buf */
    uint32_t n_runs;
};

#define RIG_FOUND 2048u

struct rig_mail { /* a message on its way */
    bool request;
    int to, from;   /* servers; -1: the client, -2: the NameServer */
    uint64_t token; /* of the call: comes back with the answer */
    int status;
    uint16_t type;
    struct slice head;
    struct payload payload;
};

struct rig {
    uint32_t n_servers, n_disks;
    struct ss *ss[RIG_SERVERS];
    struct disk *disks[RIG_SERVERS][RIG_DISKS];
    struct now now;
    struct rng rng;
    bool rebuild;     /* servers start without believing any summary */
    uint32_t version; /* of the chunks that are written and read, and whether they belong to a file */
    bool mapped;
    bool shuffle;  /* messages and disk operations complete in random order */
    uint32_t stuck; /* so many of each disk's oldest operations stay under way */
    uint64_t segment_size;
    uint64_t file, size; /* what writes say of their file */
    uint32_t index;
    struct effects fx;
    struct rig_mail *mail;
    uint32_t n_mail, cap_mail;
    uint32_t n_answers;
    struct {
        uint64_t token;
        int from;
    } * calls; /* forwards under way */
    uint32_t n_calls;
    /* the NameServer */
    uint64_t cluster, epoch;
    uint32_t lease_ms;
    uint64_t remove[16]; /* ordered away with the next heartbeats */
    uint32_t n_remove, remove_version; /* up to this version; 0: of any */
    uint64_t report_epoch;             /* not heartbeats but answers to reports order them away, in this epoch */
    uint64_t sequence;                 /* of writes, as from the member above; 0: as from a client */
    uint32_t registers, heartbeats, reported; /* reported: chunks in the last complete report */
    uint64_t inventory, inventory_below;      /* wanted */
    struct wire_found found[RIG_FOUND];       /* what inventories told */
    uint32_t n_found, told;                   /* told: to the end */
    int nm_error;                             /* it answers nothing but this */
    uint8_t disks_failed;                     /* as last heard */
    uint32_t damaged;                         /* chunks reported as damaged */
    uint32_t unsettled;            /* told of in heartbeats */
    struct wire_chunk_id last_unsettled;
    struct wire_task tasks[RIG_TASKS];        /* to be given to task_server[], in order; sources are server numbers */
    int task_server[RIG_TASKS];
    uint32_t n_tasks;
    struct wire_task_result done[RIG_TASKS]; /* as told */
    uint32_t n_done;
    uint32_t append; /* writes are appends in a chunk of this size; 0: they are not */
    uint32_t first;  /* version in which writes say they may have been taken before; 0: in none */
    uint64_t seen;   /* what writes say of their session: numbers below have their answers */
    uint32_t after;  /* … and the sequence they say they came behind */
    uint64_t task_number;
    struct {
        bool waits;
        uint64_t token;
    } ask[RIG_SERVERS];        /* a call for tasks that is not answered yet */
    uint32_t tasks_lost;       /* calls that said so */
    struct wire_held held[64]; /* the last report's first entries */
    bool cut[RIG_SERVERS];     /* calls to this server fail */
    int fatal;
    uint32_t logs, writes, flushes; /* disk writes submitted, and those with a flush */
    uint32_t punches, unlinks;      /* submitted */
    uint32_t disk_ops, cut_at;      /* completed; when this many are, nothing moves any more (0: never) */
    char last_log[300];
    struct rig_answer answers[RIG_REQUESTS]; /* each is cleared when it is taken: most of a rig is this */
};

void rig_init(struct rig *r, uint64_t seed, uint32_t servers, uint32_t disks, uint64_t capacity);
void rig_close(struct rig *r);
/* Opens server i from its disks; runs until it is registered. 0 or ss_open's error, its sentence in why. */
int rig_open(struct rig *r, uint32_t i, char *why, size_t len);
void rig_start(struct rig *r); /* all that do not run; must work */
/* The process of server i ends: power loss or kill -9. Messages from and to it are lost. */
void rig_crash(struct rig *r, uint32_t i, enum crash_mode mode);
void rig_kill(struct rig *r, uint32_t i);

/* Sends a write of data down the chain first, first + 1, … (n members); returns the request. */
uint32_t rig_send_write(struct rig *r, uint32_t first, uint32_t n, uint64_t chunk, uint32_t offset, const void *data,
                        uint32_t len, uint64_t session, uint64_t number);
uint32_t rig_send_read(struct rig *r, uint32_t server, uint64_t chunk, uint32_t offset, uint32_t len, uint8_t *buf);
/* Of another kind: enum write_kind; without a payload. */
uint32_t rig_send_cut(struct rig *r, uint32_t first, uint32_t n, uint64_t chunk, uint8_t kind, uint32_t offset,
                      uint32_t len, uint64_t session, uint64_t number);
bool rig_step(struct rig *r); /* one message or disk operation; false: nothing is under way */
void rig_run(struct rig *r);  /* until nothing is */
void rig_turn(struct rig *r, uint32_t i);
void rig_pass(struct rig *r, uint64_t ns); /* time passes */

/* The same and wait: status; the read's *length is the chunk's. DFS_ECORRUPT: the bytes did not fit their checksums. */
int rig_write(struct rig *r, uint32_t first, uint32_t n, uint64_t chunk, uint32_t offset, const void *data,
              uint32_t len);
int rig_truncate(struct rig *r, uint32_t first, uint32_t n, uint64_t chunk, uint32_t length);
int rig_punch(struct rig *r, uint32_t first, uint32_t n, uint64_t chunk, uint32_t offset, uint32_t len);
int rig_read(struct rig *r, uint32_t server, uint64_t chunk, uint32_t offset, uint32_t len, uint8_t *buf,
             uint32_t *length);
/* Keeps what an answer says of where data is, and nothing else; 0. */
int rig_take_runs(struct rig_answer *a, const struct msg_chunk_read_reply *m, const struct payload *p);
/* The answer to a question where data is. */
const struct rig_answer *rig_map(struct rig *r, uint32_t server, uint64_t chunk, uint32_t offset, uint32_t len);
uint32_t rig_chunks(struct rig *r, uint32_t server);
/* Has server do this with version 1 of a chunk: from the servers in `sources` (a digit each, "02").
 * What came of it is in r->done[]. */
void rig_task(struct rig *r, uint32_t server, uint8_t kind, uint64_t chunk, const void *bytes, uint32_t len,
              const char *sources);
/* Has server end a version of a chunk, or begin one (t->kind). */
void rig_agree(struct rig *r, uint32_t server, const struct wire_task *t);
/* Begins the next version of every chunk on every server that runs, so that they take writes after a start. */
void rig_next_version(struct rig *r);
void rig_fill(uint8_t *p, uint32_t len, uint64_t seed); /* bytes that differ by seed */

#endif
