/* SPDX-License-Identifier: MIT */
/* Grants asked for ahead, in batches that grow while they are used up, so that a small put waits for none; and the
 * StorageServers that failed us lately, which new grants avoid. */
#include <stdlib.h>

#include "client/internal.h"

static void build_grant(struct rpc *r, struct msg *m, struct arena *a)
{
    struct pool *p = CONTAINER_OF(r, struct pool, rpc);
    struct client *c = r->t.c;
    struct wire_server_id *avoid = arena_alloc(a, SUSPECTS_MAX, sizeof *avoid);
    uint32_t n = 0, waiting = 0;
    for (unsigned i = 0; avoid && i < SUSPECTS_MAX; i++)
        if (c->suspects[i].until > c->now.mono)
            avoid[n++].id = c->suspects[i].server;
    for (const struct list *e = p->waiters.next; e != &p->waiters; e = e->next)
        waiting++;
    m->type = MSG_TYPE_grant;
    m->grant = (struct msg_grant){.session = r->session, .goal = p->goal, .avoid = avoid, .n_avoid = n,
                                  .count = (uint32_t)min_u64(max_u64(waiting, p->batch), GRANT_BATCH_MAX)};
}

static struct grant *grant_copy(const struct wire_granted *w)
{
    size_t text = w->grant.len;
    for (uint32_t i = 0; i < w->n_replicas; i++)
        text += w->replicas[i].addr.len + 1u;
    struct grant *g = xcalloc(1, sizeof *g + w->n_replicas * sizeof g->r[0] + text);
    char *at = (char *)&g->r[w->n_replicas];
    list_init(&g->link);
    g->chunk = w->chunk;
    g->version = w->version;
    g->n = w->n_replicas;
    for (uint32_t i = 0; i < w->n_replicas; i++) {
        g->r[i] = (struct grant_replica){w->replicas[i].server, at};
        memcpy(at, w->replicas[i].addr.p, w->replicas[i].addr.len);
        at += w->replicas[i].addr.len + 1u;
    }
    if (w->grant.len)
        memcpy(at, w->grant.p, w->grant.len);
    g->token = (struct str){at, w->grant.len};
    return g;
}

static void pool_fail(struct pool *p, int status, const struct event *ev)
{
    while (!list_empty(&p->waiters)) {
        struct task *t = CONTAINER_OF(list_first(&p->waiters), struct task, link);
        list_remove(&t->link);
        op_fail_rpc(t->op, status, ev);
    }
}

static void on_grant(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct pool *p = CONTAINER_OF(r, struct pool, rpc);
    struct client *c = r->t.c;
    if (status == DFS_ENOSERVERS && !list_empty(&p->waiters) && c->now.mono - r->since < c->cfg.timeout) {
        suspects_clear(c); /* better a server that failed once than none */
        task_sleep(&r->t);
        return;
    }
    p->busy = false;
    if (status != 0) {
        pool_fail(p, status, ev);
        return;
    }
    const struct msg_grant_reply *m = &ev->msg->grant_reply;
    if (m->n_chunks == 0 || m->chunk_size == 0 || m->chunk_size % DFS_BLOCK != 0) {
        pool_fail(p, DFS_EPROTO, NULL);
        return;
    }
    c->grant_lifetime = m->lifetime_ms * NS_PER_MS;
    for (uint32_t i = 0; i < m->n_chunks; i++) {
        if (m->chunks[i].n_replicas == 0)
            continue;
        struct grant *g = grant_copy(&m->chunks[i]);
        g->expires = r->sent + m->lifetime_ms * NS_PER_MS * 2 / 3;
        g->chunk_size = m->chunk_size;
        g->session = r->session;
        list_push(&p->free, &g->link);
        p->n_free++;
    }
    if (p->refilled && p->batch < GRANT_BATCH_MAX)
        p->batch *= 2; /* not for the first: a program that puts one file asks for one grant */
    p->refilled = true;
    tasks_run(&p->waiters, fx);
}

static struct pool *pool_get(struct client *c, uint8_t goal)
{
    if (c->pools[goal])
        return c->pools[goal];
    struct pool *p = xcalloc(1, sizeof *p);
    p->goal = goal;
    p->batch = 1;
    list_init(&p->free);
    list_init(&p->waiters);
    rpc_init(&p->rpc, c, NULL, build_grant, on_grant);
    p->rpc.needs_session = true;
    c->pools[goal] = p;
    return p;
}

static bool grant_usable(const struct client *c, const struct grant *g)
{
    if (g->expires <= c->now.mono || g->session != c->session)
        return false;
    for (uint32_t i = 0; i < g->n; i++)
        if (suspect_is(c, g->r[i].server))
            return false;
    return true;
}

static struct grant *pool_pop(struct client *c, struct pool *p)
{
    while (!list_empty(&p->free)) {
        struct grant *g = CONTAINER_OF(list_first(&p->free), struct grant, link);
        list_remove(&g->link);
        p->n_free--;
        if (grant_usable(c, g))
            return g;
        if (g->expires <= c->now.mono && p->batch > 1)
            p->batch /= 2; /* asked for more than we use */
        free(g);
    }
    return NULL;
}

static void pool_refill(struct pool *p, struct effects *fx)
{
    if (p->busy) {
        if (p->waiters.next != &p->waiters && p->waiters.next == p->waiters.prev)
            p->rpc.since = p->rpc.t.c->now.mono; /* the first who waits for a request made ahead: the timeout is his */
        return;
    }
    p->busy = true;
    rpc_start(&p->rpc, fx);
}

struct grant *grant_acquire(struct client *c, uint8_t goal, struct task *t, struct effects *fx)
{
    struct pool *p = pool_get(c, goal);
    struct grant *g = pool_pop(c, p);
    if (g)
        hold_arm(c);
    else
        list_push(&p->waiters, &t->link);
    if (!g || (p->batch > 1 && p->n_free < p->batch / 2))
        pool_refill(p, fx);
    return g;
}

void grants_close(struct client *c)
{
    for (unsigned goal = 0; goal <= MAX_REPLICAS; goal++) {
        struct pool *p = c->pools[goal];
        if (!p)
            continue;
        rpc_stop(&p->rpc);
        LIST_FOR_EACH (e, &p->free)
            free(CONTAINER_OF(e, struct grant, link));
        free(p);
    }
}

void suspect_add(struct client *c, uint32_t server)
{
    unsigned oldest = 0;
    for (unsigned i = 0; i < SUSPECTS_MAX; i++) {
        if (c->suspects[i].server == server) {
            oldest = i;
            break;
        }
        if (c->suspects[i].until < c->suspects[oldest].until)
            oldest = i;
    }
    c->suspects[oldest].server = server;
    c->suspects[oldest].until = c->now.mono + SUSPECT_TIME;
}

bool suspect_is(const struct client *c, uint32_t server)
{
    for (unsigned i = 0; i < SUSPECTS_MAX; i++)
        if (c->suspects[i].server == server && c->suspects[i].until > c->now.mono)
            return true;
    return false;
}

void suspects_clear(struct client *c) { memset(c->suspects, 0, sizeof c->suspects); }
