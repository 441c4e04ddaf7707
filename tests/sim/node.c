/* SPDX-License-Identifier: MIT */
#include "sim/node.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/crc.h"
#include "base/log.h"
#include "meta/meta.h"
#include "sim/admin.h"
#include "sim/loss.h"
#include "support/memdisk.h"

struct now node_now(const struct node *n)
{
    uint64_t mono = n->cluster->sim->now;
    return (struct now){mono, 1700000000 * (int64_t)NS_PER_SEC + (int64_t)mono + n->wall_skew};
}

bool node_defer(struct node *n, sim_fn fn, void *arg, uint64_t a, uint64_t b)
{
    struct sim *s = n->cluster->sim;
    if (!n->up || n->paused_until <= s->now)
        return false;
    sim_plan(s, n->paused_until - s->now, fn, arg, a, b);
    return true;
}

static bool node_is_full(const struct node *n) { return n->full_until > n->cluster->sim->now; }

/* A join that was interrupted before it had an identity is begun again. */
static bool has_identity(const struct node *n)
{
    uint8_t byte;
    size_t got = 0;
    return n->disks[0]->ops->read(n->disks[0], "identity", 0, &byte, 1, &got) == 0 && got == 1;
}

/* --- effects --- */

static void on_crash_planned(void *arg, uint64_t life, uint64_t power)
{
    struct node *n = arg;
    if (n->up && n->life == life)
        node_crash(n, power, sim_below(n->cluster->sim, n->cluster->swarm.downtime));
}

static void die_soon(struct node *n, bool power)
{
    n->dying = true;
    sim_plan(n->cluster->sim, 0, on_crash_planned, n, n->life, power);
}

static void on_disk_done(void *arg, uint64_t life, uint64_t disk)
{
    struct node *n = arg;
    if (!n->up || n->life != life || node_defer(n, on_disk_done, n, life, disk))
        return;
    struct disk *d = n->disks[disk];
    struct disk_op *op = memdisk_complete(d, (uint32_t)sim_below(n->cluster->sim, memdisk_pending(d)));
    sim_note(n->cluster->sim, n->name, "disk", (uint64_t)op->kind, op->length);
    struct event ev = {.kind = EV_DISK, .now = node_now(n), .token = op->token, .status = op->status, .op = op};
    node_event(n, &ev);
    disk_op_free(op);
    node_touch(n);
}

static void submit(struct node *n, struct effect *e)
{
    struct cluster *c = n->cluster;
    uint64_t delay = 1 + sim_below(c->sim, c->swarm.disk_delay);
    if (sim_chance(c->sim, c->swarm.disk_stall))
        delay *= 20;
    struct disk *d = n->disks[e->op->disk % NODE_DISKS];
    d->ops->submit(d, e->op);
    sim_plan(c->sim, delay, on_disk_done, n, n->life, e->op->disk % NODE_DISKS);
    e->op = NULL;
}

static void on_snapshot_done(void *arg, uint64_t life_status, uint64_t token)
{
    struct node *n = arg;
    if (!n->up || n->life != life_status >> 8 || node_defer(n, on_snapshot_done, n, life_status, token))
        return;
    int status = -(int)(life_status & 0xff);
    struct event ev = {.kind = EV_SNAPSHOT, .now = node_now(n), .token = token, .status = status};
    node_event(n, &ev);
    node_touch(n);
}

/* The child's writes happen in place. Now and then the child, or the machine, dies in the middle. */
static void snapshot(struct node *n, uint64_t token)
{
    struct cluster *c = n->cluster;
    bool dies = !c->quiet && sim_chance(c->sim, 200);
    if (dies)
        memdisk_fail(n->disks[0], DISK_WRITE, 1 + (uint32_t)sim_below(c->sim, 6), DFS_EIO, true);
    int err = nm_write_snapshot(n->nm, n->disks[0]);
    memdisk_fail(n->disks[0], DISK_WRITE, 0, 0, false);
    sim_note(c->sim, n->name, "snapshot", token, (uint64_t)-err);
    if (err && !dies && !n->disk_faulty && !(err == DFS_ENOSPC && node_is_full(n)))
        sim_fail(c->sim, "%s cannot write its snapshot: %s", n->name, dfs_errname(err));
    c->snapshots += !err;
    if (err && sim_chance(c->sim, 500))
        die_soon(n, c->swarm.power);
    else
        sim_plan(c->sim, sim_below(c->sim, 300 * NS_PER_MS), on_snapshot_done, n, n->life << 8 | (uint64_t)-err, token);
}

