/* SPDX-License-Identifier: MIT */
#include "group/watch.h"

#include <stdlib.h>

#include "base/hash.h"
#include "group/group.h"

#define WATCHERS_MAX 4096u
/* Inodes and directories of one, and of all. */
#define INTERESTS_EACH 16384u
#define INTERESTS_ALL (1u << 19)
#define CHANGES_MAX 256u
#define CALL_MAX (2 * NS_PER_SEC)
/* One that does not ask for so long is forgotten. */
#define SILENCE (30 * NS_PER_SEC)

enum interest { INTEREST_INODE = 1, INTEREST_DIR = 2 };

struct change {
    uint64_t ino;
    char *name; /* owned; NULL: the inode */
    uint32_t len;
};

struct watcher {
    uint64_t session, id;
    struct u64map interest; /* number -> enum interest */
    struct change changes[CHANGES_MAX];
    uint32_t n;
    bool all;
    uint64_t number; /* of the last answer */
    bool asking;     /* a call waits */
    struct reply_to to;
    uint64_t until, heard; /* mono ns */
    UT_hash_handle hh, hh_id;
};

struct fans { /* ids of watchers; some may be gone */
    uint32_t n, cap;
    uint64_t ids[];
};

/* --- interest --- */

static void fans_free(struct u64map *map)
{
    for (size_t i = 0; i < map->cap; i++)
        free((struct fans *)(uintptr_t)map->slots[i].value);
    u64map_close(map);
    u64map_init(map);
}

static void fans_add(struct u64map *map, uint64_t number, uint64_t id)
{
    struct fans *f = (struct fans *)(uintptr_t)u64map_get(map, number);

    if (f == NULL || f->n == f->cap) {
        uint32_t n = f != NULL ? f->n : 0, cap = n > 0 ? n * 2 : 1;
        struct fans *more = xcalloc(1, sizeof *more + cap * sizeof more->ids[0]);

        if (f != NULL)
            memcpy(more, f, sizeof *f + n * sizeof f->ids[0]);
        free(f);
        f = more;
        f->cap = cap;
        u64map_put(map, number, (uint64_t)(uintptr_t)f);
    }
    f->ids[f->n++] = id;
}

static void drop_changes(struct watcher *w)
{
    for (uint32_t i = 0; i < w->n; i++)
        free(w->changes[i].name);
    w->n = 0;
}

/* Whatever it has looked up may have changed. Its fans find nobody under the old id. */
static void tell_all(struct nm *nm, struct watcher *w)
{
    struct watches *t = &nm->lead.watches;

    drop_changes(w);
    w->all = true;
    u64map_close(&w->interest);
    u64map_init(&w->interest);
    HASH_DELETE(hh_id, t->by_id, w);
    w->id = ++t->last_id;
    HASH_ADD(hh_id, t->by_id, id, sizeof w->id, w);
    if (w->asking)
        t->next = 0;
}

static void tell_everybody(struct nm *nm)
{
    struct watches *t = &nm->lead.watches;
    struct watcher *w, *next;

    fans_free(&t->inodes);
    fans_free(&t->dirs);
    t->interests = 0;
    HASH_ITER(hh, t->by_session, w, next)
    tell_all(nm, w);
}

static void note(struct nm *nm, struct watcher *w, uint64_t number, enum interest kind)
{
    struct watches *t = &nm->lead.watches;
    uint64_t has = u64map_get(&w->interest, number);

    if (has & kind)
        return;
    if (t->interests == INTERESTS_ALL)
        tell_everybody(nm);
    else if (w->interest.count == INTERESTS_EACH && has == 0)
        tell_all(nm, w);
    has = u64map_get(&w->interest, number);
    u64map_put(&w->interest, number, has | kind);
    fans_add(kind == INTEREST_INODE ? &t->inodes : &t->dirs, number, w->id);
    t->interests++;
}

static struct watcher *by_session(const struct nm *nm, uint64_t session)
{
    struct watcher *w;

    HASH_FIND(hh, nm->lead.watches.by_session, &session, sizeof session, w);
    return w;
}

static struct watcher *by_id(const struct nm *nm, uint64_t id)
{
    struct watcher *w;

