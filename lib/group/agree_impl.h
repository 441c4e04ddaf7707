/* SPDX-License-Identifier: MIT */
/* The inside of agreements, shared by agree.c (who wants what of which chunk) and agree_members.c (what its servers say). */
#ifndef DFS_GROUP_AGREE_IMPL_H
#define DFS_GROUP_AGREE_IMPL_H

#include "base/hash.h"
#include "group/group.h"

enum agree_state { AGREE_FENCE, AGREE_STAMP, AGREE_PROPOSE };
enum member_state { MEMBER_IDLE, MEMBER_ASKED, MEMBER_OK, MEMBER_BAD, MEMBER_GONE };

struct member {
    uint16_t server;
    enum member_state state;
    uint32_t version, length, crc; /* as told, or as the map says */
    uint64_t sequence;
    bool steady, doubt; /* RESULT_… */
    bool unsure;     /* bad: its disk does not tell what is there, for now or for good */
    bool full;       /* bad: it has no space for that */
    bool given_up;   /* an administrator says that it will not come back */
    bool out;        /* the next version is without it: it has to be cut off first */
    uint64_t ask_at; /* mono ns: not before */
};

struct caller {
    struct reply_to to;
    uint64_t session, handle, was;
    uint64_t until;
};

struct agreement {
    struct {
        uint64_t ino;
        uint64_t index;
    } place;
    uint64_t chunk;
    uint64_t after;    /* a chunk that has to be sealed first; 0: none */
    uint32_t from, to; /* the map's version; the one that begins */
    uint32_t length, crc;
    uint32_t keep; /* bytes that stay; 0: all */
    bool seal;     /* or open */
    enum agree_state state;
    struct member m[META_MAX_REPLICAS];
    uint32_t n;
    struct caller *callers;
    uint32_t n_callers;
    bool proposed, known; /* known: in by_chunk */
    UT_hash_handle hh, hh_chunk;
};

/* agree.c */
struct agreement *agree_find(const struct nm *nm, uint64_t chunk);
/* The agreement ends; whoever still waits is told why. */
void agree_give_up(struct nm *nm, struct agreement *a, int err, const char *why, struct effects *fx);

/* agree_members.c */
bool agree_is_gone(struct nm *nm, uint32_t server); /* it cannot answer anybody any more (B12) */
uint32_t agree_min_replicas(const struct nm *nm, uint64_t ino);
/* c is the chunk as the map has it. */
void agree_start_seal(struct nm *nm, struct agreement *a, const struct meta_chunk_info *c);
bool agree_start_open(struct nm *nm, struct agreement *a,
                      const struct meta_chunk_info *c) MUST_USE; /* false: too few */
void agree_propose(struct nm *nm, struct agreement *a);
/* It holds, for all we know, what none of the others does. */
bool agree_may_have_more(const struct member *m);
/* It stands still until a member that is gone, or whose disk is, is back, or is given up. */
bool agree_stands(const struct agreement *a);
/* All are there, and none has what the map says, or can read it. */
bool agree_is_lost(const struct agreement *a);
/* Whatever can be done now. May free it. */
void agree_step(struct nm *nm, struct agreement *a, struct effects *fx);

#endif
