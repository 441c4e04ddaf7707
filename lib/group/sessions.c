/* SPDX-License-Identifier: MIT */
/* A session that ends while it holds locks goes in two steps (C19), so that a holder that was only paused writes nothing
 * once its lock is another's:
 *
 *   alive ---- expire, session_close ----> ended ---- session_fenced ----> gone, its locks pass on
 *                                          its requests are refused; it gets no chunk opened; what it had open for
 *                                          writing is sealed: moves to another version, which it does not know
 *
 * Sealing is what agree.c does when a member is lost, with the same fences and leases. */
#include "group/sessions.h"

#include <stdlib.h>

#include "base/hash.h"
#include "group/group.h"

#define EXPIRE_MAX 1024u /* sessions a command */

struct session_use {
    uint64_t session;
    uint64_t at;         /* mono ns */
    int64_t active_ns;   /* of its last logged request, when we looked */
    uint64_t hold;       /* serial the horizon does not pass … */
    uint64_t hold_until; /* … before this, mono ns */
    UT_hash_handle hh;
};

struct fence {
    uint64_t session;
    bool proposed;
    struct wire_chunk_id *chunks; /* open when it ended, and in which version */
    uint32_t n, cap;
    UT_hash_handle hh;
};

/* --- who is there --- */

static struct session_use *use_find(const struct nm *nm, uint64_t session)
{
    struct session_use *u;

    HASH_FIND(hh, nm->lead.sessions.uses, &session, sizeof session, u);
    return u;
}

static struct session_use *use_note(struct nm *nm, uint64_t session)
{
    struct session_use *u = use_find(nm, session);

    if (u == NULL) {
        u = xcalloc(1, sizeof *u);
        u->session = session;
        HASH_ADD(hh, nm->lead.sessions.uses, session, sizeof u->session, u);
    }
    u->at = nm->now.mono;
    return u;
}

void sessions_note(struct nm *nm, uint64_t session) { use_note(nm, session); }

static void forget_uses(struct nm *nm, uint64_t before)
{
    struct session_use *u, *next;

    HASH_ITER(hh, nm->lead.sessions.uses, u, next)
    {
        if (u->at >= before)
            continue;
        HASH_DEL(nm->lead.sessions.uses, u);
        free(u);
    }
}

void sessions_hold(struct nm *nm, const struct event *ev, struct effects *fx)
{
    const struct msg_hold *h = &ev->msg->hold;
    struct msg reply = {.type = MSG_TYPE_hold_reply};
    struct session_use *u;

    if (!meta_session_exists(nm->meta, h->session)) {
        fx_fail(fx, ev->to, DFS_ESESSION, "the session is not known or has expired");
        return;
    }
    u = use_note(nm, h->session);
    u->hold = h->oldest & CHUNK_SERIAL_MASK;
    u->hold_until = nm->now.mono + nm->cfg.grant_lifetime;
    reply.hold_reply.lifetime_ms = (uint32_t)min_u64(nm->cfg.grant_lifetime / NS_PER_MS, UINT32_MAX);
    fx_reply(fx, ev->to, &reply, NULL);
}

uint64_t sessions_held(const struct nm *nm)
{
    uint64_t lowest = UINT64_MAX;
    struct session_use *u, *next;

    HASH_ITER(hh, nm->lead.sessions.uses, u, next)
    if (u->hold_until > nm->now.mono)
        lowest = min_u64(lowest, u->hold);
    return lowest;
}

/* --- fences --- */

static void fence_free(struct nm *nm, struct fence *f)
{
    HASH_DEL(nm->lead.sessions.fences, f);
    free(f->chunks);
    free(f);
}

static void fence_add(void *arg, uint64_t chunk, uint32_t version)
{
    struct fence *f = arg;

    if (f->n == f->cap) {
        f->cap = f->cap ? f->cap * 2 : 4;
        f->chunks = xrealloc(f->chunks, f->cap, sizeof *f->chunks);
    }
    f->chunks[f->n++] = (struct wire_chunk_id){.chunk = chunk, .version = version};
}

static struct fence *fence_of(struct nm *nm, uint64_t session)
{
    struct fence *f;

    HASH_FIND(hh, nm->lead.sessions.fences, &session, sizeof session, f);
    if (f != NULL)
        return f;
    f = xcalloc(1, sizeof *f);
    f->session = session;
    HASH_ADD(hh, nm->lead.sessions.fences, session, sizeof f->session, f);
    if (!nm->cfg.pass_locks_early)
        meta_ended_chunks(nm->meta, session, fence_add, f);
    return f;
}

