/* SPDX-License-Identifier: MIT */
/* The happy path is: submit makes a job; a read of cached bytes is done there and then and handed out from an idle
 * callback, anything else goes to the pool and is handed out when it comes back. Possible failures are the operation's
 * own, in op->status. The job's file stays open in between; a rename or unlink takes the name out of the table, before
 * and after, so that nobody is given the old file under it. */
#include "uv/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "uv/disk_impl.h"
#include "uv/uverr.h"

#define LOCK_TRIES 40u
#define LOCK_WAIT_NS 50000000

/* --- completion --- */

static void maybe_closed(struct uv_disk *d);

static void job_finish(struct disk_job *job)
{
    struct uv_disk *d = job->d;
    struct disk_op *op = job->op;
    if (op->kind == DISK_RENAME || op->kind == DISK_UNLINK || op->kind == DISK_CREATE)
        disk_file_detach(d, op->name);
    if (op->kind == DISK_RENAME)
        disk_file_detach(d, op->name2);
    if (job->fd >= 0) {
        if (op->kind == DISK_CREATE || job->names_changed == d->names_changed)
            disk_file_adopt(d, op->name, job->fd);
        else
            close(job->fd);
    }
    if (job->file)
        disk_file_put(d, job->file);
    free(job);
    d->pending--;
    if (d->closing) {
        disk_op_free(op);
        maybe_closed(d);
    } else {
        d->handlers.on_done(d->handlers.arg, op);
    }
}

static void on_idle(uv_idle_t *idle)
{
    struct uv_disk *d = idle->data;
    struct list todo;
    list_init(&todo);
    while (!list_empty(&d->finished)) {
        struct list *e = list_first(&d->finished);
        list_remove(e);
        list_push(&todo, e);
    }
    while (!list_empty(&todo)) {
        struct disk_job *job = CONTAINER_OF(list_first(&todo), struct disk_job, entry);
        list_remove(&job->entry);
        job_finish(job);
    }
    if (list_empty(&d->finished) && d->idle_on) {
        d->idle_on = false;
        uv_idle_stop(&d->idle);
    }
}

static void finish_later(struct disk_job *job)
{
    struct uv_disk *d = job->d;
    list_push(&d->finished, &job->entry);
    if (!d->idle_on) {
        d->idle_on = true;
        uv_idle_start(&d->idle, on_idle);
    }
}

static void start_waiting(struct uv_disk *d);

static void on_work(uv_work_t *work) { disk_work(work->data); }

static void on_worked(uv_work_t *work, int status)
{
    struct disk_job *job = work->data;
    if (status != 0)
        job->op->status = DFS_ECANCELED;
    job->d->running--;
    start_waiting(job->d); /* before the job's end may close the disk */
    job_finish(job);
}

static void start(struct disk_job *job)
{
    struct uv_disk *d = job->d;
    if (d->share && d->running >= d->share) {
        list_push(&d->waiting, &job->entry);
        return;
    }
    d->running++;
    if (uv_queue_work(d->loop, &job->work, on_work, on_worked) != 0) {
        d->running--;
        job->op->status = DFS_EIO;
        finish_later(job);
    }
}

static void start_waiting(struct uv_disk *d)
{
    if (list_empty(&d->waiting))
        return;
    struct disk_job *job = CONTAINER_OF(list_first(&d->waiting), struct disk_job, entry);
    list_remove(&job->entry);
    start(job);
}

void uv_disk_share(struct disk *disk, uint32_t operations)
{
    CONTAINER_OF(disk, struct uv_disk, base)->share = operations;
}

/* --- submission --- */

static int prepare_read(struct disk_op *op)
{
    if (op->length > BUF_MAX)
        return DFS_EINVAL;
    if (op->n_data == 0) {
        op->data = xcalloc(1, sizeof *op->data);
        op->n_data = 1;
    }
    slice_drop(&op->data[0]);
    struct buf *b = buf_new((uint32_t)op->length);
    if (!b)
        return DFS_ENOMEM;
    op->data[0] = slice_take(b, 0, 0);
    return 0;
}