    HASH_FIND(hh_id, nm->lead.watches.by_id, &id, sizeof id, w);
    return w;
}

void watches_looked_up(struct nm *nm, const struct msg *req, const struct msg *reply)
{
    bool list = req->type == MSG_TYPE_readdir;
    uint64_t session = list ? req->readdir.session : req->type == MSG_TYPE_lookup ? req->lookup.session : 0;
    struct watcher *w = session != 0 ? by_session(nm, session) : NULL;

    if (w == NULL)
        return;
    if (!list && req->lookup.path.len > 0)
        note(nm, w, req->lookup.dir, INTEREST_DIR);
    if (!list && reply != NULL)
        note(nm, w, reply->lookup_reply.attr.ino, INTEREST_INODE);
    if (!list || reply == NULL)
        return;
    note(nm, w, reply->readdir_reply.dir.ino, INTEREST_DIR);
    note(nm, w, reply->readdir_reply.dir.ino, INTEREST_INODE);
    for (uint32_t i = 0; req->readdir.attrs && i < reply->readdir_reply.n_entries; i++)
        note(nm, w, reply->readdir_reply.entries[i].attr.ino, INTEREST_INODE);
}

/* --- changes --- */

static void push(struct nm *nm, struct watcher *w, const struct meta_change *c)
{
    if (w->all)
        return;
    if (w->n == CHANGES_MAX) {
        tell_all(nm, w);
        return;
    }
    w->changes[w->n++] = (struct change){
        .ino = c->ino, .name = c->name.len > 0 ? xstrndup(c->name.p, c->name.len) : NULL, .len = c->name.len};
    if (w->asking)
        nm->lead.watches.next = 0;
}

void watches_tell(struct nm *nm, uint64_t session, uint64_t ino)
{
    struct watcher *w = by_session(nm, session);
    const struct meta_change c = {.ino = ino};

    for (uint32_t i = 0; w != NULL && i < w->n; i++)
        if (w->changes[i].ino == ino && w->changes[i].name == NULL)
            return; /* it will be */
    if (w != NULL)
        push(nm, w, &c);
}

/* Who changes something knows it, and stays interested. */
static void spread(struct nm *nm, const struct meta_change *c, uint64_t by)
{
    struct watches *t = &nm->lead.watches;
    enum interest kind = c->name.len > 0 ? INTEREST_DIR : INTEREST_INODE;
    struct fans *f = (struct fans *)(uintptr_t)u64map_get(kind == INTEREST_DIR ? &t->dirs : &t->inodes, c->ino);
    uint32_t kept = 0;

    for (uint32_t i = 0; f != NULL && i < f->n; i++) {
        struct watcher *w = by_id(nm, f->ids[i]);

        if (w != NULL && (w->session == by || kind == INTEREST_DIR))
            f->ids[kept++] = f->ids[i];
        if (w == NULL || w->session == by)
            continue;
        push(nm, w, c);
        if (kind == INTEREST_INODE && !w->all) {
            uint64_t has = u64map_get(&w->interest, c->ino) & ~(uint64_t)INTEREST_INODE;

            if (has != 0)
                u64map_put(&w->interest, c->ino, has);
            else
                u64map_remove(&w->interest, c->ino);
        }
    }
    if (f == NULL)
        return;
    t->interests -= f->n - kept;
    f->n = kept;
    if (kept == 0) {
        u64map_remove(kind == INTEREST_DIR ? &t->dirs : &t->inodes, c->ino);
        free(f);
    }
}

void watches_applied(struct nm *nm, const struct msg *cmd)
{
    uint64_t by = meta_session_of(cmd);
    bool more;
    uint32_t n;
    const struct meta_change *c = meta_changes(nm->meta, &n, &more);

    if (nm->lead.watches.by_session == NULL || cmd->type == MSG_TYPE_reclaim) /* what nobody can look up any more */
        return;
    for (uint32_t i = 0; i < n; i++)
        spread(nm, &c[i], by);
    if (more)
        tell_everybody(nm);
}

/* --- calls --- */

