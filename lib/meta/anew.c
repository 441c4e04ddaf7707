/* SPDX-License-Identifier: MIT */
/* A cluster's next life, and the quarantine that comes with it (CONSISTENCY B16).
 *
 * What a backup, or nothing at all, does not know may be the only copy of what people stored after it. So chunks with
 * serials of the earlier life are not ordered deleted, whatever the state says, until an administrator ends the
 * quarantine. Chunks of the new life have higher serials and are treated as ever. */
#include <stdlib.h>

#include "meta/state.h"

uint64_t meta_quarantine(const struct meta *m) { return m->quarantine; }

/* Their clients live on, with numbers this state has not seen. */
static void drop_sessions(struct meta *m, const struct stamp *st)
{
    struct wire_session idle[64];
    uint32_t n;
    uint64_t ended;
    for (size_t at = 0; (ended = meta_ended_next(m, &at)) != 0; at = 0)
        meta_session_drop(m, st, ended);
    while (m->sessions.count > 0) {
        n = meta_idle_sessions(m, 0, INT64_MAX, idle, ARRAY_LEN(idle));
        if (n == 0)
            abort(); /* no memory for the list */
        for (uint32_t i = 0; i < n; i++)
            meta_session_drop(m, st, idle[i].id);
    }
}

void meta_begin_anew(struct meta *m, uint64_t cluster_hi, uint64_t cluster_lo, const struct stamp *st, uint64_t serial)
{
    m->cluster_hi = cluster_hi;
    m->cluster_lo = cluster_lo;
    m->index = st->index;
    m->reserved = max_u64(m->reserved, serial);
    m->first_grantable = m->horizon = m->quarantine = m->reserved;
    m->next_ino = max_u64(m->next_ino, serial);
    m->next_generation = max_u64(m->next_generation, serial);
    m->next_session = max_u64(m->next_session, st->index);
    m->next_handle = max_u64(m->next_handle, st->index);
    m->next_ticket = max_u64(m->next_ticket, st->index);
    drop_sessions(m, st);
    meta_members_close(m);
    m->n_members = 0;
    for (uint32_t i = 0; i < m->n_servers; i++)
        m->servers[i].incarnation = 0; /* no server's: its next heartbeat is told to register, and a report follows */
}

int meta_apply_quarantine_drop(struct meta *m, struct msg *reply)
{
    m->quarantine = 0;
    reply->type = MSG_TYPE_quarantine_drop_reply;
    reply->quarantine_drop_reply.reserved = 0;
    return 0;
}
