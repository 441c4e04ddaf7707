/* SPDX-License-Identifier: MIT */
/* Advisory locks. Held ones are a short list per file; those that wait are in order of their tickets, and whenever
 * something is given up they are tried in that order. All of it is replicated state, so a lock outlives a failover, and
 * so does a place in the queue. Who asks and would wait gets behind those that wait already, or a stream of shared locks would
 * keep out an exclusive one for ever; who has what one of them waits for goes before it, or both would wait for ever.
 *
 * A range that would close a circle of waiting owners is refused (as fcntl does; flock's users wait for ever). */
#include <stdio.h>
#include <stdlib.h>

#include "meta/state.h"

#define REFUSE(m, err, ...) (snprintf((m)->text, sizeof(m)->text, __VA_ARGS__), (err))
/* Owners looked at to find a circle; a longer one is not found. */
#define CIRCLE_MAX 64u

static bool same_owner(const struct lock *a, const struct lock *b)
{
    return a->session == b->session && a->owner == b->owner;
}

static bool overlap(const struct lock *a, const struct lock *b)
{
    return a->space == b->space && a->start <= b->end && b->start <= a->end;
}

static bool conflict(const struct lock *held, const struct lock *want)
{
    return overlap(held, want) && !same_owner(held, want) &&
           (held->type == LOCK_EXCLUSIVE || want->type == LOCK_EXCLUSIVE);
}

/* --- the table --- */

static struct locks *find(const struct meta *m, uint64_t ino)
{
    return (struct locks *)(uintptr_t)u64map_get(&m->locks, ino);
}

const struct locks *meta_locks(const struct meta *m, uint64_t ino) { return find(m, ino); }

static size_t cost(const struct locks *l) { return heap_cost(sizeof *l + l->cap * sizeof l->v[0]); }

/* With room for two more than there are: what a lock or unlock may add. */
static struct locks *make_room(struct meta *m, uint64_t ino)
{
    struct locks *l = find(m, ino);
    if (l != NULL && l->cap - l->n >= 2)
        return l;
    uint32_t cap = l == NULL ? 2 : l->cap * 2;
    struct locks *more = xcalloc(1, sizeof *more + cap * sizeof more->v[0]);
    if (l != NULL) {
        m->heap_bytes -= cost(l);
        memcpy(more, l, sizeof *l + l->n * sizeof l->v[0]);
        free(l);
    }
    more->cap = cap;
    m->heap_bytes += cost(more);
    u64map_put(&m->locks, ino, (uint64_t)(uintptr_t)more);
    return more;
}

static void free_if_empty(struct meta *m, uint64_t ino)
{
    struct locks *l = find(m, ino);
    if (l == NULL || l->n > 0 || l->waiting > 0)
        return;
    m->heap_bytes -= cost(l);
    u64map_remove(&m->locks, ino);
    free(l);
}

void meta_locks_free_all(struct meta *m)
{
    for (size_t i = 0; i < m->locks.cap; i++)
        free((struct locks *)(uintptr_t)m->locks.slots[i].value);
    u64map_close(&m->locks);
}

static void count_for_handle(struct meta *m, uint64_t handle, int sign)
{
    struct handle *h = idmap_find(&m->handles, handle);
    h->locks += (uint32_t)sign;
}

/* The order in which they are kept: the same on every member, whatever came first. */
bool meta_lock_before(const struct lock *a, const struct lock *b)
{
    if (a->space != b->space)
        return a->space < b->space;
    if (a->start != b->start)
        return a->start < b->start;
    return a->session != b->session ? a->session < b->session : a->owner < b->owner;
}

static void insert(struct meta *m, struct locks *l, const struct lock *v)
{
    uint32_t i = l->n++;
    for (; i > 0 && meta_lock_before(v, &l->v[i - 1]); i--)
        l->v[i] = l->v[i - 1];
    l->v[i] = *v;
    count_for_handle(m, v->handle, 1);
}

