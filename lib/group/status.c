/* SPDX-License-Identifier: MIT */
/* Reads: most are the state machine's; status and statfs are completed with what the leader heard last. */
#include "group/group.h"

/* A server is passed over for reads if it has this many times as many requests as another, and so many more. */
#define BUSIER_TIMES 2u
#define BUSY_LOAD 8u

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

static uint32_t least_load(const struct nm *nm, const struct wire_chunk_loc *c)
{
    uint32_t least = UINT32_MAX;

    for (uint32_t i = 0; i < c->n_replicas; i++) {
        const struct live *l = live_find(&nm->lead, c->replicas[i].server);

        if (l != NULL && l->heard && l->load < least)
            least = l->load;
    }
    return least == UINT32_MAX ? 0 : least;
}

/* From which copies to read, and from which only if the others fail. */
static void rank_replicas(const struct nm *nm, struct wire_chunk_loc *c)
{
    uint32_t least = least_load(nm, c);

    for (uint32_t i = 0; i < c->n_replicas; i++) {
        const struct meta_server *s = meta_server_by_id(nm->meta, c->replicas[i].server);
        const struct live *l = live_find(&nm->lead, c->replicas[i].server);

        if (s == NULL || !s->up || l == NULL || leader_suspects(nm, l))
            c->replicas[i].rank = REPLICA_SILENT;
        else if (l->heard && l->load / BUSIER_TIMES > least + BUSY_LOAD)
            c->replicas[i].rank = REPLICA_BUSY;
    }
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
    s->reads_per_s = rates_read(&nm->rates, nm->now.mono, RATE_READS);
    s->mutations_per_s = rates_read(&nm->rates, nm->now.mono, RATE_MUTATIONS);
    s->quarantine = meta_quarantine(nm->meta) != 0;
    s->quarantined = quarantine_copies(nm);
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
    if (req->type == MSG_TYPE_health)
        return health_read(nm, reply, a);
    if (req->type == MSG_TYPE_fsck)
        return health_fsck(nm, req, reply, a);
    err = meta_read(nm->meta, req, reply, a);
    if (err == 0 && req->type == MSG_TYPE_statfs)
        fill_statfs(nm, &reply->statfs_reply);
    for (uint32_t i = 0; err == 0 && req->type == MSG_TYPE_locate && i < reply->locate_reply.n_chunks; i++)
        rank_replicas(nm, &reply->locate_reply.chunks[i]);
    return err;
}
