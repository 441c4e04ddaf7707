/* SPDX-License-Identifier: MIT */
/* Being told of what was looked up and is not so any more: a call that waits at the NameServer, again and again. Whatever goes
 * wrong with it, everything is taken for changed, and it begins anew after a pause. */
#include "client/internal.h"

#define PAUSE NS_PER_SEC

static void build(struct rpc *r, struct msg *m, struct arena *a)
{
    const struct client *c = r->t.c;
    (void)a;
    m->type = MSG_TYPE_watch;
    m->watch =
        (struct msg_watch){.session = r->session, .watch = c->watch.id, .seen = c->watch.seen, .wait_ms = wait_ms(c)};
}

static void deliver(struct client *c, const struct msg_watch_reply *m)
{
    struct dfs_invalidation v[256];
    char names[256][WIRE_NAME_MAX + 1];
    for (uint32_t i = 0; i < m->n_changes; i++) {
        struct str name = m->changes[i].name;
        v[i] = (struct dfs_invalidation){.ino = m->changes[i].ino, .name = name.len ? names[i] : NULL};
        uint32_t len = (uint32_t)min_u64(name.len, WIRE_NAME_MAX);
        if (len)
            memcpy(names[i], name.p, len);
        names[i][len] = 0;
    }
    if (m->all)
        c->watch.fn(c->watch.arg, NULL, 0);
    else if (m->n_changes)
        c->watch.fn(c->watch.arg, v, m->n_changes);
}

static void on_answer(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct client *c = r->t.c;
    if (!c->watch.fn)
        return;
    if (status == 0) {
        c->watch.id = ev->msg->watch_reply.watch;
        c->watch.seen = ev->msg->watch_reply.number;
        deliver(c, &ev->msg->watch_reply);
        if (c->watch.fn)
            rpc_start(r, fx);
        return;
    }
    c->watch.id = 0;
    c->watch.fn(c->watch.arg, NULL, 0);
    c->watch.timer.wake = c->now.mono + PAUSE;
    list_push(&c->sleeping, &c->watch.timer.link);
}

static void run(struct task *t, struct effects *fx)
{
    if (t->c->watch.fn)
        rpc_start(&t->c->watch.rpc, fx);
}

void watch_init(struct client *c)
{
    rpc_init(&c->watch.rpc, c, NULL, build, on_answer);
    c->watch.rpc.needs_session = true;
    task_init(&c->watch.timer, c, NULL, run, NULL);
}

void watch_close(struct client *c)
{
    c->watch.fn = NULL;
    rpc_stop(&c->watch.rpc);
    task_stop(&c->watch.timer);
}

uint64_t watch_session(const struct client *c) { return c->watch.fn ? c->session : 0; }

void client_watch(struct client *c, client_watch_fn fn, void *arg)
{
    watch_close(c);
    c->watch.fn = fn;
    c->watch.arg = arg;
    c->watch.id = 0;
    if (!fn)
        return;
    c->watch.timer.wake = 0;
    list_push(&c->sleeping, &c->watch.timer.link);
}
