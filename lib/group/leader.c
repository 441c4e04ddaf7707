/* SPDX-License-Identifier: MIT */
/* The leader's clockwork: heartbeats, who is down, the grant horizon, reaping. */
#include <stdlib.h>

#include "base/log.h"
#include "group/group.h"

/* Numbers of a server are logged when they moved by more than 1/LOGGED_SHARE of its capacity, at most this often. */
#define LOGGED_SHARE 20u
#define LOGGED_EVERY (10 * NS_PER_SEC)
#define REAP_LIMIT 1024u
/* Inodes freed by one command, and the time between two: other requests come first. */
#define RECLAIM_LIMIT 1024u
#define RECLAIM_EVERY (10 * NS_PER_MS)
/* A wall clock that moves by more than this against the monotonic one was set: ages by it mean nothing for a while. */
#define CLOCK_SET (1 * (int64_t)NS_PER_SEC)
/* Ahead of the last leader's by more than this, and how long its last entry was on its way. */
#define CLOCK_AHEAD (5 * (int64_t)NS_PER_SEC)

void leader_init(struct leader *l, uint64_t seed)
{
    cut_init(&l->cuts);
    rng_seed(&l->rng, seed);
    watches_init(&l->watches);
}

static void free_live(struct live *l)
{
    free(l->remove);
    free(l->disks);
}

static void forget_servers(struct leader *l)
{
    for (uint32_t i = 0; i < l->n_live; i++)
        free_live(&l->live[i]);
    l->n_live = 0;
}

void leader_close(struct nm *nm)
{
    struct leader *l = &nm->lead;

    tasks_forget(nm);
    repair_forget(nm);
    reports_refuse(nm, NULL);
    forget_servers(l);
    sessions_forget(nm);
    delegations_forget(nm);
    watches_refuse(nm, NULL);
    openers_close(&l->openers);
    free(l->live);
    l->live = NULL;
    l->cap_live = 0;
}

void leader_compare_clocks(struct nm *nm)
{
    int64_t passed = (int64_t)(nm->now.mono - nm->stamp_mono);

    nm->lead.clock_ahead = nm->stamp_mono > 0 && nm->now.wall - nm->stamp_wall - passed > CLOCK_AHEAD;
}

void leader_open(struct nm *nm)
{
    struct leader *l = &nm->lead;
    uint64_t now = nm->now.mono;

    tasks_forget(nm);
    repair_open(nm);
    recovery_forget(nm);
    forget_servers(l); /* a takeover restarts every server's timer */
    sessions_forget(nm);
    delegations_forget(nm);
    openers_close(&l->openers);
    l->opened = now;
    l->next_serial = meta_first_grantable(nm->meta);
    l->mark[0].at = now;
    l->mark[0].serial = l->next_serial;
    l->n_marks = 1;
    l->next_tick = now;
    l->next_mark = now + nm->cfg.grant_lifetime / (HORIZON_MARKS / 2);
    sessions_open(nm);
    /* Stamps of before may be from a clock that was behind ours: nobody knows how long ago it was. The trash is not held up
     * by what may have happened before a start, or it would never be emptied where the machine is off every night. */
    l->reap_from = now + nm->cfg.reader_grace;
    l->trash_from = l->clock_ahead ? now + (uint64_t)meta_trash_keep(nm->meta) : now;
    l->next_reclaim = now;
    l->skew = nm->now.wall - (int64_t)now;
    l->reserve_pending = l->horizon_pending = l->reap_pending = false;
    l->reclaim_pending = l->level_pending = false;
}

/* --- servers --- */

