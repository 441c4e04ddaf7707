/* SPDX-License-Identifier: MIT */
/* What is remembered of a chunk that takes writes (open.c). */
#ifndef DFS_STORE_OPEN_CHUNK_H
#define DFS_STORE_OPEN_CHUNK_H

#include "base/list.h"

struct write;

struct recent { /* a writer's request on an open chunk */
    uint64_t session, number;
    uint64_t seen; /* by its session then: its numbers below are not repeated; 0: not known */
    uint32_t offset, length, version, sequence;
    struct write *write; /* while under way */
    uint8_t kind;        /* enum record_kind */
};

struct flight { /* a write that is not known to be durable on every member */
    uint32_t from, to, sequence;
    bool failed; /* the next version may hold it, or not */
};

struct told { /* found at a start: the last table of writers */
    uint64_t until, forgot; /* what it says: all up to the first are in it, but for those up to the second; … */
    uint32_t n;             /* … how many it has … */
    uint32_t version, seen; /* … and how many were seen, of which version */
};

struct open_chunk { /* a chunk written not long ago */
    uint64_t id;
    struct list lru;
    uint64_t forgot; /* up to here (order_of), who wrote what is known in part only: it was copied, or cleaned away before
                      * a start, or there were too many */
    uint64_t copy;
    uint32_t version, sequence; /* last accepted */
    uint32_t length;            /* of the chunk once all accepted is done */
    uint32_t inflight;
    uint32_t pending; /* of those: not durable here yet */
    uint32_t lapse;   /* ss.lapses when it was opened */
    uint8_t disk;
    bool broken;
    bool steady;           /* opened since the start: all that was ever accepted in this version is here */
    bool fenced;           /* takes no more writes in this version … */
    bool cut_off;          /* … nor reads: others go on without this copy */
    bool unsure;           /* what is here of writes that failed, and where, is not known */
    bool head;             /* of the chain: it is told first which writes are durable everywhere */
    struct flight *flights; /* owned; by sequence, of one version: the last one that took writes */
    uint32_t n_flights, cap_flights, flights_of;
    struct recent *recent; /* owned; what has no session is free */
    uint32_t n_recent, next_recent;
    struct told told;        /* until all records were noted */
    uint64_t seen;           /* by whoever is noted next: its numbers below need not be remembered; 0: not known */
    struct open_chunk *next; /* with the same hash */
};

#endif