static void carry_out(struct node *n)
{
    struct cluster *c = n->cluster;
    for (uint32_t i = 0; i < n->fx.n; i++) {
        struct effect *e = &n->fx.v[i];
        switch (e->kind) {
        case EFF_REPLY:
            net_reply(&c->net, n, e);
            break;
        case EFF_CALL:
            net_call(&c->net, n, e);
            break;
        case EFF_DISK:
            submit(n, e);
            break;
        case EFF_SNAPSHOT:
            snapshot(n, e->token);
            break;
        case EFF_LOG:
            sim_say(c->sim, n->name, "log: %.*s", STR_ARG(e->text));
            break;
        case EFF_FATAL:
            sim_say(c->sim, n->name, "gives up: %.*s", STR_ARG(e->text));
            if (!n->disk_faulty && !(node_is_full(n) && n->nm && !has_identity(n)))
                sim_fail(c->sim, "%s gives up though its disks work: %.*s", n->name, STR_ARG(e->text));
            die_soon(n, true);
            break;
        }
    }
    fx_reset(&n->fx);
}

/* --- the loop --- */

static uint64_t core_deadline(const struct node *n)
{
    return n->nm ? nm_deadline(n->nm) : n->ss ? ss_deadline(n->ss) : client_deadline(n->client);
}

static void learn_self(struct node *n)
{
    if (n->nm) {
        nm_cluster(n->nm, &n->self.cluster_hi, &n->self.cluster_lo);
        n->self.node = nm_id(n->nm);
    } else if (n->ss) {
        ss_cluster(n->ss, &n->self.cluster_hi, &n->self.cluster_lo);
        n->self.node = ss_id(n->ss);
    }
}

void node_event(struct node *n, const struct event *ev)
{
    if (n->dying)
        return;
    sim_note(n->cluster->sim, n->name, "event", ev->msg ? ev->msg->type : 0, (uint64_t)-ev->status);
    if (n->nm)
        nm_event(n->nm, ev, &n->fx);
    else if (n->ss)
        ss_event(n->ss, ev, &n->fx);
    else
        client_event(n->client, ev, &n->fx);
    carry_out(n);
    learn_self(n);
}

static void on_wake(void *arg, uint64_t life, uint64_t unused);

static void arm(struct node *n)
{
    struct sim *s = n->cluster->sim;
    uint64_t at = min_u64(core_deadline(n), net_deadline(n));
    if (at >= n->armed)
        return;
    n->armed = max_u64(at, s->now + 1);
    sim_plan(s, n->armed - s->now, on_wake, n, n->life, 0);
}

static void on_turn(void *arg, uint64_t life, uint64_t unused)
{
    (void)unused;
    struct node *n = arg;
    if (!n->up || n->life != life || n->dying || node_defer(n, on_turn, n, life, 0))
        return;
    n->turn_planned = false;
    struct now now = node_now(n);
    if (n->nm)
        nm_turn(n->nm, now, &n->fx);
    else if (n->ss)
        ss_turn(n->ss, now, &n->fx);
    else
        client_turn(n->client, now, &n->fx);
    carry_out(n);
    learn_self(n);
    net_flush(&n->cluster->net, n);
    if (n->nm) {
        cluster_check_leader(n->cluster);
        admin_check(n->cluster);
        if (sim_chance(n->cluster->sim, 2))
            cluster_check_states(n->cluster);
    }
    arm(n);
}

