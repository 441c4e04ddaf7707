/* SPDX-License-Identifier: MIT */
#include "sim/admin.h"

#include "meta/meta.h"
#include "sim/loss.h"

/* Between two looks at a server that is being drained, and after an error. */
#define LOOK_EVERY (NS_PER_SEC / 2)
/* A removal whose outcome is not known may still be on its way for so long; a drain is not called off before. */
#define STRAY (40 * NS_PER_SEC)

/*   IDLE -> DRAIN -> WATCH -> REMOVE -> IDLE, with an empty server in its place
 *                      |  <------'  refused, or not known
 *                      '---> UNDRAIN -> IDLE */
enum { ADMIN_IDLE, ADMIN_DRAIN, ADMIN_WATCH, ADMIN_REMOVE, ADMIN_UNDRAIN };

static void on_step(void *arg, uint64_t unused, uint64_t unused2);

static void go_to(struct cluster *c, uint32_t state, uint64_t delay)
{
    c->admin.state = state;
    if (state != ADMIN_IDLE)
        sim_plan(c->sim, delay, on_step, c, 0, 0);
}

static const char *state_of(const struct cluster *c, const struct dfs_result *r)
{
    for (size_t i = 0; i < r->status->n_servers; i++)
        if (r->status->servers[i].id == c->admin.server)
            return r->status->servers[i].state;
    return "removed";
}

/* What the manual promises: whatever was on it is elsewhere. (It may have been lost while it was drained.) */
static void take_out(struct cluster *c)
{
    sim_note(c->sim, "adm", "taken out", c->admin.server, c->admin.at);
    c->removed++;
    if (c->admin.at < c->n_servers)
        loss_replace(cluster_ss(c, c->admin.at), sim_below(c->sim, c->swarm.downtime));
    go_to(c, ADMIN_IDLE, 0);
}

void admin_lost(struct cluster *c, const struct node *n)
{
    if (n == cluster_ss(c, c->admin.at % c->n_servers))
        c->admin.at = c->n_servers;
}

static void look(struct cluster *c, const struct dfs_result *r)
{
    const char *state = state_of(c, r);
    if (strcmp(state, "removed") == 0)
        take_out(c); /* the answer to an earlier removal was lost */
    else if ((c->quiet || sim_chance(c->sim, 30)) && c->sim->now >= c->admin.unsure_until)
        go_to(c, ADMIN_UNDRAIN, 0);
    else if (strcmp(state, "drained") == 0 || (!c->quiet && sim_chance(c->sim, 100))) /* too early: refused */
        go_to(c, ADMIN_REMOVE, 0);
    else
        go_to(c, ADMIN_WATCH, LOOK_EVERY);
}

static void on_answer(void *arg, int status, const struct dfs_result *r)
{
    struct cluster *c = arg;
    uint32_t state = c->admin.state;
    sim_note(c->sim, "adm", "answer", state, (uint64_t)-status);
    if (c->admin.closed)
        return;
    if (state == ADMIN_REMOVE && status != 0 && status != DFS_EBUSY)
        c->admin.unsure_until = c->sim->now + STRAY;
    if (state == ADMIN_REMOVE)
        status == 0 ? take_out(c) : go_to(c, ADMIN_WATCH, LOOK_EVERY);
    else if (state == ADMIN_WATCH && status == 0)
        look(c, r);
    else if (status == 0 && state == ADMIN_DRAIN)
        go_to(c, sim_chance(c->sim, 300) ? ADMIN_REMOVE : ADMIN_WATCH, sim_below(c->sim, LOOK_EVERY));
    else if (status == DFS_ENOENT)
        go_to(c, ADMIN_WATCH, LOOK_EVERY);
    else if (status == DFS_ENOSERVERS || status == 0)
        go_to(c, ADMIN_IDLE, 0); /* called off, or refused: no other server stays */
    else
        go_to(c, state, LOOK_EVERY);
}

static void on_step(void *arg, uint64_t unused, uint64_t unused2)
{
    static const uint8_t actions[] = {
        [ADMIN_DRAIN] = SERVER_DRAIN, [ADMIN_REMOVE] = SERVER_REMOVE, [ADMIN_UNDRAIN] = SERVER_UNDRAIN};
    struct cluster *c = arg;
    struct node *n = cluster_client(c, 0);
    struct client_request r = {.kind = OP_SERVER_SET,
                               .path = "",
                               .path2 = "",
                               .mode = actions[c->admin.state],
                               .limit = c->admin.server,
                               .cb = on_answer,
                               .arg = c};
    (void)unused;
    (void)unused2;
    if (!n->up) {
        go_to(c, c->admin.state, LOOK_EVERY);
        return;
    }
    if (c->admin.state == ADMIN_WATCH)
        r.kind = OP_STATUS;
    int err = client_start(n->client, &r);
    if (err)
        sim_fail(c->sim, "client_start refuses the administrator: %s", dfs_errname(err));
    node_touch(n);
}

void admin_strike(struct cluster *c)
{
    uint32_t at = (uint32_t)sim_below(c->sim, c->n_servers);
    struct node *n = cluster_ss(c, at);
    if (c->admin.state != ADMIN_IDLE || !n->up || !ss_registered(n->ss))
        return;
    if (loss_unnoticed(c) || (c->rotten && c->rotten != n))
        return; /* a copy that is lost or bad without anybody knowing would let the last good one go */
    const struct node *leader = cluster_nm(c);
    if (c->swarm.calm && (!leader->nm || meta_servers_staying(nm_meta(leader->nm)) < 3))
        return; /* where one server stays, one copy is the goal */
    c->admin.at = at;
    c->admin.server = ss_id(n->ss);
    sim_note(c->sim, n->name, "drain", c->admin.server, 0);
    go_to(c, ADMIN_DRAIN, 0);
}

/* Chunks that are written in place may be sealed with those that got the last write only. */
static bool has_company(void *arg, const struct meta_chunk_info *i)
{
    struct cluster *c = arg;
    struct meta_placement p;
    if (i->removed || i->version > 1 || !meta_placement_get(nm_meta(cluster_nm(c)->nm), i->placement, &p))
        return true;
    if (p.live + p.leaving < 2)
        sim_fail(c->sim, "chunk %" PRIx64 " has %u copies left, though servers were only drained", i->chunk,
                 p.live + p.leaving);
    return !c->sim->failed;
}

void admin_check(struct cluster *c)
{
    const struct node *leader = cluster_nm(c);
    struct meta_health h;
    uint64_t cursor = 0;
    if (!c->swarm.calm || c->crashes > c->removed || !leader->up)
        return;
    meta_health(nm_meta(leader->nm), &h);
    while ((h.endangered > 0 || h.missing > 0) &&
           meta_chunk_scan(nm_meta(leader->nm), &cursor, 1u << 20, has_company, c) && !c->sim->failed)
        ;
}

bool admin_drains(struct cluster *c, const struct node *n)
{
    return !admin_idle(c) && c->admin.at < c->n_servers && n == cluster_ss(c, c->admin.at);
}

bool admin_idle(const struct cluster *c) { return c->admin.state == ADMIN_IDLE; }
