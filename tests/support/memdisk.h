/* SPDX-License-Identifier: MIT */
/* A simulated data folder: files in memory that remember what is durable and what is not.
 *
 * Writes go to a file's volatile image; flush (or sync) makes them durable; a crash throws away, keeps or tears what was
 * not flushed, page by page (4096 bytes) in any combination and sector by sector (512) within a page, drawn from the seed.
 * A file created or renamed but whose folder was not flushed may vanish or keep its old name. Submitted operations wait in
 * the disk until the caller completes them, in an order of its choosing.
 *
 * DISK_CREATE of a name that exists fails with DFS_EEXIST; DISK_WRITE, FLUSH, READ and PUNCH of one that does not with
 * DFS_ENOENT. A write that runs out of space has written its first part. */
#ifndef DFS_TESTS_MEMDISK_H
#define DFS_TESTS_MEMDISK_H

#include "base/rand.h"
#include "wire/disk.h"

struct memdisk;

/* What submitted operations are handed to when the caller completes them. */
struct disk *memdisk_new(uint64_t seed, uint64_t capacity);
void memdisk_free(struct disk *d);
/* Puts each file there is in `from` into `to`, which is empty, and makes it durable. */
int memdisk_copy(struct disk *from, struct disk *to) MUST_USE;

/* Operations submitted and not completed. */
uint32_t memdisk_pending(const struct disk *d);
/* Carries out the i-th pending operation (0: the oldest) and hands it back with its results; the caller passes it to the
 * core as EV_DISK and frees it. */
struct disk_op *memdisk_complete(struct disk *d, uint32_t i);

enum crash_mode { CRASH_RANDOM, CRASH_KEEP_ALL, CRASH_DROP_ALL };
/* Power loss: pending operations are partly done or not (and dropped), unflushed state is resolved by mode. */
void memdisk_crash(struct disk *d, enum crash_mode mode);
/* kill -9 of the process: pending operations are dropped or done, written data stays. */
void memdisk_kill(struct disk *d);

/* Faults: the n-th following call of this kind (1: the next) fails with err; for_good: and all after it. Synchronous calls
 * count as the kind they are like (write, truncate: DISK_WRITE, sync: DISK_FLUSH), and the flush of a DISK_WRITE as a DISK_FLUSH of its
 * own. After a failed flush its pages count as clean but are not durable, as on Linux: a later flush succeeds without them.
 * A crash or kill clears all planned faults. */
void memdisk_fail(struct disk *d, enum disk_kind kind, uint32_t n, int err, bool for_good);
bool memdisk_struck(struct disk *d, enum disk_kind kind); /* whether the planned one has */
/* So many bytes it holds from now on; what is there stays. */
void memdisk_resize(struct disk *d, uint64_t capacity);
/* Makes all flushes lie: they report success and make nothing durable (a sabotage tests must detect). */
void memdisk_skip_flush(struct disk *d, bool on);

/* Looking and meddling. NULL/false: no such file. */
const uint8_t *memdisk_peek(struct disk *d, const char *name, uint64_t *size);
bool memdisk_flip(struct disk *d, const char *name, uint64_t byte, uint8_t xor_mask);
bool memdisk_cut(struct disk *d, const char *name, uint64_t size);
uint64_t memdisk_used(const struct disk *d); /* bytes occupied, holes not counted */

#endif
