/* SPDX-License-Identifier: MIT */
/* Sessions and what makes their requests take effect once (G6).
 *
 * A request's number is either below the session's floor (the client has seen the answer and said so: asking again is
 * an error), or remembered (the answer is repeated), or new. The ring holds the answers of [floor, floor + window). */
#include <stdio.h>
#include <stdlib.h>

#include "meta/state.h"

static struct session *find(const struct meta *m, uint64_t id) { return idmap_find(&m->sessions, id); }

static bool is_ended(const struct session *s) { return s->active_ns == SESSION_ENDED; }

bool meta_session_exists(const struct meta *m, uint64_t session)
{
    const struct session *s = find(m, session);
    return s != NULL && !is_ended(s);
}

bool meta_session_opened(const struct meta *m, uint64_t nonce) { return u64map_get(&m->nonces, nonce) != 0; }

uint64_t meta_sessions(const struct meta *m) { return m->sessions.count; }

const struct wire_request_id *meta_request_id(const struct msg *cmd)
{
    switch (cmd->type) {
    case MSG_TYPE_session_close:
        return &cmd->session_close.id;
    case MSG_TYPE_mkdir:
        return &cmd->mkdir.id;
    case MSG_TYPE_create:
        return &cmd->create.id;
    case MSG_TYPE_symlink:
        return &cmd->symlink.id;
    case MSG_TYPE_unlink:
        return &cmd->unlink.id;
    case MSG_TYPE_rmdir:
        return &cmd->rmdir.id;
    case MSG_TYPE_rename:
        return &cmd->rename.id;
    case MSG_TYPE_publish:
        return &cmd->publish.id;
    case MSG_TYPE_setattr:
        return &cmd->setattr.id;
    case MSG_TYPE_link:
        return &cmd->link.id;
    case MSG_TYPE_mknod:
        return &cmd->mknod.id;
    case MSG_TYPE_setxattr:
        return &cmd->setxattr.id;
    case MSG_TYPE_removexattr:
        return &cmd->removexattr.id;
    case MSG_TYPE_remove:
        return &cmd->remove.id;
    case MSG_TYPE_trash_restore:
        return &cmd->trash_restore.id;
    case MSG_TYPE_trash_empty:
        return &cmd->trash_empty.id;
    case MSG_TYPE_trash_keep:
        return &cmd->trash_keep.id;
    case MSG_TYPE_open:
        return &cmd->open.id;
    case MSG_TYPE_close:
        return &cmd->close.id;
    case MSG_TYPE_extend:
        return &cmd->extend.id;
    case MSG_TYPE_truncate:
        return &cmd->truncate.id;
    case MSG_TYPE_fill:
        return &cmd->fill.id;
    case MSG_TYPE_delegate:
        return &cmd->delegate.id;
    case MSG_TYPE_delegate_return:
        return &cmd->delegate_return.id;
    case MSG_TYPE_make:
        return &cmd->make.id;
    case MSG_TYPE_lock:
        return &cmd->lock.id;
    case MSG_TYPE_unlock:
        return &cmd->unlock.id;
    case MSG_TYPE_lock_cancel:
        return &cmd->lock_cancel.id;
    case MSG_TYPE_server_set:
        return &cmd->server_set.id;
    default:
        return NULL;
    }
}

uint64_t meta_session_of(const struct msg *cmd)
{
    const struct wire_request_id *id = meta_request_id(cmd);
    return id != NULL ? id->session : 0;
}

const struct session_result *meta_session_result(const struct session *s, uint64_t number)
{
    if (number < s->floor || number - s->floor >= s->ring_cap)
        return NULL;
    return s->ring[number & (s->ring_cap - 1)];
}

static size_t result_cost(const struct session_result *r) { return heap_cost(sizeof *r + r->len); }

/* The client has seen all results below floor. */
static void raise_floor(struct meta *m, struct session *s, uint64_t floor)
{
    for (uint64_t n = s->floor; s->n_results > 0 && n < floor && n - s->floor < s->ring_cap; n++) {
        struct session_result **r = &s->ring[n & (s->ring_cap - 1)];
        if (*r == NULL)
            continue;
        m->heap_bytes -= result_cost(*r);
        free(*r);
        *r = NULL;
        s->n_results--;
    }
    s->floor = max_u64(s->floor, floor);
}

void meta_forget_results(struct meta *m, uint64_t session)
{
    struct session *s = find(m, session);
    if (s == NULL)
        return;
    uint64_t floor = s->floor;
    raise_floor(m, s, UINT64_MAX);
    s->floor = floor;
}