void node_touch(struct node *n)
{
    if (n->turn_planned || !n->up)
        return;
    n->turn_planned = true;
    sim_plan(n->cluster->sim, sim_below(n->cluster->sim, n->cluster->swarm.turn_delay), on_turn, n, n->life, 0);
}

static void on_wake(void *arg, uint64_t life, uint64_t unused)
{
    (void)unused;
    struct node *n = arg;
    if (!n->up || n->life != life || node_defer(n, on_wake, n, life, 0))
        return;
    if (n->armed <= n->cluster->sim->now)
        n->armed = UINT64_MAX;
    net_expire(&n->cluster->net, n);
    node_touch(n);
}

/* --- starting and ending --- */

static uint64_t fresh(struct node *n)
{
    return mix64(sim_below(n->cluster->sim, UINT64_MAX) ^ ++n->cluster->next_uuid);
}

static int open_nm(struct node *n, char *why, size_t len)
{
    struct swarm *w = &n->cluster->swarm;
    bool first = n == &n->cluster->nodes[0];
    struct nm_config cfg = {.address = n->address,
                            .init = first && !n->initialised,
                            .n_join = !first && !has_identity(n) ? n->cluster->n_names : 0,
                            .trust_lease = w->sabotage == SABOTAGE_TRUST_LEASE,
                            .cluster_hi = fresh(n),
                            .cluster_lo = fresh(n),
                            .uuid_hi = fresh(n),
                            .uuid_lo = fresh(n),
                            .seed = fresh(n),
                            .relaxed = w->sabotage == SABOTAGE_NM_ACK_EARLY,
                            .forget_results = w->sabotage == SABOTAGE_FORGET_RESULTS,
                            .grant_lifetime = 8 * NS_PER_SEC,
                            .repair_grace = 3 * NS_PER_SEC,
                            .count_failed = w->sabotage == SABOTAGE_COUNT_FAILED,
                            .lock_ttl = w->lock_ttl,
                            .pass_locks_early = w->sabotage == SABOTAGE_PASS_LOCKS,
                            .delegation_ttl = w->delegation_ttl,
                            .ignore_delegations = w->sabotage == SABOTAGE_IGNORE_DELEGATIONS,
                            .revoke_early = w->sabotage == SABOTAGE_REVOKE_EARLY,
                            .reader_grace = 4 * NS_PER_SEC,
                            .snapshot_log_bytes = w->snapshot_bytes,
                            .log_segment_bytes = w->log_segment};
    for (uint32_t i = 0; i < cfg.n_join; i++)
        cfg.join[i] = n->cluster->nodes[i].address;
    int err = nm_open(&cfg, n->disks[0], node_now(n), &n->nm, why, len);
    n->initialised |= err == 0;
    return err;
}

static int open_ss(struct node *n, char *why, size_t len)
{
    struct swarm *w = &n->cluster->swarm;
    struct ss_config cfg = {.address = n->address,
                            .domain = "",
                            .n_nameservers = n->cluster->n_names,
                            .uuid_hi = fresh(n),
                            .uuid_lo = fresh(n),
                            .incarnation = fresh(n),
                            .seed = fresh(n),
                            .relaxed = w->sabotage == SABOTAGE_SS_ACK_EARLY,
                            .report_period = 20 * NS_PER_SEC,
                            .ack_alone = w->sabotage == SABOTAGE_ACK_ALONE,
                            .any_version = w->sabotage == SABOTAGE_ANY_VERSION,
                            .trust_copies = w->sabotage == SABOTAGE_TRUST_COPIES,
                            .forget_appends = w->sabotage == SABOTAGE_FORGET_APPENDS,
                            .keep_cut = w->sabotage == SABOTAGE_KEEP_CUT,
                            .segment_size = w->segment_size};
    for (uint32_t i = 0; i < n->cluster->n_names; i++)
        cfg.nameservers[i] = n->cluster->nodes[i].address;
    return ss_open(&cfg, n->disks, n->n_disks, node_now(n), &n->ss, why, len);
}

