/* SPDX-License-Identifier: MIT */
/* Snapshot files: the state machine's stream in checksummed blocks.
 *
 * "snap-<index, 16 hex digits>-<term, decimal>"; all numbers little-endian:
 *   header, 64 bytes:  0 u64 magic "DFSNMSNP"  8 u32 format version  12 u32 length of the configuration
 *                     16 u64 cluster_hi  24 u64 cluster_lo  32 u64 index  40 u64 term  48 u64 configuration's index
 *                     56 u32 CRC32C of the configuration  60 u32 CRC32C of bytes 0..59
 *   the raft configuration, as libraft encodes it, padded with zeros to a multiple of 8
 *   blocks:  u32 length (1..256 KiB), u32 number from 0, u32 CRC32C of these 8 bytes and the data, the data
 *   trailer: u32 0, u32 number of blocks, u64 length of the stream, u32 CRC32C of these 16 bytes; nothing follows
 *
 * Written as "snap.tmp", flushed, then renamed: a file of the final name is complete, or damaged. */
#ifndef DFS_GROUP_SNAPSHOT_H
#define DFS_GROUP_SNAPSHOT_H

#include "base/slice.h"
#include "meta/meta.h"
#include "wire/disk.h"

#define SNAPSHOT_TMP "snap.tmp"
#define SNAPSHOT_GET "snap.get" /* on its way from another NameServer */
/* There while a snapshot from another takes the place of the log: u64 index, u64 term, u32 CRC32C of these. */
#define INSTALL_MARK "install"
#define SNAPSHOT_BLOCK (256u * 1024)
#define SNAPSHOT_CONF_MAX (64u * 1024)

struct snapshot_info {
    uint64_t cluster_hi, cluster_lo;
    uint64_t index, term;
    uint64_t conf_index;
};

struct snapshot_ref {
    uint64_t index, term; /* index 0: none */
};

void snapshot_name(uint64_t index, uint64_t term, char *out);
bool snapshot_parse(const char *name, uint64_t *index, uint64_t *term);
/* Bytes of this one's file; 0: it cannot be found. Asks the disk there and then. */
uint64_t snapshot_size(struct disk *disk, struct snapshot_ref ref);
/* Makes INSTALL_MARK, flushed; reads it (false: not there, or torn); removes it. */
int install_begin(struct disk *disk, uint64_t index, uint64_t term) MUST_USE;
bool install_marked(struct disk *disk, uint64_t *index, uint64_t *term);
int install_end(struct disk *disk) MUST_USE;
/* Writes, flushes, renames. */
int snapshot_write(struct disk *disk, const struct snapshot_info *info, const void *conf, uint32_t conf_len,
                   const struct meta *m) MUST_USE;
/* Reads and checks the whole file. conf gets a copy of the configuration, *m the state; the caller owns both.
 * DFS_ECORRUPT, DFS_ENOMEM, or what reading gave. */
int snapshot_load(struct disk *disk, const char *name, struct snapshot_info *info, struct slice *conf,
                  struct meta **m) MUST_USE;
/* The same of a file with any name (a backup). m NULL: the file is only checked. On error, DFS_EVERSION among them, *why is
 * a sentence without the file's name. */
int snapshot_load_any(struct disk *disk, const char *name, struct snapshot_info *info, struct slice *conf,
                      struct meta **m, char *why, size_t why_len) MUST_USE;

#endif
