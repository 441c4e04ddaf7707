/* SPDX-License-Identifier: MIT */
#include "sim/net.h"

#include <stdlib.h>

#include "sim/node.h"

/* What a socket's buffers hold at most, each way. */
#define PIPE_MAX (256u * 1024)
#define OUT_SLICES 16u

static void on_deliver(void *arg, uint64_t id, uint64_t side);

void net_init(struct net *net, struct cluster *c)
{
    *net = (struct net){.cluster = c, .next_id = 1};
    arena_init(&net->arena, WIRE_ARENA_MAX);
}

/* --- connections --- */

static void conns_add(struct conn_list *l, struct conn *c)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 32;
        l->v = xrealloc(l->v, l->cap, sizeof(struct conn *));
    }
    l->v[l->n++] = c;
}

/* Where the connection with this id is, or would be. */
static uint32_t conns_seek(const struct conn_list *l, uint64_t id)
{
    uint32_t from = 0, to = l->n;
    while (from < to) {
        uint32_t middle = (from + to) / 2;
        if (l->v[middle]->id < id)
            from = middle + 1;
        else
            to = middle;
    }
    return from;
}

static void conns_remove(struct conn_list *l, const struct conn *c)
{
    uint32_t i = conns_seek(l, c->id);
    if (i < l->n && l->v[i] == c)
        memmove(&l->v[i], &l->v[i + 1], (--l->n - i) * sizeof(struct conn *));
}

static struct conn *conn_find(const struct net *net, uint64_t id)
{
    uint32_t i = conns_seek(&net->all, id);
    return i < net->all.n && net->all.v[i]->id == id ? net->all.v[i] : NULL;
}

static void conn_free(struct conn *c)
{
    for (int side = 0; side < 2; side++) {
        if (c->end[side].link)
            link_free(c->end[side].link);
        free(c->end[side].in);
    }
    free(c);
}

static void conn_release(struct net *net, struct conn *c)
{
    if (c->end[0].link || c->end[1].link)
        return;
    conns_remove(&net->all, c);
    conns_remove(&c->end[0].node->conns, c);
    conns_remove(&c->end[1].node->conns, c);
    conn_free(c);
}

void net_close(struct net *net)
{
    for (uint32_t i = 0; i < net->all.n; i++)
        conn_free(net->all.v[i]);
    free(net->all.v);
    for (uint32_t i = 0; i < net->cluster->n_nodes; i++)
        free(net->cluster->nodes[i].conns.v);
    arena_close(&net->arena);
}

static struct sim *sim_of(const struct net *net) { return net->cluster->sim; }

static uint64_t some_delay(const struct net *net) { return 1 + sim_below(sim_of(net), net->cluster->swarm.net_delay); }

/* Hands the node everything its link has to say. */
static void end_drain(struct net *net, struct conn *c, int side)
{
    struct conn_end *e = &c->end[side];
    struct link_event ev;
    while (link_next(e->link, sim_of(net)->now, &net->arena, &ev)) {
        struct event out = {.now = node_now(e->node),
                            .token = ev.token,
                            .status = ev.status,
                            .to = {c->id, ev.request},
                            .peer = c->end[!side].node->address,
                            .msg = ev.kind == LINK_REQUEST || ev.has_msg ? &ev.msg : NULL,
                            .head = ev.frame.head,
                            .payload = &ev.frame.payload};
        out.kind = ev.kind == LINK_REQUEST ? EV_REQUEST : EV_REPLY;
        if (ev.kind == LINK_REQUEST || ev.kind == LINK_REPLY)
            node_event(e->node, &out);
        link_event_drop(&ev);
        arena_reset(&net->arena);
    }
    node_touch(e->node);
}

static void end_close(struct net *net, struct conn *c, int side)
{
    struct conn_end *e = &c->end[side];
    if (!e->link)
        return;
    link_free(e->link);
    e->link = NULL;
    e->in_len = 0;
    conn_release(net, c);
}

static void on_broken(void *arg, uint64_t id, uint64_t side_err)
{
    struct net *net = arg;
    struct conn *c = conn_find(net, id);
    int side = (int)(side_err & 1), err = -(int)(side_err >> 1);
    if (!c || !c->end[side].link || node_defer(c->end[side].node, on_broken, net, id, side_err))
        return;
    link_fail(c->end[side].link, err);
    end_drain(net, c, side);
    end_close(net, c, side);
}

static void end_break(struct net *net, struct conn *c, int side, int err, uint64_t delay)
{
    sim_plan(sim_of(net), delay, on_broken, net, c->id, (uint64_t)-err << 1 | (uint64_t)side);
}

/* The link gave up by itself: its calls have ended, and the other end hears of it. */
static void end_gave_up(struct net *net, struct conn *c, int side)
{
    sim_say(sim_of(net), c->end[side].node->name, "link to %s failed: %s", c->end[!side].node->name,
            link_why(c->end[side].link));
    end_break(net, c, !side, DFS_ECONNLOST, some_delay(net));
    end_close(net, c, side);
}

