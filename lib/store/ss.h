/* SPDX-License-Identifier: MIT */
/* The StorageServer core: chunks in segment stores (one per data folder), chain writes, reads, registration and
 * heartbeats. Pure, in the shape of wire/core.h.
 *
 * A write's way: EV_REQUEST chunk_write -> block CRCs verified -> sequence assigned (head) or checked for gaps
 * (others) -> forwarded to the next of the chain (EFF_CALL, payload shared, not copied) and appended to the turn's
 * batch -> one vectored write and one fdatasync per disk and turn (EFF_DISK) -> acknowledged (EFF_REPLY) when it is
 * durable here and everyone further down has acknowledged. */
#ifndef DFS_STORE_SS_H
#define DFS_STORE_SS_H

#include "wire/core.h"

#define SS_MAX_DISKS 32u
#define SS_MAX_NAMESERVERS 16u

struct ss;

struct ss_config {
    const char *address; /* "host:port" others reach us at */
    const char *domain;  /* failure domain, "" for none */
    const char *nameservers[SS_MAX_NAMESERVERS];
    uint32_t n_nameservers;
    uint64_t uuid_hi, uuid_lo; /* fresh random id, used if the folders hold none yet */
    uint64_t incarnation;      /* random per start */
    uint64_t seed;
    bool relaxed;
    bool rebuild;           /* reads all records at start, and believes no summary */
    bool forget_appends;    /* sabotage, for tests: one that is repeated is done again */
    bool keep_cut;          /* sabotage, for tests: a truncate cuts nothing off */
    bool ack_alone;         /* sabotage, for tests: a write is acknowledged when it is durable here */
    bool any_version;       /* sabotage, for tests: a chunk is read whatever version of it is here */
    bool trust_copies;      /* sabotage, for tests: what is fetched from others is not verified */
    uint64_t segment_size;  /* 0: default (16 MiB for small records, 64 MiB for large ones); else both, within bounds */
    uint64_t scrub_rate;    /* bytes a second that scrub reads in each folder; 0: 16 MiB; UINT64_MAX: no limit */
    uint64_t repair_rate;   /* bytes a second fetched while clients use us or the source; 0: 32 MiB; UINT64_MAX: no limit */
    uint64_t report_period; /* ns between full reports of the chunks held; 0: 10 min */
};

/* Opens the data folders (identity, segments; the index is rebuilt from records). Synchronous disk calls; disks stay
 * the caller's and outlive the core. On error *why is a sentence that names the folder (by number) and file, and
 * nothing was changed. */
int ss_open(const struct ss_config *cfg, struct disk **disks, uint32_t n_disks, struct now now, struct ss **out,
            char *why, size_t why_len) MUST_USE;
void ss_close(struct ss *ss);

void ss_event(struct ss *ss, const struct event *ev, struct effects *fx);
void ss_turn(struct ss *ss, struct now now, struct effects *fx);
uint64_t ss_deadline(const struct ss *ss);

/* For the host's HELLO. The cluster id is zero until the first registration, then kept in the folders. */
void ss_cluster(const struct ss *ss, uint64_t *hi, uint64_t *lo);
uint32_t ss_id(const struct ss *ss);     /* 0: not registered yet */
bool ss_registered(const struct ss *ss); /* with a current answer from the NameServer */

/* For tests and the simulator: calls each(arg, chunk, version, length) for every chunk held. */
void ss_each_chunk(const struct ss *ss, void (*each)(void *arg, uint64_t chunk, uint32_t version, uint32_t length),
                   void *arg);

/* Memory the index takes, bytes, and the chunks in it, for status and benchmarks. */
uint64_t ss_index_memory(const struct ss *ss, uint64_t *chunks);
uint32_t ss_disks_failed(const struct ss *ss);

#endif
