/* SPDX-License-Identifier: MIT */
/* dfs-sim: whole clusters in one process, each history drawn from one seed. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/flags.h"
#include "sim/history.h"
#include "sim/minimize.h"

/* Within so many seeds each sabotage must have been noticed. */
#define SABOTAGE_SEEDS 40
/* Without --seed and --count. */
#define DEFAULT_SEEDS 100

struct options {
    uint64_t seed, count, seconds, undecided;
    const char *sabotage, *without, *cluster;
    struct trim trim;
    bool list, trace, every_sabotage, twice, minimize, longer, help;
};

struct totals {
    uint64_t seeds, failed, first_failed, ops, audited, failed_ops, unknown_ops, writes, undecided, cut, crashes, cuts,
        snapshots, steps, virtual_ns;
};

static double seconds_since(const struct timespec *start)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - start->tv_sec) + (double)(now.tv_nsec - start->tv_nsec) / 1e9;
}

static void add(struct totals *t, uint64_t seed, const struct history *h)
{
    if (h->failed && t->failed++ == 0)
        t->first_failed = seed;
    t->seeds++;
    t->ops += h->ops;
    t->audited += h->audited;
    t->failed_ops += h->failed_ops;
    t->unknown_ops += h->unknown_ops;
    t->writes += h->writes;
    t->undecided += h->undecided;
    t->cut += h->cut;
    t->crashes += h->crashes;
    t->cuts += h->cuts;
    t->snapshots += h->snapshots;
    t->steps += h->steps;
    t->virtual_ns += h->virtual_ns;
}

static void run_seed(const struct options *o, uint64_t seed, enum sabotage sabotage, struct totals *t)
{
    struct history h, again;
    history_run(seed, sabotage, &o->trim, o->trace, &h);
    if (o->twice) {
        history_run(seed, sabotage, &o->trim, false, &again);
        if (again.hash != h.hash || again.steps != h.steps) {
            h.failed = true;
            snprintf(h.why, sizeof h.why, "two runs of this seed differ: hash %016" PRIx64 " and %016" PRIx64, h.hash,
                     again.hash);
        }
    }
    if (o->trace)
        printf("seed %" PRIu64 ": hash %016" PRIx64 ", %" PRIu64 " events\n", seed, h.hash, h.steps);
    if (h.failed)
        printf("seed %" PRIu64 " failed: %s\n", seed, h.why);
    if (h.failed && o->minimize)
        minimize(seed, sabotage, &o->trim, &h);
    fflush(stdout);
    add(t, seed, &h);
}

static int run_seeds(const struct options *o, enum sabotage sabotage)
{
    struct timespec start;
    struct totals t = {0};
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (uint64_t i = 0; i < o->count && (!o->seconds || seconds_since(&start) < (double)o->seconds); i++) {
        if (sabotage && t.failed) /* it was noticed */
            break;
        run_seed(o, o->seed + i, sabotage, &t);
    }
    printf("sim: %" PRIu64 " seeds, %" PRIu64 " failed", t.seeds, t.failed);
    if (t.failed)
        printf(" (replay: --seed %" PRIu64 "%s%s --trace)", t.first_failed, sabotage ? " --sabotage " : "",
               sabotage ? sabotage_name(sabotage) : "");
    printf("; %" PRIu64 " operations (%" PRIu64 " failed, %" PRIu64 " unknown), %" PRIu64 " more in audits, %" PRIu64
           " writes in place (%" PRIu64 " undecided, %" PRIu64 " cut off), %" PRIu64 " crashes, %" PRIu64
           " cuts, %" PRIu64 " snapshots, %" PRIu64 " events, %" PRIu64 " virtual s in %.1f s\n",
           t.ops, t.failed_ops, t.unknown_ops, t.audited, t.writes, t.undecided, t.cut, t.crashes, t.cuts, t.snapshots,
           t.steps, (uint64_t)(t.virtual_ns / NS_PER_SEC), seconds_since(&start));
    bool many = o->undecided < UINT64_MAX && t.undecided * 10000 > o->undecided * t.writes;
    if (many)
        printf("sim: too many writes in place were undecided\n");
    return t.failed || t.seeds == 0 || many ? 1 : 0;
}

/* The simulator's own test: whatever is broken on purpose must be noticed. */
static int run_every_sabotage(const struct options *o)
{
    uint32_t missed = 0;
    for (int k = SABOTAGE_NONE + 1; k < SABOTAGE_END; k++) {
        struct history h = {0};
        uint64_t i = 0;
        while (i < SABOTAGE_SEEDS && !h.failed)
            history_run(o->seed + i++, (enum sabotage)k, &o->trim, false, &h);
        if (h.failed)
            printf("%s: noticed by seed %" PRIu64 ": %s\n", sabotage_name((enum sabotage)k), o->seed + i - 1, h.why);
        else
            printf("%s: NOT noticed within %d seeds\n", sabotage_name((enum sabotage)k), SABOTAGE_SEEDS);
        fflush(stdout);
        missed += !h.failed;
    }
    printf("sim: %d sabotages, %u not noticed\n", SABOTAGE_END - 1, missed);
    return missed ? 1 : 0;
}