static void remove_at(struct meta *m, struct locks *l, uint32_t i)
{
    count_for_handle(m, l->v[i].handle, -1);
    memmove(&l->v[i], &l->v[i + 1], (--l->n - i) * sizeof l->v[0]);
}

/* --- what an owner has --- */

/* Takes [start, end] away from what the owner of `cut` has; what sticks out stays. There is room for one more. */
static void cut_out(struct meta *m, struct locks *l, const struct lock *cut)
{
    struct lock right = {0};
    for (uint32_t i = 0; i < l->n;) {
        struct lock *v = &l->v[i];
        if (!same_owner(v, cut) || !overlap(v, cut)) {
            i++;
            continue;
        }
        if (v->end > cut->end) {
            right = *v;
            right.start = cut->end + 1;
        }
        if (v->start < cut->start) {
            v->end = cut->start - 1;
            i++;
        } else {
            remove_at(m, l, i);
        }
    }
    if (right.type != 0) /* at most one can stick out on this side: an owner's locks do not overlap */
        insert(m, l, &right);
}

/* Joins what touches, so that locking byte after byte stays one lock. */
static void add_joined(struct meta *m, struct locks *l, struct lock want)
{
    for (uint32_t i = 0; i < l->n;) {
        const struct lock *v = &l->v[i];
        bool touches =
            (v->end != UINT64_MAX && v->end + 1 == want.start) || (want.end != UINT64_MAX && want.end + 1 == v->start);
        if (!same_owner(v, &want) || v->space != want.space || v->type != want.type || v->handle != want.handle ||
            !touches) {
            i++;
            continue;
        }
        want.start = min_u64(want.start, v->start);
        want.end = max_u64(want.end, v->end);
        remove_at(m, l, i);
    }
    insert(m, l, &want);
}

static void take(struct meta *m, uint64_t ino, const struct lock *want)
{
    struct locks *l = make_room(m, ino);
    cut_out(m, l, want);
    add_joined(m, l, *want);
}

static const struct lock *first_conflict(const struct meta *m, uint64_t ino, const struct lock *want)
{
    const struct locks *l = find(m, ino);
    for (uint32_t i = 0; l != NULL && i < l->n; i++)
        if (conflict(&l->v[i], want))
            return &l->v[i];
    return NULL;
}

/* --- waiting --- */

/* Whether this waiter waits for who wants this. With flock, for another of its session: a program that has the file open twice
 * counts as two owners. */
static bool waits_for(const struct locks *l, const struct lock *waiter, const struct lock *want)
{
    for (uint32_t i = 0; i < l->n; i++) {
        const struct lock *v = &l->v[i];
        bool its = want->space == LOCK_FILE ? v->session == want->session : same_owner(v, want);
        if (its && conflict(v, waiter))
            return true;
    }
    return false;
}

static bool goes_behind(const struct locks *l, const struct lock *waiter, const struct lock *want)
{
    return conflict(waiter, want) && !waits_for(l, waiter, want);
}

static void iterate(struct idmap_iter *it, const struct meta *m)
{
    if (idmap_iter_init(it, &m->waits) != 0)
        abort(); /* the outcome must not depend on this machine's memory (A6) */
}

static const struct lock_wait *waiting_at(const struct meta *m, uint64_t ticket)
{
    return idmap_find(&m->waits, ticket);
}

void meta_lock_wait_add(struct meta *m, uint64_t ticket, uint64_t ino, const struct lock *l)
{
    struct lock_wait *w = idmap_add(&m->waits, ticket);
    *w = (struct lock_wait){.ino = ino, .lock = *l};
    make_room(m, ino)->waiting++;
    count_for_handle(m, l->handle, 1);
}

static void wait_remove(struct meta *m, uint64_t ticket)
{
    const struct lock_wait *w = waiting_at(m, ticket);
    find(m, w->ino)->waiting--;
    count_for_handle(m, w->lock.handle, -1);
    idmap_remove(&m->waits, ticket);
}