static void end_take(struct conn_end *e, const uint8_t *p, uint32_t len)
{
    if (e->in_len + len > e->in_cap) {
        e->in_cap = (uint32_t)max_u64(e->in_len + len, min_u64(max_u64(2 * (uint64_t)e->in_cap, 4096), PIPE_MAX));
        e->in = xrealloc(e->in, 1, e->in_cap);
    }
    memcpy(e->in + e->in_len, p, len);
    e->in_len += len;
}

static void end_pump(struct net *net, struct conn *c, int side)
{
    struct conn_end *e = &c->end[side], *peer = &c->end[!side];
    if (!e->link || !c->connected)
        return;
    struct slice out[OUT_SLICES];
    uint32_t n, taken;
    do {
        n = link_out(e->link, out, OUT_SLICES);
        taken = 0;
        for (uint32_t i = 0; i < n; i++) {
            uint32_t len = out[i].len;
            if (peer->link) {
                len = (uint32_t)min_u64(len, PIPE_MAX - peer->in_len);
                end_take(peer, slice_data(out[i]), len);
            }
            taken += len;
            if (len < out[i].len)
                break;
        }
        link_sent(e->link, taken);
    } while (taken > 0);
    if (peer->link && peer->in_len > 0 && !peer->planned) {
        peer->planned = true;
        sim_plan(sim_of(net), some_delay(net), on_deliver, net, c->id, (uint64_t)!side);
    }
}

static void alter(struct net *net, struct conn *c, int side, uint32_t n)
{
    struct conn_end *e = &c->end[side];
    uint64_t at = sim_below(sim_of(net), n);
    e->in[at] ^= (uint8_t)(1u << sim_below(sim_of(net), 8));
    c->altered = true;
    net->alter_at_least = 0;
    net->altered++;
    sim_note(sim_of(net), e->node->name, "alter", c->id, at);
}

/* Feeds the link up to n of the bytes that have arrived. */
static void end_feed(struct net *net, struct conn *c, int side, uint32_t n)
{
    struct conn_end *e = &c->end[side];
    uint32_t done = 0;
    while (done < n && !link_paused(e->link) && link_state(e->link) != LINK_FAILED) {
        uint32_t room;
        uint8_t *to = link_space(e->link, &room);
        if (!to)
            break;
        room = (uint32_t)min_u64(room, n - done);
        memcpy(to, e->in + done, room);
        link_fed(e->link, room);
        done += room;
        end_drain(net, c, side);
    }
    memmove(e->in, e->in + done, e->in_len - done);
    e->in_len -= done;
    sim_note(sim_of(net), e->node->name, "bytes", c->id, done);
}

static uint64_t blocked_until(const struct net *net, const struct node *from, const struct node *to)
{
    const struct cluster *cl = net->cluster;
    return cl->blocked[from - cl->nodes][to - cl->nodes];
}

static void on_deliver(void *arg, uint64_t id, uint64_t side64)
{
    struct net *net = arg;
    struct sim *s = sim_of(net);
    struct conn *c = conn_find(net, id);
    int side = (int)side64;
    if (!c || !c->end[side].link || node_defer(c->end[side].node, on_deliver, net, id, side64))
        return;
    struct conn_end *e = &c->end[side];
    uint64_t blocked = blocked_until(net, c->end[!side].node, e->node);
    if (max_u64(e->stalled_until, blocked) > s->now) {
        sim_plan(s, max_u64(e->stalled_until, blocked) - s->now, on_deliver, net, id, side64);
        return;
    }
    e->planned = false;
    uint32_t n = e->in_len;
    if (n > 1 && sim_chance(s, net->cluster->swarm.split))
        n = 1 + (uint32_t)sim_below(s, n);
    if (net->alter_at_least > 0 && n >= net->alter_at_least)
        alter(net, c, side, n);
    end_feed(net, c, side, n);
    if (link_state(e->link) == LINK_FAILED) {
        if (!c->altered)
            sim_fail(s, "%s refuses what %s sent: %s", e->node->name, c->end[!side].node->name, link_why(e->link));
        end_gave_up(net, c, side);
        return;
    }
    if (e->in_len > 0) {
        e->planned = true;
        sim_plan(s, link_paused(e->link) ? NS_PER_MS : some_delay(net) / 4, on_deliver, net, id, side64);
    }
    end_pump(net, c, !side); /* there is room again */
}

static void on_connect(void *arg, uint64_t id, uint64_t unused)
{
    (void)unused;
    struct net *net = arg;
    struct conn *c = conn_find(net, id);
    if (!c || !c->end[0].link || node_defer(c->end[0].node, on_connect, net, id, 0))
        return;
    struct node *target = c->end[1].node;
    uint64_t blocked = max_u64(blocked_until(net, c->end[0].node, target), blocked_until(net, target, c->end[0].node));
    if (blocked > sim_of(net)->now) {
        sim_plan(sim_of(net), blocked - sim_of(net)->now, on_connect, net, id, 0);
        return;
    }
    if (!target->up) {
        end_break(net, c, 0, DFS_EUNREACH, 0);
        return;
    }
    c->end[1].link = link_new(&target->self, true, sim_of(net)->now);
    c->connected = true;
    link_connected(c->end[0].link);
    end_pump(net, c, 0);
    node_touch(target);
}

