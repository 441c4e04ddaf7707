/* SPDX-License-Identifier: MIT */
#include "sync.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int64_t sync_mtime(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * (int64_t)NS_PER_SEC + st->st_mtim.tv_nsec;
}

bool sync_wanted(const struct options *o) { return o->changed || o->newer || o->skip_existing || o->checksum; }

bool sync_skips(const struct options *o, const struct sync_side *source, const struct sync_side *target)
{
    if (o->skip_existing)
        return true;
    if (o->newer && source->mtime_ns <= target->mtime_ns)
        return true;
    return o->changed && source->size == target->size && source->mtime_ns == target->mtime_ns;
}

bool sync_compares(const struct options *o, const struct sync_side *source, const struct sync_side *target)
{
    return o->checksum && source->size == target->size;
}

/* --- contents --- */

struct compare {
    struct cli *cli;
    int fd;
    bool differ;
    compare_done done;
    void *arg;
};

static int on_bytes(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct compare *c = arg;
    uint8_t block[16 * 1024];
    for (size_t at = 0; at < len && !c->differ;) {
        size_t want = (size_t)min_u64(sizeof block, len - at);
        ssize_t n = pread(c->fd, block, want, (off_t)(offset + at));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return DFS_EIO;
        c->differ = (size_t)n < want || memcmp(block, (const uint8_t *)p + at, want) != 0;
        at += want;
    }
    return c->differ ? DFS_ECANCELED : 0;
}

static void on_get(void *arg, int status, const struct dfs_result *r)
{
    struct compare *c = arg;
    if (c->differ || status == DFS_EREPLACED)
        status = 1;
    close(c->fd);
    c->done(c->arg, status, r->error);
    free(c);
}

void sync_compare(struct cli *cli, const char *local, const char *remote, compare_done done, void *arg)
{
    struct compare *c = xcalloc(1, sizeof *c);
    *c = (struct compare){.cli = cli, .done = done, .arg = arg, .fd = open(local, O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (c->fd < 0) {
        done(arg, 1, ""); /* whoever moves it will say why */
        free(c);
        return;
    }
    int err = dfs_get(cli->client, remote, 0, UINT64_MAX, &(struct dfs_sink){on_bytes, NULL, c}, on_get, c);
    if (!err)
        return;
    close(c->fd);
    done(arg, err, dfs_strerror(err));
    free(c);
}

/* --- words --- */

void sync_say(struct cli *cli, const char *from, const char *to)
{
    const struct options *o = &cli->opt;
    if (o->json || !(o->verbose || o->dry_run))
        return;
    progress_clear(cli);
    text_name(stdout, from);
    fputs(" -> ", stdout);
    text_name(stdout, to);
    putchar('\n');
}

void sync_summary(struct cli *cli)
{
    const struct progress *p = &cli->progress;
    char size[32], rate[32], files[64];
    double seconds = (double)(uv_hrtime() - p->started) / 1e9;
    if (!cli->opt.json && !cli->opt.verbose)
        return;
    progress_stop(cli);
    if (cli->opt.json) {
        printf("{\"files\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"skipped\":%" PRIu64 ",\"removed\":%" PRIu64
               ",\"failed\":%" PRIu64 ",\"seconds\":%.3f,\"dry_run\":%s}\n",
               p->files, p->bytes, p->skipped, p->removed, p->failed, seconds, cli->opt.dry_run ? "true" : "false");
        return;
    }
    printf("%s, %s in %.1f s (%s/s)", text_count(p->files, "file", "files", files), text_size(p->bytes, size), seconds,
           text_size((uint64_t)((double)p->bytes / (seconds > 0 ? seconds : 1)), rate));
    if (p->skipped)
        printf(", %" PRIu64 " skipped", p->skipped);
    if (p->removed)
        printf(", %" PRIu64 " removed", p->removed);
    if (p->failed)
        printf(", %" PRIu64 " failed", p->failed);
    putchar('\n');
}
