/* SPDX-License-Identifier: MIT */
/* head and tail. */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli.h"
#include "parse.h"

#define BACK_BLOCK (64 * KIB) /* read at once when lines are counted from the end */
#define FOLLOW_MS 1000u

struct part {
    struct cli *cli;
    uint64_t lines;   /* to pass on (head), or to skip (tail -n +N) */
    bool count, skip; /* lines are counted; and not passed on meanwhile */
    bool enough;
    int saved_errno;
};

/* --- passing on --- */

static int pass_on(struct part *p, const uint8_t *at, size_t len)
{
    if (fwrite(at, 1, len, stdout) == len)
        return 0;
    p->saved_errno = errno;
    return DFS_EIO;
}

/* How many bytes hold p->lines lines, at most len. */
static size_t lines_take(struct part *p, const uint8_t *at, size_t len)
{
    const uint8_t *end = at + len, *next = at;
    while (p->lines > 0 && next < end) {
        const uint8_t *newline = memchr(next, '\n', (size_t)(end - next));
        next = newline ? newline + 1 : end;
        p->lines -= newline != NULL;
    }
    return (size_t)(next - at);
}

static int on_bytes(void *arg, uint64_t offset, const void *bytes, size_t len)
{
    struct part *p = arg;
    const uint8_t *at = bytes;
    (void)offset;
    if (!p->count)
        return pass_on(p, at, len);
    size_t n = lines_take(p, at, len);
    int err = p->skip ? pass_on(p, at + n, len - n) : pass_on(p, at, n);
    p->enough = !p->skip && p->lines == 0;
    return err ? err : p->enough ? DFS_ECANCELED : 0;
}

/* [offset, offset + length) of the file, as p says. */
static int part_get(struct part *p, const char *path, uint64_t offset, uint64_t length)
{
    struct cli *cli = p->cli;
    struct call k = CALL(cli);
    if ((p->count && p->lines == 0 && !p->skip) || length == 0)
        return 0;
    int err =
        call_wait(&k, dfs_get(cli->client, path, offset, length, &(struct dfs_sink){on_bytes, NULL, p}, on_call, &k));
    if (p->enough)
        err = 0;
    if (p->saved_errno) {
        errno = p->saved_errno;
        cli_stdout_failed(cli);
    } else if (err) {
        cli_fail(cli, path, "%s", k.error);
    }
    call_free(&k);
    return err;
}

/* --- the end of a file --- */

struct block {
    uint8_t bytes[BACK_BLOCK];
    uint64_t at;
};

static int on_block(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct block *b = arg;
    memcpy(b->bytes + (offset - b->at), p, len);
    return 0;
}

/* Where the last `lines` lines of a file of `size` bytes begin. */
static int lines_from_end(struct cli *cli, const char *path, uint64_t size, uint64_t lines, uint64_t *out)
{
    struct block *b = xcalloc(1, sizeof *b);
    int err = 0;
    bool found = lines == 0;
    *out = lines ? 0 : size;
    for (uint64_t end = size; end > 0 && !found && !err; end = b->at) {
        struct call k = CALL(cli);
        size_t n = (size_t)min_u64(end, BACK_BLOCK);
        b->at = end - n;
        struct dfs_sink sink = {on_block, NULL, b};
        err = call_wait(&k, dfs_get(cli->client, path, b->at, n, &sink, on_call, &k));
        if (err)
            cli_fail(cli, path, "%s", k.error);
        call_free(&k);
        for (size_t i = n; i > 0 && !err && !found; i--) {
            if (b->bytes[i - 1] != '\n' || b->at + i == size) /* the last newline ends the last line */
                continue;
            found = --lines == 0;
            *out = found ? b->at + i : 0;
        }
    }
    free(b);
    return err;
}

/* --- the verbs --- */

static int attr_of(struct cli *cli, const char *path, struct dfs_attr *a)
{
    struct call k = CALL(cli);
    int err = call_wait(&k, dfs_stat(cli->client, path, 0, on_call, &k));
    if (!err && k.attr.type == DFS_DIRECTORY)
        err = DFS_EISDIR;
    if (err)
        cli_fail(cli, path, "%s", err == DFS_EISDIR ? dfs_strerror(err) : k.error);
    *a = k.attr;
    call_free(&k);
    return err;
}

