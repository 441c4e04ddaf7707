/* SPDX-License-Identifier: MIT */
/* The two small files of a NameServer's data folder: who it is ("identity"), and its term and vote ("vote").
 *
 * identity, 64 bytes:  0 u64 magic "DFSNMIDT"  8 u32 format version  12 u32 raft id
 *                     16 u64 cluster_hi       24 u64 cluster_lo     32 u64 uuid_hi  40 u64 uuid_lo
 *                     48 zeros                60 u32 CRC32C of bytes 0..59
 * It is written last when a cluster is made: a folder without it holds no NameServer. Until then it is "identity.new".
 *
 * vote, two slots of 64 bytes at 0 and 4096:  0 u64 magic "DFSNMVOT"  8 u32 format version  12 u32 0  16 u64 number
 *                     24 u64 term  32 u64 voted for  40 zeros  60 u32 CRC32C of bytes 0..59
 * Both slots are written and flushed one after the other, with the same number. So a write that was torn leaves the
 * other slot, and a slot that rots later does not take a vote with it; the higher number holds. */
#ifndef DFS_GROUP_IDENTITY_H
#define DFS_GROUP_IDENTITY_H

#include "wire/disk.h"

#define IDENTITY_FILE "identity"
#define IDENTITY_NEW "identity.new"
#define VOTE_FILE "vote"
#define VOTE_SLOT 64u
#define VOTE_SLOT_SPACING 4096u

struct identity {
    uint64_t cluster_hi, cluster_lo, uuid_hi, uuid_lo;
    uint32_t raft_id;
};

struct vote {
    uint64_t number, term, voted_for;
};

/* Writes identity.new, flushed; identity_finish gives it its name. */
int identity_begin(struct disk *disk, const struct identity *id) MUST_USE;
int identity_finish(struct disk *disk) MUST_USE;
/* The uuid an interrupted join left in IDENTITY_NEW. */
bool identity_begun(struct disk *disk, struct identity *id);
/* DFS_ENOENT: no such file; DFS_ECORRUPT. */
int identity_load(struct disk *disk, struct identity *id) MUST_USE;
/* A salt for the log's checksums that nobody on the network knows. */
uint32_t identity_salt(const struct identity *id);

void vote_encode(const struct vote *v, uint8_t out[VOTE_SLOT]);
/* Writes and flushes both slots. */
int vote_save(struct disk *disk, const struct vote *v) MUST_USE;
/* DFS_ENOENT, or DFS_ECORRUPT if neither slot is good. *both: they agree. */
int vote_load(struct disk *disk, struct vote *v, bool *both) MUST_USE;

#endif
