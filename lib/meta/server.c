/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"
#include "meta/state.h"

void meta_server_set_state(struct meta *m, struct meta_server *s, uint8_t state)
{
    if (s->state == state)
        return;
    s->state = state;
    meta_servers_changed(m);
}

uint32_t meta_n_servers(const struct meta *m) { return m->n_servers; }

const struct meta_server *meta_server_at(const struct meta *m, uint32_t i)
{
    return i < m->n_servers ? &m->servers[i] : NULL;
}

const struct meta_server *meta_server_by_id(const struct meta *m, uint32_t id)
{
    return id >= 1 && id <= m->n_servers ? &m->servers[id - 1] : NULL;
}

uint8_t meta_default_goal(const struct meta *m) { return m->default_goal; }

uint8_t meta_goal(const struct meta *m, uint8_t chosen) { return chosen != 0 ? chosen : meta_default_goal(m); }

void meta_server_count(struct meta *m, uint32_t server, uint32_t length, int sign)
{
    struct meta_server *s = &m->servers[server - 1];
    if (s->state == SERVER_DRAINED) /* published by a grant from before it was drained */
        meta_server_set_state(m, s, SERVER_DRAINING);
    s->chunks += (uint64_t)(int64_t)sign;
    s->bytes += (uint64_t)((int64_t)sign * (int64_t)length);
}

struct meta_server *meta_server_add(struct meta *m)
{
    m->servers = xrealloc(m->servers, m->n_servers + 1, sizeof *m->servers);
    struct meta_server *s = &m->servers[m->n_servers++];
    *s = (struct meta_server){.id = m->n_servers};
    return s;
}

static bool printable(struct str s, unsigned char lowest)
{
    for (uint32_t i = 0; i < s.len; i++)
        if ((unsigned char)s.p[i] < lowest || s.p[i] == 0x7f)
            return false;
    return true;
}

bool meta_server_fields_fine(struct str addr, struct str domain)
{
    return addr.len > 0 && printable(addr, '!') && memchr(addr.p, ':', addr.len) != NULL && printable(domain, ' ');
}

static void set_string(const char **field, struct str value)
{
    if (*field != NULL && str_eq(str_of(*field), value))
        return;
    free((char *)(uintptr_t)*field);
    *field = xstrndup(value.len > 0 ? value.p : "", value.len);
}

void meta_server_set_domain(struct meta_server *s, struct str domain)
{
    uint32_t at = 0;
    set_string(&s->domain, domain);
    for (uint32_t d = 0; d < META_DOMAIN_DEPTH; d++) {
        while (at < domain.len && domain.p[at] == '/')
            at++;
        uint32_t from = at;
        while (at < domain.len && domain.p[at] != '/')
            at++;
        uint64_t h = d > 0 ? s->within[d - 1] : 1;
        for (uint32_t i = from; i < at; i++)
            h = mix64(h ^ (unsigned char)domain.p[i]);
        s->within[d] = at == from ? 0 : mix64(h) | 1; /* 0 is nowhere */
    }
}

uint32_t meta_domains_shared(const struct meta_server *a, const struct meta_server *b)
{
    uint32_t n = 0;
    while (n < META_DOMAIN_DEPTH && a->within[n] != 0 && a->within[n] == b->within[n])
        n++;
    return n;
}

static struct meta_server *find_uuid(const struct meta *m, uint64_t hi, uint64_t lo)
{
    for (uint32_t i = 0; i < m->n_servers; i++)
        if (m->servers[i].uuid_hi == hi && m->servers[i].uuid_lo == lo)
            return &m->servers[i];
    return NULL;
}

/* A live server at the same address under another uuid: two data folders claim one place. */
static const struct meta_server *find_rival(const struct meta *m, const struct msg_ss_register *r)
{
    for (uint32_t i = 0; i < m->n_servers; i++) {
        const struct meta_server *s = &m->servers[i];
        if (s->up && s->state != SERVER_REMOVED && str_eq(str_of(s->addr), r->addr) &&
            (s->uuid_hi != r->uuid_hi || s->uuid_lo != r->uuid_lo))
            return s;
    }
    return NULL;
}

/* A drain is an administrator's word; neither a restart nor a failure ends it. */
static void set_up(struct meta *m, struct meta_server *s, bool up)
{
    if (s->up != up)
        m->shape++;
    s->up = up;
    if (s->state == SERVER_UP || s->state == SERVER_DOWN)
        meta_server_set_state(m, s, up ? SERVER_UP : SERVER_DOWN);
}

int meta_apply_register(struct meta *m, const struct msg_ss_register *r, struct msg *reply)
{
    if (!meta_server_fields_fine(r->addr, r->domain) || (r->uuid_hi | r->uuid_lo) == 0) {
        snprintf(m->text, sizeof m->text, "a storage server registers with a uuid and an address host:port");
        return DFS_EINVAL;
    }
    const struct meta_server *rival = find_rival(m, r);
    if (rival != NULL) {
        snprintf(m->text, sizeof m->text,
                 "address %.100s is in use by storage server %u (uuid %016" PRIx64 "%016" PRIx64 ")", rival->addr,
                 rival->id, rival->uuid_hi, rival->uuid_lo);
        return DFS_EIDENTITY;
    }
    struct meta_server *s = find_uuid(m, r->uuid_hi, r->uuid_lo);
    if (s != NULL && s->state == SERVER_REMOVED) {
        snprintf(m->text, sizeof m->text,
                 "storage server %u was removed from this cluster: to add it again, start it with empty data folders",
                 s->id);
        return DFS_EIDENTITY;
    }
    if (s == NULL && m->n_servers == META_MAX_SERVERS) {
        snprintf(m->text, sizeof m->text, "at most %u storage servers", META_MAX_SERVERS);
        return DFS_ETOOBIG;
    }
    if (s == NULL) {
        s = meta_server_add(m);
        s->uuid_hi = r->uuid_hi;
        s->uuid_lo = r->uuid_lo;
        meta_server_set_state(m, s, SERVER_UP);
    }
    set_string(&s->addr, r->addr);
    if (s->domain == NULL || !str_eq(str_of(s->domain), r->domain)) {
        meta_server_set_domain(s, r->domain);
        meta_servers_changed(m);
    }
    s->incarnation = r->incarnation;
    s->capacity = r->capacity;
    set_up(m, s, true);
    reply->type = MSG_TYPE_ss_register_reply;
    reply->ss_register_reply = (struct msg_ss_register_reply){
        .server = s->id,
        .epoch = m->epoch,
        .cluster_hi = m->cluster_hi,
        .cluster_lo = m->cluster_lo,
        .heartbeat_ms = m->timers.heartbeat_ms,
        .lease_ms = m->timers.lease_ms,
    };
    return 0;
}

void meta_apply_server_state(struct meta *m, const struct msg_server_state *r)
{
    if (r->server < 1 || r->server > m->n_servers || m->servers[r->server - 1].state == SERVER_REMOVED)
        return;
    struct meta_server *s = &m->servers[r->server - 1];
    if (r->state == SERVER_UP || r->state == SERVER_DOWN)
        set_up(m, s, r->state == SERVER_UP);
    else if (r->state == SERVER_DRAINED && s->state == SERVER_DRAINING && s->chunks == 0)
        meta_server_set_state(m, s, SERVER_DRAINED);
    s->capacity = r->capacity;
    s->used = r->used;
}