static void list_sabotages(void)
{
    for (int k = SABOTAGE_NONE + 1; k < SABOTAGE_END; k++)
        printf("%-16s %s\n", sabotage_name((enum sabotage)k), sabotage_text((enum sabotage)k));
}

static void print_help(const struct flag *table)
{
    struct bytes b;
    bytes_init(&b, 64 * KIB);
    flags_help(table, &b);
    printf(
        "usage: tests/sim/run [options]\n\nRuns whole clusters under virtual time, each history drawn from one seed.\n"
        "Exit status 0: all seeds passed.\n\n%.*s",
        (int)b.len, (const char *)b.p);
    bytes_close(&b);
}

int main(int argc, char **argv)
{
    struct options o = {.trim = TRIM_NONE, .undecided = UINT64_MAX};
    const struct flag table[] = {
        {"seed", 0, FLAG_U64, &o.seed, "S", "the first seed", "1"},
        {"count", 0, FLAG_U64, &o.count, "N", "how many seeds, one after the other", "1 with --seed, else 100"},
        {"seconds", 0, FLAG_U64, &o.seconds, "N", "start no further seed after so long", NULL},
        {"undecided", 0, FLAG_U64, &o.undecided, "N",
         "fail if of 10000 writes in place more than N ended so: no server knew any more whether they are there", NULL},
        {"sabotage", 0, FLAG_STRING, &o.sabotage, "NAME",
         "break the system on purpose: the run must fail, within 40 seeds", NULL},
        {"list-sabotages", 0, FLAG_SWITCH, &o.list, NULL, "name them", NULL},
        {"every-sabotage", 0, FLAG_SWITCH, &o.every_sabotage, NULL, "run each until it is noticed; 0 if all are", NULL},
        {"twice", 0, FLAG_SWITCH, &o.twice, NULL, "run each seed twice: both must be the same history", NULL},
        {"trace", 0, FLAG_SWITCH, &o.trace, NULL, "print every event", NULL},
        {"minimize", 0, FLAG_SWITCH, &o.minimize, NULL, "leave out of a failed history what it does not need to fail",
         NULL},
        {"without", 0, FLAG_STRING, &o.without, "KIND,…", "leave these faults out", NULL},
        {"cluster", 0, FLAG_STRING, &o.cluster, "N+S",
         "so many NameServers and StorageServers (at most 5+10, at least 1+2)", "drawn"},
        {"strikes", 0, FLAG_U64, &o.trim.strikes, "N", "only the first N faults", NULL},
        {"ops", 0, FLAG_U64, &o.trim.ops, "N", "at most N operations of each actor under faults", NULL},
        {"long", 0, FLAG_SWITCH, &o.longer, NULL, "go on for $DFS_TEST_LONG minutes, if that is set", NULL},
        {"help", 'h', FLAG_SWITCH, &o.help, NULL, "this text", NULL},
        {NULL, 0, FLAG_SWITCH, NULL, NULL, NULL, NULL},
    };
    const char *args[64];
    size_t n_args = 0;
    char err[256];
    if (argc > 64 || flags_parse(table, argc, argv, args, &n_args, err, sizeof err) || n_args > 0) {
        fprintf(stderr, "dfs-sim: %s\n", argc > 64 ? "too many arguments" : n_args ? "no arguments expected" : err);
        return 2;
    }
    enum sabotage sabotage = o.sabotage ? sabotage_find(o.sabotage) : SABOTAGE_NONE;
    if (sabotage == SABOTAGE_END) {
        fprintf(stderr, "dfs-sim: no sabotage is named '%s': see --list-sabotages\n", o.sabotage);
        return 2;
    }
    if (o.without && !trim_without(&o.trim, o.without)) {
        fprintf(stderr, "dfs-sim: --without %s: the kinds are", o.without);
        for (unsigned i = 0; i < FAULT_KINDS; i++)
            fprintf(stderr, " %s", fault_name((enum fault)i));
        fprintf(stderr, "\n");
        return 2;
    }
    if (o.cluster && !trim_cluster(&o.trim, o.cluster)) {
        fprintf(stderr, "dfs-sim: --cluster %s: at least 1+2, at most %d+%d\n", o.cluster, CLUSTER_NAMES,
                CLUSTER_SERVERS);
        return 2;
    }
    if (o.help || o.list) {
        if (o.help)
            print_help(table);
        else
            list_sabotages();
        return 0;
    }
    if (o.count == 0)
        o.count = sabotage ? SABOTAGE_SEEDS : o.seed ? 1 : DEFAULT_SEEDS;
    o.seed = o.seed ? o.seed : 1;
    const char *minutes = o.longer ? getenv("DFS_TEST_LONG") : NULL;
    if (minutes && strtoull(minutes, NULL, 10) > 0) {
        o.seconds = 60 * strtoull(minutes, NULL, 10);
        o.count = UINT64_MAX;
    }
    return o.every_sabotage ? run_every_sabotage(&o) : run_seeds(&o, sabotage);
}
