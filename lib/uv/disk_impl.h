/* SPDX-License-Identifier: MIT */
/* What the parts of the real disk share: disk.c (open, submit, close), disk_work.c (one operation on the pool),
 * disk_files.c (open files), disk_ahead.c (what is about to be read), disk_sync.c (the synchronous calls). */
#ifndef DFS_UV_DISK_IMPL_H
#define DFS_UV_DISK_IMPL_H

#include "base/hash.h"
#include "base/list.h"
#include "uv/disk.h"

#define DISK_OPEN_FILES 256u            /* kept open; the least recently used without work is closed beyond */
#define DISK_NOWAIT_MAX (1024u * 1024)  /* longer reads always go to the pool: the copy alone would hold the loop up */

#define DISK_LONG_READ (128u * 1024)    /* worth reading ahead for */

/* An open file: used by jobs while refs > 0. Detached when its name is renamed, unlinked or replaced. */
struct disk_file {
    UT_hash_handle hh;
    struct list lru;
    int fd;
    uint32_t refs;
    uint64_t read_to; /* the end of the last long read */
    bool detached;
    char name[DISK_NAME_MAX + 1];
};

struct uv_disk {
    struct disk base;
    uv_loop_t *loop; /* NULL: only the synchronous calls */
    struct disk_handlers handlers;
    int dir_fd; /* carries the lock */
    int last_fd; /* which a synchronous call read last; or -1 */
    bool nowait; /* the file system knows RWF_NOWAIT */
    /* the loop's thread only */
    struct disk_file *files;
    struct list lru; /* least recently used first */
    uint32_t n_files;
    uint64_t names_changed; /* rises with every detach: a job that opened a file before must not put it in the table */
    uint32_t pending;
    uint32_t share, running; /* on the pool */
    struct list waiting;     /* jobs beyond the share */
    struct list finished; /* jobs done on the loop, handed out from the idle callback */
    uv_idle_t idle;
    bool idle_on, closing;
    void (*done)(void *arg);
    void *done_arg;
};

/* One operation under way. On the pool it touches itself, its operation's bytes, and file descriptors; nothing else. */
struct disk_job {
    uv_work_t work;
    struct list entry;
    struct uv_disk *d;
    struct disk_op *op;
    struct disk_file *file; /* held; or NULL: the job opens the file itself and leaves it in fd */
    int fd;
    bool stream; /* a read that goes on with what was read before */
    uint64_t names_changed;
};

/* disk_files.c: the loop's thread only */
struct disk_file *disk_file_get(struct uv_disk *d, const char *name); /* with a reference; NULL: not in the table */
void disk_file_put(struct uv_disk *d, struct disk_file *f);
void disk_file_adopt(struct uv_disk *d, const char *name, int fd);    /* the table closes it from now on */
void disk_file_detach(struct uv_disk *d, const char *name);
void disk_files_close(struct uv_disk *d);

/* disk_ahead.c. Whether this is a long read that goes on with what was read before, and to be noted as that; the loop's thread only.
 * f NULL: it is not open yet, and nothing was. */
bool disk_stream(struct disk_file *f, const struct disk_op *op);
void disk_ahead(int fd, uint64_t off, uint64_t len, bool stream); /* of what is about to be read */

/* disk_work.c */
void disk_work(struct disk_job *job);
/* Reads without blocking. True: done, result in op. */
bool disk_try_read(struct uv_disk *d, struct disk_job *job);

/* disk_sync.c */
extern const struct disk_ops uv_disk_ops;
void disk_last_close(struct uv_disk *d);
int disk_space(int dir_fd, uint64_t *free_bytes, uint64_t *total_bytes) MUST_USE;
void uv_disk_submit(struct disk *disk, struct disk_op *op); /* disk.c */

#endif
