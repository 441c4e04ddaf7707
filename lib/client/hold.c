/* SPDX-License-Identifier: MIT */
/* Holding grants: a put that takes longer than a grant lives, a slow pipe say, tells the NameServer now and then what
 * its oldest chunk is, so that the horizon does not pass it (B15). Short puts never come to that.
 *
 *            grant taken                 a sixth of a lifetime            answer, puts still run
 *   idle ------------------> timer asleep --------------------> asking -------------------------> timer asleep
 *
 * A grant comes to a put with a third of its lifetime left, at least: enough for the first timer, and for a retry. */
#include "client/internal.h"

#define HOLDS_PER_LIFETIME 6u
#define HOLDS_PER_LOCK 3u /* of the time after which those that hold locks expire */
/* Open files keep the session alive in the same way, also where nothing was ever granted. */
#define FILE_HOLD (60 * NS_PER_SEC)

static uint64_t oldest_in_use(const struct client *c)
{
    uint64_t lowest = UINT64_MAX;
    for (const struct list *e = c->running.next; e != &c->running; e = e->next)
        lowest = min_u64(lowest, put_lowest_chunk(CONTAINER_OF(e, struct op, link)));
    return lowest;
}

static void build_hold(struct rpc *r, struct msg *m, struct arena *a)
{
    (void)a;
    m->type = MSG_TYPE_hold;
    m->hold = (struct msg_hold){.session = r->session, .oldest = oldest_in_use(r->t.c)};
}

/* Whatever the answer was: while puts run, it is tried again in time. */
static void on_hold(struct rpc *r, int status, const struct event *ev, struct effects *fx)
{
    (void)status;
    (void)ev;
    (void)fx;
    r->t.c->hold_busy = false;
    if (r->t.c->puts > 0 || !list_empty(&r->t.c->files))
        hold_arm(r->t.c);
}

static void hold_run(struct task *t, struct effects *fx)
{
    struct client *c = t->c;
    if (oldest_in_use(c) == UINT64_MAX && list_empty(&c->files))
        return; /* the next grant taken arms the timer again */
    c->hold_busy = true;
    rpc_start(&c->hold_rpc, fx);
}

void hold_init(struct client *c)
{
    task_init(&c->hold_timer, c, NULL, hold_run, NULL);
    rpc_init(&c->hold_rpc, c, NULL, build_hold, on_hold);
    c->hold_rpc.needs_session = true;
}

void hold_arm(struct client *c)
{
    if (c->hold_busy || !list_empty(&c->hold_timer.link))
        return;
    uint64_t every = (c->grant_lifetime ? c->grant_lifetime : FILE_HOLD) / HOLDS_PER_LIFETIME;
    c->hold_timer.wake = c->now.mono + (c->lock_ttl ? min_u64(every, c->lock_ttl / HOLDS_PER_LOCK) : every);
    list_push(&c->sleeping, &c->hold_timer.link);
}

void hold_disarm(struct client *c)
{
    if (list_empty(&c->files))
        task_stop(&c->hold_timer);
}

void hold_close(struct client *c)
{
    task_stop(&c->hold_timer);
    rpc_stop(&c->hold_rpc);
}
