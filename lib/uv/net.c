/* SPDX-License-Identifier: MIT */
#include "uv/net.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "uv/net_impl.h"

struct now now_sample(void)
{
    struct timespec mono, wall;
    clock_gettime(CLOCK_BOOTTIME, &mono);
    clock_gettime(CLOCK_REALTIME, &wall);
    return (struct now){(uint64_t)mono.tv_sec * NS_PER_SEC + (uint64_t)mono.tv_nsec,
                        (int64_t)wall.tv_sec * (int64_t)NS_PER_SEC + wall.tv_nsec};
}

/* --- the log of bad peers: a flood of them must not become a flood of lines --- */

bool net_may_log(struct net *n)
{
    struct log_budget *b = &n->budget;
    if (n->mono - b->since >= NS_PER_SEC) {
        if (b->suppressed)
            log_warn(n->log, "net.suppressed", "lines=%u", b->suppressed);
        *b = (struct log_budget){.since = n->mono};
    }
    if (b->lines < NET_LOG_LINES) {
        b->lines++;
        return true;
    }
    b->suppressed++;
    return false;
}

bool net_unreachable_is_news(struct net *n, const char *peer)
{
    struct unreachable *u = NULL;
    for (uint32_t i = 0; i < NET_UNREACHABLE && !u; i++)
        if (strcmp(n->unreachable[i].peer, peer) == 0)
            u = &n->unreachable[i];
    if (u && n->mono - u->said < NET_UNREACHABLE_AGAIN)
        return false;
    if (!u) {
        u = &n->unreachable[n->next_unreachable++ % NET_UNREACHABLE];
        snprintf(u->peer, sizeof u->peer, "%s", peer);
    }
    u->said = n->mono;
    return true;
}

void net_refuse(struct net *n, const char *peer, const char *why)
{
    n->counters.refused++;
    if (net_may_log(n))
        log_warn(n->log, "net.refused", "peer=%s reason=\"%s\"", peer, why);
}

/* --- the loop's callbacks --- */

static void on_idle(uv_idle_t *idle)
{
    struct net *n = idle->data;
    struct now now = now_sample();
    struct list todo;
    n->mono = now.mono;
    list_init(&todo);
    while (!list_empty(&n->later)) {
        struct list *e = list_first(&n->later);
        list_remove(e);
        list_push(&todo, e);
    }
    while (!list_empty(&todo)) {
        struct conn *c = CONTAINER_OF(list_first(&todo), struct conn, later);
        list_remove(&c->later);
        conn_pump(c, now);
    }
    if (list_empty(&n->later)) {
        n->idle_on = false;
        uv_idle_stop(&n->idle);
    }
}

void conn_mark_later(struct conn *c)
{
    struct net *n = c->net;
    if (list_empty(&c->later))
        list_push(&n->later, &c->later);
    if (!n->idle_on) {
        n->idle_on = true;
        uv_idle_start(&n->idle, on_idle);
    }
}

void net_flush(struct net *n)
{
    while (!list_empty(&n->dirty)) {
        struct conn *c = CONTAINER_OF(list_first(&n->dirty), struct conn, dirty);
        list_remove(&c->dirty);
        conn_write(c);
    }
}

static void on_prepare(uv_prepare_t *prepare)
{
    net_flush(prepare->data);
}

static void on_check(uv_check_t *check)
{
    net_flush(check->data);
}

/* --- beginning --- */

static void init_handles(struct net *n)
{
    uv_timer_init(n->loop, &n->timer);
    uv_idle_init(n->loop, &n->idle);
    uv_prepare_init(n->loop, &n->prepare);
    uv_check_init(n->loop, &n->check);
    n->n_handles = 4;
    n->timer.data = n->idle.data = n->prepare.data = n->check.data = n;
    uv_prepare_start(&n->prepare, on_prepare);
    uv_check_start(&n->check, on_check);
    /* connections keep a loop alive, not these */
    uv_unref((uv_handle_t *)&n->prepare);
    uv_unref((uv_handle_t *)&n->check);
}

/* A write to a closed connection must be an error, not the end of the process. A program with a handler of its own has seen
 * to that. */
static void ignore_sigpipe(void)
{
    struct sigaction now;
    if (sigaction(SIGPIPE, NULL, &now) == 0 && !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_DFL)
        signal(SIGPIPE, SIG_IGN);
}

