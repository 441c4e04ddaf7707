/* SPDX-License-Identifier: MIT */
/* The engine. Each slot runs one operation after the other on its client: slot_next starts one, phase_finish records it
 * and starts the next. When the phase is over, slots fall idle one by one, and phase_run returns after the last. */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

static bool phase_over(const struct phase *p)
{
    uint64_t max_errors = p->quiet ? 1 : BENCH_MAX_ERRORS;
    if (p->bench->interrupted || p->issued >= p->limit || p->result->errors >= max_errors)
        return true;
    return p->seconds > 0 && !p->warming && uv_hrtime() - p->began >= p->seconds;
}

static void result_clear(struct result *r)
{
    r->ops = r->bytes = 0;
    memset(&r->latency, 0, sizeof r->latency);
}

/* What was done so far is forgotten, but for its errors. */
static void warm_up_ends(struct phase *p)
{
    p->warming = false;
    p->began = uv_hrtime();
    p->moved = 0;
    result_clear(p->result);
    for (uint32_t i = 0; i < PHASE_PARTS && p->part_results[i]; i++)
        result_clear(p->part_results[i]);
}

static void result_error(struct result *r, const char *error)
{
    if (r->errors++ == 0)
        snprintf(r->first_error, sizeof r->first_error, "%s", error);
}

static void result_add(struct result *r, uint64_t bytes, uint64_t took)
{
    r->ops++;
    r->bytes += bytes;
    histogram_add(&r->latency, took);
}

static void slot_next(struct slot *s)
{
    struct phase *p = s->phase;
    while (!phase_over(p)) {
        s->index = p->issued++;
        s->moved = s->part = 0;
        s->mismatch[0] = '\0';
        s->started = uv_hrtime();
        int rc = p->start(s);
        if (rc == 0) {
            p->busy++;
            return;
        }
        result_error(p->result, dfs_strerror(rc));
    }
}

void phase_finish(struct slot *s, int status, const char *error, uint64_t bytes)
{
    struct phase *p = s->phase;
    struct result *part = p->part_results[s->part];
    p->ended = uv_hrtime();
    p->busy--;
    if (status != 0) {
        result_error(p->result, s->mismatch[0] ? s->mismatch : error);
        if (part)
            result_error(part, s->mismatch[0] ? s->mismatch : error);
    } else {
        result_add(p->result, bytes, p->ended - s->started);
        if (part)
            result_add(part, bytes, p->ended - s->started);
    }
    if (p->done)
        p->done(s, status);
    if (p->warming && p->ended - p->began >= p->bench->opt->warmup)
        warm_up_ends(p);
    slot_next(s);
}

void phase_done(void *slot, int status, const struct dfs_result *r) { phase_finish(slot, status, r->error, r->bytes); }

void phase_live(uv_timer_t *timer)
{
    const struct phase *p = timer->data;
    if (!p)
        return;
    double seconds = (double)(uv_hrtime() - p->began) / 1e9;
    const struct result *r = p->result;
    fprintf(stderr, "\r\033[K%-6s %-6s %5.1f s%s  %" PRIu64 " done", p->workload, p->op, seconds,
            p->warming ? " (warming up)" : "", r->ops);
    if (p->limit != UINT64_MAX)
        fprintf(stderr, " of %" PRIu64, p->limit);
    if (seconds > 0)
        fprintf(stderr, "  %.0f/s", (double)r->ops / seconds);
    if (p->moved > 0)
        fprintf(stderr, "  %.1f MiB/s", (double)p->moved / seconds / (double)MIB);
    fprintf(stderr, "  p99 %.2f ms", (double)histogram_percentile(&r->latency, 0.99) / 1e6);
    if (r->errors > 0)
        fprintf(stderr, "  %" PRIu64 " errors: %.60s", r->errors, r->first_error);
    fflush(stderr);
}

static void live_begin(struct phase *p)
{
    struct bench *b = p->bench;
    if (!b->show_live || p->quiet)
        return;
    b->live.data = p;
    uv_timer_start(&b->live, phase_live, 200, 500);
}

static void live_end(struct phase *p)
{
    struct bench *b = p->bench;
    if (!b->live.data)
        return;
    uv_timer_stop(&b->live);
    b->live.data = NULL;
    fputs("\r\033[K", stderr);
}

static void phase_loop(struct bench *b, struct phase *p)
{
    uint32_t n = b->n_clients * b->depth;
    struct slot *slots = xcalloc(n, sizeof *slots);
    p->bench = b;
    p->issued = p->busy = p->moved = 0;
    p->warming = !p->quiet && b->opt->warmup > 0;
    live_begin(p);
    uv_update_time(&b->loop);
    p->began = p->ended = uv_hrtime();
    for (uint32_t i = 0; i < n; i++) {
        /* neighbours in the order of operations sit on different connections */
        slots[i] = (struct slot){.phase = p, .client = b->clients[i % b->n_clients], .client_index = i % b->n_clients};
        slot_next(&slots[i]);
    }
    while (p->busy > 0)
        uv_run(&b->loop, UV_RUN_ONCE);
    live_end(p);
    free(slots);
}

/* One round more of what is known already, or the first. */
static void bench_record(struct bench *b, struct result *r, double seconds, struct usage usage)
{
    struct result *all = NULL;
    for (uint32_t i = 0; i < b->n_results && !all; i++) {
        struct result *one = b->results[i];
        all = strcmp(one->workload, r->workload) == 0 && strcmp(one->op, r->op) == 0 ? one : NULL;
    }
    r->seconds = seconds;
    r->usage = usage;
    r->rates[r->n_rounds++] = seconds > 0 ? (double)r->ops / seconds : 0;
    if (!all) {
        assert(b->n_results < BENCH_MAX_RESULTS);
        b->results[b->n_results++] = r;
        return;
    }
    if (all->n_rounds < BENCH_MAX_ROUNDS)
        all->rates[all->n_rounds++] = r->rates[0];
    if (all->errors == 0)
        memcpy(all->first_error, r->first_error, sizeof all->first_error);
    all->ops += r->ops;
    all->bytes += r->bytes;
    all->errors += r->errors;
    all->seconds += seconds;
    all->usage = usage;
    histogram_merge(&all->latency, &r->latency);
    free(r);
}

static struct result *result_new(const struct bench *b, const struct phase *p, const char *op)
{
    struct result *r = xcalloc(1, sizeof *r);
    r->workload = p->workload;
    r->op = op;
    r->size = p->size;
    r->concurrency = (uint64_t)b->n_clients * b->depth;
    return r;
}

void phase_run(struct bench *b, struct phase *p)
{
    if (b->interrupted)
        return;
    p->result = result_new(b, p, p->op);
    for (uint32_t i = 0; i < PHASE_PARTS; i++)
        p->part_results[i] = p->parts[i] ? result_new(b, p, p->parts[i]) : NULL;
    usage_begin(b);
    phase_loop(b, p);
    struct usage usage = usage_end(b);
    double seconds = (double)(p->ended - p->began) / 1e9;
    bench_record(b, p->result, seconds, usage);
    for (uint32_t i = 0; i < PHASE_PARTS && p->part_results[i]; i++)
        bench_record(b, p->part_results[i], seconds, usage);
}

uint64_t phase_run_quietly(struct bench *b, struct phase *p)
{
    struct result *r = xcalloc(1, sizeof *r);
    p->result = r;
    p->quiet = true;
    phase_loop(b, p);
    uint64_t errors = r->errors;
    if (errors > 0)
        fprintf(stderr, "dfs-bench: %s: %s\n", p->op, r->first_error);
    free(r);
    return errors;
}
