/* SPDX-License-Identifier: MIT */
/* Calls to the NameServers.
 *
 * The happy path is: there is a session (where one is needed), the message is built, the leader answers. Possible
 * failures are: not the leader, or not any more (follow it, or try the next), unreachable or silent (the next), busy (the
 * same, after a pause), the session is gone (a new one, if the request cannot have been applied yet). A mutation keeps
 * its number through all of this, so that it takes effect once (G6); what may have been applied and cannot be asked about
 * any more ends with EUNKNOWN, never with "failed" (A7). */
#include <stdio.h>

#include "client/internal.h"

/* How long what nobody waits for may wait for a change to go with. */
#define LATE_MAX (10 * NS_PER_MS)

static void rpc_run(struct task *t, struct effects *fx);
static void rpc_reply(struct task *t, const struct event *ev, struct effects *fx);

static struct rpc *rpc_of(struct task *t) { return CONTAINER_OF(t, struct rpc, t); }

void rpc_init(struct rpc *r, struct client *c, struct op *op, rpc_build_fn build, rpc_answer_fn answer)
{
    memset(r, 0, sizeof *r);
    task_init(&r->t, c, op, rpc_run, rpc_reply);
    list_init(&r->numbered);
    r->build = build;
    r->answer = answer;
}

static void make_ready(struct rpc *r)
{
    r->since = r->t.c->now.mono;
    r->t.attempts = 0;
    r->hops = 0;
    r->uncertain = false;
    r->number = 0;
}

void rpc_start(struct rpc *r, struct effects *fx)
{
    make_ready(r);
    rpc_run(&r->t, fx);
}

void rpc_start_late(struct rpc *r)
{
    struct client *c = r->t.c;
    make_ready(r);
    list_push(&c->late, &r->t.link);
    if (!list_empty(&c->late_timer.link))
        return;
    c->late_timer.wake = c->now.mono + LATE_MAX;
    list_push(&c->sleeping, &c->late_timer.link);
}

static void late_run(struct task *t, struct effects *fx) { tasks_run(&t->c->late, fx); }

void late_init(struct client *c)
{
    list_init(&c->late);
    task_init(&c->late_timer, c, NULL, late_run, NULL);
}

void rpc_stop(struct rpc *r)
{
    task_stop(&r->t);
    if (r->numbered.next)
        list_remove(&r->numbered);
}

/* Lowest number of ours that has no answer yet: results below may be forgotten. Those of a session that has ended since are not
 * numbers of this one; they are given back when it is their callers' turn, which may be after other changes only. */
static uint64_t numbers_seen(const struct client *c)
{
    LIST_FOR_EACH (e, &c->numbered)
        if (CONTAINER_OF(e, struct rpc, numbered)->session == c->session)
            return CONTAINER_OF(e, struct rpc, numbered)->number;
    return c->next_number;
}

struct wire_request_id rpc_id(const struct rpc *r)
{
    return (struct wire_request_id){r->session, r->number, numbers_seen(r->t.c)};
}

struct str error_text(int status, const struct event *ev)
{
    if (ev && ev->msg && ev->msg->type == MSG_TYPE_error && ev->msg->error.text.len)
        return ev->msg->error.text;
    return str_of(dfs_strerror(status));
}

/* The number is done with: its answer is known, or will never be. */
static void number_drop(struct rpc *r, struct effects *fx)
{
    if (!r->number)
        return;
    list_remove(&r->numbered);
    r->number = 0;
    if (!list_empty(&r->t.c->need_window))
        tasks_run(&r->t.c->need_window, fx);
}

static void rpc_finish(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    number_drop(r, fx);
    r->answer(r, status, ev, fx);
}

/* False: the task waits for something (or has ended) and will run again. */
static bool rpc_prepare(struct rpc *r, struct effects *fx)
{
    struct client *c = r->t.c;
    if (!r->needs_session)
        return true;
    if (r->mutation && r->number && r->session != c->session) {
        if (r->uncertain) {
            rpc_finish(r, DFS_EUNKNOWN, NULL, fx);
            return false;
        }
        number_drop(r, fx);
    }
    if (!c->session) {
        session_wait(c, &r->t, fx);
        return false;
    }
    r->session = c->session;
    if (r->mutation && !r->number) {
        if (c->next_number - numbers_seen(c) >= CLIENT_MUTATIONS_MAX) {
            list_push(&c->need_window, &r->t.link);
            return false;
        }
        r->number = c->next_number++;
        list_push(&c->numbered, &r->numbered);
    }
    return true;
}

static void rpc_run(struct task *t, struct effects *fx)
{
    struct rpc *r = rpc_of(t);
    struct client *c = t->c;
    if ((t->op && t->op->ended) || !files_held(r) || !rpc_prepare(r, fx))
        return;
    struct msg m;
    memset(&m, 0, sizeof m);
    r->build(r, &m, &fx->arena);
    if (t->op && t->op->ended)
        return;
    r->type = m.type;
    r->sent = c->now.mono;
    r->nm_serial = c->nm_serial;
    task_send(t, c->nm, &m, NULL, c->cfg.call_timeout, fx);
    if (r->mutation)
        tasks_run(&c->late, fx); /* they go into the same entry of the log */
}