static void open_client(struct node *n)
{
    struct swarm *w = &n->cluster->swarm;
    struct client_config cfg = {.n_nameservers = n->cluster->n_names,
                                .program = "sim",
                                .nonce = fresh(n),
                                .seed = fresh(n),
                                .timeout = w->client_timeout,
                                .call_timeout = w->client_timeout / 4,
                                .trust_payload = w->sabotage == SABOTAGE_TRUST_PAYLOAD};
    for (uint32_t i = 0; i < n->cluster->n_names; i++)
        cfg.nameservers[i] = n->cluster->nodes[i].address;
    n->client = client_new(&cfg);
}

/* Clocks are off by seconds, and some by a day. */
static int64_t draw_skew(struct sim *s)
{
    int64_t most = (int64_t)((sim_chance(s, 150) ? 86400 : 10) * NS_PER_SEC);
    return (int64_t)sim_below(s, 2 * (uint64_t)most) - most;
}

void node_set_clock(struct node *n)
{
    n->wall_skew = draw_skew(n->cluster->sim);
    sim_note(n->cluster->sim, n->name, "clock", (uint64_t)n->wall_skew, 0);
}

static void on_restart(void *arg, uint64_t life, uint64_t unused);

void node_start(struct node *n)
{
    static const uint8_t roles[] = {[NODE_NM] = ROLE_NAME, [NODE_SS] = ROLE_STORAGE, [NODE_CLIENT] = ROLE_CLIENT};
    struct sim *s = n->cluster->sim;
    char why[256] = "";
    int err = 0;
    if (n->up)
        return;
    if (n == &n->cluster->nodes[n->cluster->n_names - 1])
        n->cluster->latecomer = false;
    n->life++;
    n->wall_skew = draw_skew(s);
    n->self = (struct link_self){.role = roles[n->kind], .software = "sim"};
    if (n->kind == NODE_NM)
        err = open_nm(n, why, sizeof why);
    else if (n->kind == NODE_SS)
        err = open_ss(n, why, sizeof why);
    else
        open_client(n);
    sim_note(s, n->name, "start", n->life, (uint64_t)-err);
    if (err == DFS_ENOSPC && node_is_full(n)) {
        sim_plan(s, NS_PER_SEC, on_restart, n, n->life, 0);
        return;
    }
    if (err) {
        sim_fail(s, "%s refuses its own disks: %s (%s)", n->name, why, dfs_errname(err));
        return;
    }
    n->up = true;
    n->dying = n->turn_planned = n->disk_faulty = false;
    n->paused_until = 0;
    n->armed = UINT64_MAX;
    learn_self(n);
    node_touch(n);
}

static void on_restart(void *arg, uint64_t life, uint64_t unused)
{
    (void)unused;
    struct node *n = arg;
    if (!n->up && n->life == life)
        node_start(n);
}

static void close_core(struct node *n)
{
    if (n->nm)
        nm_close(n->nm);
    if (n->ss)
        ss_close(n->ss);
    if (n->client)
        client_free(n->client);
    n->nm = NULL;
    n->ss = NULL;
    n->client = NULL;
    fx_reset(&n->fx);
}

struct names {
    char v[256][DISK_NAME_MAX + 1];
    uint32_t n;
};

static void on_name(void *arg, const char *name, uint64_t size)
{
    struct names *names = arg;
    (void)size;
    if (strncmp(name, "seg-", 4) == 0 && names->n < ARRAY_LEN(names->v))
        snprintf(names->v[names->n++], sizeof names->v[0], "%s", name);
}

void node_wipe(struct disk *d)
{
    struct names *names = xcalloc(1, sizeof *names);
    (void)d->ops->list(d, on_name, names);
    for (uint32_t i = 0; i < names->n; i++)
        (void)d->ops->unlink(d, names->v[i]);
    free(names);
}

