/* SPDX-License-Identifier: MIT */
/* One disk operation, on a thread of the pool: blocking calls, every error branch ending in op->status. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "uv/disk_impl.h"
#include "uv/uverr.h"

#define ZERO_CHUNK (256u * 1024)
#define IOV_AT_ONCE 256u

static int last_error(void)
{
    return dfs_err_of(errno);
}

static int write_all(int fd, struct iovec *iov, uint32_t n, uint64_t off)
{
    while (n > 0) {
        ssize_t put = pwritev(fd, iov, n > IOV_AT_ONCE ? (int)IOV_AT_ONCE : (int)n, (off_t)off);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return last_error();
        if (put == 0)
            return DFS_EIO;
        off += (uint64_t)put;
        while (n > 0 && (size_t)put >= iov->iov_len) {
            put -= (ssize_t)iov->iov_len;
            iov++;
            n--;
        }
        if (n > 0) {
            iov->iov_base = (char *)iov->iov_base + put;
            iov->iov_len -= (size_t)put;
        }
    }
    return 0;
}

static int work_write(struct disk_op *op, int fd)
{
    struct iovec few[64], *iov = few;
    int err;
    uint32_t n = 0;
    if (op->n_data > ARRAY_LEN(few) && !(iov = malloc(op->n_data * sizeof *iov)))
        return DFS_ENOMEM;
    for (uint32_t i = 0; i < op->n_data; i++)
        if (op->data[i].len > 0)
            iov[n++] = (struct iovec){slice_data(op->data[i]), op->data[i].len};
    err = write_all(fd, iov, n, op->offset);
    if (iov != few)
        free(iov);
    if (err == 0 && op->flush && fdatasync(fd) != 0)
        err = last_error();
    return err;
}

static int work_read(struct disk_op *op, int fd, bool stream)
{
    struct slice *out = &op->data[0];
    if (op->length - out->len >= DISK_LONG_READ)
        disk_ahead(fd, op->offset + out->len, op->length - out->len, stream);
    while (out->len < op->length) {
        ssize_t got = pread(fd, slice_data(*out) + out->len, op->length - out->len, (off_t)(op->offset + out->len));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return last_error();
        if (got == 0)
            break;
        out->len += (uint32_t)got;
    }
    return 0;
}

static int fill_zeros(int fd, uint64_t length)
{
    void *zeros = xcalloc(1, ZERO_CHUNK);
    int err = 0;
    for (uint64_t off = 0; off < length && err == 0; off += ZERO_CHUNK) {
        struct iovec iov = {zeros, (size_t)min_u64(ZERO_CHUNK, length - off)};
        err = write_all(fd, &iov, 1, off);
    }
    free(zeros);
    return err;
}

/* Preallocated first even when zeros follow, so that the blocks lie together; zeros make later flushes free of
 * metadata. A file that could not be made in full is taken away again. */
static int work_create(struct disk_job *job)
{
    const struct disk_op *op = job->op;
    int err = 0, fd = openat(job->d->dir_fd, op->name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return last_error();
    if (op->length > 0)
        err = dfs_err_of(posix_fallocate(fd, 0, (off_t)op->length));
    if (err == 0 && op->zero)
        err = fill_zeros(fd, op->length);
    if (err == 0 && (fsync(fd) != 0 || fsync(job->d->dir_fd) != 0))
        err = last_error();
    if (err != 0) {
        close(fd);
        unlinkat(job->d->dir_fd, op->name, 0);
        return err;
    }
    job->fd = fd;
    return 0;
}

static int work_names(struct disk_job *job)
{
    const struct disk_op *op = job->op;
    int dir = job->d->dir_fd, r;
    if (op->kind == DISK_RENAME)
        r = renameat(dir, op->name, dir, op->name2);
    else
        r = unlinkat(dir, op->name, 0);
    if (r != 0 && !(op->kind == DISK_UNLINK && errno == ENOENT))
        return last_error();
    return fsync(dir) == 0 ? 0 : last_error();
}

static int work_on_file(struct disk_op *op, int fd, bool stream)
{
    switch (op->kind) {
    case DISK_WRITE:
        return work_write(op, fd);
    case DISK_READ:
        return work_read(op, fd, stream);
    case DISK_FLUSH:
        return fdatasync(fd) == 0 ? 0 : last_error();
    case DISK_PUNCH:
        if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)op->offset, (off_t)op->length) != 0)
            return last_error();
        return 0;
    default:
        return DFS_EINVAL;
    }
}

void disk_work(struct disk_job *job)
{
    struct disk_op *op = job->op;
    switch (op->kind) {
    case DISK_CREATE:
        op->status = work_create(job);
        return;
    case DISK_RENAME:
    case DISK_UNLINK:
        op->status = work_names(job);
        return;
    case DISK_STAT:
        op->status = disk_space(job->d->dir_fd, &op->offset, &op->length);
        return;
    default:
        break;
    }
    int fd = job->file ? job->file->fd : openat(job->d->dir_fd, op->name, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        op->status = last_error();
        return;
    }
    if (!job->file)
        job->fd = fd;
    op->status = work_on_file(op, fd, job->stream);
}

bool disk_try_read(struct uv_disk *d, struct disk_job *job)
{
    struct disk_op *op = job->op;
    struct slice *out = &op->data[0];
    struct iovec iov = {slice_data(*out), op->length};
    ssize_t got = preadv2(job->file->fd, &iov, 1, (off_t)op->offset, RWF_NOWAIT);
    if (got < 0) {
        if (errno == EOPNOTSUPP || errno == ENOSYS)
            d->nowait = false;
        return false; /* whatever it was, the pool's read says */
    }
    out->len = (uint32_t)got; /* a part stays; the pool reads on from there, or finds the end of the file */
    return out->len == op->length;
}
