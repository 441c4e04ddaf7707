/* SPDX-License-Identifier: MIT */
/* What StorageServers are to do for the leader. They ask; a call waits here until there is something for its server
 * (wire/table_repair.h). A task that is queued ends exactly once: with its result, or because its server is gone; it
 * survives restarts of its server, which is then given it again. All of it is forgotten with the leadership. */
#ifndef DFS_GROUP_TASKS_H
#define DFS_GROUP_TASKS_H

#include "base/list.h"
#include "meta/meta.h"
#include "wire/core.h"

#define TASK_BUCKETS 16384u

struct nm;

struct nm_task {
    struct nm_task *next; /* with the same hash */
    struct list link;     /* of its server: waiting, or given */
    uint64_t id;          /* drawn by tasks_add */
    uint64_t chunk;
    uint32_t version, length, crc;
    uint32_t server; /* who does it */
    uint8_t kind;    /* enum task_kind */
    bool given;
    uint64_t since;                      /* mono ns, of the queueing or giving */
    uint16_t sources[META_MAX_REPLICAS]; /* COPY: servers, the best first */
    uint32_t n_sources;
    uint32_t remove; /* COPY: leaves the chunk's servers when the copy has come; 0: none */
    uint8_t reason;  /* the scheduler's */
    uint32_t to;     /* STAMP, as are the next two */
    uint64_t sequence;
    uint8_t flags;
    uint32_t keep; /* and of FENCE */
};

struct task_queue { /* of one StorageServer */
    struct list waiting, given;
    uint32_t n_waiting, n_given;
    uint64_t bytes_waiting, bytes_given;
    uint32_t room_chunks;
    uint64_t room_bytes;
    bool asking; /* a call waits to be answered */
    struct reply_to ask;
    uint64_t answer_at; /* mono ns: at the latest */
};

struct tasks {
    struct nm_task *table[TASK_BUCKETS];
    uint32_t n;
    uint64_t number; /* of the last reply */
    uint64_t last;   /* task's id */
};

/* A task for this chunk, of whatever server; NULL: none. */
struct nm_task *tasks_find(const struct nm *nm, uint64_t chunk);
/* One of this kind, of this server (0: of any); NULL: none. */
struct nm_task *tasks_find_kind(const struct nm *nm, uint64_t chunk, uint32_t server, uint8_t kind);
/* Queues a copy of t; not a DROP of what is in quarantine. */
void tasks_add(struct nm *nm, const struct nm_task *t);
void tasks_request(struct nm *nm, const struct event *ev, struct effects *fx);
/* Answers the calls there is something for, and those that have waited long enough. */
void tasks_turn(struct nm *nm, struct effects *fx);
uint64_t tasks_deadline(const struct nm *nm);
/* The server is another process now: what it was given is given again. */
void tasks_again(struct nm *nm, uint32_t server);
/* The server is gone: its tasks end. */
void tasks_cancel(struct nm *nm, uint32_t server, struct effects *fx);
/* Everything is forgotten; those that wait are told to look for the leader. */
void tasks_refuse(struct nm *nm, struct effects *fx);
void tasks_forget(struct nm *nm);

#endif
