/* SPDX-License-Identifier: MIT */
/* Clients that wait for locks. The queue itself is replicated state; here are only the calls that want to hear of it: each
 * is answered when its ticket is no longer waited for, or after a while, so that a client notices a leader that is gone. */
#include <stdlib.h>

#include "group/group.h"

#define LOCK_CALL (2 * NS_PER_SEC)
#define LOCK_CALLS_MAX 65536u

void lockwait_request(struct nm *nm, const struct event *ev, struct effects *fx)
{
    struct lockwait *lw = &nm->lockwait;
    uint64_t wait = ev->msg->lock_wait.wait_ms * NS_PER_MS;

    if (lw->n == LOCK_CALLS_MAX) {
        fx_fail(fx, ev->to, DFS_EAGAIN, "too many calls wait for locks");
        return;
    }
    if (lw->n == lw->cap) {
        lw->cap = lw->cap ? lw->cap * 2 : 16;
        lw->v = xrealloc(lw->v, lw->cap, sizeof *lw->v);
    }
    lw->v[lw->n++] = (struct lock_call){.to = ev->to,
                                        .session = ev->msg->lock_wait.session,
                                        .ticket = ev->msg->lock_wait.ticket,
                                        .until = nm->now.mono + (wait ? min_u64(wait, LOCK_CALL) : LOCK_CALL)};
    sessions_note(nm, ev->msg->lock_wait.session);
    lw->looked_at = 0; /* it may be over already */
}

void lockwait_turn(struct nm *nm, struct effects *fx)
{
    struct lockwait *lw = &nm->lockwait;
    uint32_t kept = 0;

    if (lw->n == 0 || (lw->looked_at == nm->applied && nm->now.mono < lw->next))
        return;
    lw->looked_at = nm->applied;
    lw->next = UINT64_MAX;
    for (uint32_t i = 0; i < lw->n; i++) {
        const struct lock_call *c = &lw->v[i];
        bool waiting = meta_lock_waits(nm->meta, c->session, c->ticket);
        struct msg reply = {.type = MSG_TYPE_lock_wait_reply, .lock_wait_reply = {.waiting = waiting}};

        if (!meta_session_exists(nm->meta, c->session)) {
            fx_fail(fx, c->to, DFS_ESESSION, "the session has expired, and its locks with it");
        } else if (!waiting || nm->now.mono >= c->until) {
            fx_reply(fx, c->to, &reply, NULL);
        } else {
            lw->next = min_u64(lw->next, c->until);
            lw->v[kept++] = *c;
        }
    }
    lw->n = kept;
}

uint64_t lockwait_deadline(const struct nm *nm) { return nm->lockwait.n > 0 ? nm->lockwait.next : UINT64_MAX; }

void lockwait_refuse(struct nm *nm, struct effects *fx)
{
    for (uint32_t i = 0; i < nm->lockwait.n; i++)
        fx_not_leader(fx, nm->lockwait.v[i].to, "");
    nm->lockwait.n = 0;
}

void lockwait_close(struct nm *nm) { free(nm->lockwait.v); }
