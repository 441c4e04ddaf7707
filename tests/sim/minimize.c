/* SPDX-License-Identifier: MIT */
#include "sim/minimize.h"

#include <stdio.h>

#define ROUNDS 4u

struct search {
    uint64_t seed;
    enum sabotage sabotage;
    struct trim best;
    struct history shortest;
    uint32_t runs;
};

/* Behind the name of a file, if it begins with that. */
static const char *reason(const struct history *h)
{
    const char *name = h->why[0] == '/' ? strstr(h->why, ": ") : NULL;
    return name ? name + 2 : h->why;
}

/* The reason begins alike: without numbers and names, which may be others. */
static bool same_reason(const struct history *a, const struct history *b)
{
    return strncmp(reason(a), reason(b), strcspn(reason(a), "0123456789/")) == 0;
}

/* Keeps what was tried if it fails as well, and not later. */
static bool try(struct search *s, struct trim t)
{
    struct history h;
    s->runs++;
    history_run(s->seed, s->sabotage, &t, false, &h);
    if (!h.failed || h.steps > s->shortest.steps || !same_reason(&s->shortest, &h))
        return false;
    s->best = t;
    s->shortest = h;
    return true;
}

static void fewer_strikes(struct search *s)
{
    for (uint64_t least = 0; least < s->shortest.strikes;) {
        struct trim t = s->best;
        t.strikes = least + (s->shortest.strikes - least) / 2;
        if (!try(s, t))
            least = t.strikes + 1;
    }
    s->best.strikes = min_u64(s->best.strikes, s->shortest.strikes);
}

static void fewer_kinds(struct search *s)
{
    for (unsigned i = 0; i < FAULT_KINDS; i++) {
        struct trim t = s->best;
        t.without |= 1u << i;
        if (t.without != s->best.without)
            (void)try(s, t);
    }
}

static void fewer_ops(struct search *s)
{
    struct swarm w;
    struct sim drawn;
    sim_init(&drawn, s->seed, false);
    swarm_draw(&w, &drawn, s->sabotage, &s->best);
    sim_close(&drawn);
    for (uint64_t least = 1, most = w.ops; least < most;) {
        struct trim t = s->best;
        t.ops = least + (most - least) / 2;
        if (try(s, t))
            most = t.ops;
        else
            least = t.ops + 1;
    }
}

static void print_trim(const struct trim *t)
{
    const char *before = " --without ";
    if (t->names)
        printf(" --cluster %u+%u", t->names, t->servers);
    for (unsigned i = 0; i < FAULT_KINDS; i++)
        if (t->without & 1u << i) {
            printf("%s%s", before, fault_name((enum fault)i));
            before = ",";
        }
    if (t->strikes != UINT64_MAX)
        printf(" --strikes %" PRIu64, t->strikes);
    if (t->ops != UINT64_MAX)
        printf(" --ops %" PRIu64, t->ops);
}

void minimize(uint64_t seed, enum sabotage sabotage, const struct trim *trim, const struct history *h)
{
    struct search s = {.seed = seed, .sabotage = sabotage, .best = *trim, .shortest = *h};
    uint64_t before;
    uint32_t round = 0;
    do {
        before = s.shortest.steps;
        fewer_strikes(&s);
        fewer_kinds(&s);
        fewer_ops(&s);
    } while (++round < ROUNDS && s.shortest.steps < before);
    printf("minimized: %" PRIu64 " faults and %" PRIu64 " events of %" PRIu64 " and %" PRIu64
           " are left after %u runs: %s\nminimized: --seed %" PRIu64,
           s.shortest.strikes, s.shortest.steps, h->strikes, h->steps, s.runs, s.shortest.why, seed);
    if (sabotage)
        printf(" --sabotage %s", sabotage_name(sabotage));
    print_trim(&s.best);
    printf(" --trace\n");
}

bool trim_cluster(struct trim *t, const char *size)
{
    char end;
    return sscanf(size, "%2u+%2u%c", &t->names, &t->servers, &end) == 2 && t->names > 0 && t->names <= CLUSTER_NAMES &&
           t->servers > 1 && t->servers <= CLUSTER_SERVERS;
}

bool trim_without(struct trim *t, const char *names)
{
    while (*names) {
        size_t len = strcspn(names, ",");
        enum fault kind = fault_find(names, len);
        if (kind == FAULT_KINDS)
            return false;
        t->without |= 1u << kind;
        names += len + (names[len] == ',');
    }
    return true;
}