bool meta_lock_waits(const struct meta *m, uint64_t session, uint64_t ticket)
{
    const struct lock_wait *w = waiting_at(m, ticket);
    return w != NULL && w->lock.session == session;
}

/* The tickets that wait for this file, oldest first: l->waiting many; live until the arena is reset. */
static const uint64_t *tickets_of(struct meta *m, uint64_t ino, const struct locks *l)
{
    struct idmap_iter it;
    const struct lock_wait *w;
    uint64_t ticket;
    uint32_t n = 0;
    uint64_t *v = arena_alloc(&m->arena, l->waiting, sizeof *v);
    if (v == NULL)
        abort();
    iterate(&it, m);
    while (n < l->waiting && (w = idmap_iter_next(&it, &ticket)) != NULL)
        if (w->ino == ino)
            v[n++] = ticket;
    idmap_iter_close(&it);
    return v;
}

/* One of the first n of these tickets, of those that still wait, comes first. */
static bool one_comes_first(const struct meta *m, const struct locks *l, const uint64_t *tickets, uint32_t n,
                            const struct lock *want)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct lock_wait *w = waiting_at(m, tickets[i]);
        if (w != NULL && goes_behind(l, &w->lock, want))
            return true;
    }
    return false;
}

static bool must_queue(struct meta *m, uint64_t ino, const struct lock *want)
{
    const struct locks *l = find(m, ino);
    return l != NULL && l->waiting > 0 && one_comes_first(m, l, tickets_of(m, ino, l), l->waiting, want);
}

/* Whoever has asked for the whole file in another way since: its client may have given up the earlier request, and not have
 * been heard. What the later one lets go (queue) is not held again before it, or who waits for that would wait for both. */
static bool asked_again(const struct meta *m, const uint64_t *later, uint32_t n, const struct lock *want)
{
    for (uint32_t i = 0; i < n && want->space == LOCK_FILE; i++) {
        const struct lock_wait *w = waiting_at(m, later[i]);
        if (w != NULL && w->lock.space == LOCK_FILE && same_owner(&w->lock, want))
            return true;
    }
    return false;
}

/* Something of this file was given up, or somebody waits no more. */
static void grant_waiting(struct meta *m, uint64_t ino)
{
    const struct locks *l = find(m, ino);
    uint32_t n = l != NULL ? l->waiting : 0;
    const uint64_t *tickets = n > 0 ? tickets_of(m, ino, l) : NULL;
    for (uint32_t i = 0; i < n; i++) {
        const struct lock want = waiting_at(m, tickets[i])->lock;
        if (first_conflict(m, ino, &want) != NULL || one_comes_first(m, find(m, ino), tickets, i, &want))
            continue;
        wait_remove(m, tickets[i]);
        if (!asked_again(m, tickets + i + 1, n - i - 1, &want))
            take(m, ino, &want);
    }
}

struct circle {
    struct lock seen[CIRCLE_MAX]; /* owners */
    uint32_t n;
};

static void circle_add(struct circle *c, const struct lock *owner)
{
    for (uint32_t i = 0; i < c->n; i++)
        if (same_owner(&c->seen[i], owner))
            return;
    if (c->n < CIRCLE_MAX)
        c->seen[c->n++] = *owner;
}

/* Whom a request waits for: those that hold what it wants, and those before its ticket. */
static void add_blockers(struct meta *m, struct circle *c, uint64_t ino, const struct lock *want, uint64_t before)
{
    const struct locks *l = find(m, ino);
    const uint64_t *tickets = l != NULL && l->waiting > 0 ? tickets_of(m, ino, l) : NULL;
    for (uint32_t i = 0; l != NULL && i < l->n; i++)
        if (conflict(&l->v[i], want))
            circle_add(c, &l->v[i]);
    for (uint32_t i = 0; tickets != NULL && i < l->waiting && tickets[i] < before; i++)
        if (goes_behind(l, &waiting_at(m, tickets[i])->lock, want))
            circle_add(c, &waiting_at(m, tickets[i])->lock);
}

