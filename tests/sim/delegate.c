/* SPDX-License-Identifier: MIT */
#include "sim/delegate.h"

#include <stdio.h>
#include <stdlib.h>

#include "sim/work.h"

#define MADE_PATH "/shared/d-made"

static void on_next(void *arg, uint64_t a, uint64_t b);
static void send(struct maker *m, const char *after);

static struct sim *sim_of(const struct maker *m) { return m->work->cluster->sim; }
static struct reg *reg_of(const struct maker *m, uint32_t name) { return &m->work->made.names[name]; }

static void plan_next(struct maker *m)
{
    uint64_t nap = m->naps && !m->work->strict ? 6 * NS_PER_SEC : m->work->cluster->swarm.think;
    m->naps = false;
    sim_plan(sim_of(m), 1 + sim_below(sim_of(m), nap), on_next, m, 0, 0);
}

/* --- who has the directory --- */

/* By its own clock; a client that was killed has nothing. */
bool maker_is_good(const struct maker *m)
{
    return m->has && m->client->up && m->life == m->client->life && sim_of(m)->now < m->until;
}

static void forget_promises(struct maker *m)
{
    m->listed = false;
    memset(m->promises, 0, sizeof m->promises);
    memset(m->known, 0, sizeof m->known);
}

void maker_let_go(struct maker *m)
{
    m->has = false;
    forget_promises(m);
}

/* Another maker whose promise of this name stands, and stood when m's operation began. */
static const struct maker *promised_to(const struct maker *m, uint32_t name)
{
    for (uint32_t i = 0; i < MAKERS; i++) {
        const struct maker *o = &m->work->makers[i];
        if (o->work && o != m && maker_is_good(o) && o->promises[name].ino && o->promises[name].from <= m->start)
            return o;
    }
    return NULL;
}

static void check_alone(const struct maker *m)
{
    for (uint32_t i = 0; i < MAKERS; i++) {
        const struct maker *o = &m->work->makers[i];
        if (o->work && o != m && maker_is_good(o) && o->from <= m->start)
            sim_fail(sim_of(m), "delegate: %u is given the directory that %u has", m->number, o->number);
    }
}

/* Numbers are given once. */
static void check_given(struct maker *m, uint64_t first, uint64_t n)
{
    struct made *d = &m->work->made;
    for (uint32_t i = 0; i < d->n_given; i++)
        if (first < d->given[i].first + d->given[i].n && d->given[i].first < first + n)
            sim_fail(sim_of(m), "delegate: inode %" PRIu64 " is given twice", max_u64(first, d->given[i].first));
    d->given = xrealloc(d->given, d->n_given + 1, sizeof *d->given);
    d->given[d->n_given++] = (struct given){first, n};
}

static void check_not_given(const struct maker *m, uint64_t ino)
{
    const struct made *d = &m->work->made;
    for (uint32_t i = 0; i < d->n_given; i++)
        if (ino - d->given[i].first < d->given[i].n)
            sim_fail(sim_of(m), "delegate: inode %" PRIu64 " was given with a delegation, and is another file's", ino);
}

bool maker_is_recalled(const struct maker *m) { return m->heeds && m->heeds <= sim_of(m)->now; }

static void on_invalid(void *arg, const struct dfs_invalidation *v, size_t n)
{
    struct maker *m = arg;
    bool recalled = v == NULL;
    for (size_t i = 0; i < n; i++)
        recalled |= v[i].ino == m->work->made.ino && !v[i].name;
    if (!recalled || m->heeds)
        return;
    m->heeds = sim_of(m)->now + 1 + (m->work->strict ? 0 : sim_below(sim_of(m), 3 * NS_PER_SEC));
    sim_note(sim_of(m), m->client->name, "recalled", m->number, n);
}

/* --- what is found --- */