int net_new(uv_loop_t *loop, const struct link_self *self, const struct net_limits *limits, const struct logger *log,
            const struct net_handlers *h, struct net **out)
{
    struct net *n = xcalloc(1, sizeof *n);
    n->loop = loop;
    n->self = self;
    n->log = log;
    n->handlers = *h;
    if (limits)
        n->limits = *limits;
    if (n->limits.max_conns == 0)
        n->limits.max_conns = NET_CONNS_DEFAULT;
    if (n->limits.idle_timeout == 0)
        n->limits.idle_timeout = NET_IDLE_DEFAULT;
    if (n->limits.calls_per_addr == 0)
        n->limits.calls_per_addr = 1;
    if (n->limits.calls_per_addr > NET_CALLS_PER_ADDR_MAX)
        n->limits.calls_per_addr = NET_CALLS_PER_ADDR_MAX;
    n->mono = now_sample().mono;
    n->listener.fd = -1;
    list_init(&n->all);
    list_init(&n->dirty);
    list_init(&n->later);
    arena_init(&n->arena, WIRE_ARENA_MAX);
    wheel_init(n);
    init_handles(n);
    ignore_sigpipe();
    *out = n;
    return 0;
}

/* --- effects --- */

void net_reply(struct net *n, struct effect *e)
{
    struct conn *c = conn_find(n, e->to.conn);
    if (n->unanswered > 0)
        n->unanswered--;
    if (!c || c->closing)
        return; /* fx_reset drops what nobody waits for */
    link_reply(c->link, e->to.request, e->type, e->frame, e->payload);
    e->frame = (struct slice){NULL, 0, 0};
    e->payload = (struct payload){{{NULL, 0, 0}, {NULL, 0, 0}}};
    conn_mark_dirty(c);
}

void net_call(struct net *n, struct effect *e)
{
    bool fresh;
    n->mono = now_sample().mono;
    struct conn *c = dial_conn(n, e->addr, &fresh);
    uint64_t deadline = e->timeout > UINT64_MAX - n->mono ? UINT64_MAX : n->mono + e->timeout;
    link_call(c->link, e->type, e->frame, e->payload, e->token, deadline);
    e->frame = (struct slice){NULL, 0, 0};
    e->payload = (struct payload){{{NULL, 0, 0}, {NULL, 0, 0}}};
    conn_mark_dirty(c);
    if (fresh)
        dial_start(c);
}

/* --- end --- */

void net_stop(struct net *n)
{
    n->stopped = true;
    listener_close(n);
    LIST_FOR_EACH (e, &n->all)
        conn_mark_dirty(CONTAINER_OF(e, struct conn, all)); /* net_flush stops their reading */
}

bool net_busy(const struct net *n)
{
    if (n->unanswered > 0)
        return true;
    LIST_FOR_EACH (e, &n->all) {
        const struct conn *c = CONTAINER_OF(e, struct conn, all);
        if (!c->closing && c->accepter && link_out_bytes(c->link) > 0)
            return true;
    }
    return false;
}

void net_handle_closed(uv_handle_t *h)
{
    struct net *n = h->data;
    void (*done)(void *arg) = n->done;
    void *arg = n->done_arg;
    if (--n->n_handles > 0)
        return;
    arena_close(&n->arena);
    free(n->slots);
    free(n);
    if (done)
        done(arg);
}

void net_maybe_done(struct net *n)
{
    if (!n->closing || !list_empty(&n->all) || n->n_dials > 0 || uv_is_closing((uv_handle_t *)&n->timer))
        return;
    if (n->budget.suppressed)
        log_warn(n->log, "net.suppressed", "lines=%u", n->budget.suppressed);
    uv_close((uv_handle_t *)&n->timer, net_handle_closed);
    uv_close((uv_handle_t *)&n->idle, net_handle_closed);
    uv_close((uv_handle_t *)&n->prepare, net_handle_closed);
    uv_close((uv_handle_t *)&n->check, net_handle_closed);
}

void net_close(struct net *n, void (*done)(void *arg), void *arg)
{
    n->done = done;
    n->done_arg = arg;
    n->stopped = n->closing = true;
    listener_close(n);
    LIST_FOR_EACH (e, &n->all)
        conn_fail(CONTAINER_OF(e, struct conn, all), DFS_ECANCELED, "shutting down");
    net_maybe_done(n);
}

const struct net_counters *net_counters(const struct net *n)
{
    return &n->counters;
}
