/* SPDX-License-Identifier: MIT */
/* Workload mix: puts, gets, stats and removes of small files in a stated ratio, in any order, over a set of files that
 * grows and shrinks. A file is removed only while nobody reads it, so that every failure is one. */
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "bench.h"

#define MIX_FILES 1000u /* at first */
#define MIX_SIZE (4 * KIB)
#define MIX_SECONDS (5 * NS_PER_SEC)
#define MIX_TRIES 8u /* random picks before a put is done instead */

enum { MIX_PUT, MIX_GET, MIX_STAT, MIX_REMOVE };

struct mix {
    struct fileset files; /* numbers: those that are there */
    struct rng rng;
    uint64_t next;    /* number */
    uint8_t *readers; /* of each number below cap */
    size_t cap;
};

static uint8_t *readers_of(struct mix *m, uint64_t number)
{
    if (number >= m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 4096;
        m->readers = xrealloc(m->readers, cap, 1);
        memset(m->readers + m->cap, 0, cap - m->cap);
        m->cap = cap;
    }
    return &m->readers[number];
}

static unsigned pick_kind(struct mix *m, const uint32_t shares[4])
{
    uint64_t n = rng_below(&m->rng, (uint64_t)shares[0] + shares[1] + shares[2] + shares[3]);
    unsigned kind = 0;
    while (n >= shares[kind])
        n -= shares[kind++];
    return kind;
}

/* A place in files.numbers that this kind of operation may use. */
static bool pick_file(struct mix *m, unsigned kind, size_t *at)
{
    for (unsigned i = 0; i < MIX_TRIES && m->files.n > 0; i++) {
        *at = (size_t)rng_below(&m->rng, m->files.n);
        uint8_t readers = *readers_of(m, m->files.numbers[*at]);
        if (kind == MIX_REMOVE ? readers == 0 : readers < UINT8_MAX)
            return true;
    }
    return false;
}

static int start_mix(struct slot *s)
{
    struct mix *m = s->phase->arg;
    size_t at = 0;
    s->part = pick_kind(m, s->phase->bench->opt->mix);
    if (s->part != MIX_PUT && !pick_file(m, s->part, &at))
        s->part = MIX_PUT;
    if (s->part == MIX_PUT) {
        s->number = m->next++;
        return data_put(s, &m->files, s->number);
    }
    s->number = m->files.numbers[at];
    fileset_path(&m->files, s->number, s->path);
    if (s->part == MIX_REMOVE) {
        m->files.numbers[at] = m->files.numbers[--m->files.n];
        return dfs_unlink(s->client, s->path, phase_done, s);
    }
    ++*readers_of(m, s->number);
    return s->part == MIX_GET ? data_get(s, &m->files, s->number) : dfs_stat(s->client, s->path, 0, phase_done, s);
}

static void mix_done(struct slot *s, int status)
{
    struct mix *m = s->phase->arg;
    if (s->part == MIX_PUT && status == 0)
        fileset_add(&m->files, s->number);
    else if (s->part == MIX_GET || s->part == MIX_STAT)
        --*readers_of(m, s->number);
}

static int start_first(struct slot *s)
{
    struct mix *m = s->phase->arg;
    s->number = m->next++;
    return data_put(s, &m->files, s->number);
}

static int start_verify(struct slot *s)
{
    struct mix *m = s->phase->arg;
    return data_get(s, &m->files, m->files.numbers[s->index]);
}

static void run_mix(struct bench *b, struct mix *m, uint64_t size)
{
    const struct options *o = b->opt;
    struct phase p = {.workload = "mix",
                      .op = "mix",
                      .parts = {"put", "get", "stat", "remove"},
                      .size = size,
                      .start = start_mix,
                      .done = mix_done,
                      .arg = m};
    p.limit = o->ops ? o->ops : UINT64_MAX;
    p.seconds = o->ops || o->seconds ? o->seconds : MIX_SECONDS;
    phase_run(b, &p);
    if (!o->verify)
        return;
    struct phase v = {.workload = "mix", .op = "verify", .size = size, .start = start_verify, .arg = m};
    v.limit = m->files.n;
    phase_run(b, &v);
}

int workload_mix(struct bench *b)
{
    struct mix m = {0};
    char name[40];
    uint64_t size = b->opt->size ? b->opt->size : MIX_SIZE;
    snprintf(name, sizeof name, "mix-%016" PRIx64, b->run_id);
    fileset_init(&m.files, name, BENCH_FOLDERS);
    rng_seed(&m.rng, b->run_id);
    struct phase first = {.workload = "mix",
                          .op = "storing the first files",
                          .size = size,
                          .start = start_first,
                          .done = mix_done,
                          .arg = &m,
                          .limit = b->opt->files ? b->opt->files : MIX_FILES};
    int rc = fileset_make_folders(b, &m.files);
    if (rc == 0) {
        rc = phase_run_quietly(b, &first) > 0;
        if (rc == 0)
            run_mix(b, &m, size);
        rc |= data_tidy(b, &m.files);
    }
    fileset_close(&m.files);
    free(m.readers);
    return rc;
}