static void found_free(struct maker *m, uint32_t name)
{
    const struct maker *o = promised_to(m, name);
    if (!reg_read(reg_of(m, name), m->start, sim_of(m)->now, NULL, 0))
        sim_fail(sim_of(m), "delegate: n%u is not there for %u, but must be", name, m->number);
    if (o)
        sim_fail(sim_of(m), "delegate: n%u is free for %u, and %u has promised it", name, m->number, o->number);
    if (maker_is_good(m) && m->known[name] == KNOWN_THERE)
        sim_fail(sim_of(m), "delegate: n%u is gone, though %u has the directory", name, m->number);
}

static void found_there(struct maker *m, uint32_t name)
{
    if (!reg_there(reg_of(m, name), m->start, sim_of(m)->now))
        sim_fail(sim_of(m), "delegate: n%u is there for %u, but cannot be", name, m->number);
    if (maker_is_good(m) && m->known[name] == KNOWN_FREE)
        sim_fail(sim_of(m), "delegate: n%u is there, though %u has the directory and did not make it", name, m->number);
}

static int sink_write(void *arg, uint64_t offset, const void *p, size_t len)
{
    struct maker *m = arg;
    if (offset != m->got || len > sizeof m->buf - offset)
        sim_fail(sim_of(m), "delegate: bytes at %" PRIu64 " come after %u", offset, m->got);
    else
        memcpy(m->buf + offset, p, len);
    m->got += (uint32_t)len;
    return 0;
}

static int source_read(void *arg, uint64_t offset, void *buf, size_t len, size_t *got)
{
    const struct maker *m = arg;
    *got = (size_t)min_u64(len, offset < m->value.size ? m->value.size - offset : 0);
    value_fill(m->value, offset, buf, *got);
    return 0;
}

static void sink_restart(void *arg) { ((struct maker *)arg)->got = 0; }

static void check_content(struct maker *m)
{
    found_there(m, m->name);
    if (!reg_read(reg_of(m, m->name), m->start, sim_of(m)->now, m->buf, m->got))
        sim_fail(sim_of(m), "delegate: n%u has content that it cannot have, %u bytes", m->name, m->got);
}

static void check_list(struct maker *m)
{
    for (uint32_t i = 0; i < MADE_NAMES; i++) {
        if (m->seen[i])
            found_there(m, i);
        else
            found_free(m, i);
        if (maker_is_good(m))
            m->known[i] = m->unsure[i] ? KNOWN_NOT : m->seen[i] ? KNOWN_THERE : KNOWN_FREE;
    }
    m->listed |= maker_is_good(m);
}

static void list_page(struct maker *m, const struct dfs_result *r)
{
    for (size_t i = 0; i < r->n_entries; i++) {
        unsigned name = 0;
        if (sscanf(r->entries[i].name, "n%2u", &name) != 1 || name >= MADE_NAMES || m->seen[name])
            sim_fail(sim_of(m), "delegate: '%.20s' is listed, or twice", r->entries[i].name);
        else
            m->seen[name] = true;
    }
}

/* --- the end of an operation --- */

static bool is_unknown(int status)
{
    return status == DFS_EUNKNOWN || status == DFS_ETIMEDOUT || status == DFS_ECANCELED;
}

/* What a change of a name has come to. */
static void change_ended(struct maker *m, int status, enum known now)
{
    struct reg *r = reg_of(m, m->name);
    if (status == 0) {
        if (now == KNOWN_FREE)
            found_there(m, m->name);
        else if (m->kind != OP_PUT)
            found_free(m, m->name);
        reg_end(r, m->write, sim_of(m)->now);
        m->known[m->name] = m->listed && !m->unsure[m->name] ? now : KNOWN_NOT;
    } else if (is_unknown(status)) {
        m->known[m->name] = KNOWN_NOT;
        m->unsure[m->name] = true;
    } else {
        reg_failed(r, m->write);
        if (status == DFS_EEXIST)
            found_there(m, m->name);
        else if (status == DFS_ENOENT)
            found_free(m, m->name);
    }
}