/* Whether somebody this request would wait for waits, directly or not, for its owner. */
static bool closes_circle(struct meta *m, uint64_t ino, const struct lock *want)
{
    struct circle c = {.n = 0};
    add_blockers(m, &c, ino, want, UINT64_MAX);
    for (uint32_t i = 0; i < c.n; i++) {
        struct idmap_iter it;
        const struct lock_wait *w;
        uint64_t ticket;
        if (same_owner(&c.seen[i], want))
            return true;
        iterate(&it, m);
        while ((w = idmap_iter_next(&it, &ticket)) != NULL)
            if (same_owner(&w->lock, &c.seen[i]))
                add_blockers(m, &c, w->ino, &w->lock, ticket);
        idmap_iter_close(&it);
    }
    return false;
}

/* --- operations --- */

bool meta_lock_fine(const struct meta *m, uint64_t ino, const struct lock *l)
{
    const struct handle *h = meta_handle(m, l->handle);
    return h != NULL && h->session == l->session && h->ino == ino && l->start <= l->end &&
           (l->space == LOCK_FILE || l->space == LOCK_RANGE) && (l->type == LOCK_SHARED || l->type == LOCK_EXCLUSIVE) &&
           (l->space == LOCK_RANGE || (l->start == 0 && l->end == UINT64_MAX));
}

void meta_lock_add(struct meta *m, uint64_t ino, const struct lock *l) { insert(m, make_room(m, ino), l); }

/* 0 with the file in *ino; EBADF, EINVAL. */
static int check(const struct meta *m, const struct lock *l, uint64_t *ino)
{
    const struct handle *h = meta_handle(m, l->handle);
    if (h == NULL || h->session != l->session)
        return DFS_EBADF;
    *ino = h->ino;
    return meta_lock_fine(m, h->ino, l) ? 0 : DFS_EINVAL;
}

static int queue(struct meta *m, uint64_t ino, const struct lock *want, uint64_t *ticket)
{
    if (m->waits.count == META_WAITS_MAX)
        return REFUSE(m, DFS_ETOOBIG, "%u locks are waited for: no more can be", META_WAITS_MAX);
    *ticket = m->next_ticket++;
    meta_lock_wait_add(m, *ticket, ino, want);
    if (want->space == LOCK_FILE) { /* two that hold it shared and both want more must not wait for each other */
        cut_out(m, find(m, ino), want);
        grant_waiting(m, ino);
    }
    return 0;
}

int meta_op_lock(struct meta *m, const struct msg_lock *r, struct msg *reply)
{
    uint64_t ino = 0, ticket = 0;
    struct lock want = {.session = r->id.session,
                        .owner = r->owner,
                        .handle = r->handle,
                        .start = r->start,
                        .end = r->end,
                        .space = r->space,
                        .type = r->type};
    int rv = check(m, &want, &ino);
    if (rv != 0)
        return rv;
    const struct locks *l = find(m, ino);
    if (l != NULL && l->n >= META_LOCKS_MAX)
        return REFUSE(m, DFS_ETOOBIG, "a file may have %u locks", META_LOCKS_MAX);
    bool held = first_conflict(m, ino, &want) != NULL, waits = r->flags & LOCK_WAIT;
    bool circle = waits && want.space == LOCK_RANGE && closes_circle(m, ino, &want);
    if (!held && (!waits || circle || !must_queue(m, ino, &want))) {
        take(m, ino, &want);
        grant_waiting(m, ino); /* an exclusive lock may have become a shared one */
    } else {
        rv = circle ? DFS_EDEADLK : waits ? queue(m, ino, &want, &ticket) : DFS_ELOCKED;
    }
    if (rv != 0)
        return rv;
    reply->type = MSG_TYPE_lock_reply;
    reply->lock_reply.ticket = ticket != 0 && waiting_at(m, ticket) != NULL ? ticket : 0;
    return 0;
}