static void answer(struct nm *nm, struct watcher *w, struct effects *fx)
{
    struct msg reply = {.type = MSG_TYPE_watch_reply};
    struct wire_invalidation v[CHANGES_MAX];

    for (uint32_t i = 0; i < w->n; i++)
        v[i] = (struct wire_invalidation){.ino = w->changes[i].ino, .name = {w->changes[i].name, w->changes[i].len}};
    reply.watch_reply =
        (struct msg_watch_reply){.watch = w->id, .number = ++w->number, .all = w->all, .changes = v, .n_changes = w->n};
    fx_reply(fx, w->to, &reply, NULL);
    drop_changes(w);
    w->all = w->asking = false;
    w->heard = nm->now.mono;
}

static void forget(struct nm *nm, struct watcher *w)
{
    HASH_DELETE(hh, nm->lead.watches.by_session, w);
    HASH_DELETE(hh_id, nm->lead.watches.by_id, w);
    drop_changes(w);
    u64map_close(&w->interest);
    free(w);
    meta_want_changes(nm->meta, nm->lead.watches.by_session != NULL);
}

static struct watcher *watcher_new(struct nm *nm, uint64_t session)
{
    struct watches *t = &nm->lead.watches;
    struct watcher *w;

    if (HASH_CNT(hh, t->by_session) == WATCHERS_MAX)
        return NULL;
    w = xcalloc(1, sizeof *w);
    u64map_init(&w->interest);
    w->session = session;
    w->id = ++t->last_id;
    w->all = true;
    HASH_ADD(hh, t->by_session, session, sizeof w->session, w);
    HASH_ADD(hh_id, t->by_id, id, sizeof w->id, w);
    meta_want_changes(nm->meta, true);
    return w;
}

void watches_request(struct nm *nm, const struct event *ev, struct effects *fx)
{
    const struct msg_watch *r = &ev->msg->watch;
    struct watcher *w = by_session(nm, r->session);

    if (!meta_session_exists(nm->meta, r->session)) {
        fx_fail(fx, ev->to, DFS_ESESSION, "the session is not known or has expired");
        return;
    }
    sessions_note(nm, r->session);
    if (w == NULL)
        w = watcher_new(nm, r->session);
    if (w == NULL) {
        fx_fail(fx, ev->to, DFS_ENOTSUP, "%u clients watch what they looked up: no more can", WATCHERS_MAX);
        return;
    }
    if (w->asking)
        fx_fail(fx, w->to, DFS_EAGAIN, "a later call has taken its place");
    w->asking = false;
    if (r->watch != w->id || r->seen != w->number)
        tell_all(nm, w); /* it does not know what the last answer said, or is new */
    w->asking = true;
    w->to = ev->to;
    w->until = nm->now.mono + (r->wait_ms ? min_u64(r->wait_ms * NS_PER_MS, CALL_MAX) : CALL_MAX);
    nm->lead.watches.next = w->all || w->n > 0 ? 0 : min_u64(nm->lead.watches.next, w->until);
}

void watches_turn(struct nm *nm, struct effects *fx)
{
    struct watches *t = &nm->lead.watches;
    struct watcher *w, *next;

    if (nm->now.mono < t->next)
        return;
    t->next = UINT64_MAX;
    HASH_ITER(hh, t->by_session, w, next)
    {
        if (w->asking && (w->all || w->n > 0 || nm->now.mono >= w->until))
            answer(nm, w, fx);
        if (!w->asking && nm->now.mono - w->heard > SILENCE)
            forget(nm, w);
        else
            t->next = min_u64(t->next, w->asking ? w->until : w->heard + SILENCE + 1);
    }
}

uint64_t watches_deadline(const struct nm *nm)
{
    return nm->lead.watches.by_session != NULL ? nm->lead.watches.next : UINT64_MAX;
}

void watches_init(struct watches *t)
{
    u64map_init(&t->inodes);
    u64map_init(&t->dirs);
    t->next = UINT64_MAX;
}

void watches_refuse(struct nm *nm, struct effects *fx)
{
    struct watches *t = &nm->lead.watches;
    struct watcher *w, *next;

    HASH_ITER(hh, t->by_session, w, next)
    {
        if (w->asking && fx != NULL)
            fx_not_leader(fx, w->to, "");
        forget(nm, w);
    }
    fans_free(&t->inodes);
    fans_free(&t->dirs);
    t->interests = 0;
}
