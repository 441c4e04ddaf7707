/* SPDX-License-Identifier: MIT */
/* A data folder on a real file system: wire/disk.h on the loop's thread pool.
 *
 * Reads try preadv2(RWF_NOWAIT) on the loop first and go to the pool only when they would block. The folder is locked
 * (flock on the folder itself, which leaves no file behind) from open to close: a second process, or a second server in
 * this one, is refused with DFS_EBUSY, after two seconds, in case the first one is just going. Files are opened on first use and kept open. errno is translated here, once. */
#ifndef DFS_UV_DISK_H
#define DFS_UV_DISK_H

#include <uv.h>

#include "wire/disk.h"

struct disk_handlers {
    void (*on_done)(void *arg, struct disk_op *op); /* op is freed by the callee; never before submit has returned */
    void *arg;
};

/* Creates the folder if need be. The synchronous calls work without a loop (loop NULL: they alone work, as in the
 * snapshot's child and the offline tools). */
int uv_disk_open(uv_loop_t *loop, const char *path, const struct disk_handlers *h, struct disk **out) MUST_USE;
/* At most so many operations on the thread pool at a time (0: no limit); further ones wait. With shares that add up to no
 * more than the pool's threads, a disk that hangs leaves the others theirs. */
void uv_disk_share(struct disk *d, uint32_t operations);
/* Waits for nothing: pending operations finish, done is called when the last has; on_done is not called any more. */
void uv_disk_close(struct disk *d, void (*done)(void *arg), void *arg);

#endif