/* Those that wait for this file and fit are given up: through this handle, or, with handle 0, as `cut` names them. */
static void drop_waits(struct meta *m, uint64_t ino, uint64_t handle, const struct lock *cut)
{
    const struct locks *l = find(m, ino);
    uint32_t n = l->waiting;
    const uint64_t *tickets = n > 0 ? tickets_of(m, ino, l) : NULL;
    for (uint32_t i = 0; i < n; i++) {
        const struct lock *v = &waiting_at(m, tickets[i])->lock;
        if (handle != 0 ? v->handle == handle : same_owner(v, cut) && overlap(v, cut))
            wait_remove(m, tickets[i]);
    }
}

/* What `cut` names, and what is waited for there, is given up. */
static void give_up(struct meta *m, uint64_t ino, const struct lock *cut)
{
    if (find(m, ino) == NULL)
        return;
    drop_waits(m, ino, 0, cut);
    cut_out(m, make_room(m, ino), cut);
    grant_waiting(m, ino);
    free_if_empty(m, ino);
}

int meta_op_unlock(struct meta *m, const struct msg_unlock *r, struct msg *reply)
{
    uint64_t ino = 0;
    struct lock cut = {.session = r->id.session,
                       .owner = r->owner,
                       .handle = r->handle,
                       .start = r->start,
                       .end = r->end,
                       .space = r->space,
                       .type = LOCK_SHARED};
    int rv = check(m, &cut, &ino);
    if (rv != 0)
        return rv;
    give_up(m, ino, &cut);
    reply->type = MSG_TYPE_unlock_reply;
    reply->unlock_reply.reserved = 0;
    return 0;
}

int meta_op_lock_cancel(struct meta *m, const struct msg_lock_cancel *r, struct msg *reply)
{
    bool waits = meta_lock_waits(m, r->id.session, r->ticket);
    if (waits) {
        uint64_t ino = waiting_at(m, r->ticket)->ino;
        wait_remove(m, r->ticket);
        grant_waiting(m, ino);
        free_if_empty(m, ino);
    }
    reply->type = MSG_TYPE_lock_cancel_reply;
    reply->lock_cancel_reply.waited = waits;
    return 0;
}

void meta_lock_waits_drop(struct meta *m, uint64_t handle)
{
    const struct handle *h = meta_handle(m, handle);
    if (h->locks == 0)
        return;
    drop_waits(m, h->ino, handle, NULL);
    grant_waiting(m, h->ino);
    free_if_empty(m, h->ino);
}

void meta_locks_drop(struct meta *m, uint64_t handle)
{
    const struct handle *h = meta_handle(m, handle);
    if (h->locks == 0)
        return;
    uint64_t ino = h->ino;
    struct locks *l = find(m, ino);
    drop_waits(m, ino, handle, NULL);
    for (uint32_t i = 0; i < l->n;)
        if (l->v[i].handle == handle)
            remove_at(m, l, i);
        else
            i++;
    grant_waiting(m, ino);
    free_if_empty(m, ino);
}

int meta_read_lock(const struct meta *m, const struct msg_lock_query *r, struct msg *reply)
{
    const struct handle *h = meta_handle(m, r->handle);
    struct lock want = {.session = h != NULL ? h->session : 0,
                        .owner = r->owner,
                        .handle = r->handle,
                        .start = r->start,
                        .end = r->end,
                        .space = r->space,
                        .type = r->type};
    uint64_t ino = 0;
    int rv = check(m, &want, &ino);
    if (rv != 0)
        return rv;
    const struct lock *l = first_conflict(m, ino, &want);
    reply->type = MSG_TYPE_lock_query_reply;
    reply->lock_query_reply = (struct msg_lock_query_reply){0};
    if (l != NULL)
        reply->lock_query_reply = (struct msg_lock_query_reply){
            .type = l->type, .session = l->session, .owner = l->owner, .start = l->start, .end = l->end};
    return 0;
}
