/* SPDX-License-Identifier: MIT */
#include "group/repair.h"

#include <stdlib.h>

#include "base/log.h"
#include "group/agree_impl.h"
#include "group/group.h"
#include "group/health.h"

/* How long a chunk is left alone after a failure, doubled each time; where a writer waits for it, not doubled. */
#define HOLD_FIRST (1 * NS_PER_SEC)
#define HOLD_MOST (64 * NS_PER_SEC)
#define HOLD_MOVE (10 * NS_PER_SEC)
#define HOLDS_MAX 65536u
/* A server that had no room is not asked again for so long. */
#define FULL_FOR (30 * NS_PER_SEC)
#define RATE_SECONDS 30u

void repair_open(struct nm *nm)
{
    repair_forget(nm);
    nm->lead.repair.look = true;
}

void repair_forget(struct nm *nm)
{
    struct repair *r = &nm->lead.repair;
    struct repair_hold *h, *next;

    HASH_ITER(hh, r->holds, h, next)
    {
        HASH_DEL(r->holds, h);
        free(h);
    }
    bad_forget(nm);
    free(r->seats);
    free(r->level);
    memset(r, 0, sizeof *r);
}

/* --- chunks left alone --- */

static struct repair_hold *hold_find(const struct nm *nm, uint64_t chunk)
{
    struct repair_hold *h;

    HASH_FIND(hh, nm->lead.repair.holds, &chunk, sizeof chunk, h);
    return h;
}

static struct repair_hold *hold_get(struct nm *nm, uint64_t chunk)
{
    struct repair *r = &nm->lead.repair;
    struct repair_hold *h = hold_find(nm, chunk);

    if (h != NULL || HASH_COUNT(r->holds) >= HOLDS_MAX)
        return h;
    h = xcalloc(1, sizeof *h);
    h->chunk = chunk;
    HASH_ADD(hh, r->holds, chunk, sizeof h->chunk, h);
    return h;
}

static void hold_after_failure(struct nm *nm, uint64_t chunk)
{
    struct repair_hold *h = hold_get(nm, chunk);

    if (h == NULL)
        return;
    h->failed = nm->now.mono;
    h->until = nm->now.mono + min_u64(HOLD_FIRST << (h->tries < 8 ? h->tries : 8), HOLD_MOST);
    h->tries++;
}

static void hold_release(struct nm *nm, uint64_t chunk)
{
    struct repair_hold *h = hold_find(nm, chunk);

    if (h == NULL)
        return;
    HASH_DEL(nm->lead.repair.holds, h);
    free(h);
}

/* Forgets those that were over long ago; those that have just ended make work again. */
static void holds_look(struct nm *nm)
{
    struct repair *r = &nm->lead.repair;
    struct repair_hold *h, *next;

    HASH_ITER(hh, r->holds, h, next)
    {
        if (nm->now.mono >= h->until)
            r->look = true;
        if (nm->now.mono >= h->until + (h->tries > 0 ? HOLD_MOST : 0)) {
            HASH_DEL(r->holds, h);
            free(h);
        }
    }
}

bool repair_busy(const struct nm *nm, uint64_t chunk)
{
    const struct repair_hold *h = hold_find(nm, chunk);

    return (h != NULL && nm->now.mono < h->until) || tasks_find(nm, chunk) != NULL || agree_find(nm, chunk) != NULL;
}

bool repair_now(struct nm *nm, const struct meta_chunk_info *c)
{
    const struct repair_hold *h = hold_find(nm, c->chunk);
    struct meta_placement p;

    if (h != NULL && nm->now.mono < h->until && h->tries == 0)
        return true;
    if (h != NULL && h->tries > 0 && nm->now.mono < h->failed + HOLD_FIRST)
        return false;
    if (tasks_find_kind(nm, c->chunk, 0, TASK_COPY) != NULL)
        return true;
    if (!meta_placement_get(nm->meta, c->placement, &p) || p.live >= p.goal)
        return false;
    return repair_pick(nm, c, &p, LEVEL_FEWEST) != PICK_NONE;
}

