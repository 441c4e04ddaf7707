/* SPDX-License-Identifier: MIT */
/* The client's session: opened when first needed, opened anew when the NameServer has forgotten it. */
#include "client/internal.h"

static void build_session_open(struct rpc *r, struct msg *m, struct arena *a)
{
    (void)a;
    m->type = MSG_TYPE_session_open;
    m->session_open = (struct msg_session_open){.nonce = r->t.c->session_nonce, .who = str_of(r->t.c->program)};
}

static void on_session_open(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    struct client *c = r->t.c;
    c->session_busy = false;
    if (status == 0) {
        c->session = ev->msg->session_open_reply.session;
        c->next_number = 1;
        c->delegation_ttl = ev->msg->session_open_reply.delegation_ttl_ms * NS_PER_MS;
        c->lock_ttl = ev->msg->session_open_reply.lock_ttl_ms * NS_PER_MS;
        tasks_run(&c->need_session, fx);
        return;
    }
    /* tasks of ours without an op (refills) hand the error to those who wait for them */
    struct list failed;
    list_init(&failed);
    while (!list_empty(&c->need_session)) {
        struct list *e = list_first(&c->need_session);
        list_remove(e);
        list_push(&failed, e);
    }
    while (!list_empty(&failed)) {
        struct task *t = CONTAINER_OF(list_first(&failed), struct task, link);
        list_remove(&t->link);
        struct rpc *waiting = CONTAINER_OF(t, struct rpc, t);
        waiting->answer(waiting, status, ev, fx);
    }
}

void session_init(struct client *c)
{
    c->session_nonce = c->cfg.nonce;
    rpc_init(&c->session_rpc, c, NULL, build_session_open, on_session_open);
}

void session_wait(struct client *c, struct task *t, struct effects *fx)
{
    list_push(&c->need_session, &t->link);
    if (c->session_busy)
        return;
    c->session_busy = true;
    rpc_start(&c->session_rpc, fx);
}

void client_goodbye(struct client *c, struct now now, struct effects *fx)
{
    struct msg m = {.type = MSG_TYPE_session_close};
    if (c->session == 0)
        return;
    c->now = now;
    m.session_close.id = (struct wire_request_id){c->session, c->next_number, c->next_number};
    fx_call(fx, c->nm, &m, NULL, 0, c->cfg.call_timeout);
    c->session = 0;
}

void session_lost(struct client *c, uint64_t session)
{
    if (c->session != session)
        return;
    c->session = 0;
    /* another nonce: the old one would give the old session back */
    c->session_nonce = mix64(c->session_nonce ^ rng_next(&c->rng));
}