static struct node *node_at(struct cluster *cl, struct str address)
{
    for (uint32_t i = 0; i < cl->n_nodes; i++)
        if (str_eq(str_of(cl->nodes[i].address), address))
            return &cl->nodes[i];
    return NULL;
}

static struct conn *conn_to(struct net *net, struct node *from, struct node *to)
{
    for (uint32_t i = 0; i < from->conns.n; i++) {
        struct conn *c = from->conns.v[i];
        if (c->end[0].node == from && c->end[1].node == to && c->end[0].link &&
            link_state(c->end[0].link) != LINK_FAILED)
            return c;
    }
    struct conn *c = xcalloc(1, sizeof *c);
    c->id = net->next_id++;
    c->end[0].node = from;
    c->end[1].node = to;
    c->end[0].link = link_new(&from->self, false, sim_of(net)->now);
    conns_add(&net->all, c);
    conns_add(&from->conns, c);
    if (to != from)
        conns_add(&to->conns, c);
    sim_plan(sim_of(net), some_delay(net), on_connect, net, c->id, 0);
    return c;
}

void net_call(struct net *net, struct node *from, struct effect *e)
{
    struct node *to = node_at(net->cluster, e->addr);
    if (!to) {
        sim_fail(sim_of(net), "%s calls an address that nobody has: '%.*s'", from->name, STR_ARG(e->addr));
        return;
    }
    struct conn *c = conn_to(net, from, to);
    link_call(c->end[0].link, e->type, e->frame, e->payload, e->token, sim_of(net)->now + e->timeout);
    e->frame = (struct slice){0};
    e->payload = (struct payload){0};
}

void net_reply(struct net *net, struct node *from, struct effect *e)
{
    struct conn *c = conn_find(net, e->to.conn);
    struct conn_end *end = c && c->end[1].node == from ? &c->end[1] : c ? &c->end[0] : NULL; /* 1: who was called */
    if (!end || end->node != from || !end->link)
        return;
    link_reply(end->link, e->to.request, e->type, e->frame, e->payload);
    e->frame = (struct slice){0};
    e->payload = (struct payload){0};
}

void net_flush(struct net *net, struct node *n)
{
    for (uint32_t i = 0; i < n->conns.n; i++)
        for (int side = 0; side < 2; side++)
            if (n->conns.v[i]->end[side].node == n)
                end_pump(net, n->conns.v[i], side);
}

void net_expire(struct net *net, struct node *n)
{
    for (uint32_t i = 0; i < n->conns.n;) {
        struct conn *c = n->conns.v[i];
        for (int side = 0; side < 2; side++) {
            struct conn_end *e = &c->end[side];
            if (e->node != n || !e->link || link_deadline(e->link) > sim_of(net)->now)
                continue;
            link_expire(e->link, sim_of(net)->now);
            end_drain(net, c, side);
            if (link_state(e->link) == LINK_FAILED) {
                end_gave_up(net, c, side); /* may free c */
                break;
            }
        }
        if (i < n->conns.n && n->conns.v[i] == c)
            i++;
    }
}

uint64_t net_deadline(const struct node *n)
{
    uint64_t first = UINT64_MAX;
    for (uint32_t i = 0; i < n->conns.n; i++)
        for (int side = 0; side < 2; side++) {
            const struct conn_end *e = &n->conns.v[i]->end[side];
            if (e->node == n && e->link)
                first = min_u64(first, link_deadline(e->link));
        }
    return first;
}

void net_forget(struct net *net, struct node *n, uint64_t notice)
{
    for (uint32_t i = n->conns.n; i-- > 0;) {
        struct conn *c = n->conns.v[i];
        for (int side = 0; side < 2; side++)
            if (c->end[side].node == n && c->end[side].link) {
                end_break(net, c, !side, DFS_ECONNLOST, sim_below(sim_of(net), notice));
                end_close(net, c, side); /* may free c */
                break;
            }
    }
}

static struct conn *some_conn(const struct net *net)
{
    return net->all.n ? net->all.v[sim_below(sim_of(net), net->all.n)] : NULL;
}

bool net_cut(struct net *net)
{
    struct conn *c = some_conn(net);
    if (!c || !c->connected)
        return false;
    sim_note(sim_of(net), "net", "cut", c->id, 0);
    end_break(net, c, 0, DFS_ECONNLOST, some_delay(net));
    end_break(net, c, 1, DFS_ECONNLOST, some_delay(net));
    return true;
}

bool net_stall(struct net *net, uint64_t ns)
{
    struct conn *c = some_conn(net);
    if (!c)
        return false;
    struct conn_end *e = &c->end[sim_below(sim_of(net), 2)];
    e->stalled_until = sim_of(net)->now + ns;
    sim_note(sim_of(net), e->node->name, "stall", c->id, ns);
    return true;
}

void net_alter(struct net *net)
{
    struct sim *s = sim_of(net);
    net->alter_at_least = sim_chance(s, 500) ? 1 : 1024 + (uint32_t)sim_below(s, 16 * KIB);
}