/* Replaces what is there, so what was there says nothing, but that nothing new may come where something was promised. */
static void put_ended(struct maker *m, int status)
{
    const struct maker *o = promised_to(m, m->name);
    bool making = o && o->active && o->kind == OP_MAKE && o->name == m->name; /* it may be there already */
    if (status == 0 && o && !making)
        sim_fail(sim_of(m), "delegate: n%u is put by %u, and %u has promised it", m->name, m->number, o->number);
    change_ended(m, status, KNOWN_THERE);
}

static void create_ended(struct maker *m, int status, const struct dfs_result *r)
{
    change_ended(m, status, KNOWN_THERE);
    if (status == 0)
        check_not_given(m, r->attr.ino);
    if (status == 0 && m->kind == OP_OPEN)
        m->handle = r->file;
}

static void make_ended(struct maker *m, int status, const struct dfs_result *r)
{
    struct promise *p = &m->promises[m->name];
    if (status == DFS_EEXIST && maker_is_good(m))
        sim_fail(sim_of(m), "delegate: %u has the directory, and n%u, which it promised, is taken: %s", m->number,
                 m->name, r->error);
    if (status == 0 && r->attr.ino != p->ino)
        sim_fail(sim_of(m), "delegate: n%u was promised as inode %" PRIu64 ", and made as %" PRIu64, m->name, p->ino,
                 r->attr.ino);
    change_ended(m, status, KNOWN_THERE);
    *p = (struct promise){.ino = 0};
    if (status == 0)
        m->handle = r->file;
}

static void delegate_ended(struct maker *m, int status, const struct dfs_result *r)
{
    uint64_t now = sim_of(m)->now;
    if (status) {
        if (is_unknown(status)) /* it may be given anew: what was known counts no more */
            maker_let_go(m);
        return;
    }
    check_alone(m);
    check_given(m, r->delegation.first, r->delegation.inodes);
    if (maker_is_good(m) && !r->delegation.kept)
        sim_fail(sim_of(m), "delegate: %u had the directory, and it was not kept", m->number);
    if (!m->has || !r->delegation.kept) {
        forget_promises(m);
        m->from = now;
    }
    m->has = true;
    m->until = max_u64(m->from == now ? 0 : m->until, now + r->delegation.ms * NS_PER_MS);
    m->first = r->delegation.first;
    m->left = r->delegation.inodes;
    m->goal = r->attr.goal;
}

static void directory_ended(struct maker *m, int status, const struct dfs_result *r)
{
    struct made *d = &m->work->made;
    if (m->kind == OP_MKDIR) {
        m->missing = false;
        return;
    }
    m->missing = status == DFS_ENOENT;
    if (status)
        return;
    if (d->ino && d->ino != r->attr.ino)
        sim_fail(sim_of(m), "delegate: the directory is another");
    d->ino = r->attr.ino;
    m->looked = true;
}

/* Who waits for another may be told that it was too long, and what is read may be replaced meanwhile. */
static bool may_fail(const struct maker *m, int status)
{
    return status_is_answer(status) || status == DFS_EREPLACED || status == DFS_EBADF ||
           (!maker_is_good(m) && (status == DFS_EAGAIN || status == DFS_ETIMEDOUT || status == DFS_EUNKNOWN));
}

static void ended(struct maker *m, int status, const struct dfs_result *r)
{
    switch (m->kind) {
    case OP_DELEGATE:
        delegate_ended(m, status, r);
        break;
    case OP_MAKE:
        make_ended(m, status, r);
        break;
    case OP_OPEN:
    case OP_CREATE:
        create_ended(m, status, r);
        break;
    case OP_PUT:
        put_ended(m, status);
        break;
    case OP_UNLINK:
        change_ended(m, status, KNOWN_FREE);
        break;
    case OP_GET:
        if (status == 0)
            check_content(m);
        else if (status == DFS_ENOENT)
            found_free(m, m->name);
        break;
    case OP_READDIR:
        if (status == 0)
            check_list(m);
        break;
    case OP_CLOSE:
        m->handle = 0;
        break;
    case OP_STAT:
        if (!m->looked)
            directory_ended(m, status, r);
        else if (status == 0)
            found_there(m, m->name);
        else if (status == DFS_ENOENT)
            found_free(m, m->name);
        break;
    case OP_MKDIR:
        directory_ended(m, status, r);
        break;
    default: /* returned */
        break;
    }
}

