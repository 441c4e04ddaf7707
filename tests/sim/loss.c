/* SPDX-License-Identifier: MIT */
#include "sim/loss.h"

#include <stdio.h>
#include <stdlib.h>

#include "group/agree.h"
#include "meta/meta.h"
#include "sim/admin.h"
#include "store/impl.h"
#include "support/memdisk.h"

/* Longer than it takes to notice what is missing: two reports (node.c), comparing, a grace, and a grant's lifetime. */
#define BETWEEN (60 * NS_PER_SEC)
/* The longest downtime, and a report. */
#define NOTICED (20 * NS_PER_SEC)
/* When all that were not lost for good are back: an administrator looks at what waits for others (CONSISTENCY B11). */
#define GIVE_UP_AFTER (20 * NS_PER_SEC)
#define GIVE_UP_EVERY NS_PER_SEC

static struct disk *disk_copy(struct cluster *c, struct disk *from)
{
    struct disk *to = memdisk_new(sim_below(c->sim, UINT64_MAX), NODE_DISK_BYTES);
    int err = memdisk_copy(from, to);
    if (err)
        sim_fail(c->sim, "a disk cannot be copied: %s", dfs_errname(err));
    return to;
}

static void backup_drop(struct node *n)
{
    for (uint32_t i = 0; i < NODE_DISKS; i++) {
        memdisk_free(n->backup[i]);
        n->backup[i] = NULL;
    }
}

void loss_close(struct cluster *c)
{
    for (uint32_t i = 0; i < c->n_nodes; i++)
        backup_drop(&c->nodes[i]);
}

static void disk_replace(struct node *n, uint32_t i, struct disk *with)
{
    memdisk_free(n->disks[i]);
    n->disks[i] = with;
    memdisk_skip_flush(with, n->cluster->swarm.sabotage == SABOTAGE_SKIP_FSYNC);
}

static void lose_server(struct node *n)
{
    for (uint32_t i = 0; i < n->n_disks; i++)
        disk_replace(n, i, memdisk_new(sim_below(n->cluster->sim, UINT64_MAX), NODE_DISK_BYTES));
    admin_lost(n->cluster, n);
    backup_drop(n); /* of another server from now on */
}

void loss_replace(struct node *n, uint64_t downtime)
{
    node_crash(n, false, downtime);
    lose_server(n);
}

static void lose_since_backup(struct node *n)
{
    for (uint32_t i = 0; i < n->n_disks; i++) {
        if (n->backup[i])
            disk_replace(n, i, disk_copy(n->cluster, n->backup[i]));
        else
            n->backup[i] = disk_copy(n->cluster, n->disks[i]);
    }
}

static bool was_flipped(const struct cluster *c, uint64_t segment)
{
    for (uint32_t i = 0; i < c->n_flipped; i++)
        if (c->flipped[i] == segment)
            return true;
    return false;
}

/* A bit of what is on a disk, one of each file: one wrong bit must never matter. False: there is nothing. */
static bool flip_a_bit(struct node *n)
{
    struct sim *s = n->cluster->sim;
    const struct segment *victim = NULL;
    struct cluster *c = n->cluster;
    uint32_t seen = 0;
    char name[DISK_NAME_MAX + 1];
    for (uint32_t i = 0; n->up && i < n->ss->n_segments; i++) {
        const struct segment *g = n->ss->segments[i];
        if (g && g->live && !was_flipped(c, g->header.id << 8 | g->disk) && sim_below(s, ++seen) == 0)
            victim = g;
    }
    if (!victim || c->n_flipped == ARRAY_LEN(c->flipped))
        return false;
    c->flipped[c->n_flipped++] = victim->header.id << 8 | victim->disk;
    segment_name(name, sizeof name, victim->header.id);
    return memdisk_flip(n->disks[victim->disk], name, sim_below(s, victim->end), (uint8_t)(1U << sim_below(s, 8)));
}

/* --- what may be lost --- */

struct spare {
    struct cluster *c;
    const struct node *victim;
    bool settled; /* nothing of it takes writes: a version that ends may go on with it alone */
    bool all;
};

/* How much of a chunk is there and can be read: the version, and of one that takes writes the last that is durable here and
 * on all servers further down the chain; 0: nothing. */
static uint64_t history_of(const struct node *n, const struct meta_chunk_info *i)
{
    const struct chunk *k = index_find(&n->ss->index, i->chunk);
    bool good = k && !(k->flags & (CHUNK_DAMAGED | CHUNK_DELETING)) && !n->ss->stores[k->disk].failed;
    return good ? order_of(k->version, i->open ? k->sequence : 0) : 0;
}

/* Of what the victim holds there is another copy, with all that was acknowledged, on a server that is not being drained. What was
 * acknowledged is on each member, so the longest history of all of them is enough; a member that was itself set back may have less. */
