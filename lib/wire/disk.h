/* SPDX-License-Identifier: MIT */
/* The disk under a core: one data folder, behind a table of functions.
 *
 * Three stand behind it: the real one (lib/uv/disk.c), the simulated one, and wrappers that break (tests). Names are
 * relative to the folder, without '/'. (Model: littlefs's block device; SQLite's test VFS.)
 *
 * Synchronous calls are for start-up, recovery, offline tools and the snapshot's child process. While serving, a core
 * uses operations (fx_disk): they complete by EV_DISK, out of order with each other unless the core waits. Operations
 * on one file that must be ordered (write, then flush) are given as one operation, or awaited. */
#ifndef DFS_WIRE_DISK_H
#define DFS_WIRE_DISK_H

#include "base/slice.h"

#define DISK_NAME_MAX 63

enum disk_kind {
    DISK_CREATE = 1, /* new file `name`, `length` bytes preallocated (zero-filled if `zero`), file and folder flushed */
    DISK_WRITE,      /* data[0..n_data) at `offset` of the existing file `name`; then, if `flush`, fdatasync */
    DISK_FLUSH,      /* fdatasync */
    DISK_READ,       /* `length` bytes at `offset`; short only at end of file; result in data[0], data[0].len */
    DISK_PUNCH,      /* returns the range's space to the file system; reads as zeros afterwards */
    DISK_RENAME,     /* `name` to `name2`, replacing it; folder flushed */
    DISK_UNLINK,     /* folder flushed; no error if it is gone */
    DISK_STAT,       /* free and total bytes of the file system: result in offset (free) and length (total) */
};

struct disk_op {
    enum disk_kind kind;
    bool flush, zero;
    uint8_t disk; /* which of the core's data folders; 0 for a NameServer */
    char name[DISK_NAME_MAX + 1];
    char name2[DISK_NAME_MAX + 1];
    uint64_t offset, length;
    uint64_t token;
    int status; /* result: 0 or DFS_E…; a write or flush that failed has done nothing that may be relied on */
    struct slice *data; /* owned with its references; freed by disk_op_free */
    uint32_t n_data;
};

struct disk_op *disk_op_new(enum disk_kind kind, const char *name, uint32_t n_data);
void disk_op_free(struct disk_op *op); /* drops the slices */

struct disk; /* an implementation's; its first member is the ops pointer */

struct disk_ops {
    /* Calls each(arg, name, size) for every file of the folder. */
    int (*list)(struct disk *d, void (*each)(void *arg, const char *name, uint64_t size), void *arg);
    /* Up to len bytes; *got is less only at end of file. */
    int (*read)(struct disk *d, const char *name, uint64_t off, void *p, size_t len, size_t *got);
    /* The range will be read soon. A hint: whatever fails, the read says. */
    void (*ahead)(struct disk *d, const char *name, uint64_t off, uint64_t len);
    /* Creates the file if need be. Not durable before sync. */
    int (*write)(struct disk *d, const char *name, uint64_t off, const void *p, size_t len);
    int (*truncate)(struct disk *d, const char *name, uint64_t len);
    int (*sync)(struct disk *d, const char *name); /* the file's data and size; NULL: the folder */
    int (*rename)(struct disk *d, const char *from, const char *to); /* folder flushed */
    int (*unlink)(struct disk *d, const char *name);                 /* folder flushed */
    int (*space)(struct disk *d, uint64_t *free_bytes, uint64_t *total_bytes);
    /* Takes op over. Completion reaches the core as EV_DISK, never before this returns. */
    void (*submit)(struct disk *d, struct disk_op *op);
};

struct disk {
    const struct disk_ops *ops;
};

#endif
