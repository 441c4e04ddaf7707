/* SPDX-License-Identifier: MIT */
#include "sim/history.h"

#include <stdio.h>
#include <stdlib.h>

#include "sim/admin.h"
#include "sim/audit.h"
#include "sim/faults.h"

/* Longer than any stall or pause that is still going on when the faults stop. */
#define SETTLE (15 * NS_PER_SEC)
#define HEAL_LIMIT (60 * NS_PER_SEC)
#define BOOT_TRIES 8u
/* Some seeds draw so many faults that hardly anything can succeed: the faults end, and the work must. */
#define FAULTS_LIMIT (600 * NS_PER_SEC)

static bool is_whole(struct work *w) { return cluster_whole(w->cluster) && admin_idle(w->cluster); }

/* An administrator has looked, too, at what waits for servers that are lost. */
static bool is_healed(struct work *w) { return w->cluster->looked && is_whole(w); }

static bool is_done(struct work *w) { return work_done(w); }

static void settle(struct sim *s)
{
    for (uint64_t end = s->now + SETTLE; s->now < end && sim_step(s);)
        ;
}

/* A NameServer may lose power over its first snapshots. */
static bool is_lost(int err) { return err == DFS_EUNKNOWN || err == DFS_EUNREACH || err == DFS_ENOTLEADER; }

static bool boot(struct work *w)
{
    struct cluster *c = w->cluster;
    for (uint32_t i = 0; i < c->n_nodes; i++)
        if (!c->latecomer || i != c->n_names - 1)
            node_start(&c->nodes[i]);
    bool up = run_until(w, is_whole, HEAL_LIMIT, "the new cluster to come up");
    int err = up ? call_wait(w, &w->own, OP_MKDIR, "/shared") : 0;
    for (uint32_t i = 0; i < BOOT_TRIES && is_lost(err) && run_until(w, is_whole, HEAL_LIMIT, "it to come up again"); i++) {
        err = call_wait(w, &w->own, OP_MKDIR, "/shared");
        if (err == DFS_EEXIST) /* the one before was carried out */
            err = 0;
    }
    if (err)
        sim_fail(c->sim, "mkdir /shared in a new cluster: %s", dfs_errname(w->own.status));
    return !c->sim->failed;
}

static void on_late(void *arg, uint64_t unused, uint64_t unused2)
{
    (void)unused;
    (void)unused2;
    node_start(arg);
}

static void on_enough(void *arg, uint64_t unused, uint64_t unused2)
{
    struct cluster *c = arg;
    (void)unused;
    (void)unused2;
    if (!c->quiet)
        faults_stop(c);
}

static bool work_under_faults(struct work *w)
{
    struct cluster *c = w->cluster;
    if (c->latecomer)
        sim_plan(c->sim, c->swarm.latecomer, on_late, &c->nodes[c->n_names - 1], 0, 0);
    faults_start(c);
    sim_plan(c->sim, FAULTS_LIMIT, on_enough, c, 0, 0);
    work_start(w, w->cluster->swarm.ops);
    return run_until(w, is_done, 3600 * NS_PER_SEC, "the clients' work under faults");
}

static bool work_after_faults(struct work *w)
{
    struct cluster *c = w->cluster;
    faults_stop(c);
    node_start(&c->nodes[c->n_names - 1]);
    sim_note(c->sim, "sim", "quiet", w->ops, w->unknown_ops);
    settle(c->sim);
    if (!run_until(w, is_healed, HEAL_LIMIT, "the cluster to heal"))
        return false;
    w->strict = true;
    work_start(w, 4);
    return run_until(w, is_done, HEAL_LIMIT, "work in a healed cluster");
}

static void audit(struct work *w)
{
    void (*const steps[])(struct work *) = {audit_files, audit_tables, audit_restart, audit_files, audit_orphans};
    for (uint32_t i = 0; i < ARRAY_LEN(steps) && !w->cluster->sim->failed; i++) {
        sim_note(w->cluster->sim, "sim", "audit", i, 0);
        steps[i](w);
    }
}

void history_run(uint64_t seed, enum sabotage sabotage, const struct trim *trim, bool trace, struct history *out)
{
    struct sim s;
    struct cluster *c = xcalloc(1, sizeof *c);
    struct work *w = xcalloc(1, sizeof *w);
    sim_init(&s, seed, trace);
    uint64_t start = s.now;
    cluster_init(c, &s, sabotage, trim);
    work_init(w, c);
    if (boot(w) && work_under_faults(w) && work_after_faults(w))
        audit(w);
    *out = (struct history){.failed = s.failed,
                            .hash = s.hash,
                            .steps = s.steps,
                            .strikes = c->strikes,
                            .virtual_ns = s.now - start,
                            .ops = w->ops,
                            .audited = w->audited,
                            .failed_ops = w->failed_ops,
                            .unknown_ops = w->unknown_ops,
                            .writes = w->writes,
                            .undecided = w->undecided,
                            .cut = w->cut,
                            .crashes = c->crashes,
                            .cuts = c->cuts,
                            .snapshots = c->snapshots};
    snprintf(out->why, sizeof out->why, "%s", s.why);
    cluster_close(c);
    work_close(w);
    sim_close(&s);
    free(w);
    free(c);
}