void uv_disk_submit(struct disk *disk, struct disk_op *op)
{
    struct uv_disk *d = CONTAINER_OF(disk, struct uv_disk, base);
    struct disk_job *job = xcalloc(1, sizeof *job);
    assert(d->loop && !d->closing);
    disk_last_close(d); /* it would keep the space of what is unlinked */
    *job = (struct disk_job){.d = d, .op = op, .fd = -1};
    list_init(&job->entry);
    job->work.data = job;
    d->pending++;
    op->status = op->kind == DISK_READ ? prepare_read(op) : 0;
    if (op->status != 0) {
        finish_later(job);
        return;
    }
    if (op->kind == DISK_RENAME || op->kind == DISK_UNLINK)
        disk_file_detach(d, op->name);
    if (op->kind == DISK_RENAME)
        disk_file_detach(d, op->name2);
    if (op->kind == DISK_WRITE || op->kind == DISK_READ || op->kind == DISK_FLUSH || op->kind == DISK_PUNCH)
        job->file = disk_file_get(d, op->name);
    job->stream = op->kind == DISK_READ && disk_stream(job->file, op);
    job->names_changed = d->names_changed;
    if (op->kind == DISK_READ && job->file && d->nowait && op->length <= DISK_NOWAIT_MAX && disk_try_read(d, job)) {
        finish_later(job);
        return;
    }
    start(job);
}

/* --- opening and closing --- */

static int make_folder(const char *path)
{
    char part[4096];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part)
        return DFS_ENAMETOOLONG;
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0700) != 0 && errno != EEXIST)
            return dfs_err_of(errno);
    }
    return 0;
}

/* The name of a folder made just now must be as durable as what will be acknowledged inside it. */
static int sync_parent(int dir_fd)
{
    int err = 0, fd = openat(dir_fd, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? 0 : dfs_err_of(errno);
    if (fsync(fd) != 0)
        err = dfs_err_of(errno);
    close(fd);
    return err;
}

static void free_disk(struct uv_disk *d)
{
    disk_files_close(d);
    disk_last_close(d);
    if (d->dir_fd >= 0)
        close(d->dir_fd);
    free(d);
}

/* One that was killed holds its lock until its snapshot's child is gone as well. */
static int lock_folder(int fd)
{
    const struct timespec wait = {.tv_nsec = LOCK_WAIT_NS};
    for (uint32_t i = 0; i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return 0;
        if (errno != EWOULDBLOCK)
            return dfs_err_of(errno);
        nanosleep(&wait, NULL);
    }
    return DFS_EBUSY;
}

static int open_folder(struct uv_disk *d, const char *path)
{
    int err = make_folder(path);
    if (err)
        return err;
    d->dir_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->dir_fd < 0)
        return dfs_err_of(errno);
    err = lock_folder(d->dir_fd);
    return err ? err : sync_parent(d->dir_fd);
}

int uv_disk_open(uv_loop_t *loop, const char *path, const struct disk_handlers *h, struct disk **out)
{
    struct uv_disk *d = xcalloc(1, sizeof *d);
    int err;
    d->base.ops = &uv_disk_ops;
    d->dir_fd = -1;
    d->last_fd = -1;
    d->nowait = true;
    list_init(&d->lru);
    list_init(&d->finished);
    list_init(&d->waiting);
    err = open_folder(d, path);
    if (err) {
        free_disk(d);
        return err;
    }
    if (loop) {
        d->loop = loop;
        d->handlers = *h;
        uv_idle_init(loop, &d->idle);
        d->idle.data = d;
    }
    *out = &d->base;
    return 0;
}

static void on_idle_closed(uv_handle_t *handle)
{
    struct uv_disk *d = handle->data;
    void (*done)(void *arg) = d->done;
    void *arg = d->done_arg;
    free_disk(d);
    if (done)
        done(arg);
}

static void maybe_closed(struct uv_disk *d)
{
    if (d->pending == 0 && !uv_is_closing((uv_handle_t *)&d->idle))
        uv_close((uv_handle_t *)&d->idle, on_idle_closed);
}

void uv_disk_close(struct disk *disk, void (*done)(void *arg), void *arg)
{
    struct uv_disk *d = CONTAINER_OF(disk, struct uv_disk, base);
    d->closing = true;
    d->done = done;
    d->done_arg = arg;
    if (d->loop) {
        maybe_closed(d);
        return;
    }
    free_disk(d);
    if (done)
        done(arg);
}