/* Those that have moved are taken off the list; the others are moved. */
static bool fence_done(struct nm *nm, struct fence *f)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < f->n; i++) {
        struct meta_chunk_info c;

        if (!meta_chunk_get(nm->meta, f->chunks[i].chunk, &c) || !c.open || c.version != f->chunks[i].version)
            continue;
        agree_unsettled(nm, c.chunk, c.version);
        f->chunks[kept++] = f->chunks[i];
    }
    f->n = kept;
    return kept == 0;
}

void sessions_turn(struct nm *nm)
{
    size_t at = 0;
    uint64_t session;

    while ((session = meta_ended_next(nm->meta, &at)) != 0) {
        struct fence *f = fence_of(nm, session);
        struct msg cmd = {.type = MSG_TYPE_session_fenced, .session_fenced = {.session = session}};

        if (!f->proposed && fence_done(nm, f))
            f->proposed = batch_propose(nm, &cmd);
    }
}

void sessions_applied(struct nm *nm, const struct msg *cmd)
{
    struct fence *f;

    if (cmd->type == MSG_TYPE_expire) {
        nm->lead.sessions.expiring = false;
        return;
    }
    HASH_FIND(hh, nm->lead.sessions.fences, &cmd->session_fenced.session, sizeof cmd->session_fenced.session, f);
    if (f != NULL)
        fence_free(nm, f);
}

/* --- who expires --- */

void sessions_clock_set(struct nm *nm)
{
    nm->lead.sessions.from = nm->now.mono + nm->cfg.session_ttl;
}

void sessions_forget(struct nm *nm)
{
    struct fence *f, *next;

    forget_uses(nm, UINT64_MAX);
    HASH_ITER(hh, nm->lead.sessions.fences, f, next)
    fence_free(nm, f);
}

void sessions_open(struct nm *nm)
{
    struct sessions *s = &nm->lead.sessions;

    sessions_clock_set(nm);
    s->next_look = s->from;
    s->lockers_next = nm->now.mono;
    s->lockers_at = (struct meta_lockers){.slot = 0};
    s->expiring = false;
}

static void propose(struct nm *nm, struct wire_session *idle, uint32_t n)
{
    struct msg cmd = {.type = MSG_TYPE_expire, .expire = {.sessions = idle, .n_sessions = n}};

    if (n > 0)
        nm->lead.sessions.expiring = batch_propose(nm, &cmd);
}

static struct wire_session *room(struct nm *nm)
{
    arena_reset(&nm->arena);
    return arena_alloc(&nm->arena, EXPIRE_MAX, sizeof(struct wire_session));
}

/* Somebody may be waiting, so stamps of another leader's clock, which may be ahead of ours, are not compared with ours: we
 * look whether they move. */
static bool locker_is_idle(struct nm *nm, const struct wire_session *s)
{
    struct session_use *u = use_find(nm, s->id);

    if (u == NULL || u->active_ns != s->idle_since_ns) {
        use_note(nm, s->id)->active_ns = s->idle_since_ns;
        return false;
    }
    return nm->now.mono - u->at >= nm->cfg.lock_ttl;
}

static void look_at_lockers(struct nm *nm)
{
    struct sessions *s = &nm->lead.sessions;
    struct wire_session *v;
    uint32_t n, idle = 0;

    if (nm->now.mono < s->lockers_next || s->expiring || (v = room(nm)) == NULL)
        return;
    n = meta_lockers(nm->meta, &s->lockers_at, v, EXPIRE_MAX);
    s->lockers_next = n == EXPIRE_MAX ? nm->now.mono : nm->now.mono + max_u64(nm->cfg.lock_ttl / 16, NS_PER_MS);
    for (uint32_t i = 0; i < n; i++)
        if (locker_is_idle(nm, &v[i]))
            v[idle++] = v[i];
    propose(nm, v, idle);
}

static void look_at_all(struct nm *nm)
{
    struct sessions *s = &nm->lead.sessions;
    uint64_t now = nm->now.mono, ttl = nm->cfg.session_ttl;
    struct wire_session *idle;
    uint32_t n, kept = 0;

    if (now < s->next_look || s->expiring)
        return;
    s->next_look = now + max_u64(ttl / 16, NS_PER_MS);
    if (now < s->from)
        return;
    forget_uses(nm, now - min_u64(ttl, now));
    idle = room(nm);
    if (idle == NULL)
        return;
    n = meta_idle_sessions(nm->meta, s->after, nm->now.wall - (int64_t)ttl, idle, EXPIRE_MAX);
    s->after = n == EXPIRE_MAX ? idle[n - 1].id : 0;
    if (n == EXPIRE_MAX) /* the round goes on with the next tick */
        s->next_look = now;
    for (uint32_t i = 0; i < n; i++)
        if (use_find(nm, idle[i].id) == NULL)
            idle[kept++] = idle[i];
    propose(nm, idle, kept);
}

void sessions_tick(struct nm *nm)
{
    look_at_all(nm);
    look_at_lockers(nm);
}