static void on_done(void *arg, int status, const struct dfs_result *r)
{
    struct maker *m = arg;
    struct work *w = m->work;
    if (m->kind == OP_READDIR && status == 0) {
        char after[WIRE_NAME_MAX + 1];
        list_page(m, r);
        if (!r->eof && r->n_entries) {
            snprintf(after, sizeof after, "%s", r->entries[r->n_entries - 1].name);
            send(m, after);
            return;
        }
    }
    m->active = false;
    w->ops++;
    w->failed_ops += status != 0;
    sim_note(sim_of(m), m->client->name, "maker", (uint64_t)m->kind, (uint64_t)-status);
    sim_say(sim_of(m), m->client->name, "maker %u op %d n%u -> %s %s", m->number, m->kind, m->name,
            status ? dfs_errname(status) : "ok", status && r ? r->error : "");
    if (status && w->strict && !may_fail(m, status))
        sim_fail(sim_of(m), "delegate: operation %d fails in a healthy cluster: %s", m->kind,
                 r ? r->error : dfs_errname(status));
    ended(m, status, r);
    if (m->kind == OP_DELEGATE && status == 0)
        sim_say(sim_of(m), m->client->name, "maker %u has it until %" PRIu64 "%s, inodes from %" PRIu64, m->number,
                (uint64_t)(m->until / NS_PER_US), r->delegation.kept ? ", kept" : "", m->first);
    plan_next(m);
}

/* --- the next one --- */

static void prepare(struct maker *m)
{
    uint64_t now = sim_of(m)->now;
    m->start = now;
    m->got = 0;
    memset(m->seen, 0, sizeof m->seen);
    m->value = (struct value){0};
    if (m->kind == OP_MAKE)
        m->value = m->promises[m->name].value;
    if (m->kind == OP_OPEN || m->kind == OP_CREATE)
        m->value = (struct value){++m->work->next_value, 0};
    if (m->kind == OP_PUT)
        m->value = maker_value(m);
    if (m->kind == OP_MAKE || m->kind == OP_OPEN || m->kind == OP_CREATE || m->kind == OP_PUT || m->kind == OP_UNLINK)
        m->write = reg_begin(reg_of(m, m->name), m->value, now);
    if (m->kind == OP_MAKE)
        value_fill(m->value, 0, m->buf, m->value.size);
    if (m->kind == OP_DELEGATE && !maker_is_good(m))
        m->heeds = 0;
    if (m->kind == OP_DELEGATE_RETURN)
        maker_let_go(m);
}

static void send(struct maker *m, const char *after)
{
    struct sim *s = sim_of(m);
    char name[8], path[SIM_PATH_MAX];
    bool whole = m->kind == OP_READDIR || !m->looked;
    snprintf(name, sizeof name, "n%02u", m->name);
    snprintf(path, sizeof path, MADE_PATH "%s%s", whole ? "" : "/", whole ? "" : name);
    struct client_request r = {.kind = m->kind,
                               .path = m->kind == OP_MAKE ? name : path,
                               .path2 = m->kind == OP_READDIR ? after : NULL,
                               .mode = 0755,
                               .file = m->kind == OP_CLOSE ? m->handle : 0,
                               .limit = 1 + (uint32_t)sim_below(s, 6),
                               .length = UINT64_MAX,
                               .source = {.read = source_read, .arg = m, .seekable = true},
                               .sink = {.write = sink_write, .restart = sink_restart, .arg = m},
                               .cb = on_done,
                               .arg = m};
    if (m->kind == OP_DELEGATE || m->kind == OP_DELEGATE_RETURN || m->kind == OP_MAKE)
        r.at = (struct dfs_context){.dir = m->work->made.ino};
    if (m->kind == OP_DELEGATE || m->kind == OP_DELEGATE_RETURN)
        r.path = "";
    if (m->kind == OP_OPEN || m->kind == OP_CREATE)
        r.flags = DFS_READ | DFS_WRITE | DFS_CREATE | DFS_EXCL;
    if (m->kind == OP_MAKE) {
        r.flags = DFS_READ | DFS_WRITE | DFS_LAZY;
        r.id = m->promises[m->name].ino;
        r.put.goal = m->goal;
        r.value = m->buf;
        r.value_len = m->value.size;
    }
    int err = client_start(m->client->client, &r);
    if (err)
        sim_fail(s, "client_start refuses a maker: %s", dfs_errname(err));
    node_touch(m->client);
}

