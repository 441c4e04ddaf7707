/* SPDX-License-Identifier: MIT */
/* What the servers of a chunk say, and what follows from it (the states are drawn in agree.c). */
#include "group/agree_impl.h"

#define ASK_AGAIN (200 * NS_PER_MS)
/* One that cannot read what it has: its disk may recover, or be read again after a start. */
#define LOOK_AGAIN (2 * NS_PER_SEC)
#define DRIFT 10u /* one part in so many */

/* --- members --- */

/* Its lease is over, however late its last heartbeat reached us (B12). */
bool agree_is_gone(struct nm *nm, uint32_t server)
{
    const struct meta_server *s = meta_server_by_id(nm->meta, server);
    const struct live *l = live_get(nm, server);

    return s == NULL || s->state == SERVER_REMOVED ||
           nm->now.mono - l->last > nm->cfg.serve_lease + nm->cfg.serve_lease / DRIFT;
}

/* Is heard; stays: is not being drained, either. */
static bool is_live(struct nm *nm, uint32_t server, bool stays)
{
    const struct meta_server *s = meta_server_by_id(nm->meta, server);

    if (s == NULL || !s->up || leader_suspects(nm, live_get(nm, server)))
        return false;
    return s->state == SERVER_UP || (s->state == SERVER_DRAINING && !stays);
}

static void take_members(struct nm *nm, struct agreement *a, const struct meta_chunk_info *c)
{
    uint16_t servers[META_MAX_REPLICAS];

    a->n = meta_chunk_chain(nm->meta, c->chunk, servers);
    for (uint32_t i = 0; i < a->n; i++)
        a->m[i] = (struct member){
            .server = servers[i], .version = c->version, .sequence = UINT64_MAX, .length = c->length, .crc = c->crc};
}

uint32_t agree_min_replicas(const struct nm *nm, uint64_t ino) { return meta_file_goal(nm->meta, ino) == 1 ? 1 : 2; }

/* One that could not tell may be able to by now. Meanwhile what it said stands. */
static bool asked_again(const struct agreement *a, const struct member *m)
{
    return a->state == AGREE_FENCE && m->state == MEMBER_BAD;
}

static uint8_t kind_for(const struct agreement *a, const struct member *m)
{
    return a->state == AGREE_FENCE || m->out ? TASK_FENCE : TASK_STAMP;
}

static void ask(struct nm *nm, struct agreement *a, struct member *m)
{
    struct nm_task t = {.chunk = a->chunk,
                        .server = m->server,
                        .kind = kind_for(a, m),
                        .version = m->version,
                        .length = m->length};

    const struct meta_server *s = meta_server_by_id(nm->meta, m->server);

    if ((m->state != MEMBER_IDLE && !asked_again(a, m)) || nm->now.mono < m->ask_at)
        return;
    if (s == NULL || !s->up) /* a task for it would end only when it is back, and keep repair off this chunk */
        return;
    if (tasks_find_kind(nm, a->chunk, m->server, t.kind) != NULL)
        return; /* an earlier one has still to end */
    t.to = a->to;
    t.sequence = m->sequence;
    t.keep = a->keep;
    t.flags = m->out ? TASK_CUT_OFF : a->seal ? 0 : TASK_OPEN;
    if (m->state == MEMBER_IDLE)
        m->state = MEMBER_ASKED;
    tasks_add(nm, &t);
}

static struct member *member_of(struct agreement *a, uint32_t server)
{
    for (uint32_t i = 0; i < a->n; i++)
        if (a->m[i].server == server)
            return &a->m[i];
    return NULL;
}

/* --- sealing: who holds what --- */

/* What was acknowledged is in each, so one that says nothing else need not be the longest; where something was cut off at a start, a
 * flipped bit may have made it look as if it had never been whole. */
static bool goes_before(const struct member *m, const struct member *than)
{
    if (m->version != than->version)
        return m->version > than->version;
    return m->doubt != than->doubt ? than->doubt : m->sequence > than->sequence;
}

