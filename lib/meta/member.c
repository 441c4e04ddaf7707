/* SPDX-License-Identifier: MIT */
/* The NameServers that belong to the cluster, as they are meant to be; the leader brings raft's configuration into line.
 * Ids are given here and never again, so that a removed member, or one that lost its folder, stays out (A8). */
#include <stdio.h>
#include <stdlib.h>

#include "meta/state.h"

uint32_t meta_n_members(const struct meta *m) { return m->n_members; }

const struct meta_member *meta_member_at(const struct meta *m, uint32_t i)
{
    return i < m->n_members ? &m->members[i] : NULL;
}

uint32_t meta_next_member(const struct meta *m) { return m->next_member; }

uint32_t meta_level(const struct meta *m) { return m->level; }

const struct meta_member *meta_member_by_id(const struct meta *m, uint32_t id)
{
    for (uint32_t i = 0; i < m->n_members; i++)
        if (m->members[i].id == id)
            return &m->members[i];
    return NULL;
}

struct meta_member *meta_member_add(struct meta *m, uint32_t id, struct str addr)
{
    struct meta_member *v = &m->members[m->n_members++];
    *v = (struct meta_member){.id = id, .addr = xstrndup(addr.p, addr.len)};
    if (m->next_member <= id)
        m->next_member = id + 1;
    return v;
}

void meta_members_close(struct meta *m)
{
    for (uint32_t i = 0; i < m->n_members; i++)
        free(m->members[i].addr);
}

/* Never goes back: entries of this level may be in the log. */
static void raise_level(struct meta *m)
{
    uint32_t lowest = m->n_members > 0 ? m->members[0].level : 0;
    for (uint32_t i = 1; i < m->n_members; i++)
        lowest = (uint32_t)min_u64(lowest, m->members[i].level);
    m->level = (uint32_t)max_u64(m->level, lowest);
}

void meta_apply_level(struct meta *m, uint32_t id, uint32_t level)
{
    for (uint32_t i = 0; i < m->n_members; i++)
        if (m->members[i].id == id)
            m->members[i].level = level;
    raise_level(m);
}

/* The first leader there ever was, or of a life that began anew, enters itself; all others join. */
void meta_member_found(struct meta *m, const struct msg_open_epoch *o)
{
    if (m->n_members > 0 || o->leader < m->next_member || !meta_server_fields_fine(o->addr, STR("")))
        return;
    struct meta_member *v = meta_member_add(m, o->leader, o->addr);
    v->uuid_hi = o->uuid_hi;
    v->uuid_lo = o->uuid_lo;
}

static void joined(const struct meta *m, uint32_t id, struct msg *reply)
{
    reply->type = MSG_TYPE_nm_join_reply;
    reply->nm_join_reply = (struct msg_nm_join_reply){id, m->cluster_hi, m->cluster_lo};
}

int meta_apply_join(struct meta *m, const struct msg_nm_join *j, struct msg *reply)
{
    if (!meta_server_fields_fine(j->addr, STR("")) || (j->uuid_hi | j->uuid_lo) == 0) {
        snprintf(m->text, sizeof m->text, "a NameServer joins with a uuid and an address host:port");
        return DFS_EINVAL;
    }
    if (j->level < m->level) {
        snprintf(m->text, sizeof m->text,
                 "the cluster uses log entries of level %u, and this NameServer's release knows up to %u: update it",
                 m->level, j->level);
        return DFS_EVERSION;
    }
    for (uint32_t i = 0; i < m->n_members; i++) {
        const struct meta_member *v = &m->members[i];
        bool same = v->uuid_hi == j->uuid_hi && v->uuid_lo == j->uuid_lo;
        if (same && str_eq(str_of(v->addr), j->addr)) {
            meta_apply_level(m, v->id, j->level);
            joined(m, v->id, reply);
            return 0;
        }
        if (same || str_eq(str_of(v->addr), j->addr)) {
            snprintf(m->text, sizeof m->text, "NameServer %u is at %.100s already: remove it first (dfs nm remove %u)",
                     v->id, v->addr, v->id);
            return DFS_EIDENTITY;
        }
    }
    if (m->n_members == META_MAX_MEMBERS) {
        snprintf(m->text, sizeof m->text, "a cluster has at most %u NameServers", META_MAX_MEMBERS);
        return DFS_EINVAL;
    }
    struct meta_member *v = meta_member_add(m, m->next_member, j->addr);
    v->uuid_hi = j->uuid_hi;
    v->uuid_lo = j->uuid_lo;
    v->level = j->level;
    joined(m, v->id, reply);
    return 0;
}

int meta_apply_leave(struct meta *m, const struct msg_nm_remove *r, struct msg *reply)
{
    uint32_t i = 0;
    while (i < m->n_members && m->members[i].id != r->id)
        i++;
    if (i == m->n_members && (r->id == 0 || r->id >= m->next_member)) {
        snprintf(m->text, sizeof m->text, "there is no NameServer %u", r->id);
        return DFS_ENOENT;
    }
    if (i < m->n_members && m->n_members == 1) {
        snprintf(m->text, sizeof m->text, "NameServer %u is the last one", r->id);
        return DFS_EINVAL;
    }
    if (i < m->n_members) {
        free(m->members[i].addr);
        m->n_members--;
        memmove(&m->members[i], &m->members[i + 1], (m->n_members - i) * sizeof m->members[0]);
        raise_level(m);
    }
    reply->type = MSG_TYPE_nm_remove_reply;
    reply->nm_remove_reply.reserved = 0;
    return 0;
}