/* The client was started again: it knows nothing. */
static void begin_anew(struct maker *m)
{
    maker_let_go(m);
    m->handle = 0;
    m->looked = m->missing = false;
    m->left = m->heeds = 0;
    memset(m->unsure, 0, sizeof m->unsure);
    m->life = m->client->life;
    if (m->client->up)
        client_watch(m->client->client, on_invalid, m);
}

static void on_next(void *arg, uint64_t unused_a, uint64_t unused_b)
{
    struct maker *m = arg;
    (void)unused_a;
    (void)unused_b;
    if (m->life != m->client->life)
        begin_anew(m);
    if (!m->client->up) {
        if (m->ops_left > 0)
            plan_next(m);
        return;
    }
    if (m->ops_left == 0 && !m->has && !m->handle)
        return;
    maker_promises(m);
    bool any = maker_draw(m);
    m->ops_left -= m->ops_left > 0;
    if (!any) {
        plan_next(m);
        return;
    }
    prepare(m);
    sim_note(sim_of(m), m->client->name, "maker starts", (uint64_t)m->kind, m->name);
    sim_say(sim_of(m), m->client->name, "maker %u op %d n%u …", m->number, m->kind, m->name);
    m->active = true;
    send(m, "");
}

/* --- all of them --- */

void delegate_init(struct work *w)
{
    for (uint32_t i = 0; i < MADE_NAMES; i++) {
        char path[SIM_PATH_MAX];
        snprintf(path, sizeof path, MADE_PATH "/n%02u", i);
        reg_init(&w->made.names[i], path);
    }
    for (uint32_t i = 0; i < MAKERS && i < w->cluster->swarm.makers; i++)
        w->makers[i] = (struct maker){.work = w, .number = i, .client = cluster_client(w->cluster, i)};
}

void delegate_start(struct work *w, uint32_t ops)
{
    for (uint32_t i = 0; i < MAKERS; i++)
        if (w->makers[i].work) {
            w->makers[i].ops_left = ops;
            plan_next(&w->makers[i]);
        }
}

bool delegate_done(const struct work *w)
{
    for (uint32_t i = 0; i < MAKERS; i++) {
        const struct maker *m = &w->makers[i];
        if (m->ops_left > 0 || m->active || m->handle || m->has)
            return false;
    }
    return true;
}

void delegate_close(struct work *w)
{
    for (uint32_t i = 0; i < MADE_NAMES; i++)
        reg_close(&w->made.names[i]);
    free(w->made.given);
}

/* Who was killed has the directory until somebody has waited for it. */
void delegate_audit(struct work *w)
{
    struct sim *s = w->cluster->sim;
    struct call *c = &w->own;
    for (uint32_t i = 0; w->made.ino && i < MADE_NAMES && !s->failed; i++) {
        struct reg *r = &w->made.names[i];
        int status = DFS_EAGAIN;
        for (uint32_t tries = 0; tries < 4 && (status == DFS_EAGAIN || status == DFS_ETIMEDOUT); tries++)
            status = call_wait(w, c, OP_GET, r->path);
        w->audited++;
        const void *p = status == 0 ? (c->got.p ? c->got.p : (const uint8_t *)"") : NULL;
        if ((status && status != DFS_ENOENT) || !reg_read(r, c->start, s->now, p, c->got.len))
            sim_fail(s, "audit of %s: %s is not what can be there", r->path,
                     status ? dfs_errname(status) : "this content");
    }
}
