/* SPDX-License-Identifier: MIT */
/* The synchronous calls: each opens what it needs and closes it again (reads: at the latest when operations begin), so that
 * they work in a forked child, without a loop, and beside operations under way. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "uv/disk_impl.h"
#include "uv/uverr.h"

static int last_error(void)
{
    return dfs_err_of(errno);
}

static int dir_of(struct disk *disk)
{
    return CONTAINER_OF(disk, struct uv_disk, base)->dir_fd;
}

/* An error of close is an error of the write before it on some file systems. */
static int close_with(int fd, int err)
{
    if (close(fd) != 0 && err == 0)
        return last_error();
    return err;
}

static int sync_list(struct disk *disk, void (*each)(void *arg, const char *name, uint64_t size), void *arg)
{
    int fd = openat(dir_of(disk), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    struct stat st;
    int err = 0;
    if (!dir) {
        err = last_error();
        if (fd >= 0)
            close(fd);
        return err;
    }
    for (;;) {
        errno = 0;
        if (!(entry = readdir(dir))) {
            err = errno ? last_error() : 0;
            break;
        }
        if (strlen(entry->d_name) > DISK_NAME_MAX)
            continue;
        if (fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode))
            continue;
        each(arg, entry->d_name, (uint64_t)st.st_size);
    }
    closedir(dir);
    return err;
}

void disk_last_close(struct uv_disk *d)
{
    if (d->last_fd >= 0)
        close(d->last_fd);
    d->last_fd = -1;
}

/* The file that was read last stays open while it is still the one of that name: the kernel reads ahead of who goes through
 * an open file, and knows nothing of one that is opened anew for each read. */
static int last_open(struct uv_disk *d, const char *name)
{
    struct stat st, last;
    if (d->last_fd >= 0 && fstatat(d->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && fstat(d->last_fd, &last) == 0 &&
        st.st_ino == last.st_ino && st.st_dev == last.st_dev)
        return d->last_fd;
    disk_last_close(d);
    d->last_fd = openat(d->dir_fd, name, O_RDONLY | O_CLOEXEC);
    return d->last_fd;
}

static int sync_read(struct disk *disk, const char *name, uint64_t off, void *p, size_t len, size_t *got)
{
    int err = 0, fd = last_open(CONTAINER_OF(disk, struct uv_disk, base), name);
    *got = 0;
    if (fd < 0)
        return last_error();
    while (*got < len) {
        ssize_t n = pread(fd, (char *)p + *got, len - *got, (off_t)(off + *got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            err = last_error();
        if (n <= 0)
            break;
        *got += (size_t)n;
    }
    return err;
}

static void sync_ahead(struct disk *disk, const char *name, uint64_t off, uint64_t len)
{
    int fd = openat(dir_of(disk), name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)posix_fadvise(fd, (off_t)off, (off_t)len, POSIX_FADV_WILLNEED);
    close(fd);
}

static int sync_write(struct disk *disk, const char *name, uint64_t off, const void *p, size_t len)
{
    int err = 0, fd = openat(dir_of(disk), name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return last_error();
    for (size_t put = 0; put < len && err == 0;) {
        ssize_t n = pwrite(fd, (const char *)p + put, len - put, (off_t)(off + put));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            err = n < 0 ? last_error() : DFS_EIO;
        else
            put += (size_t)n;
    }
    return close_with(fd, err);
}

static int sync_truncate(struct disk *disk, const char *name, uint64_t len)
{
    int fd = openat(dir_of(disk), name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return last_error();
    return close_with(fd, ftruncate(fd, (off_t)len) == 0 ? 0 : last_error());
}

static int sync_sync(struct disk *disk, const char *name)
{
    int fd;
    if (!name)
        return fsync(dir_of(disk)) == 0 ? 0 : last_error();
    fd = openat(dir_of(disk), name, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return last_error();
    return close_with(fd, fsync(fd) == 0 ? 0 : last_error());
}

static int sync_rename(struct disk *disk, const char *from, const char *to)
{
    int dir = dir_of(disk);
    return renameat(dir, from, dir, to) == 0 && fsync(dir) == 0 ? 0 : last_error();
}

static int sync_unlink(struct disk *disk, const char *name)
{
    int dir = dir_of(disk);
    return unlinkat(dir, name, 0) == 0 && fsync(dir) == 0 ? 0 : last_error();
}

int disk_space(int dir_fd, uint64_t *free_bytes, uint64_t *total_bytes)
{
    struct statvfs fs;
    if (fstatvfs(dir_fd, &fs) != 0)
        return last_error();
    *free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    *total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize;
    return 0;
}

static int sync_space(struct disk *disk, uint64_t *free_bytes, uint64_t *total_bytes)
{
    return disk_space(dir_of(disk), free_bytes, total_bytes);
}

const struct disk_ops uv_disk_ops = {
    .list = sync_list,
    .read = sync_read,
    .ahead = sync_ahead,
    .write = sync_write,
    .truncate = sync_truncate,
    .sync = sync_sync,
    .rename = sync_rename,
    .unlink = sync_unlink,
    .space = sync_space,
    .submit = uv_disk_submit,
};