int meta_session_begin(struct meta *m, const struct wire_request_id *id, int64_t now_ns,
                       const struct session_result **again)
{
    struct session *s = find(m, id->session);
    if (s == NULL || is_ended(s))
        return DFS_ESESSION;
    if (id->number == 0)
        return DFS_EINVAL;
    if (id->number < id->seen || id->number < s->floor)
        return DFS_ESESSION;
    s->active_ns = now_ns;
    raise_floor(m, s, id->seen);
    if (id->number - s->floor >= META_SESSION_WINDOW)
        return DFS_EAGAIN;
    *again = meta_session_result(s, id->number);
    return *again != NULL;
}

bool meta_remembered(const struct meta *m, const struct msg *cmd, struct meta_result *out)
{
    const struct wire_request_id *id = meta_request_id(cmd);
    const struct session *s = id != NULL ? find(m, id->session) : NULL;
    const struct session_result *r = s != NULL && id->number >= s->floor ? meta_session_result(s, id->number) : NULL;
    if (r != NULL)
        *out = (struct meta_result){.type = r->type, .head = r->head, .head_len = r->len};
    return r != NULL;
}

static void ring_resize(struct meta *m, struct session *s, uint32_t cap)
{
    struct session_result **ring = xcalloc(cap, sizeof(struct session_result *));
    for (uint32_t i = 0; i < s->ring_cap; i++) {
        uint64_t n = s->floor + i;
        ring[n & (cap - 1)] = s->ring[n & (s->ring_cap - 1)];
    }
    m->heap_bytes += heap_cost(cap * sizeof *ring);
    if (s->ring != NULL)
        m->heap_bytes -= heap_cost(s->ring_cap * sizeof *ring);
    free(s->ring);
    s->ring = ring;
    s->ring_cap = cap;
}

void meta_session_put_result(struct meta *m, struct session *s, uint64_t number, struct session_result *r)
{
    uint32_t cap = s->ring_cap == 0 ? 1 : s->ring_cap;
    while (number - s->floor >= cap)
        cap *= 2;
    if (cap != s->ring_cap)
        ring_resize(m, s, cap);
    s->ring[number & (cap - 1)] = r;
    s->n_results++;
    m->heap_bytes += result_cost(r);
}

const struct session_result *meta_session_remember(struct meta *m, const struct wire_request_id *id, uint16_t type,
                                                   const void *head, uint32_t len)
{
    struct session *s = find(m, id->session);
    if (s == NULL || is_ended(s))
        return NULL; /* session_close took it away */
    struct session_result *r = xcalloc(1, sizeof *r + len);
    r->type = type;
    r->len = len;
    memcpy(r->head, head, len);
    meta_session_put_result(m, s, id->number, r);
    return r;
}

int meta_apply_session_open(struct meta *m, const struct stamp *st, const struct msg_session_open *o, struct msg *reply)
{
    if (o->nonce == 0)
        return DFS_EINVAL; /* a client that forgot to draw one would share its session with the next such */
    uint64_t id = u64map_get(&m->nonces, o->nonce);
    struct session *s = id != 0 ? find(m, id) : NULL;
    if (s == NULL && m->sessions.count >= META_SESSIONS_MAX) {
        snprintf(m->text, sizeof m->text, "the cluster has %u sessions, and takes no more; idle ones end after %u s",
                 META_SESSIONS_MAX, m->timers.session_ttl_ms / 1000);
        return DFS_EMFILE;
    }
    if (s == NULL) {
        id = m->next_session++;
        s = idmap_add(&m->sessions, id);
        s->nonce = o->nonce;
        s->floor = 1;
        s->who = o->who.len > 0 ? xstrndup(o->who.p, o->who.len) : NULL;
        m->heap_bytes += s->who ? heap_cost(o->who.len + 1) : 0;
        u64map_put(&m->nonces, o->nonce, id);
    }
    if (!is_ended(s)) /* one that has is not called back by an old request */
        s->active_ns = st->time_ns;
    reply->type = MSG_TYPE_session_open_reply;
    reply->session_open_reply = (struct msg_session_open_reply){
        .session = id,
        .ttl_ms = m->timers.session_ttl_ms,
        .lock_ttl_ms = m->timers.lock_ttl_ms,
        .delegation_ttl_ms = m->timers.delegation_ttl_ms};
    return 0;
}

void meta_session_free_content(struct session *s)
{
    for (uint32_t i = 0; i < s->ring_cap; i++)
        free(s->ring[i]);
    free(s->ring);
    free(s->who);
}

