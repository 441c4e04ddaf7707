/* SPDX-License-Identifier: MIT */
#include "host/nm_offline.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rand.h"
#include "uv/disk.h"
#include "uv/net.h"
#include "uv/uverr.h"

#define LOG_SEGMENT (8 * MIB) /* as dfs-nm makes them */

/* A file anywhere, as a disk that can only be read. */
struct file_disk {
    struct disk base;
    int fd;
};

static int file_read(struct disk *d, const char *name, uint64_t off, void *p, size_t len, size_t *got)
{
    int fd = CONTAINER_OF(d, struct file_disk, base)->fd;
    (void)name;
    for (*got = 0; *got < len;) {
        ssize_t n = pread(fd, (char *)p + *got, len - *got, (off_t)(off + *got));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return dfs_err_of(errno);
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return 0;
}

static const struct disk_ops file_ops = {.read = file_read};

static int file_open(struct file_disk *f, const char *path, char *why, size_t why_len)
{
    struct stat st;
    f->base.ops = &file_ops;
    f->fd = open(path, O_RDONLY | O_CLOEXEC);
    int err = f->fd < 0 || fstat(f->fd, &st) != 0 ? dfs_err_of(errno) : S_ISREG(st.st_mode) ? 0 : DFS_EINVAL;
    if (err == DFS_EINVAL)
        snprintf(why, why_len, "%s: not a regular file", path);
    else if (err)
        snprintf(why, why_len, "%s: %s", path, dfs_strerror(err));
    if (err && f->fd >= 0)
        close(f->fd);
    return err;
}

/* The disk lists regular files only; a folder with others in it is somebody's as well. */
static int check_empty(const char *folder, char *why, size_t why_len)
{
    DIR *d = opendir(folder);
    int err = 0;
    if (!d)
        return errno == ENOENT ? 0 : (snprintf(why, why_len, "%s: %s", folder, strerror(errno)), dfs_err_of(errno));
    for (struct dirent *e; !err && (e = readdir(d));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || strcmp(e->d_name, "lost+found") == 0)
            continue;
        snprintf(why, why_len, "%s: the folder is not empty (it holds \"%.100s\"): give an empty one", folder,
                 e->d_name);
        err = DFS_ENOTEMPTY;
    }
    closedir(d);
    return err;
}

int nm_offline_restore(const char *file, const char *folder, struct nm_restored *out, char *why, size_t why_len)
{
    struct nm_life life = {.wall = now_sample().wall, .segment_bytes = LOG_SEGMENT};
    struct file_disk from;
    struct disk *to;
    uint64_t random[2];
    char text[512] = "";
    int err = file_open(&from, file, why, why_len);
    if (err)
        return err;
    err = check_empty(folder, why, why_len);
    if (!err && (err = entropy_get(random, sizeof random)) != 0)
        snprintf(why, why_len, "the system gives no random numbers");
    if (!err && (err = uv_disk_open(NULL, folder, NULL, &to)) != 0)
        snprintf(why, why_len, "%s: %s", folder, err == DFS_EBUSY ? "in use by a server" : dfs_strerror(err));
    if (!err) {
        life.uuid_hi = random[0];
        life.uuid_lo = random[1];
        err = nm_restore(&from.base, file, to, &life, out, text, sizeof text);
        if (err)
            snprintf(why, why_len, "%s: %s", out->in_folder ? folder : file, text);
        uv_disk_close(to, NULL, NULL);
    }
    close(from.fd);
    return err;
}

int nm_offline_check(const char *file, char *why, size_t why_len)
{
    struct file_disk from;
    char text[512] = "";
    int err = file_open(&from, file, why, why_len);
    if (err)
        return err;
    err = nm_check_backup(&from.base, file, text, sizeof text);
    if (err)
        snprintf(why, why_len, "%s: %s", file, text);
    close(from.fd);
    return err;
}
