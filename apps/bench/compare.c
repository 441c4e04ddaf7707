/* SPDX-License-Identifier: MIT */
/* This run beside an earlier one's JSON: operations are matched by workload, name, concurrency and size. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"
#include "jsonread.h"
#include "stats.h"

#define FILE_MAX (16u * 1024 * 1024)

struct earlier {
    double rates[BENCH_MAX_ROUNDS], p99_us;
    uint32_t n;
};

static char *read_file(const char *file, size_t *len)
{
    FILE *f = fopen(file, "r");
    char *text = NULL;
    *len = 0;
    if (f) {
        text = xcalloc(FILE_MAX, 1);
        *len = fread(text, 1, FILE_MAX, f);
        fclose(f);
    }
    return text;
}

static bool same_result(struct json e, const struct result *r)
{
    char workload[16], op[16];
    json_text(json_member(e, "workload"), workload, sizeof workload);
    json_text(json_member(e, "op"), op, sizeof op);
    return strcmp(workload, r->workload) == 0 && strcmp(op, r->op) == 0 &&
           json_number(json_member(e, "concurrency"), -1) == (double)r->concurrency &&
           json_number(json_member(e, "size"), -1) == (double)r->size;
}

static bool find_earlier(struct json results, const struct result *r, struct earlier *out)
{
    struct json e = json_first(results);
    while (e.p && !same_result(e, r))
        e = json_next(e);
    if (!e.p)
        return false;
    *out = (struct earlier){.p99_us = json_number(json_member(e, "p99_us"), 0)};
    for (struct json v = json_first(json_member(e, "rounds")); v.p && out->n < BENCH_MAX_ROUNDS; v = json_next(v))
        out->rates[out->n++] = json_number(v, 0);
    if (out->n == 0) /* of a release before there were rounds */
        out->rates[out->n++] = json_number(json_member(e, "ops_per_s"), 0);
    return true;
}

static enum verdict print_row(const struct bench *b, const struct result *r, const struct earlier *old, FILE *out)
{
    static const char *const words[] = {"same within noise", "faster", "slower"};
    static const char *const colors[] = {"", "\033[32m", "\033[31m"};
    double noise, before = stats_median(old->rates, old->n), after = result_rate(r);
    enum verdict v = stats_compare(old->rates, old->n, r->rates, r->n_rounds, &noise);
    char p99[2][24];
    time_text((uint64_t)(old->p99_us * 1e3), p99[0], sizeof p99[0]);
    time_text(histogram_percentile(&r->latency, 0.99), p99[1], sizeof p99[1]);
    fprintf(out, "%-5s %-6s %10.0f %10.0f %+7.1f%% %6.1f%% %9s %9s  %s%s%s\n", r->workload, r->op, before, after,
            before > 0 ? (after / before - 1) * 100 : 0, noise * 100, p99[0], p99[1], b->color ? colors[v] : "",
            words[v], b->color && colors[v][0] ? "\033[0m" : "");
    return v;
}

static int compare_results(const struct bench *b, struct json results, FILE *out)
{
    int rc = 0;
    bool single = false;
    fprintf(out, "\n%-5s %-6s %10s %10s %8s %7s %9s %9s\n", "load", "op", "before/s", "now/s", "", "noise", "p99 then",
            "p99 now");
    for (uint32_t i = 0; i < b->n_results; i++) {
        const struct result *r = b->results[i];
        struct earlier old;
        if (!find_earlier(results, r, &old)) {
            fprintf(out, "%-5s %-6s was not measured then with this concurrency and size\n", r->workload, r->op);
            continue;
        }
        single |= old.n < 2 || r->n_rounds < 2;
        if (print_row(b, r, &old, out) == VERDICT_SLOWER)
            rc = BENCH_EXIT_SLOWER;
    }
    if (single)
        fprintf(out, "a single round says nothing of its noise: %.0f%% is assumed; use --rounds 5\n",
                STATS_UNKNOWN * 100);
    return rc;
}

int compare_report(const struct bench *b, const char *file, FILE *out)
{
    size_t len;
    char *text = read_file(file, &len);
    if (!text) {
        fprintf(stderr, "dfs-bench: --compare %s: %s\n", file, strerror(errno));
        return 1;
    }
    struct json results = json_member(json_open(text, len), "results");
    int rc = 1;
    if (!results.p)
        fprintf(stderr, "dfs-bench: --compare %s: not what --json writes\n", file);
    else
        rc = compare_results(b, results, out);
    free(text);
    return rc;
}
