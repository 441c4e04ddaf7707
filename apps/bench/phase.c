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
    return p->seconds > 0 && uv_hrtime() - p->began >= p->seconds;
}

static void phase_error(struct phase *p, const char *error)
{
    if (p->result->errors++ == 0)
        snprintf(p->result->first_error, sizeof p->result->first_error, "%s", error);
}

static void slot_next(struct slot *s)
{
    struct phase *p = s->phase;
    while (!phase_over(p)) {
        s->index = p->issued++;
        s->moved = 0;
        s->mismatch[0] = '\0';
        s->started = uv_hrtime();
        int rc = p->start(s);
        if (rc == 0) {
            p->busy++;
            return;
        }
        phase_error(p, dfs_strerror(rc));
    }
}

void phase_finish(struct slot *s, int status, const char *error, uint64_t bytes)
{
    struct phase *p = s->phase;
    p->ended = uv_hrtime();
    p->busy--;
    if (status != 0) {
        phase_error(p, s->mismatch[0] ? s->mismatch : error);
    } else {
        p->result->ops++;
        p->result->bytes += bytes;
        histogram_add(&p->result->latency, p->ended - s->started);
    }
    slot_next(s);
}

void phase_done(void *slot, int status, const struct dfs_result *r)
{
    phase_finish(slot, status, r->error, r->bytes);
}

void phase_live(uv_timer_t *timer)
{
    const struct phase *p = timer->data;
    if (!p)
        return;
    double seconds = (double)(uv_hrtime() - p->began) / 1e9;
    const struct result *r = p->result;
    fprintf(stderr, "\r\033[K%-6s %-6s %5.1f s  %" PRIu64 " done", p->workload, p->op, seconds, r->ops);
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
    live_begin(p);
    uv_update_time(&b->loop);
    p->began = p->ended = uv_hrtime();
    for (uint32_t i = 0; i < n; i++) {
        /* neighbours in the order of operations sit on different connections */
        slots[i] = (struct slot){.phase = p, .client = b->clients[i % b->n_clients]};
        slot_next(&slots[i]);
    }
    while (p->busy > 0)
        uv_run(&b->loop, UV_RUN_ONCE);
    live_end(p);
    free(slots);
}

void phase_run(struct bench *b, struct phase *p)
{
    if (b->interrupted)
        return;
    struct result *r = xcalloc(1, sizeof *r);
    *r = (struct result){.workload = p->workload, .op = p->op, .size = p->size};
    r->concurrency = (uint64_t)b->n_clients * b->depth;
    p->result = r;
    phase_loop(b, p);
    r->seconds = (double)(p->ended - p->began) / 1e9;
    assert(b->n_results < BENCH_MAX_RESULTS);
    b->results[b->n_results++] = r;
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