void repair_sealed(struct nm *nm, const struct meta_chunk_info *c)
{
    struct meta_placement p;
    uint8_t level = meta_placement_get(nm->meta, c->placement, &p) ? repair_level(nm, &p) : LEVEL_NONE;

    if (level == LEVEL_NONE)
        return;
    nm->lead.repair.again[level] = 0;
    nm->lead.repair.look = true;
}

bool repair_drains(const struct nm *nm, const struct meta_chunk_info *c)
{
    const struct repair_hold *h = hold_find(nm, c->chunk);
    struct meta_placement p;

    return (h == NULL || nm->now.mono >= h->until) && meta_placement_get(nm->meta, c->placement, &p) &&
           p.draining > 0 && repair_has_target(nm, &p);
}

/* --- moves --- */

bool repair_moves_full(const struct nm *nm) { return nm->lead.repair.n_moves == REPAIR_MOVES; }

static void moves_log(struct nm *nm)
{
    struct repair *r = &nm->lead.repair;
    struct msg cmd = {.type = MSG_TYPE_chunk_servers};

    if (r->n_moves == 0)
        return;
    cmd.chunk_servers.moves = r->moves;
    cmd.chunk_servers.n_moves = r->n_moves;
    if (batch_propose(nm, &cmd))
        r->n_moves = 0;
}

void repair_propose(struct nm *nm, uint64_t chunk, uint32_t version, uint32_t add, uint32_t remove)
{
    struct repair *r = &nm->lead.repair;
    struct repair_hold *h;

    if (repair_moves_full(nm))
        moves_log(nm);
    if (repair_moves_full(nm))
        return; /* found again by the next walk, or the next report */
    h = hold_get(nm, chunk);
    if (h != NULL) {
        h->until = nm->now.mono + HOLD_MOVE;
        h->tries = 0;
    }
    r->moves[r->n_moves++] = (struct wire_chunk_move){.chunk = chunk, .version = version, .add = add, .remove = remove};
}

static bool has_member(const struct nm *nm, const struct meta_chunk_info *c, uint32_t server)
{
    struct meta_placement p;

    if (!meta_placement_get(nm->meta, c->placement, &p))
        return false;
    for (uint32_t i = 0; i < p.n; i++)
        if (p.servers[i] == server)
            return true;
    return false;
}

static bool is_heard(const struct nm *nm, uint32_t server)
{
    const struct meta_server *s = meta_server_by_id(nm->meta, server);

    return s != NULL && s->up && s->state != SERVER_REMOVED;
}

void repair_drop(struct nm *nm, uint64_t chunk, uint32_t version, uint32_t server)
{
    if (!is_heard(nm, server))
        return; /* its report will find it */
    tasks_add(nm,
              &(struct nm_task){
                  .kind = TASK_DROP, .chunk = chunk, .version = version, .server = server, .reason = REASON_SURPLUS});
}

static void rate_count(struct nm *nm)
{
    struct repair *r = &nm->lead.repair;
    uint64_t second = nm->now.mono / NS_PER_SEC;

    for (uint64_t s = max_u64(r->rate_at + 1, second - min_u64(second, 31)); s <= second; s++)
        r->rate[s % 32] = 0;
    r->rate_at = second;
    r->rate[second % 32]++;
}

/* Whoever holds a copy that is not on the list deletes it. */
static void move_applied(struct nm *nm, const struct wire_chunk_move *m)
{
    struct meta_chunk_info c;
    bool mapped = meta_chunk_get(nm->meta, m->chunk, &c) && !c.removed && c.version == m->version;

    hold_release(nm, m->chunk);
    if (m->add != 0 && mapped && has_member(nm, &c, m->add))
        rate_count(nm);
    else if (m->add != 0)
        repair_drop(nm, m->chunk, m->version, m->add);
    if (m->remove != 0 && mapped && !has_member(nm, &c, m->remove))
        repair_drop(nm, m->chunk, m->version, m->remove);
}

