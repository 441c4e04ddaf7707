/* SPDX-License-Identifier: MIT */
/* Reads: most are the state machine's; status and statfs are completed with what the leader heard last. */
#include "group/group.h"

static void refresh(const struct nm *nm, struct wire_server_info *s)
{
    const struct live *l = live_find(&nm->lead, s->id);

    if (l == NULL)
        return;
    if (l->heard) {
        s->capacity = l->capacity;
        s->used = l->used;
        s->disks = l->disks;
        s->n_disks = l->n_disks;
    }
    if (s->state == SERVER_UP && leader_suspects(nm, l))
        s->state = SERVER_SUSPECT;
}

static int fill_status(struct nm *nm, struct msg_status_reply *s, struct arena *a)
{
    meta_fill_status(nm->meta, s, a);
    for (uint32_t i = 0; i < s->n_servers; i++)
        refresh(nm, &s->servers[i]);
    s->cluster_hi = nm->id.cluster_hi;
    s->cluster_lo = nm->id.cluster_lo;
    s->leader = nm->id.raft_id;
    s->term = raft_current_term(&nm->raft);
    s->epoch = meta_epoch(nm->meta);
    s->log_first = raftlog_first_index(&nm->log);
    s->log_last = nm->applied;
    s->snapshot = nm->newest.index;
    return members_fill_status(nm, s, a);
}

static void fill_statfs(const struct nm *nm, struct msg_statfs_reply *s)
{
    s->capacity = s->used = 0;
    for (uint32_t i = 0; i < meta_n_servers(nm->meta); i++) {
        const struct meta_server *m = meta_server_at(nm->meta, i);
        const struct live *l = live_find(&nm->lead, m->id);

        if (!m->up || m->state == SERVER_REMOVED)
            continue;
        s->capacity += l != NULL && l->heard ? l->capacity : m->capacity;
        s->used += l != NULL && l->heard ? l->used : m->used;
    }
}

int status_read(struct nm *nm, const struct msg *req, struct msg *reply, struct arena *a)
{
    int err;

    if (req->type == MSG_TYPE_status) {
        memset(reply, 0, sizeof *reply);
        reply->type = MSG_TYPE_status_reply;
        return fill_status(nm, &reply->status_reply, a);
    }
    err = meta_read(nm->meta, req, reply, a);
    if (err == 0 && req->type == MSG_TYPE_statfs)
        fill_statfs(nm, &reply->statfs_reply);
    return err;
}
