/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>

#include "meta/state.h"

uint32_t meta_n_servers(const struct meta *m) { return m->n_servers; }

const struct meta_server *meta_server_at(const struct meta *m, uint32_t i)
{
    return i < m->n_servers ? &m->servers[i] : NULL;
}

const struct meta_server *meta_server_by_id(const struct meta *m, uint32_t id)
{
    return id >= 1 && id <= m->n_servers ? &m->servers[id - 1] : NULL;
}

uint8_t meta_default_goal(const struct meta *m)
{
    return (uint8_t)(m->n_servers < 1 ? 1 : m->n_servers < META_DEFAULT_GOAL ? m->n_servers : META_DEFAULT_GOAL);
}

uint8_t meta_goal(const struct meta *m, uint8_t asked) { return asked != 0 ? asked : meta_default_goal(m); }

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
        if (s->state == SERVER_UP && str_eq(str_of(s->addr), r->addr) &&
            (s->uuid_hi != r->uuid_hi || s->uuid_lo != r->uuid_lo))
            return s;
    }
    return NULL;
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
    if (s == NULL && m->n_servers == META_MAX_SERVERS) {
        snprintf(m->text, sizeof m->text, "at most %u storage servers", META_MAX_SERVERS);
        return DFS_ETOOBIG;
    }
    if (s == NULL) {
        s = meta_server_add(m);
        s->uuid_hi = r->uuid_hi;
        s->uuid_lo = r->uuid_lo;
    }
    set_string(&s->addr, r->addr);
    set_string(&s->domain, r->domain);
    s->incarnation = r->incarnation;
    s->capacity = r->capacity;
    /* A drain is an administrator's word; a restart does not end it. */
    if (s->state != SERVER_DRAINING && s->state != SERVER_DRAINED)
        s->state = SERVER_UP;
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

void meta_apply_server_state(struct meta *m, const struct msg_server_state *s)
{
    if (s->server < 1 || s->server > m->n_servers || s->state < SERVER_UP || s->state > SERVER_DRAINED)
        return;
    struct meta_server *server = &m->servers[s->server - 1];
    server->state = s->state;
    server->capacity = s->capacity;
    server->used = s->used;
}