void repair_moved(struct nm *nm, const struct msg_chunk_servers *m)
{
    for (uint32_t i = 0; i < m->n_moves; i++)
        move_applied(nm, &m->moves[i]);
    nm->lead.repair.look = true;
    nm->lead.repair.full = false;
}

/* --- results --- */

static void copy_ended(struct nm *nm, const struct nm_task *t, const struct wire_task_result *r, struct effects *fx)
{
    struct repair *rp = &nm->lead.repair;
    struct meta_chunk_info c;
    bool mapped = meta_chunk_get(nm->meta, t->chunk, &c) && !c.removed && c.version == t->version;

    rp->copies--;
    rp->improving -= t->reason == REASON_IMPROVE;
    rp->fetching -= t->length;
    if (t->n_sources > 0)
        live_get(nm, t->sources[0])->reads--;
    if (r->suspect != 0)
        repair_verify(nm, t->chunk, r->suspect, REASON_SUSPECT); /* or the way here was bad */
    rp->copied += r->error == 0;
    rp->copied_bytes += r->error == 0 ? t->length : 0;
    if (r->error == 0 || nm->cfg.count_failed) {
        if (mapped && !has_member(nm, &c, t->server))
            repair_propose(nm, t->chunk, t->version, t->server, t->remove);
        else if (!mapped)
            repair_drop(nm, t->chunk, t->version, t->server);
        return;
    }
    fx_log(fx, LOG_WARN, "nm.copy_failed", "chunk=%" PRIu64 " to=%u from=%u error=%s", t->chunk, t->server,
           t->n_sources > 0 ? t->sources[0] : 0U, dfs_errname(-(int)r->error));
    if (r->error == -DFS_ENOSPC)
        live_get(nm, t->server)->full_until = nm->now.mono + FULL_FOR;
    hold_after_failure(nm, t->chunk);
}

static bool is_bad(int err)
{
    return err == DFS_ECORRUPT || err == DFS_ENOCHUNK || err == DFS_ESTALE || err == DFS_EIO;
}

static void verify_ended(struct nm *nm, const struct nm_task *t, const struct wire_task_result *r)
{
    bool later = r->version > t->version && r->error == (uint16_t)-DFS_ESTALE; /* one that is being agreed on */
    int err = later ? DFS_EAGAIN : -(int)r->error;
    struct meta_chunk_info c;
    bool mapped = meta_chunk_get(nm->meta, t->chunk, &c) && !c.removed && c.version == t->version;
    bool member = mapped && has_member(nm, &c, t->server);

    if (member && is_bad(err)) {
        bad_note(nm, t->chunk, t->server, err != DFS_ENOCHUNK);
    } else if (member && err == 0) {
        bad_clear(nm, t->chunk, t->server);
        if (t->reason == REASON_CONFIRM)
            bad_confirmed(nm, t->chunk);
    } else if (mapped && !member && t->reason == REASON_ADOPT) {
        struct meta_placement p;

        if (err == 0 && meta_placement_get(nm->meta, c.placement, &p) && p.live < p.goal)
            repair_propose(nm, t->chunk, t->version, t->server, 0);
        else if (err != DFS_ENOCHUNK && (err == 0 || is_bad(err)))
            repair_drop(nm, t->chunk, c.version, t->server);
    }
}

void repair_result(struct nm *nm, const struct nm_task *t, const struct wire_task_result *r, struct effects *fx)
{
    if (t->kind == TASK_FENCE || t->kind == TASK_STAMP) {
        agree_result(nm, t, r, fx);
        return;
    }
    nm->lead.repair.look = true;
    nm->lead.repair.full = false;
    if (t->kind == TASK_COPY)
        copy_ended(nm, t, r, fx);
    else if (t->kind == TASK_VERIFY)
        verify_ended(nm, t, r);
}

