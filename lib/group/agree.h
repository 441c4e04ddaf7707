/* SPDX-License-Identifier: MIT */
/* Chunks that are written in place, at the leader: how one is opened for writing, and how it is sealed again. Volatile: a
 * new leader begins anew with what the state and the servers say. */
#ifndef DFS_GROUP_AGREE_H
#define DFS_GROUP_AGREE_H

#include <stdbool.h>
#include <stdint.h>

struct nm;
struct nm_task;
struct event;
struct effects;
struct msg;
struct wire_task_result;

struct agreement;
struct agreements {
    struct agreement *by_place; /* uthash: file and index */
    struct agreement *by_chunk; /* uthash: those whose chunk is known */
    uint64_t next_look;         /* mono ns: at the open chunks there are */
};

void agree_request(struct nm *nm, const struct event *ev, struct effects *fx);
/* A FENCE or STAMP has ended. */
void agree_result(struct nm *nm, const struct nm_task *t, const struct wire_task_result *r, struct effects *fx);
/* A chunk_begin or chunk_seal of ours was applied. */
void agree_applied(struct nm *nm, const struct msg *cmd, struct effects *fx);
/* This server is another process now: chunks that were open on it have to be agreed on. */
void agree_restarted(struct nm *nm, uint32_t server);
/* A server has this version of a chunk, and serves it, or what is written there, no more before the next: it was restarted, its lease was
 * over for a while, or it was stamped with a version that was never logged. */
void agree_unsettled(struct nm *nm, uint64_t chunk, uint32_t version);
/* Seals a chunk that takes writes, if that is not under way already. */
void agree_seal(struct nm *nm, uint64_t chunk, struct effects *fx);
/* Whether this chunk can be neither read nor written before a server that is gone is back, or is given up (B11). */
bool agree_waits(const struct nm *nm, uint64_t chunk);
struct agree_waiting {
    uint64_t chunks;
    uint32_t servers[8], n_servers; /* waited for: the first few */
};
void agree_waiting(const struct nm *nm, struct agree_waiting *out);
/* Whether all servers of this chunk are there and none has what was written to it; and of how many chunks that is so. */
bool agree_lost(const struct nm *nm, uint64_t chunk);
uint64_t agree_lost_chunks(const struct nm *nm);
/* An administrator gives up the servers that a file's chunks wait for. */
void agree_go_on(struct nm *nm, const struct event *ev, struct effects *fx);
void agree_tick(struct nm *nm, struct effects *fx);
void agree_refuse(struct nm *nm, struct effects *fx); /* leadership is gone */
void agree_close(struct nm *nm);

#endif
