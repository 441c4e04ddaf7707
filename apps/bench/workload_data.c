/* SPDX-License-Identifier: MIT */
/* Workloads put and get (many small files), write and read (large files). They differ in their defaults and names; the
 * content is a pattern made from size and number, so that a later run can check what an earlier one stored. */
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "bench.h"
#include "pattern.h"

#define DATA_DEFAULT_SECONDS (5 * NS_PER_SEC)

struct data_workload {
    const char *name;  /* "put" */
    const char *store; /* the workload whose files these are */
    uint64_t size;     /* default */
    uint32_t folders;
    bool counted; /* by default, one file per slot; else for a few seconds */
};

static const struct data_workload of_put = {"put", "put", 4 * KIB, BENCH_FOLDERS, false};
static const struct data_workload of_get = {"get", "put", 4 * KIB, BENCH_FOLDERS, false};
static const struct data_workload of_write = {"write", "write", 1 * GIB, 1, true};
static const struct data_workload of_read = {"read", "write", 1 * GIB, 1, true};

static int on_source_read(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    struct slot *s = arg;
    *got = offset < s->size ? (size_t)min_u64(len, s->size - offset) : 0;
    pattern_fill(s->seed, offset, buf, *got);
    return 0;
}

static void on_source_progress(void *arg, uint64_t bytes)
{
    struct slot *s = arg;
    s->phase->moved += bytes > s->moved ? bytes - s->moved : 0;
    s->moved = max_u64(bytes, s->moved);
}

int data_put(struct slot *s, const struct fileset *f, uint64_t number)
{
    struct dfs_put_options o = {.goal = (uint8_t)s->phase->bench->opt->goal};
    struct dfs_source src = {.read = on_source_read, .progress = on_source_progress, .arg = s, .seekable = true};
    s->size = src.size = s->phase->size;
    s->seed = pattern_seed(s->size, number);
    fileset_path(f, number, s->path);
    return dfs_put(s->client, s->path, &src, &o, phase_done, s);
}

static int start_put(struct slot *s) { return data_put(s, s->phase->arg, s->index); }

static int on_sink_write(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct slot *s = arg;
    size_t good = pattern_check(s->seed, offset, p, len);
    if (good < len || offset != s->moved) {
        snprintf(s->mismatch, sizeof s->mismatch, "%s: wrong data at offset %" PRIu64, s->path, offset + good);
        return DFS_EIO;
    }
    s->moved += len;
    s->phase->moved += len;
    s->phase->bench->verified += len;
    return 0;
}

static void on_sink_restart(void *arg)
{
    struct slot *s = arg;
    s->moved = 0;
}

static void on_get(void *arg, int status, const struct dfs_result *r)
{
    struct slot *s = arg;
    if (status == 0 && s->moved != s->size) {
        snprintf(s->mismatch, sizeof s->mismatch, "%s: %" PRIu64 " of %" PRIu64 " bytes", s->path, s->moved, s->size);
        status = DFS_EIO;
    }
    phase_finish(s, status, r->error, s->moved);
}

int data_get(struct slot *s, const struct fileset *f, uint64_t number)
{
    struct dfs_sink sink = {.write = on_sink_write, .restart = on_sink_restart, .arg = s};
    s->size = s->phase->size;
    s->seed = pattern_seed(s->size, number);
    fileset_path(f, number, s->path);
    return dfs_get(s->client, s->path, 0, UINT64_MAX, &sink, on_get, s);
}

static int start_get(struct slot *s)
{
    const struct fileset *f = s->phase->arg;
    return data_get(s, f, f->numbers[s->index % f->n]);
}

/* Files and seconds as given, or the workload's default. */
static void set_limits(const struct bench *b, const struct data_workload *w, struct phase *p)
{
    const struct options *o = b->opt;
    p->limit = o->files ? o->files : UINT64_MAX;
    p->seconds = o->seconds;
    if (o->files || o->seconds)
        return;
    if (w->counted)
        p->limit = (uint64_t)b->n_clients * b->depth;
    else
        p->seconds = DATA_DEFAULT_SECONDS;
}

static void data_files(const struct bench *b, const struct data_workload *w, struct fileset *f, uint64_t *size)
{
    char text[32], name[48];
    *size = b->opt->size ? b->opt->size : w->size;
    size_text(*size, text, sizeof text);
    snprintf(name, sizeof name, "%s-%s", w->store, text);
    fileset_init(f, name, w->folders);
}

int data_tidy(struct bench *b, struct fileset *f)
{
    int rc = fileset_remove(b, f);
    if (rc != 0)
        fprintf(stderr, "dfs-bench: files are left in %s; remove them with: dfs rm -r %s\n", f->base, f->base);
    return rc;
}

/* All that was stored is read back once. */
static int verify_all(struct bench *b, struct phase *stored, struct fileset *f)
{
    struct phase p = {.workload = stored->workload, .op = "verify", .start = start_get, .arg = f, .size = stored->size};
    int rc = fileset_load(b, f);
    p.limit = f->n;
    if (rc == 0)
        phase_run(b, &p);
    return rc;
}

/* What an earlier run left is removed first, so that every run creates and none replaces. */
static int run_store(struct bench *b, const struct data_workload *w)
{
    struct fileset f;
    struct phase p = {.workload = w->name, .op = w->name, .start = start_put, .arg = &f};
    data_files(b, w, &f, &p.size);
    set_limits(b, w, &p);
    int rc = fileset_remove(b, &f);
    if (rc == 0)
        rc = fileset_make_folders(b, &f);
    if (rc == 0)
        phase_run(b, &p);
    if (rc == 0 && b->opt->verify && !b->interrupted)
        rc = verify_all(b, &p, &f);
    if (b->opt->cleanup && !b->all) /* with all, the workload that reads them removes them */
        rc |= data_tidy(b, &f);
    fileset_close(&f);
    return rc;
}

static void shuffle(struct fileset *f)
{
    struct rng rng;
    rng_seed(&rng, f->n);
    for (size_t i = f->n; i > 1; i--) {
        size_t other = (size_t)rng_below(&rng, i);
        uint64_t number = f->numbers[i - 1];
        f->numbers[i - 1] = f->numbers[other];
        f->numbers[other] = number;
    }
}

static int run_fetch(struct bench *b, const struct data_workload *w)
{
    struct fileset f;
    struct phase p = {.workload = w->name, .op = w->name, .start = start_get, .arg = &f};
    data_files(b, w, &f, &p.size);
    set_limits(b, w, &p);
    int rc = fileset_load(b, &f);
    if (rc == 0 && f.n == 0) {
        char size[32];
        size_text(p.size, size, sizeof size);
        fprintf(stderr, "dfs-bench: %s: no files of this size in %s; store some with: dfs-bench %s --size %s\n",
                w->name, f.base, w->store, size);
        rc = 1;
    }
    if (rc == 0) {
        shuffle(&f);
        phase_run(b, &p);
    }
    if (b->opt->cleanup && (b->last_round || b->all))
        rc |= data_tidy(b, &f);
    fileset_close(&f);
    return rc;
}

int workload_put(struct bench *b) { return run_store(b, &of_put); }
int workload_get(struct bench *b) { return run_fetch(b, &of_get); }
int workload_write(struct bench *b) { return run_store(b, &of_write); }
int workload_read(struct bench *b) { return run_fetch(b, &of_read); }