static bool on_mapped(void *arg, const struct meta_chunk_info *i)
{
    struct spare *s = arg;
    struct meta_placement p;
    uint64_t most = order_of(i->version, 0), elsewhere = 0;
    bool holds = false;
    if (i->removed || !meta_placement_get(nm_meta(cluster_nm(s->c)->nm), i->placement, &p))
        return true;
    for (uint32_t k = 0; k < p.n; k++) {
        uint32_t at = cluster_server(s->c, p.servers[k]);
        const struct node *n = at < s->c->n_servers ? cluster_ss(s->c, at) : NULL;
        uint64_t history = n ? history_of(n, i) : 0;
        holds |= n == s->victim;
        most = max_u64(most, history);
        if (n && n != s->victim && !n->disk_faulty && !admin_drains(s->c, n))
            elsewhere = max_u64(elsewhere, history);
    }
    s->all = !holds || (elsewhere >= most && !(s->settled && i->open));
    return s->all;
}

/* What an administrator sees, and that it is so: a copy may have gone bad a moment ago. */
static bool may_be_lost(struct cluster *c, const struct node *victim, bool settled)
{
    struct spare s = {.c = c, .victim = victim, .settled = settled, .all = true};
    struct meta_health h;
    uint64_t cursor = 0;
    if (!cluster_whole(c))
        return false;
    meta_health(nm_meta(cluster_nm(c)->nm), &h);
    if (h.under_replicated || h.missing)
        return false;
    while (meta_chunk_scan(nm_meta(cluster_nm(c)->nm), &cursor, 1U << 20, on_mapped, &s) && s.all)
        ;
    return s.all;
}

static bool leads(const struct node *n) { return n->up && nm_leads(n->nm, n->cluster->sim->now); }

/* A chunk that waits for a server that is gone, and its file; 0: none. */
static uint64_t waits_next(const struct node *leader, uint64_t *ino)
{
    size_t at = 0;
    uint64_t chunk;
    while (meta_open_chunk_next(nm_meta(leader->nm), &at, &chunk, ino))
        if (agree_waits(leader->nm, chunk))
            return chunk;
    return 0;
}

static void on_look(void *arg, uint64_t unused, uint64_t unused2)
{
    struct cluster *c = arg;
    struct node *leader = cluster_nm(c);
    struct msg m = {.type = MSG_TYPE_give_up};
    uint64_t chunk;
    (void)unused;
    (void)unused2;
    while (!c->sim->failed && leads(leader) && (chunk = waits_next(leader, &m.give_up.ino))) {
        sim_note(c->sim, leader->name, "give up", chunk, m.give_up.ino);
        node_event(leader,
                   &(struct event){.kind = EV_REQUEST, .now = node_now(leader), .peer = "administrator", .msg = &m});
        if (leads(leader) && agree_waits(leader->nm, chunk))
            sim_fail(c->sim, "chunk %" PRIu64 " waits for servers that were given up", chunk);
    }
    c->looked = c->looked || leads(leader);
    sim_plan(c->sim, GIVE_UP_EVERY, on_look, c, 0, 0);
}

void loss_give_up(struct cluster *c) { sim_plan(c->sim, GIVE_UP_AFTER, on_look, c, 0, 0); }

bool loss_unnoticed(const struct cluster *c) { return c->sim->now < c->lost_at + NOTICED; }

void loss_strike(struct cluster *c)
{
    struct node *n = cluster_ss(c, (uint32_t)sim_below(c->sim, c->n_servers));
    uint32_t kind = (uint32_t)sim_below(c->sim, 3);
    if (c->sim->now < c->lost_at + BETWEEN || (c->rotten && c->rotten != n) || !may_be_lost(c, n, false))
        return;
    c->lost_at = c->sim->now;
    sim_note(c->sim, n->name, "loss", kind, 0);
    node_crash(n, false, sim_below(c->sim, c->swarm.downtime));
    if (kind == 0)
        lose_server(n);
    else if (kind == 1)
        node_wipe(n->disks[sim_below(c->sim, n->n_disks)]);
    else
        lose_since_backup(n);
}

void loss_rot(struct cluster *c)
{
    struct node *n = c->rotten ? c->rotten : cluster_ss(c, (uint32_t)sim_below(c->sim, c->n_servers));
    if (!admin_idle(c) || !may_be_lost(c, n, true) || !flip_a_bit(n))
        return;
    c->rotten = n;
    sim_note(c->sim, n->name, "rot", 0, 0);
    if (sim_chance(c->sim, 300)) /* what is found at a start is found otherwise than by a reader */
        node_crash(n, false, sim_below(c->sim, c->swarm.downtime));
}

void loss_partition(struct cluster *c)
{
    uint32_t victim = c->n_names + (uint32_t)sim_below(c->sim, c->n_servers);
    uint32_t kind = (uint32_t)sim_below(c->sim, 3);
    uint64_t until = c->sim->now + sim_below(c->sim, 8 * NS_PER_SEC);
    uint32_t from = kind == 0 ? 0 : kind == 1 ? c->n_names + c->n_servers : c->n_names;
    uint32_t to = kind == 0 ? c->n_names : kind == 1 ? c->n_nodes : c->n_names + c->n_servers;
    bool one_way = sim_chance(c->sim, 300);
    if (kind == 2) {
        from += (uint32_t)sim_below(c->sim, c->n_servers);
        to = from + 1;
    }
    for (uint32_t i = from; i < to; i++) {
        if (i == victim)
            continue;
        c->blocked[i][victim] = until;
        if (!one_way)
            c->blocked[victim][i] = until;
    }
    sim_note(c->sim, c->nodes[victim].name, "cut off", kind, until);
}