void meta_session_drop(struct meta *m, const struct stamp *st, uint64_t id)
{
    struct session *s = find(m, id);
    if (s == NULL)
        return;
    meta_handles_drop(m, st, id);
    meta_delegations_drop(m, id);
    raise_floor(m, s, s->floor + s->ring_cap);
    if (s->ring != NULL)
        m->heap_bytes -= heap_cost(s->ring_cap * sizeof *s->ring);
    if (s->who != NULL)
        m->heap_bytes -= heap_cost(strlen(s->who) + 1);
    meta_session_free_content(s);
    u64map_remove(&m->nonces, s->nonce);
    u64map_remove(&m->ended, id);
    idmap_remove(&m->sessions, id);
}

void meta_session_end(struct meta *m, const struct stamp *st, uint64_t id)
{
    struct session *s = find(m, id);
    if (s == NULL || is_ended(s))
        return;
    if (!meta_locks_outlive(m, s)) {
        meta_session_drop(m, st, id);
        return;
    }
    meta_delegations_drop(m, id);
    raise_floor(m, s, s->floor + s->ring_cap);
    s->floor = UINT64_MAX; /* the ring's size is no part of the state */
    s->active_ns = SESSION_ENDED;
    u64map_put(&m->ended, id, 1);
}

void meta_apply_session_fenced(struct meta *m, const struct stamp *st, const struct msg_session_fenced *f)
{
    const struct session *s = find(m, f->session);
    if (s != NULL && is_ended(s))
        meta_session_drop(m, st, f->session);
}

uint64_t meta_ended_next(const struct meta *m, size_t *position)
{
    for (; *position < m->ended.cap; ++*position)
        if (m->ended.slots[*position].value != 0)
            return m->ended.slots[(*position)++].key;
    return 0;
}

void meta_ended_chunks(const struct meta *m, uint64_t session, void (*fn)(void *arg, uint64_t chunk, uint32_t version),
                       void *arg)
{
    const struct session *s = find(m, session);
    uint64_t id = s != NULL ? s->handles : 0;
    for (; id != 0; id = meta_handle(m, id)->next) {
        const struct handle *h = meta_handle(m, id);
        const struct inode *in = meta_inode(m, h->ino);
        for (uint32_t i = 0; (h->flags & OPEN_WRITE) && i < in->n; i++) {
            uint64_t chunk = meta_file_chunk(in, i);
            const struct chunk *c = meta_chunk(m, chunk);
            if (c->open)
                fn(arg, chunk, c->version);
        }
    }
}

void meta_apply_expire(struct meta *m, const struct stamp *st, const struct msg_expire *e)
{
    for (uint32_t i = 0; i < e->n_sessions; i++) {
        const struct session *s = find(m, e->sessions[i].id);
        if (s != NULL && s->active_ns <= e->sessions[i].idle_since_ns)
            meta_session_end(m, st, e->sessions[i].id);
    }
}

uint32_t meta_idle_sessions(const struct meta *m, uint64_t after, int64_t before_ns, struct wire_session *out,
                            uint32_t max)
{
    struct idmap_iter it;
    uint32_t n = 0;
    uint64_t id;
    const struct session *s;
    if (idmap_iter_init(&it, &m->sessions) == 0)
        while (n < max && (s = idmap_iter_next(&it, &id)) != NULL)
            if (id > after && s->active_ns < before_ns && !is_ended(s))
                out[n++] = (struct wire_session){.id = id, .idle_since_ns = s->active_ns};
    idmap_iter_close(&it);
    return n;
}

static void add_locker(const struct meta *m, uint64_t session, struct wire_session *out, uint32_t *n)
{
    const struct session *s = find(m, session);
    if (!is_ended(s) && (*n == 0 || out[*n - 1].id != session))
        out[(*n)++] = (struct wire_session){.id = session, .idle_since_ns = s->active_ns};
}

uint32_t meta_lockers(const struct meta *m, struct meta_lockers *at, struct wire_session *out, uint32_t max)
{
    struct idmap_iter it;
    uint32_t n = 0;
    uint64_t ticket;
    const struct lock_wait *w;
    for (; at->slot < m->locks.cap; at->slot++, at->lock = 0) {
        const struct locks *l = (const struct locks *)(uintptr_t)m->locks.slots[at->slot].value;
        for (; l != NULL && at->lock < l->n; at->lock++) {
            if (n == max)
                return n;
            add_locker(m, l->v[at->lock].session, out, &n);
        }
    }
    if (idmap_iter_init(&it, &m->waits) == 0)
        while (n < max && (w = idmap_iter_next(&it, &ticket)) != NULL) {
            if (ticket <= at->ticket)
                continue;
            at->ticket = ticket;
            add_locker(m, w->lock.session, out, &n);
        }
    idmap_iter_close(&it);
    if (n < max)
        *at = (struct meta_lockers){.slot = 0};
    return n;
}
