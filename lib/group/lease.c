/* SPDX-License-Identifier: MIT */
/* When a leader may answer (CONSISTENCY A5).
 *
 * The log is the lease: an entry of ours, submitted at t, that is applied proves that nobody else could have been elected
 * before t; and whoever is elected later does not answer before t + lease and more. So until t + lease what we know is
 * current. Requests that come when no lease runs wait for one; an empty entry brings it. A lone voter can only be
 * followed by itself, and needs none.
 *
 * How long a new leader waits: it has every entry that was ever applied, so it received the one that proves another's lease,
 * after t. The lease and a tenth, for clocks that do not run alike, after the last word from any leader is late enough; the
 * election has passed most of it. A start counts as such a word: what is in the log came before. A cluster that never had
 * a second member had no other leader to wait for. */
#include <stdlib.h>

#include "base/log.h"
#include "group/group.h"

#define DRIFT 10u /* one part in so many */
#define WAITING_MAX 65536u
#define WAITING_MAX_BYTES (16u * 1024 * 1024)

struct waiting {
    struct list link;
    struct reply_to to;
    uint16_t type;
    struct slice head;
};

bool lease_needed(const struct nm *nm)
{
    uint32_t voters = 0;

    for (unsigned i = 0; i < nm->raft.configuration.n; i++)
        voters += nm->raft.configuration.servers[i].role == RAFT_VOTER;
    return voters > 1;
}

bool lease_valid(const struct nm *nm)
{
    return nm->cfg.trust_lease || nm->now.mono < nm->lease_until || !lease_needed(nm);
}

void lease_leader(struct nm *nm)
{
    bool alone = nm->raft.configuration.n == 1 && nm->conf_index <= 1;

    leader_compare_clocks(nm);
    nm->lease_until = 0;
    nm->asked = false;
    nm->serve_at = nm->now.mono;
    if (!alone && !nm->cfg.trust_lease)
        nm->serve_at = max_u64(nm->serve_at, nm->led_at + nm->cfg.read_lease + nm->cfg.read_lease / DRIFT);
}

void lease_renew(struct nm *nm, const struct batch *b)
{
    if (b->submitted == 0 || b->term != raft_current_term(&nm->raft) || !engine_is_leader(nm))
        return;
    nm->lease_until = max_u64(nm->lease_until, b->submitted + nm->cfg.read_lease);
    nm->asked = false;
}

/* --- what waits --- */

bool lease_wait(struct nm *nm, const struct event *ev)
{
    struct waiting *w;

    if (nm->n_waiting >= WAITING_MAX || nm->waiting_bytes + ev->head.len > WAITING_MAX_BYTES)
        return false;
    w = xcalloc(1, sizeof *w);
    w->to = ev->to;
    w->type = ev->msg->type;
    w->head = slice_ref(ev->head);
    list_push(&nm->waiting, &w->link);
    nm->n_waiting++;
    nm->waiting_bytes += w->head.len;
    return true;
}

static struct waiting *take(struct nm *nm)
{
    struct waiting *w = CONTAINER_OF(nm->waiting.next, struct waiting, link);

    list_remove(&w->link);
    nm->n_waiting--;
    nm->waiting_bytes -= w->head.len;
    return w;
}

static void drop(struct waiting *w)
{
    slice_drop(&w->head);
    free(w);
}

void lease_refuse(struct nm *nm, struct effects *fx)
{
    while (!list_empty(&nm->waiting)) {
        struct waiting *w = take(nm);

        fx_not_leader(fx, w->to, "");
        drop(w);
    }
}

void lease_close(struct nm *nm)
{
    while (!list_empty(&nm->waiting))
        drop(take(nm));
}

static void answer_waiting(struct nm *nm, struct effects *fx)
{
    for (uint32_t n = nm->n_waiting; n > 0 && nm->serving && lease_valid(nm); n--) {
        struct waiting *w = take(nm);
        struct event ev = {.kind = EV_REQUEST, .now = nm->now, .to = w->to, .peer = "", .head = w->head};
        struct msg msg;

        arena_reset(&nm->entry_arena);
        if (msg_decode(w->type, slice_data(w->head), w->head.len, &msg, &nm->entry_arena) == 0) {
            ev.msg = &msg;
            nm_answer(nm, &ev, fx);
        } else {
            fx_fail(fx, w->to, DFS_ENOMEM, "the request is too large for the memory left");
        }
        drop(w);
    }
}

/* --- keeping it --- */

static uint64_t renew_at(const struct nm *nm)
{
    uint64_t margin = nm->cfg.read_lease * 3 / 5;

    if (nm->n_waiting > 0)
        return nm->now.mono;
    return nm->asked && nm->lease_until > margin ? nm->lease_until - margin : UINT64_MAX;
}

static bool wants_entry(const struct nm *nm)
{
    return nm->serving && lease_needed(nm) && list_empty(&nm->queue) && list_empty(&nm->pending);
}

void lease_turn(struct nm *nm, struct effects *fx)
{
    if (nm->epoch_open && !nm->serving && engine_is_leader(nm) && nm->now.mono >= nm->serve_at) {
        nm->serving = true;
        leader_open(nm);
        fx_log(fx, LOG_INFO, "nm.serving", "epoch=%" PRIu64 " term=%llu address=%s", meta_epoch(nm->meta),
               raft_current_term(&nm->raft), nm->address);
        if (meta_quarantine(nm->meta) != 0)
            fx_log(fx, LOG_WARN, "nm.quarantine",
                   "advice=\"chunks this restored namespace does not know are kept: dfs nm quarantine\"");
    }
    if (nm->serving && nm->n_waiting > 0)
        answer_waiting(nm, fx);
    if (wants_entry(nm) && nm->now.mono >= renew_at(nm)) {
        struct batch *b = batch_new(nm);

        list_push(&nm->queue, &b->link);
    }
}

uint64_t lease_deadline(const struct nm *nm)
{
    if (nm->epoch_open && !nm->serving)
        return nm->serve_at;
    return wants_entry(nm) ? renew_at(nm) : UINT64_MAX;
}