/* Histories of one version begin alike, and each holds all that was acknowledged: the longest wins (B11). */
static const struct member *longest(const struct agreement *a)
{
    const struct member *best = NULL;

    for (uint32_t i = 0; i < a->n; i++) {
        const struct member *m = &a->m[i];

        if (m->state != MEMBER_OK)
            continue;
        if (best == NULL || goes_before(m, best))
            best = m;
    }
    return best;
}

bool agree_may_have_more(const struct member *m)
{
    return m->state == MEMBER_GONE || (m->state == MEMBER_BAD && m->unsure);
}

/* After a loss of power everywhere all of them are waited for: a torn tail may have taken what another one has. An
 * administrator may know that one does not come back (B11). */
static bool enough_told(const struct agreement *a)
{
    bool all = true, steady = false;

    for (uint32_t i = 0; i < a->n; i++) {
        all = all && (!agree_may_have_more(&a->m[i]) || a->m[i].given_up);
        steady = steady || (a->m[i].state == MEMBER_OK && a->m[i].steady);
    }
    return (all || steady) && longest(a) != NULL;
}

static bool somebody_has_to_tell(const struct agreement *a)
{
    for (uint32_t i = 0; i < a->n; i++)
        if (a->m[i].state == MEMBER_IDLE || a->m[i].state == MEMBER_ASKED)
            return true;
    return false;
}

bool agree_stands(const struct agreement *a)
{
    return a->state == AGREE_FENCE && longest(a) != NULL && !somebody_has_to_tell(a) && !enough_told(a);
}

bool agree_is_lost(const struct agreement *a)
{
    for (uint32_t i = 0; i < a->n; i++)
        if (a->m[i].state != MEMBER_BAD)
            return false;
    return a->state == AGREE_FENCE;
}

/* False: somebody has still to tell, or to come back. */
static bool fences_done(struct nm *nm, struct agreement *a)
{
    for (uint32_t i = 0; i < a->n; i++) {
        struct member *m = &a->m[i];

        if ((m->state == MEMBER_IDLE || m->state == MEMBER_ASKED) && agree_is_gone(nm, m->server))
            m->state = MEMBER_GONE;
        if (m->state == MEMBER_GONE && !agree_is_gone(nm, m->server)) {
            m->state = MEMBER_IDLE; /* it is back */
            m->given_up = false;
            m->ask_at = 0;
        }
    }
    return !somebody_has_to_tell(a) && enough_told(a);
}

/* Who holds the same as the best goes on; if nothing was ever written, nobody does. Who is gone serves nobody. */
static void begin_stamps(struct agreement *a)
{
    const struct member best = *longest(a);
    uint32_t kept = 0;

    a->state = AGREE_STAMP;
    a->length = a->keep > 0 && a->keep < best.length ? a->keep : best.length;
    a->crc = best.crc;
    a->to = a->from + 1 > best.version + 1 ? a->from + 1 : best.version + 1;
    for (uint32_t i = 0; i < a->n; i++) {
        struct member *m = &a->m[i];

        if (m->state == MEMBER_GONE)
            continue;
        m->out = best.length == 0 || m->state != MEMBER_OK || m->version != best.version ||
                 m->sequence != best.sequence || m->length != best.length || m->crc != best.crc;
        m->state = MEMBER_IDLE;
        m->ask_at = 0;
        a->m[kept++] = *m;
    }
    a->n = kept;
}

/* --- proposing --- */

static uint32_t fill_servers(const struct agreement *a, struct wire_server_id *out)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < a->n; i++)
        if (a->m[i].state == MEMBER_OK && !a->m[i].out)
            out[n++].id = a->m[i].server;
    return n;
}

