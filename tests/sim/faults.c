/* SPDX-License-Identifier: MIT */
#include "sim/faults.h"

#include "sim/admin.h"
#include "sim/loss.h"
#include "support/memdisk.h"

static bool draw_power(struct cluster *c) { return c->swarm.power && sim_chance(c->sim, 600); }

static void crash(struct cluster *c, struct node *n)
{
    node_crash(n, draw_power(c), sim_below(c->sim, c->swarm.downtime));
}

/* The leader, or any. */
static void fault_crash_nm(struct cluster *c)
{
    crash(c, sim_chance(c->sim, 500) ? cluster_nm(c) : &c->nodes[sim_below(c->sim, c->n_names)]);
}

/* A NameServer is cut off from some or all of the others, in one direction or both, and perhaps from everybody else. */
static void fault_partition(struct cluster *c)
{
    uint32_t victim = (uint32_t)(sim_chance(c->sim, 500) ? cluster_nm(c) - c->nodes : (long)sim_below(c->sim, c->n_names));
    uint64_t until = c->sim->now + sim_below(c->sim, 6 * NS_PER_SEC);
    unsigned in = sim_chance(c->sim, 700), out = sim_chance(c->sim, 700) || !in;
    uint32_t among = sim_chance(c->sim, 300) ? c->n_nodes : c->n_names;
    for (uint32_t i = 0; i < among; i++) {
        if (i == victim || sim_chance(c->sim, 200))
            continue;
        if (in)
            c->blocked[i][victim] = until;
        if (out)
            c->blocked[victim][i] = until;
    }
    sim_note(c->sim, c->nodes[victim].name, "partition", until, in * 2 + out);
}

static void fault_crash_ss(struct cluster *c) { crash(c, cluster_ss(c, (uint32_t)sim_below(c->sim, c->n_servers))); }

static void fault_crash_client(struct cluster *c)
{
    crash(c, cluster_client(c, (uint32_t)sim_below(c->sim, c->swarm.clients)));
}

/* Every server at the same instant; the clients live on and must see nothing acknowledged lost. */
static void fault_crash_all(struct cluster *c)
{
    bool power = draw_power(c);
    for (uint32_t i = 0; i < cluster_no_clients(c); i++)
        node_crash(&c->nodes[i], power, sim_below(c->sim, c->swarm.downtime));
}

static void fault_cut(struct cluster *c) { c->cuts += net_cut(&c->net); }

static void fault_stall(struct cluster *c) { (void)net_stall(&c->net, sim_below(c->sim, 8 * NS_PER_SEC)); }

static void fault_pause(struct cluster *c)
{
    uint64_t most = sim_chance(c->sim, 200) ? 10 * NS_PER_SEC : NS_PER_SEC;
    if (c->swarm.long_pauses) {
        node_pause(cluster_client(c, (uint32_t)sim_below(c->sim, c->swarm.clients)), sim_below(c->sim, 8 * NS_PER_SEC));
        return;
    }
    struct node *n = sim_chance(c->sim, 300) ? cluster_nm(c) : &c->nodes[sim_below(c->sim, c->n_nodes)];
    node_pause(n, sim_below(c->sim, most));
}

static void fault_alter(struct cluster *c) { net_alter(&c->net); }

/* One call, or all calls of a kind from then on, fail with EIO. */
static void fault_disk_error(struct cluster *c)
{
    static const enum disk_kind kinds[] = {DISK_WRITE, DISK_FLUSH, DISK_READ, DISK_CREATE};
    struct node *n = &c->nodes[sim_below(c->sim, cluster_no_clients(c))];
    enum disk_kind kind = kinds[sim_below(c->sim, ARRAY_LEN(kinds))];
    if (!n->up)
        return;
    n->disk_faulty = true;
    sim_note(c->sim, n->name, "disk error", (uint64_t)kind, 0);
    memdisk_fail(n->disks[sim_below(c->sim, n->n_disks)], kind, 1 + (uint32_t)sim_below(c->sim, 6), DFS_EIO,
                 sim_chance(c->sim, 300));
}

/* No space for a while, on one server or on all StorageServers: what is there is read, what is new is refused, and it recovers by
 * itself. */
static void fault_disk_full(struct cluster *c)
{
    uint64_t ns = 1 + sim_below(c->sim, 10 * NS_PER_SEC);
    if (sim_chance(c->sim, 300)) {
        for (uint32_t i = 0; i < c->n_servers; i++)
            node_fill(cluster_ss(c, i), ns);
        return;
    }
    node_fill(sim_chance(c->sim, 400) ? cluster_nm(c) : &c->nodes[sim_below(c->sim, cluster_no_clients(c))], ns);
}

static void fault_clock(struct cluster *c) { node_set_clock(&c->nodes[sim_below(c->sim, cluster_no_clients(c))]); }

static void (*const strikes[FAULT_KINDS])(struct cluster *c) = {
    [FAULT_crash_nm] = fault_crash_nm,
    [FAULT_crash_ss] = fault_crash_ss,
    [FAULT_crash_client] = fault_crash_client,
    [FAULT_crash_all] = fault_crash_all,
    [FAULT_partition] = fault_partition,
    [FAULT_cut] = fault_cut,
    [FAULT_stall] = fault_stall,
    [FAULT_pause] = fault_pause,
    [FAULT_corrupt] = fault_alter,
    [FAULT_disk_error] = fault_disk_error,
    [FAULT_loss] = loss_strike,
    [FAULT_cut_off] = loss_partition,
    [FAULT_disk_full] = fault_disk_full,
    [FAULT_clock] = fault_clock,
    [FAULT_drain] = admin_strike,
    [FAULT_rot] = loss_rot,
};

static void on_strike(void *arg, uint64_t kind, uint64_t first)
{
    struct cluster *c = arg;
    uint64_t mean = *swarm_rate(&c->swarm, (enum fault)kind);
    if (c->quiet || mean == 0)
        return;
    if (!first && c->strikes == c->swarm.strikes)
        return;
    if (!first) {
        c->strikes++;
        strikes[kind](c);
    }
    sim_plan(c->sim, sim_below(c->sim, 2 * mean), on_strike, c, kind, 0);
}

void faults_stop(struct cluster *c)
{
    if (!c->quiet)
        loss_give_up(c);
    c->quiet = true;
    memset(c->blocked, 0, sizeof c->blocked);
    for (uint32_t i = 0; i < cluster_no_clients(c); i++)
        node_fill(&c->nodes[i], 0);
    for (uint32_t i = 0; i < cluster_no_clients(c); i++)
        if (c->nodes[i].disk_faulty)
            node_crash(&c->nodes[i], true, 0);
}

void faults_start(struct cluster *c)
{
    for (uint64_t kind = 0; kind < FAULT_KINDS; kind++)
        on_strike(c, kind, 1);
}