void node_crash(struct node *n, bool power, uint64_t downtime)
{
    struct cluster *c = n->cluster;
    if (!n->up)
        return;
    power |= n->disk_faulty; /* what a failed flush left in the page cache is not to be built upon */
    sim_note(c->sim, n->name, power ? "power loss" : "kill", downtime, 0);
    n->up = false;
    n->life++;
    c->crashes++;
    net_forget(&c->net, n, power && sim_chance(c->sim, 500) ? 3 * NS_PER_SEC : 5 * NS_PER_MS);
    close_core(n);
    for (uint32_t i = 0; i < n->n_disks; i++) {
        if (power)
            memdisk_crash(n->disks[i], CRASH_RANDOM);
        else
            memdisk_kill(n->disks[i]);
        if (n->kind == NODE_SS && c->swarm.sabotage == SABOTAGE_WIPE_REPLICA)
            node_wipe(n->disks[i]);
    }
    sim_plan(c->sim, downtime, on_restart, n, n->life, 0);
}

static void on_space(void *arg, uint64_t until, uint64_t unused)
{
    struct node *n = arg;
    (void)unused;
    if (n->full_until == until)
        node_fill(n, 0);
}

void node_fill(struct node *n, uint64_t ns)
{
    struct sim *s = n->cluster->sim;
    bool some = ns && n->kind == NODE_SS && sim_chance(s, 500); /* there is space, but not for another segment */
    n->full_until = ns ? s->now + ns : 0;
    for (uint32_t i = 0; i < n->n_disks; i++) {
        if (n->kind == NODE_SS)
            memdisk_fail(n->disks[i], DISK_CREATE, some, DFS_ENOSPC, some);
        memdisk_resize(n->disks[i], ns && !some ? memdisk_used(n->disks[i]) + sim_below(s, MIB) : NODE_DISK_BYTES);
    }
    sim_note(s, n->name, ns ? "disk full" : "disk has space", ns, 0);
    if (ns)
        sim_plan(s, ns, on_space, n, n->full_until, 0);
    else
        node_touch(n);
}

void node_pause(struct node *n, uint64_t ns)
{
    if (!n->up || n->paused_until > n->cluster->sim->now)
        return;
    n->paused_until = n->cluster->sim->now + ns;
    sim_note(n->cluster->sim, n->name, "pause", ns, 0);
}

/* --- the cluster --- */

static void add_node(struct cluster *c, enum node_kind kind, const char *word, uint32_t number)
{
    struct node *n = &c->nodes[c->n_nodes++];
    *n = (struct node){.cluster = c, .kind = kind};
    snprintf(n->name, sizeof n->name, "%s%u", word, number % 100);
    snprintf(n->address, sizeof n->address, "10.0.%d.%u:46%d0", kind, number, kind == NODE_NM ? 1 : 2);
    n->n_disks = kind == NODE_NM ? 1 : kind == NODE_SS ? c->swarm.disks_per_server : 0;
    for (uint32_t i = 0; i < n->n_disks; i++) {
        n->disks[i] = memdisk_new(fresh(n), NODE_DISK_BYTES);
        memdisk_skip_flush(n->disks[i], c->swarm.sabotage == SABOTAGE_SKIP_FSYNC);
    }
    fx_init(&n->fx);
}

void cluster_init(struct cluster *c, struct sim *sim, enum sabotage sabotage, const struct trim *trim)
{
    *c = (struct cluster){.sim = sim};
    swarm_draw(&c->swarm, sim, sabotage, trim);
    net_init(&c->net, c);
    c->n_names = c->swarm.names;
    c->n_servers = c->swarm.servers;
    c->latecomer = c->swarm.latecomer > 0;
    for (uint32_t i = 0; i < c->n_names; i++)
        add_node(c, NODE_NM, "nm", i + 1);
    for (uint32_t i = 0; i < c->n_servers; i++)
        add_node(c, NODE_SS, "ss", i + 1);
    for (uint32_t i = 0; i < c->swarm.clients; i++)
        add_node(c, NODE_CLIENT, "c", i + 1);
}

