/* SPDX-License-Identifier: MIT */
/* Workload rand: blocks at random places of one file are read and written in place, by all connections at once. What a block
 * holds follows from its place and from how often it was written, so every read can be checked; no two operations use the
 * same block at a time. */
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "bench.h"
#include "pattern.h"

#define RAND_SIZE (256 * MIB)
#define RAND_SECONDS (5 * NS_PER_SEC)
#define UNKNOWN UINT32_MAX /* a write failed: it holds one or the other */

enum { RAND_READ, RAND_WRITE };

struct rand_run {
    char folder[64], path[80];
    struct rng rng;
    uint64_t block, blocks;
    uint32_t *written; /* how often, of each block */
    bool *busy;
    uint64_t *handles; /* of each client */
    uint8_t *data;     /* one block */
};

static uint64_t block_seed(const struct rand_run *r, uint64_t number, uint32_t written)
{
    return pattern_seed(r->block + number, written);
}

/* Fills or checks [offset, offset + len) of the file; false: a block holds something else. */
static bool each_block(const struct rand_run *r, uint64_t offset, void *fill, const void *check, size_t len)
{
    for (size_t at = 0; at < len;) {
        uint64_t number = (offset + at) / r->block, inside = (offset + at) % r->block;
        size_t part = (size_t)min_u64(len - at, r->block - inside);
        uint32_t written = number < r->blocks ? r->written[number] : UNKNOWN;
        uint64_t seed = block_seed(r, number, written);
        if (fill)
            pattern_fill(seed, inside, (uint8_t *)fill + at, part);
        else if (written != UNKNOWN && pattern_check(seed, inside, (const uint8_t *)check + at, part) < part)
            return false;
        at += part;
    }
    return true;
}

/* --- preparation --- */

static int on_source_read(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    const struct slot *s = arg;
    *got = offset < s->size ? (size_t)min_u64(len, s->size - offset) : 0;
    each_block(s->phase->arg, offset, buf, NULL, *got);
    return 0;
}

static int start_mkdir(struct slot *s)
{
    const struct rand_run *r = s->phase->arg;
    return dfs_mkdir(s->client, r->folder, 0755, DFS_PARENTS, phase_done, s);
}

static int start_fill(struct slot *s)
{
    const struct rand_run *r = s->phase->arg;
    struct dfs_put_options o = {.goal = (uint8_t)s->phase->bench->opt->goal};
    s->size = r->blocks * r->block;
    struct dfs_source src = {.read = on_source_read, .arg = s, .seekable = true, .size = s->size};
    return dfs_put(s->client, r->path, &src, &o, phase_done, s);
}

static void on_open(void *arg, int status, const struct dfs_result *res)
{
    struct slot *s = arg;
    const struct rand_run *r = s->phase->arg;
    if (status == 0)
        r->handles[s->client_index] = res->file;
    phase_finish(s, status, res->error, 0);
}

static int start_open(struct slot *s)
{
    const struct rand_run *r = s->phase->arg;
    return dfs_open(s->client, r->path, DFS_READ | DFS_WRITE, 0, on_open, s);
}

static int start_close(struct slot *s)
{
    const struct rand_run *r = s->phase->arg;
    return dfs_close(s->client, r->handles[s->client_index], phase_done, s);
}

/* --- what is measured --- */

static int on_sink_write(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct slot *s = arg;
    const struct rand_run *r = s->phase->arg;
    if (!each_block(r, offset, NULL, p, len)) {
        snprintf(s->mismatch, sizeof s->mismatch, "%s: wrong data at offset %" PRIu64, r->path, offset);
        return DFS_EIO;
    }
    s->moved += len;
    s->phase->moved += len;
    s->phase->bench->verified += len;
    return 0;
}

static void on_sink_restart(void *arg) { ((struct slot *)arg)->moved = 0; }

static void on_read(void *arg, int status, const struct dfs_result *res)
{
    struct slot *s = arg;
    if (status == 0 && s->moved != s->size) {
        snprintf(s->mismatch, sizeof s->mismatch, "%" PRIu64 " of %" PRIu64 " bytes", s->moved, s->size);
        status = DFS_EIO;
    }
    phase_finish(s, status, res->error, s->moved);
}

static void on_written(void *arg, int status, const struct dfs_result *res)
{
    struct slot *s = arg;
    s->phase->moved += s->size;
    phase_finish(s, status, res->error, s->size);
}

static uint64_t pick_block(struct rand_run *r)
{
    uint64_t n = rng_below(&r->rng, r->blocks);
    while (r->busy[n]) /* there are more blocks than slots */
        n = (n + 1) % r->blocks;
    r->busy[n] = true;
    return n;
}

