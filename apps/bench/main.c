/* SPDX-License-Identifier: MIT */
/* dfs-bench: set-up and end. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/rand.h"
#include "base/stdfds.h"
#include "options.h"

#define KEPT_MEMORY (32 * 1024 * 1024)

/* --- set-up and end --- */

static void on_sigint(uv_signal_t *handle, int signum)
{
    struct bench *b = handle->data;
    if (b->interrupted)
        _exit(128 + signum);
    b->interrupted = true;
}

static void bench_open(struct bench *b, const struct options *o)
{
    *b = (struct bench){.opt = o, .depth = (uint32_t)o->depth};
    if (entropy_get(&b->run_id, sizeof b->run_id) != 0)
        b->run_id = uv_hrtime();
    int err = uv_loop_init(&b->loop);
    if (err != 0) {
        fprintf(stderr, "dfs-bench: no event loop: %s\n", uv_strerror(err));
        exit(1);
    }
    uv_signal_init(&b->loop, &b->sigint);
    b->sigint.data = b;
    uv_signal_start(&b->sigint, on_sigint, SIGINT);
    uv_timer_init(&b->loop, &b->live);
    uv_unref((uv_handle_t *)&b->sigint);
    uv_unref((uv_handle_t *)&b->live);
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
    bool dumb = !term || strcmp(term, "dumb") == 0;
    b->show_live = isatty(STDERR_FILENO) == 1 && !dumb;
    b->color = isatty(STDOUT_FILENO) == 1 && !dumb && !(none && *none);
}

static int clients_open(struct bench *b, uint32_t n)
{
    struct dfs_options o = {.nameservers = b->opt->nm, .program = "dfs-bench"};
    b->clients = xcalloc(n, sizeof *b->clients);
    for (b->n_clients = 0; b->n_clients < n; b->n_clients++) {
        int rc = dfs_client_open(&b->loop, &o, &b->clients[b->n_clients]);
        if (rc != 0) {
            fprintf(stderr, "dfs-bench: --nm %s: %s\n", b->opt->nm ? b->opt->nm : "($DFS_NM)", dfs_strerror(rc));
            return 1;
        }
    }
    return 0;
}

static void on_client_closed(void *arg) { --*(uint32_t *)arg; }

static void clients_close(struct bench *b)
{
    uint32_t open = b->n_clients;
    for (uint32_t i = 0; i < b->n_clients; i++)
        dfs_client_close(b->clients[i], on_client_closed, &open);
    while (open > 0)
        uv_run(&b->loop, UV_RUN_ONCE);
    free(b->clients);
    b->clients = NULL;
    b->n_clients = 0;
}

static void bench_close(struct bench *b)
{
    uv_close((uv_handle_t *)&b->sigint, NULL);
    uv_close((uv_handle_t *)&b->live, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    uv_loop_close(&b->loop);
    for (uint32_t i = 0; i < b->n_results; i++)
        free(b->results[i]);
}

static int run_workload(struct bench *b, const struct workload *w)
{
    uint64_t connections = b->opt->connections ? b->opt->connections : w->connections;
    int rc = clients_open(b, (uint32_t)connections);
    if (rc == 0) {
        usage_open(b);
        rc = w->run(b);
    }
    clients_close(b);
    return rc;
}

/* All workloads in each round, so that what changes on the machine meanwhile meets all of them. */
static int run_rounds(struct bench *b, const char *name)
{
    b->all = strcmp(name, "all") == 0;
    int rc = 0;
    for (uint64_t round = 1; round <= b->opt->rounds && !b->interrupted && rc == 0; round++) {
        b->last_round = round == b->opt->rounds;
        if (b->show_live && b->opt->rounds > 1)
            fprintf(stderr, "round %" PRIu64 " of %" PRIu64 "\n", round, b->opt->rounds);
        for (size_t i = 0; i < WORKLOADS && !b->interrupted && rc == 0; i++)
            if (b->all || strcmp(name, workloads[i].name) == 0)
                rc = run_workload(b, &workloads[i]);
    }
    return rc;
}

static int report(const struct bench *b, int rc)
{
    const struct options *o = b->opt;
    bool to_stdout = o->json && strcmp(o->json, "-") == 0;
    FILE *out = to_stdout ? stderr : stdout;
    if (!to_stdout)
        report_table(b, out);
    /* before the JSON is written: it may be the same file */
    int compared = o->compare && b->n_results > 0 ? compare_report(b, o->compare, out) : 0;
    if (o->json && report_json(b, o->json) != 0)
        rc = 1;
    if (b->interrupted)
        fputs("dfs-bench: interrupted\n", stderr);
    rc = rc || report_errors(b) > 0 || b->interrupted;
    return rc ? rc : compared;
}

int main(int argc, char **argv)
{
    struct arguments a = {.opt = {.depth = 1}};
    stdfds_fill();
    int rc = parse_arguments(argc, argv, &a);
    if (rc != 0)
        return rc == 2 ? 2 : 0;
    if (a.opt.compare && access(a.opt.compare, R_OK) != 0) {
        fprintf(stderr, "dfs-bench: --compare %s: %s\n", a.opt.compare, strerror(errno));
        return 1;
    }
    /* Buffers of a megabyte come and go with every frame: kept, not given back and faulted in again, which costs a third
     * of the rate of large reads. */
    mallopt(M_MMAP_THRESHOLD, KEPT_MEMORY);
    mallopt(M_TRIM_THRESHOLD, 4 * KEPT_MEMORY);
    struct bench *b = xcalloc(1, sizeof *b);
    bench_open(b, &a.opt);
    rc = report(b, run_rounds(b, a.workload));
    bench_close(b);
    free(b);
    return rc;
}
