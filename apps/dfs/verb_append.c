/* SPDX-License-Identifier: MIT */
/* append: whole lines, as many as there are at a time, each time as one record. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"

#define GATHER (64u * 1024)

struct lines {
    uint8_t buf[DFS_APPEND_MAX];
    size_t have;
    uint64_t file;
    int failed; /* status of the append that did not go */
};

/* How much of it goes out now: up to the last end of a line; all of it, if there is no more to come or no room for more. */
static size_t whole_lines(const struct lines *l, bool eof)
{
    const uint8_t *end = memrchr(l->buf, '\n', l->have);
    if (eof || (!end && l->have == sizeof l->buf))
        return l->have;
    return end ? (size_t)(end - l->buf) + 1 : 0;
}

static bool send_lines(struct cli *cli, const char *path, struct lines *l, bool eof)
{
    size_t n = whole_lines(l, eof);
    if (n == 0)
        return true;
    struct call k = CALL(cli);
    l->failed = call_wait(&k, dfs_append(cli->client, l->file, l->buf, n, on_call, &k));
    if (l->failed)
        cli_fail(cli, path, "%s", k.error);
    call_free(&k);
    memmove(l->buf, l->buf + n, l->have - n);
    l->have -= n;
    return !l->failed;
}

/* False: it failed, and was said. */
static bool copy_lines(struct cli *cli, int fd, const char *src, const char *path, struct lines *l)
{
    for (bool eof = false; !eof;) {
        size_t room = sizeof l->buf - l->have;
        ssize_t n = read(fd, l->buf + l->have, room < GATHER ? room : GATHER);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            cli_fail(cli, src, "%s", strerror(errno));
            return false;
        }
        l->have += (size_t)n;
        eof = n == 0;
        if (!send_lines(cli, path, l, eof))
            return false;
    }
    return true;
}

static void take_file(void *arg, const struct dfs_result *r) { *(uint64_t *)arg = r->file; }

/* Most have the file already; *made: this one made it. */
static int open_target(struct cli *cli, const char *path, struct lines *l, bool *made)
{
    static const unsigned flags[] = {DFS_WRITE, DFS_WRITE | DFS_CREATE | DFS_EXCL, DFS_WRITE | DFS_CREATE};
    int err = 0;
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        struct call k = CALL(cli);
        k.take = take_file;
        k.take_arg = &l->file;
        err = call_wait(&k, dfs_open(cli->client, path, flags[i], 0644, on_call, &k));
        *made = err == 0 && flags[i] & DFS_EXCL;
        bool again = (i == 0 && err == DFS_ENOENT) || (i == 1 && err == DFS_EEXIST);
        if (err && !again)
            cli_fail(cli, path, "%s", k.error);
        call_free(&k);
        if (!again)
            break;
    }
    return err;
}

/* There was no room for the first line: the file that was made for it goes. Into the trash, in case that somebody has found
 * it and has been luckier. */
static void take_back(struct cli *cli, const char *path, const struct lines *l)
{
    struct dfs_attr attr;
    struct call k = CALL(cli);
    if ((l->failed != DFS_ENOSPC && l->failed != DFS_ENOSERVERS) || cli_lstat(cli, path, &attr) != 0 ||
        attr.type != DFS_FILE || attr.size > 0)
        return;
    if (call_wait(&k, dfs_remove(cli->client, path, DFS_KEEP, on_call, &k)) != 0)
        cli_fail(cli, path, "%s", k.error);
    call_free(&k);
}

int verb_append(struct cli *cli)
{
    const char *src = cli->n_args > 1 ? cli->args[0] : "-", *path = cli->args[cli->n_args - 1];
    int fd = strcmp(src, "-") == 0 ? STDIN_FILENO : open(src, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        cli_fail(cli, src, "%s", strerror(errno));
        return 1;
    }
    struct lines *l = xcalloc(1, sizeof *l);
    bool made;
    int err = open_target(cli, path, l, &made);
    if (!err) {
        bool said = !copy_lines(cli, fd, src, path, l);
        struct call k = CALL(cli);
        if (call_wait(&k, dfs_close(cli->client, l->file, on_call, &k)) != 0 && !said)
            cli_fail(cli, path, "%s", k.error);
        call_free(&k);
        if (made)
            take_back(cli, path, l);
    }
    if (fd != STDIN_FILENO)
        close(fd);
    free(l);
    return err ? 1 : 0;
}