void cluster_close(struct cluster *c)
{
    c->admin.closed = true;
    net_close(&c->net);
    loss_close(c);
    for (uint32_t i = 0; i < c->n_nodes; i++) {
        struct node *n = &c->nodes[i];
        close_core(n);
        fx_close(&n->fx);
        for (uint32_t d = 0; d < n->n_disks; d++)
            memdisk_free(n->disks[d]);
    }
}

struct node *cluster_nm(struct cluster *c)
{
    for (uint32_t i = 0; i < c->n_names; i++)
        if (c->nodes[i].up && nm_leads(c->nodes[i].nm, c->sim->now))
            return &c->nodes[i];
    for (uint32_t i = 0; i < c->n_names; i++)
        if (c->nodes[i].up && nm_serving(c->nodes[i].nm))
            return &c->nodes[i];
    return &c->nodes[0];
}

void cluster_check_leader(struct cluster *c)
{
    const struct node *leader = NULL;
    for (uint32_t i = 0; i < c->n_names; i++) {
        const struct node *n = &c->nodes[i];
        if (!n->up || !nm_leads(n->nm, c->sim->now))
            continue;
        if (leader)
            sim_fail(c->sim, "%s and %s both lead", leader->name, n->name);
        leader = n;
    }
    c->leaders += leader && leader != c->last_leader;
    c->last_leader = leader ? leader : c->last_leader;
}

static int hash_bytes(void *arg, const void *p, size_t len)
{
    uint64_t *hash = arg;
    *hash = mix64(*hash ^ crc32c(0, p, len));
    return 0;
}

/* Which states there are: all that was applied, by which processes. */
static uint64_t states_now(const struct cluster *c)
{
    uint64_t h = 0;
    for (uint32_t i = 0; i < c->n_names; i++)
        h = mix64(h ^ c->nodes[i].life) ^ (c->nodes[i].up ? nm_applied(c->nodes[i].nm) + 1 : 0);
    return h;
}

/* Another NameServer has applied the same. */
static bool has_twin(const struct cluster *c, const struct node *n)
{
    for (uint32_t i = 0; i < c->n_names; i++)
        if (&c->nodes[i] != n && c->nodes[i].up && nm_applied(c->nodes[i].nm) == nm_applied(n->nm))
            return true;
    return false;
}

void cluster_check_states(struct cluster *c)
{
    uint64_t hash[CLUSTER_NAMES] = {0}, states = states_now(c);
    if (states == c->compared)
        return;
    c->compared = states;
    for (uint32_t i = 0; i < c->n_names; i++) {
        const struct node *n = &c->nodes[i];
        if (!n->up || !has_twin(c, n))
            continue;
        if (meta_save(nm_meta(n->nm), hash_bytes, &hash[i]) != 0)
            sim_fail(c->sim, "the state of %s cannot be saved", n->name);
        for (uint32_t k = 0; k < i; k++)
            if (c->nodes[k].up && nm_applied(c->nodes[k].nm) == nm_applied(n->nm) && hash[i] != hash[k])
                sim_fail(c->sim, "%s and %s hold different states at index %" PRIu64, n->name, c->nodes[k].name,
                         nm_applied(n->nm));
    }
}

uint32_t cluster_server(struct cluster *c, uint32_t id)
{
    uint32_t i = 0;
    while (i < c->n_servers && !(cluster_ss(c, i)->ss && ss_id(cluster_ss(c, i)->ss) == id))
        i++;
    return i;
}

bool cluster_whole(struct cluster *c)
{
    struct node *leader = cluster_nm(c);
    uint32_t names = c->n_names - c->latecomer;
    for (uint32_t i = 0; i < names; i++)
        if (!c->nodes[i].up)
            return false;
    if (!nm_serving(leader->nm) || nm_voters(leader->nm) != names)
        return false;
    for (uint32_t i = 0; i < c->n_servers; i++)
        if (!cluster_ss(c, i)->up || !ss_registered(cluster_ss(c, i)->ss))
            return false;
    return true;
}