void agree_propose(struct nm *nm, struct agreement *a)
{
    struct wire_server_id servers[META_MAX_REPLICAS];
    uint32_t n = fill_servers(a, servers);
    struct msg cmd = {.type = a->seal ? MSG_TYPE_chunk_seal : MSG_TYPE_chunk_begin};

    a->state = AGREE_PROPOSE;
    if (a->proposed)
        return;
    if (a->seal)
        cmd.chunk_seal = (struct msg_chunk_seal){.ino = a->place.ino,
                                                 .chunk = a->chunk,
                                                 .from = a->from,
                                                 .version = a->to,
                                                 .length = a->length,
                                                 .crc = a->crc,
                                                 .servers = servers,
                                                 .n_servers = n};
    else
        cmd.chunk_begin = (struct msg_chunk_begin){.ino = a->place.ino,
                                                   .index = (uint32_t)a->place.index,
                                                   .chunk = a->chunk,
                                                   .from = a->from,
                                                   .version = a->to,
                                                   .servers = servers,
                                                   .n_servers = n};
    a->proposed = batch_propose(nm, &cmd);
}

/* --- steps --- */

void agree_start_seal(struct nm *nm, struct agreement *a, const struct meta_chunk_info *c)
{
    a->seal = true;
    a->state = AGREE_FENCE;
    a->from = c->version;
    a->keep = c->cut ? c->length : 0;
    a->proposed = false;
    take_members(nm, a, c);
}

static uint32_t keep_live(struct nm *nm, struct agreement *a, const struct meta_chunk_info *c, bool stays)
{
    uint32_t kept = 0;

    take_members(nm, a, c);
    for (uint32_t i = 0; i < a->n; i++)
        if (is_live(nm, a->m[i].server, stays))
            a->m[kept++] = a->m[i];
    a->n = kept;
    return kept;
}

/* Opens a sealed chunk. False: too few members are there. They get company as soon as it can be had; else one that is being
 * drained has to do. */
bool agree_start_open(struct nm *nm, struct agreement *a, const struct meta_chunk_info *c)
{
    uint32_t least = agree_min_replicas(nm, a->place.ino);

    a->seal = false;
    a->state = AGREE_STAMP;
    a->from = c->version;
    a->to = c->version + 1;
    a->keep = 0;
    a->proposed = false;
    if (keep_live(nm, a, c, true) >= least)
        return true;
    return !repair_now(nm, c) && keep_live(nm, a, c, false) >= least;
}

/* All that were asked have answered: those that could not are left out, as long as enough remain. */
static void stamps_done(struct nm *nm, struct agreement *a, struct effects *fx)
{
    uint32_t ok = 0, staying = 0, full = 0;

    for (uint32_t i = 0; i < a->n; i++) {
        struct member *m = &a->m[i];

        if (m->out && m->state != MEMBER_OK && agree_is_gone(nm, m->server))
            m->state = MEMBER_OK;
        else if (m->state == MEMBER_IDLE && agree_is_gone(nm, m->server))
            m->state = MEMBER_BAD; /* it was down before it could be asked */
        if (m->state == MEMBER_IDLE || m->state == MEMBER_ASKED)
            return;
        staying += !m->out;
        ok += !m->out && m->state == MEMBER_OK;
        full += !m->out && m->state == MEMBER_BAD && m->full;
    }
    if (a->seal && ok < staying) { /* who held it a moment ago does not any more: who does? */
        struct meta_chunk_info c;

        if (meta_chunk_of(nm->meta, a->place.ino, (uint32_t)a->place.index, &c))
            agree_start_seal(nm, a, &c);
    } else if (!a->seal && ok < agree_min_replicas(nm, a->place.ino)) {
        if (ok + full >= agree_min_replicas(nm, a->place.ino))
            agree_give_up(nm, a, DFS_ENOSPC, "storage servers that hold this chunk have no space left (dfs df)", fx);
        else
            agree_give_up(nm, a, DFS_ENOSERVERS, "too few servers hold this chunk to write to it", fx);
    } else {
        agree_propose(nm, a);
    }
}