static void nm_use(struct client *c, struct str addr)
{
    if (addr.len == 0 || addr.len >= sizeof c->nm)
        return;
    memcpy(c->nm, addr.p, addr.len);
    c->nm[addr.len] = 0;
    c->nm_serial++;
}

/* The NameServer this call went to is of no use: unless another call has found that out already, try the next. */
static void nm_rotate(struct rpc *r)
{
    struct client *c = r->t.c;
    if (r->nm_serial != c->nm_serial)
        return;
    c->nm_index = (c->nm_index + 1) % c->cfg.n_nameservers;
    nm_use(c, str_of(c->names[c->nm_index]));
}

static bool rpc_overdue(const struct rpc *r, int status)
{
    const struct client *c = r->t.c;
    uint64_t limit = r->patience ? min_u64(r->patience, c->cfg.timeout) : c->cfg.timeout;
    if (!c->contacted && status == DFS_EUNREACH)
        limit = min_u64(limit, CLIENT_FIRST_CONTACT);
    return c->now.mono - r->since >= limit;
}

/* Tries again later, or gives up when there was no progress for too long. */
static void rpc_again(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    const struct client *c = r->t.c;
    if (!rpc_overdue(r, status)) {
        r->hops = 0;
        task_nap(&r->t, status != DFS_EBUSY && c->now.mono - r->since < FAILOVER_TIME ? BACKOFF_LEADER : BACKOFF_MAX);
        return;
    }
    rpc_finish(r, r->mutation && r->uncertain ? DFS_EUNKNOWN : status, ev, fx);
}

/* Another NameServer may know better: it is asked at once, but each only once before the next pause, so that two that name
 * each other, or a cluster that is down, do not make us spin. */
static void rpc_elsewhere(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    if (r->hops >= r->t.c->cfg.n_nameservers - 1 || rpc_overdue(r, status)) {
        rpc_again(r, status, ev, fx);
        return;
    }
    r->hops++;
    rpc_run(&r->t, fx);
}

static void rpc_not_leader(struct rpc *r, const struct event *ev, struct effects *fx)
{
    struct client *c = r->t.c;
    struct str leader = ev->msg && ev->msg->type == MSG_TYPE_error ? ev->msg->error.leader : (struct str){NULL, 0};
    bool known = leader.len > 0 && !str_eq(leader, str_of(c->nm));
    if (known && r->nm_serial == c->nm_serial)
        nm_use(c, leader);
    else if (!known)
        nm_rotate(r);
    if (known && r->hops == 0) {
        r->hops = 1; /* also where only one address is listed */
        rpc_run(&r->t, fx);
        return;
    }
    rpc_elsewhere(r, DFS_ENOTLEADER, ev, fx);
}

static void rpc_no_session(struct rpc *r, const struct event *ev, struct effects *fx)
{
    if (!r->needs_session) {
        rpc_finish(r, DFS_ESESSION, ev, fx);
        return;
    }
    session_lost(r->t.c, r->session);
    if (r->mutation && r->uncertain) {
        rpc_finish(r, DFS_EUNKNOWN, NULL, fx);
        return;
    }
    number_drop(r, fx);
    rpc_again(r, DFS_ESESSION, ev, fx);
}

/* Said before a request reaches the log, and not remembered: an earlier try that got no answer may be there all the same. */
static bool says_nothing_of_before(int status)
{
    return status == DFS_ENOSPC || status == DFS_EIO || status == DFS_ENOTSUP;
}

static void rpc_reply(struct task *t, const struct event *ev, struct effects *fx)
{
    struct rpc *r = rpc_of(t);
    if (ev->msg)
        t->c->contacted = true;
    if (ev->status == 0 && (!ev->msg || ev->msg->type != (r->type | MSG_REPLY_BIT))) {
        rpc_finish(r, DFS_EPROTO, NULL, fx);
        return;
    }
    switch (ev->status) {
    default:
        if (r->mutation && r->uncertain && says_nothing_of_before(ev->status))
            rpc_finish(r, DFS_EUNKNOWN, NULL, fx);
        else
            rpc_finish(r, ev->status, ev, fx);
        return;
    case DFS_ENOTLEADER:
        rpc_not_leader(r, ev, fx);
        return;
    case DFS_ESESSION:
        rpc_no_session(r, ev, fx);
        return;
    case DFS_EUNKNOWN: /* the leader lost its leadership with the change in its log */
    case DFS_ECONNLOST:
    case DFS_ETIMEDOUT:
        r->uncertain = true;
        nm_rotate(r);
        rpc_elsewhere(r, ev->status, ev, fx);
        return;
    case DFS_EUNREACH:
        nm_rotate(r);
        rpc_elsewhere(r, ev->status, ev, fx);
        return;
    case DFS_EAGAIN:
    case DFS_EBUSY:
    case DFS_ECLOSING:
        rpc_again(r, ev->status, ev, fx);
        return;
    }
}