static int start_rand(struct slot *s)
{
    struct rand_run *r = s->phase->arg;
    uint64_t file = r->handles[s->client_index];
    struct dfs_sink sink = {.write = on_sink_write, .restart = on_sink_restart, .arg = s};
    s->number = pick_block(r);
    s->size = r->block;
    s->part = rng_below(&r->rng, 100) < s->phase->bench->opt->read_percent ? RAND_READ : RAND_WRITE;
    int rc;
    if (s->part == RAND_READ) {
        rc = dfs_pread(s->client, file, s->number * r->block, r->block, &sink, on_read, s);
    } else {
        uint32_t again = r->written[s->number] == UNKNOWN ? 1 : r->written[s->number] + 1;
        pattern_fill(block_seed(r, s->number, again), 0, r->data, (size_t)r->block);
        rc = dfs_pwrite(s->client, file, s->number * r->block, r->data, (size_t)r->block, on_written, s);
    }
    r->busy[s->number] = rc == 0;
    return rc;
}

static void rand_done(struct slot *s, int status)
{
    struct rand_run *r = s->phase->arg;
    uint32_t *written = &r->written[s->number];
    r->busy[s->number] = false;
    if (s->part == RAND_WRITE)
        *written = status != 0 ? UNKNOWN : *written == UNKNOWN ? 1 : *written + 1;
}

static int start_verify(struct slot *s)
{
    struct rand_run *r = s->phase->arg;
    struct dfs_sink sink = {.write = on_sink_write, .restart = on_sink_restart, .arg = s};
    s->size = r->block * r->blocks;
    return dfs_get(s->client, r->path, 0, UINT64_MAX, &sink, on_read, s);
}

static void measure(struct bench *b, struct rand_run *r)
{
    const struct options *o = b->opt;
    struct phase p = {.workload = "rand",
                      .op = "rand",
                      .parts = {"read", "write"},
                      .size = r->block,
                      .start = start_rand,
                      .done = rand_done,
                      .arg = r};
    p.limit = o->ops ? o->ops : UINT64_MAX;
    p.seconds = o->ops || o->seconds ? o->seconds : RAND_SECONDS;
    phase_run(b, &p);
    if (o->verify) {
        struct phase v = {.workload = "rand",
                          .op = "verify",
                          .size = r->blocks * r->block,
                          .start = start_verify,
                          .arg = r,
                          .limit = 1};
        phase_run(b, &v);
    }
}

/* --- the whole --- */

static int run_step(struct bench *b, struct rand_run *r, const char *what, int (*start)(struct slot *), uint64_t n)
{
    struct phase p = {.op = what, .start = start, .arg = r, .limit = n};
    return phase_run_quietly(b, &p) > 0;
}

static int start_unlink(struct slot *s)
{
    return dfs_unlink(s->client, ((struct rand_run *)s->phase->arg)->path, phase_done, s);
}

static int start_rmdir(struct slot *s)
{
    return dfs_rmdir(s->client, ((struct rand_run *)s->phase->arg)->folder, phase_done, s);
}

static int tidy(struct bench *b, struct rand_run *r)
{
    bool interrupted = b->interrupted;
    b->interrupted = false; /* Ctrl-C ends the measuring, not the tidying up */
    int rc = run_step(b, r, "closing the file", start_close, b->n_clients);
    rc |= run_step(b, r, "removing the file", start_unlink, 1) || run_step(b, r, "removing the folder", start_rmdir, 1);
    if (rc != 0)
        fprintf(stderr, "dfs-bench: a file is left in %s; remove it with: dfs rm -r %s\n", r->folder, r->folder);
    b->interrupted |= interrupted;
    return rc;
}

int workload_rand(struct bench *b)
{
    struct rand_run r = {.block = b->opt->block};
    uint64_t size = b->opt->size ? b->opt->size : RAND_SIZE;
    r.blocks = size / r.block;
    if (r.blocks <= (uint64_t)b->n_clients * b->depth) {
        fprintf(stderr, "dfs-bench: rand: --size must be more than a --block for each request under way\n");
        return 1;
    }
    snprintf(r.folder, sizeof r.folder, "/dfs-bench/rand-%016" PRIx64, b->run_id);
    snprintf(r.path, sizeof r.path, "%s/data", r.folder);
    rng_seed(&r.rng, b->run_id);
    r.written = xcalloc((size_t)r.blocks, sizeof *r.written);
    r.busy = xcalloc((size_t)r.blocks, sizeof *r.busy);
    r.handles = xcalloc(b->n_clients, sizeof *r.handles);
    r.data = xcalloc((size_t)r.block, 1);
    int rc = run_step(b, &r, "making the folder", start_mkdir, b->n_clients);
    if (rc == 0) {
        rc = run_step(b, &r, "filling the file", start_fill, 1) ||
             run_step(b, &r, "opening the file", start_open, b->n_clients);
        if (rc == 0)
            measure(b, &r);
        rc |= tidy(b, &r);
    }
    free(r.written);
    free(r.busy);
    free(r.handles);
    free(r.data);
    return rc;
}