void agree_step(struct nm *nm, struct agreement *a, struct effects *fx)
{
    if (a->after != 0 && meta_open_chunk(nm->meta, a->after) != 0) {
        agree_seal(nm, a->after, fx);
        return; /* its seal, once applied, comes back to this (agree_applied) */
    }
    a->after = 0;
    if (a->state == AGREE_FENCE && fences_done(nm, a))
        begin_stamps(a);
    if (a->state == AGREE_PROPOSE) {
        agree_propose(nm, a);
        return;
    }
    for (uint32_t i = 0; i < a->n; i++)
        ask(nm, a, &a->m[i]);
    if (a->state == AGREE_STAMP)
        stamps_done(nm, a, fx);
}

/* --- what servers say --- */

/* A version is logged when it is durable on all servers it names: one that has less than the map says, or nothing, has lost
 * it, and is no witness of what was written. */
static void fence_told(struct nm *nm, const struct agreement *a, struct member *m, const struct wire_task_result *r)
{
    int err = -(int)r->error;

    m->ask_at = nm->now.mono + ASK_AGAIN;
    if (err == 0 && r->version >= a->from) {
        m->state = MEMBER_OK;
        m->version = r->version;
        m->sequence = r->sequence;
        m->length = r->length;
        m->crc = r->crc;
        m->steady = r->flags & RESULT_STEADY;
        m->doubt = r->flags & RESULT_DOUBT;
    } else if (err == DFS_ESTALE && r->version > m->version) {
        m->state = MEMBER_IDLE; /* stamped for a leader that did not live to log it */
        m->version = r->version;
        m->ask_at = 0;
    } else {
        bool bad = err == 0 || err == DFS_ENOCHUNK || err == DFS_ECORRUPT || err == DFS_EIO;

        m->state = bad ? MEMBER_BAD : MEMBER_IDLE;
        m->unsure = err == DFS_EIO;
        m->ask_at = nm->now.mono + (bad ? LOOK_AGAIN : ASK_AGAIN);
    }
}

/* It is not read any more, whatever it still holds. */
static void cut_off_told(struct nm *nm, struct member *m, const struct wire_task_result *r)
{
    bool done = r->flags & RESULT_CUT_OFF;

    m->state = done ? MEMBER_OK : MEMBER_IDLE;
    m->ask_at = nm->now.mono + (done ? 0 : ASK_AGAIN);
}

static void stamp_told(struct nm *nm, struct agreement *a, struct member *m, const struct wire_task_result *r)
{
    int err = -(int)r->error;

    m->ask_at = nm->now.mono + ASK_AGAIN;
    if (err == 0 && r->version == a->to) {
        m->state = MEMBER_OK;
        m->version = a->to;
        m->sequence = 0;
    } else if (err == DFS_ESTALE && !a->seal && r->version > m->version && r->sequence == 0 && r->length == m->length) {
        /* the same bytes under a version that was never logged: all of them go past it */
        m->version = r->version;
        m->sequence = 0;
        a->to = r->version + 1;
        for (uint32_t i = 0; i < a->n; i++)
            if (a->m[i].state != MEMBER_BAD && a->m[i].state != MEMBER_ASKED)
                a->m[i].state = MEMBER_IDLE;
        m->state = MEMBER_IDLE;
        m->ask_at = 0;
    } else if (err == 0 || err == DFS_EAGAIN || err == DFS_EUNREACH) {
        m->state = err == DFS_EUNREACH ? MEMBER_GONE : MEMBER_IDLE;
    } else {
        m->state = MEMBER_BAD;
        m->full = err == DFS_ENOSPC;
    }
}

void agree_result(struct nm *nm, const struct nm_task *t, const struct wire_task_result *r, struct effects *fx)
{
    struct agreement *a = agree_find(nm, t->chunk);
    struct member *m = a != NULL ? member_of(a, t->server) : NULL;

    if (m == NULL || (m->state != MEMBER_ASKED && !asked_again(a, m)) || t->kind != kind_for(a, m))
        return;
    if (m->out)
        cut_off_told(nm, m, r);
    else if (a->state == AGREE_FENCE)
        fence_told(nm, a, m, r);
    else
        stamp_told(nm, a, m, r);
    agree_step(nm, a, fx);
}