static void title(struct cli *cli, size_t i)
{
    if (cli->n_args < 2)
        return;
    printf("%s==> ", i ? "\n" : "");
    text_name(stdout, cli->args[i]);
    printf(" <==\n");
}

/* What -c or -n says. False: it was no number, which was said. */
static bool amount(struct cli *cli, char *sign, uint64_t *n)
{
    const struct options *o = &cli->opt;
    const char *text = o->bytes ? o->bytes : o->lines ? o->lines : "10";
    if (!(o->bytes && o->lines) && parse_signed_size(text, sign, n))
        return true;
    fprintf(stderr, o->bytes && o->lines ? "dfs: %s: give -c or -n, not both\n" : "dfs: %s: \"%s\" is no number\n",
            cli->verb->name, text);
    cli->status = 2;
    return false;
}

int verb_head(struct cli *cli)
{
    char sign;
    uint64_t n;
    if (!amount(cli, &sign, &n))
        return 2;
    for (size_t i = 0; i < cli->n_args; i++) {
        const char *path = cli->args[i];
        struct part p = {.cli = cli};
        struct dfs_attr a;
        uint64_t end;
        title(cli, i);
        if (sign != '-') {
            p.count = !cli->opt.bytes;
            p.lines = n;
            part_get(&p, path, 0, p.count ? UINT64_MAX : n);
        } else if (attr_of(cli, path, &a) == 0) {
            end = a.size - min_u64(n, a.size);
            if (cli->opt.bytes || lines_from_end(cli, path, a.size, n, &end) == 0)
                part_get(&p, path, 0, end);
        }
    }
    return 0;
}

/* Where tail begins; false: it could not be found out. */
static bool tail_from(struct part *p, const char *path, char sign, uint64_t n, const struct dfs_attr *a, uint64_t *from)
{
    *from = 0;
    if (p->cli->opt.bytes) {
        *from = sign == '+' ? min_u64(n ? n - 1 : 0, a->size) : a->size - min_u64(n, a->size);
        return true;
    }
    if (sign != '+')
        return lines_from_end(p->cli, path, a->size, n, from) == 0;
    p->count = p->skip = true;
    p->lines = n ? n - 1 : 0;
    return true;
}

/* Nobody reads any more what we print: a pipe's reader is gone. */
static bool reader_gone(void)
{
    struct pollfd p = {.fd = STDOUT_FILENO};
    return poll(&p, 1, 0) == 1 && (p.revents & POLLERR);
}

/* What is added to the files, until a signal ends us. */
static void follow(struct cli *cli, struct dfs_attr *seen, size_t current)
{
    for (;; uv_sleep(FOLLOW_MS)) {
        for (size_t i = 0; i < cli->n_args; i++) {
            const char *path = cli->args[i];
            struct part p = {.cli = cli};
            struct dfs_attr a;
            if (cli_stat(cli, path, &a) != 0 || a.type == DFS_DIRECTORY)
                continue; /* it may come back */
            bool other = a.ino != seen[i].ino || a.generation != seen[i].generation || a.size < seen[i].size;
            if (other) {
                cli_warn(cli, path, "the file was replaced: from its start");
                seen[i].size = 0;
            }
            if (a.size > seen[i].size) {
                if (current != i)
                    title(cli, i);
                current = i;
                if (part_get(&p, path, seen[i].size, a.size - seen[i].size) != 0)
                    continue;
            }
            seen[i] = a;
        }
        if (fflush(stdout) != 0)
            cli_stdout_failed(cli);
        if (ferror(stdout))
            return;
        if (reader_gone()) {
            errno = EPIPE;
            cli_stdout_failed(cli);
            return;
        }
    }
}

int verb_tail(struct cli *cli)
{
    char sign;
    uint64_t n, from;
    if (!amount(cli, &sign, &n))
        return 2;
    struct dfs_attr *seen = xcalloc(cli->n_args, sizeof *seen);
    cli_signals_default(cli);
    for (size_t i = 0; i < cli->n_args; i++) {
        struct part p = {.cli = cli};
        title(cli, i);
        if (attr_of(cli, cli->args[i], &seen[i]) != 0)
            continue;
        if (tail_from(&p, cli->args[i], sign, n, &seen[i], &from))
            part_get(&p, cli->args[i], from, seen[i].size - from);
    }
    if (cli->opt.follow && cli->status == 0)
        follow(cli, seen, cli->n_args - 1);
    free(seen);
    return 0;
}