/* Of a task that is over, or an earlier leader's: as if its report said so. */
void repair_unasked(struct nm *nm, uint32_t server, const struct wire_task_result *r)
{
    struct wire_held held = {.chunk = r->chunk, .version = r->version, .length = r->length};

    if (r->kind == TASK_COPY && r->error == 0)
        report_held(nm, server, &held);
}

/* --- turns --- */

void repair_turn(struct nm *nm, struct effects *fx)
{
    struct repair *r = &nm->lead.repair;

    (void)fx;
    if (!lease_valid(nm))
        return;
    moves_log(nm);
    if (nm->now.mono >= r->next_look) {
        holds_look(nm);
        bad_turn(nm);
        repair_look(nm);
        moves_log(nm);
    }
    repair_scan(nm);
    moves_log(nm);
}

uint64_t repair_deadline(const struct nm *nm)
{
    const struct repair *r = &nm->lead.repair;

    if (!lease_valid(nm))
        return UINT64_MAX;
    if ((r->at != LEVEL_NONE && !r->full && !repair_moves_full(nm)))
        return 0;
    return r->next_look;
}

/* --- numbers --- */

static double copies_a_second(const struct nm *nm)
{
    const struct repair *r = &nm->lead.repair;
    uint64_t second = nm->now.mono / NS_PER_SEC, sum = 0, seconds = 0;

    for (uint64_t s = second - min_u64(second, RATE_SECONDS); s < second; s++) {
        if (s > r->rate_at || s + 31 < r->rate_at)
            continue;
        sum += r->rate[s % 32];
        seconds += sum > 0;
    }
    return seconds > 0 ? (double)sum / (double)seconds : 0;
}

void repair_fill_health(const struct nm *nm, struct repair_health *out)
{
    const struct repair *r = &nm->lead.repair;
    double rate = copies_a_second(nm);
    struct meta_health h;
    uint64_t left;

    meta_health(nm->meta, &h);
    left = h.under_replicated - min_u64(h.missing, h.under_replicated) + h.draining;
    *out = (struct repair_health){.repairing = r->copies,
                                  .corrupt = bad_chunks(nm) + agree_lost_chunks(nm),
                                  .rebalancing = r->balancing,
                                  .copied = r->copied,
                                  .copied_bytes = r->copied_bytes};
    if (left > 0)
        out->eta_seconds = rate > 0 ? (int64_t)((double)left / rate) + 1 : -1;
}

bool repair_is_corrupt(const struct nm *nm, uint64_t chunk)
{
    return bad_everywhere(nm, chunk) || agree_lost(nm, chunk);
}

/* Bytes on servers that are fuller than the mean, beyond it. */
static uint64_t bytes_to_move(const struct nm *nm)
{
    const struct repair *r = &nm->lead.repair;
    double sum = 0;

    for (uint32_t i = 0; i < r->n_seats; i++) {
        const struct meta_server *s = meta_server_at(nm->meta, i);

        if (r->seats[i].source && s->state == SERVER_UP && r->seats[i].fill > r->mean_fill)
            sum += (r->seats[i].fill - r->mean_fill) * (double)(s->bytes + r->seats[i].room);
    }
    return (uint64_t)sum;
}

void repair_rebalance(struct nm *nm, const struct event *ev, struct effects *fx)
{
    struct msg reply = {.type = MSG_TYPE_rebalance_reply};
    struct repair *r = &nm->lead.repair;

    r->narrow = r->look = true;
    memset(r->again, 0, sizeof r->again);
    repair_look(nm);
    reply.rebalance_reply.bytes = r->balancing ? bytes_to_move(nm) : 0;
    fx_reply(fx, ev->to, &reply, NULL);
}