static uint32_t live_index(const struct leader *l, uint32_t id)
{
    uint32_t lo = 0, hi = l->n_live;

    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;

        if (l->live[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

const struct live *live_find(const struct leader *l, uint32_t id)
{
    uint32_t i = live_index(l, id);

    return i < l->n_live && l->live[i].id == id ? &l->live[i] : NULL;
}

struct live *live_get(struct nm *nm, uint32_t id)
{
    struct leader *l = &nm->lead;
    uint32_t i = live_index(l, id);

    if (i < l->n_live && l->live[i].id == id)
        return &l->live[i];
    if (l->n_live == l->cap_live) {
        l->cap_live = l->cap_live ? l->cap_live * 2 : 8;
        l->live = xrealloc(l->live, l->cap_live, sizeof *l->live);
    }
    memmove(&l->live[i + 1], &l->live[i], (l->n_live - i) * sizeof *l->live);
    l->n_live++;
    l->live[i] = (struct live){.id = id, .last = nm->now.mono};
    return &l->live[i];
}

bool leader_suspects(const struct nm *nm, const struct live *l)
{
    return nm->now.mono - l->last > nm->cfg.down_after / 2;
}

static void propose_state(struct nm *nm, struct live *l, const struct meta_server *s, uint8_t state)
{
    struct msg cmd = {.type = MSG_TYPE_server_state};

    if (l->state_pending)
        return;
    cmd.server_state.server = s->id;
    cmd.server_state.state = state;
    cmd.server_state.capacity = l->heard ? l->capacity : s->capacity;
    cmd.server_state.used = l->heard ? l->used : s->used;
    l->state_pending = batch_propose(nm, &cmd);
    if (l->state_pending)
        l->logged_at = nm->now.mono;
}

static void check_server(struct nm *nm, const struct meta_server *s, struct effects *fx)
{
    struct live *l = live_get(nm, s->id);
    uint64_t silence = nm->now.mono - l->last;

    if (s->state == SERVER_DRAINING && s->chunks == 0)
        propose_state(nm, l, s, SERVER_DRAINED);
    if (!s->up || s->state == SERVER_REMOVED || silence < nm->cfg.down_after || l->state_pending)
        return;
    propose_state(nm, l, s, SERVER_DOWN);
    if (l->state_pending)
        fx_log(fx, LOG_WARN, "nm.server_down", "server=%u addr=%s silent_ms=%" PRIu64, s->id, s->addr,
               (uint64_t)(silence / NS_PER_MS));
}

/* --- heartbeats and reports --- */

const struct meta_server *leader_sender(struct nm *nm, const struct event *ev, uint32_t id, uint64_t incarnation,
                                        struct effects *fx)
{
    const struct meta_server *s = meta_server_by_id(nm->meta, id);

    if (s != NULL && s->incarnation == incarnation && s->state != SERVER_REMOVED)
        return s;
    fx_fail(fx, ev->to, DFS_ESTALE, "server %u is not registered with this incarnation: register again", id);
    return NULL;
}

static void note_numbers(struct nm *nm, struct live *l, const struct meta_server *s)
{
    uint64_t moved = l->used > s->used ? l->used - s->used : s->used - l->used;

    if (!s->up || (nm->now.mono - l->logged_at >= LOGGED_EVERY &&
                   (moved > l->capacity / LOGGED_SHARE || l->capacity != s->capacity)))
        propose_state(nm, l, s, SERVER_UP);
}

/* What a server says of its disks, for status; what it found damaged is repaired from other copies. */
static void note_disks(struct nm *nm, struct live *l, const struct msg_heartbeat *h, struct effects *fx)
{
    free(l->disks);
    l->disks = xcalloc(h->n_disks + 1, sizeof *l->disks);
    l->n_disks = h->n_disks;
    if (h->n_disks)
        memcpy(l->disks, h->disks, h->n_disks * sizeof *l->disks);
    for (uint32_t i = 0; i < h->n_damaged; i++) {
        fx_log(fx, LOG_WARN, "nm.chunk_damaged", "server=%u chunk=%" PRIu64 " version=%u", l->id, h->damaged[i].chunk,
               h->damaged[i].version);
        repair_verify(nm, h->damaged[i].chunk, l->id, REASON_SUSPECT);
    }
    for (uint32_t i = 0; i < h->n_unsettled; i++)
        agree_unsettled(nm, h->unsettled[i].chunk, h->unsettled[i].version);
}

static void on_heartbeat(struct nm *nm, const struct event *ev, struct effects *fx)
{
    const struct msg_heartbeat *h = &ev->msg->heartbeat;
    const struct meta_server *s = leader_sender(nm, ev, h->server, h->incarnation, fx);
    struct msg reply = {.type = MSG_TYPE_heartbeat_reply};
    struct live *l;
    uint32_t n;

    if (s == NULL)
        return;
    l = live_get(nm, s->id);
    l->last = nm->now.mono;
    l->heard = true;
    l->capacity = h->capacity;
    l->used = h->used;
    l->chunks = h->chunks;
    l->load = h->load;
    note_disks(nm, l, h, fx);
    l->granted = 0;
    if (!s->up && !l->state_pending)
        fx_log(fx, LOG_INFO, "nm.server_up", "server=%u addr=%s", s->id, s->addr);
    note_numbers(nm, l, s);
    n = l->n_remove < 1024 ? l->n_remove : 1024;
    l->n_remove -= n;
    reply.heartbeat_reply.epoch = meta_epoch(nm->meta);
    reply.heartbeat_reply.lease_ms = (uint32_t)min_u64(nm->cfg.serve_lease / NS_PER_MS, UINT32_MAX);
    reply.heartbeat_reply.remove = n > 0 ? l->remove + l->n_remove : NULL;
    reply.heartbeat_reply.n_remove = n;
    quarantine_ask(nm, l, &reply.heartbeat_reply);
    fx_reply(fx, ev->to, &reply, NULL);
}

bool leader_hears_twin(const struct nm *nm, const struct msg_ss_register *r)
{
    for (uint32_t i = 0; i < meta_n_servers(nm->meta); i++) {
        const struct meta_server *s = meta_server_at(nm->meta, i);
        const struct live *l = live_find(&nm->lead, s->id);

        if (s->uuid_hi == r->uuid_hi && s->uuid_lo == r->uuid_lo)
            return l != NULL && s->incarnation != r->incarnation && !str_eq(str_of(s->addr), r->addr) &&
                   nm->now.mono - l->last <= 2 * nm->cfg.heartbeat;
    }
    return false;
}

/* A client got bytes from a server that did not fit. */
static void on_suspect(struct nm *nm, const struct event *ev, struct effects *fx)
{
    const struct msg_chunk_suspect *m = &ev->msg->chunk_suspect;
    struct msg reply = {.type = MSG_TYPE_chunk_suspect_reply};

    repair_verify(nm, m->chunk, m->server, REASON_SUSPECT);
    fx_reply(fx, ev->to, &reply, NULL);
}

void leader_request(struct nm *nm, const struct event *ev, struct effects *fx)
{
    switch (ev->msg->type) {
    case MSG_TYPE_hold:
        sessions_hold(nm, ev, fx);
        return;
    case MSG_TYPE_grant:
        leader_grant(nm, ev, fx);
        return;
    case MSG_TYPE_heartbeat:
        on_heartbeat(nm, ev, fx);
        return;
    case MSG_TYPE_rebalance:
        repair_rebalance(nm, ev, fx);
        return;
    case MSG_TYPE_give_up:
        agree_go_on(nm, ev, fx);
        return;
    case MSG_TYPE_report:
        report_request(nm, ev, fx);
        return;
    case MSG_TYPE_tasks:
        tasks_request(nm, ev, fx);
        return;
    case MSG_TYPE_chunk_open:
        agree_request(nm, ev, fx);
        return;
    case MSG_TYPE_watch:
        watches_request(nm, ev, fx);
        return;
    case MSG_TYPE_lock_wait:
        lockwait_request(nm, ev, fx);
        return;
    case MSG_TYPE_chunk_suspect:
        on_suspect(nm, ev, fx);
        return;
    default:
        fx_fail(fx, ev->to, DFS_ENOTSUP, "%s is not served here", wire_type_name(ev->msg->type));
    }
}

/* --- by time --- */

static void mark_horizon(struct nm *nm)
{
    struct leader *l = &nm->lead;

    if (nm->now.mono < l->next_mark)
        return;
    l->next_mark = nm->now.mono + nm->cfg.grant_lifetime / (HORIZON_MARKS / 2);
    if (l->n_marks < HORIZON_MARKS) {
        l->mark[l->n_marks].at = nm->now.mono;
        l->mark[l->n_marks].serial = l->next_serial;
        l->n_marks++;
    }
}

/* Grants older than their lifetime are dead, unless they are held. The first mark is the epoch's opening, so that what
 * an earlier leader granted lives its full lifetime too, and who holds it has the time to say so (B15). */
static void propose_horizon(struct nm *nm)
{
    struct leader *l = &nm->lead;
    struct msg cmd = {.type = MSG_TYPE_horizon};
    uint32_t old = 0;

    while (old < l->n_marks && nm->now.mono - l->mark[old].at >= nm->cfg.grant_lifetime)
        old++;
    if (old == 0 || l->horizon_pending)
        return;
    cmd.horizon.chunks_below = min_u64(l->mark[old - 1].serial, sessions_held(nm));
    if (cmd.horizon.chunks_below > meta_horizon(nm->meta)) {
        l->horizon_pending = batch_propose(nm, &cmd);
        if (!l->horizon_pending)
            return;
    }
    l->n_marks -= old;
    memmove(l->mark, l->mark + old, l->n_marks * sizeof l->mark[0]);
}

static void propose_reap(struct nm *nm)
{
    struct leader *l = &nm->lead;
    struct msg cmd = {.type = MSG_TYPE_reap};
    int64_t before = nm->now.wall - (int64_t)nm->cfg.reader_grace;

    if (l->reap_pending || nm->now.mono < l->reap_from || meta_oldest_removed(nm->meta) >= before)
        return;
    cmd.reap.before_ns = before;
    cmd.reap.limit = REAP_LIMIT;
    l->reap_pending = batch_propose(nm, &cmd);
}

/* In small pieces one after the other while there is something to free; the trash is looked at with every tick. */
static void propose_reclaim(struct nm *nm)
{
    struct leader *l = &nm->lead;
    struct msg cmd = {.type = MSG_TYPE_reclaim};
    /* what a restored trash holds has waited for longer than anybody could have looked at it */
    bool wait = nm->now.mono < l->trash_from || meta_quarantine(nm->meta) != 0;
    int64_t before = wait ? INT64_MIN : nm->now.wall - meta_trash_keep(nm->meta);

    if (l->reclaim_pending || nm->now.mono < l->next_reclaim)
        return;
    if (!meta_can_reclaim(nm->meta) && meta_oldest_trash(nm->meta) >= before)
        return;
    l->next_reclaim = nm->now.mono + RECLAIM_EVERY;
    cmd.reclaim.trash_before_ns = before;
    cmd.reclaim.limit = RECLAIM_LIMIT;
    l->reclaim_pending = batch_propose(nm, &cmd);
}

/* Ages are measured with logged wall-clock stamps. If the clock was set, they are waited for in full again: reaping or
 * expiring early would break a promise, late only keeps something longer. */
static void watch_clock(struct nm *nm)
{
    struct leader *l = &nm->lead;
    int64_t skew = nm->now.wall - (int64_t)nm->now.mono;

    if (skew - l->skew > CLOCK_SET) {
        l->reap_from = nm->now.mono + nm->cfg.reader_grace;
        sessions_clock_set(nm);
        l->trash_from = nm->now.mono + (uint64_t)meta_trash_keep(nm->meta);
    }
    l->skew = skew;
}

void leader_tick(struct nm *nm, struct effects *fx)
{
    struct leader *l = &nm->lead;

    cut_turn(nm, fx);
    reports_turn(nm, fx);
    repair_turn(nm, fx);
    sessions_turn(nm);
    tasks_turn(nm, fx);
    if (meta_can_reclaim(nm->meta))
        propose_reclaim(nm);
    if (nm->now.mono < l->next_tick)
        return;
    l->next_tick = nm->now.mono + min_u64(max_u64(nm->cfg.down_after / 10, NS_PER_MS), NS_PER_SEC / 4);
    watch_clock(nm);
    for (uint32_t i = 0; i < meta_n_servers(nm->meta); i++)
        check_server(nm, meta_server_at(nm->meta, i), fx);
    mark_horizon(nm);
    propose_horizon(nm);
    propose_reap(nm);
    propose_reclaim(nm);
    sessions_tick(nm);
    leader_reserve(nm);
    agree_tick(nm, fx);
    level_tick(nm);
    members_tick(nm, fx);
}

uint64_t leader_deadline(const struct nm *nm)
{
    const struct leader *l = &nm->lead;
    uint64_t at = min_u64(l->next_tick, min_u64(tasks_deadline(nm), repair_deadline(nm)));

    if (reports_comparing(nm))
        return 0;
    return l->reclaim_pending || !meta_can_reclaim(nm->meta) ? at : min_u64(at, l->next_reclaim);
}

/* --- what was applied --- */

static void queue_removal(struct nm *nm, const struct meta_removed *r)
{
    for (uint32_t i = 0; i < r->n_servers && !quarantine_holds(nm, r->chunk); i++) {
        struct live *l = live_get(nm, r->servers[i]);

        if (l->n_remove == REMOVE_MAX)
            continue; /* its report will find the chunk unknown */
        if (l->n_remove == l->cap_remove) {
            l->cap_remove = l->cap_remove ? l->cap_remove * 2 : 64;
            l->remove = xrealloc(l->remove, l->cap_remove, sizeof *l->remove);
        }
        l->remove[l->n_remove++] = (struct wire_chunk_id){.chunk = r->chunk, .version = r->version};
    }
}

void leader_applied(struct nm *nm, const struct msg *cmd, const struct meta_result *res, struct effects *fx)
{
    struct leader *l = &nm->lead;

    watches_applied(nm, cmd);
    delegations_applied(nm, cmd, res);
    switch (cmd->type) {
    case MSG_TYPE_reserve:
        l->reserve_pending = false;
        break;
    case MSG_TYPE_horizon:
        l->horizon_pending = false;
        break;
    case MSG_TYPE_reap:
        l->reap_pending = false;
        for (uint32_t i = 0; i < res->n_removed; i++)
            queue_removal(nm, &res->removed[i]);
        if (res->n_removed == REAP_LIMIT) /* there may be more: as many a second as are removed */
            l->next_tick = nm->now.mono;
        break;
    case MSG_TYPE_reclaim:
        l->reclaim_pending = false;
        break;
    case MSG_TYPE_chunk_servers:
        repair_moved(nm, &cmd->chunk_servers);
        break;
    case MSG_TYPE_expire:
    case MSG_TYPE_session_fenced:
        sessions_applied(nm, cmd);
        break;
    case MSG_TYPE_chunk_begin:
    case MSG_TYPE_chunk_seal:
        agree_applied(nm, cmd, fx);
        break;
    case MSG_TYPE_nm_level:
        l->level_pending = false;
        break;
    case MSG_TYPE_server_state:
        live_get(nm, cmd->server_state.server)->state_pending = false;
        if (cmd->server_state.state == SERVER_DOWN) {
            live_get(nm, cmd->server_state.server)->down_at = nm->now.mono;
            tasks_cancel(nm, cmd->server_state.server, fx);
        }
        break;
    case MSG_TYPE_server_set: { /* one that was removed never answers, and what it was to do would keep repair waiting */
        const struct meta_server *s = meta_server_by_id(nm->meta, cmd->server_set.server);

        if (s != NULL && s->state == SERVER_REMOVED)
            tasks_cancel(nm, s->id, fx);
        break;
    }
    case MSG_TYPE_truncate: {
        struct msg m;

        if (res->type == MSG_TYPE_truncate_reply &&
            msg_decode(res->type, res->head, res->head_len, &m, &nm->arena) == 0)
            cut_applied(nm, &m, fx);
        break;
    }
    case MSG_TYPE_ss_register:
        if (res->type == MSG_TYPE_ss_register_reply) {
            struct msg m;

            if (msg_decode(res->type, res->head, res->head_len, &m, &nm->arena) != 0)
                break;
            struct live *s = live_get(nm, m.ss_register_reply.server);

            s->last = nm->now.mono; /* a new incarnation counts from here */
            s->heard = s->complete = s->report_counts = s->compare_next = false;
            tasks_again(nm, s->id);
            agree_restarted(nm, s->id);
            fx_log(fx, LOG_INFO, "nm.server_registered", "server=%u addr=%.*s domain=%.*s", s->id,
                   STR_ARG(cmd->ss_register.addr), STR_ARG(cmd->ss_register.domain));
        }
        break;
    default:
        quarantine_applied(nm, cmd, fx);
        break;
    }
}
