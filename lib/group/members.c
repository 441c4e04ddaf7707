/* SPDX-License-Identifier: MIT */
/* Who belongs to the cluster.
 *
 *   nm_join applied -> in the configuration, without a vote -> caught up -> voter        nm_remove applied -> out
 *
 * The state machine says who should be a member; the leader changes raft's configuration, one server at a time, until it
 * is so. A new leader goes on where the old one was. The other half of this file is the one who joins: it asks until it
 * is given an id. */
#include <stdio.h>

#include "base/log.h"
#include "group/group.h"

#define JOIN_TIMEOUT (5 * NS_PER_SEC)
#define JOIN_RETRY (500 * NS_PER_MS)
/* Not heard for so long: shown as down. */
#define SILENT (2 * NS_PER_SEC)
/* A flush that takes so long, and is done elsewhere, may never end. Well above the slowest that was seen beside bulk writes (255 ms);
 * with an election and the new leader's wait it is over within the serve lease. */
#define HANGS (700 * NS_PER_MS)

static const struct raft_server *configured(const struct nm *nm, uint32_t id)
{
    for (unsigned i = 0; i < nm->raft.configuration.n; i++)
        if (nm->raft.configuration.servers[i].id == id)
            return &nm->raft.configuration.servers[i];
    return NULL;
}

/* --- the leader --- */

/* Submits the configuration without `drop` (0: none), with `add` as standby (NULL: none), with `promote` as voter. */
static void change(struct nm *nm, uint32_t drop, const struct meta_member *add, uint32_t promote, struct effects *fx)
{
    struct raft_configuration conf;
    int rv = 0;

    raft_configuration_init(&conf);
    for (unsigned i = 0; i < nm->raft.configuration.n && rv == 0; i++) {
        const struct raft_server *s = &nm->raft.configuration.servers[i];
        const char *addr = s->id == nm->id.raft_id ? nm->address : s->address;

        if (s->id != drop)
            rv = raft_configuration_add(&conf, s->id, addr, s->id == promote ? RAFT_VOTER : s->role);
    }
    if (rv == 0 && add != NULL)
        rv = raft_configuration_add(&conf, add->id, add->addr, RAFT_STANDBY);
    if (rv != 0)
        fx_log(fx, LOG_ERROR, "nm.configuration_failed", "error=\"%s\"", raft_strerror(rv));
    else if (engine_change(nm, &conf, fx))
        fx_log(fx, LOG_INFO, "nm.configuration", "%s=%u",
               add != NULL ? "add"
               : drop != 0 ? "remove"
                           : "promote",
               add != NULL ? add->id
               : drop != 0 ? drop
                           : promote);
    raft_configuration_close(&conf);
}

static void catch_up(struct nm *nm, uint32_t id, struct effects *fx)
{
    struct raft_event ev = {.type = RAFT_CATCH_UP};
    int status = RAFT_CATCH_UP_NONE;

    if (raft_catch_up(&nm->raft, id, &status) != 0)
        return;
    if (status == RAFT_CATCH_UP_FINISHED) {
        change(nm, 0, NULL, id, fx);
    } else if (status != RAFT_CATCH_UP_RUNNING) {
        ev.catch_up.server_id = id;
        engine_step(nm, &ev, fx);
    }
}

void members_tick(struct nm *nm, struct effects *fx)
{
    /* raft notices that one has caught up only with an entry that is new to it */
    if (nm->raft.leader_state.promotee_id != 0 && list_empty(&nm->queue) && list_empty(&nm->pending))
        list_push(&nm->queue, &batch_new(nm)->link);
    if (nm->raft.configuration_uncommitted_index != 0 || nm->raft.leader_state.promotee_id != 0 ||
        meta_n_members(nm->meta) == 0)
        return;
    for (unsigned i = 0; i < nm->raft.configuration.n; i++) {
        uint32_t id = (uint32_t)nm->raft.configuration.servers[i].id;

        if (meta_member_by_id(nm->meta, id) == NULL) {
            change(nm, id, NULL, 0, fx);
            return;
        }
    }
    for (uint32_t i = 0; i < meta_n_members(nm->meta); i++) {
        const struct meta_member *m = meta_member_at(nm->meta, i);
        const struct raft_server *s = configured(nm, m->id);

        if (s != NULL && s->role == RAFT_VOTER)
            continue;
        if (s == NULL)
            change(nm, 0, m, 0, fx);
        else
            catch_up(nm, m->id, fx);
        return;
    }
}

void members_check(struct nm *nm, struct effects *fx)
{
    bool was = nm->removed;

    nm->removed = nm->id.raft_id < meta_next_member(nm->meta) && meta_member_by_id(nm->meta, nm->id.raft_id) == NULL;
    if (nm->removed && !was)
        fx_log(fx, LOG_ERROR, "nm.removed",
               "id=%u advice=\"this NameServer was removed from the cluster: stop it; to come back, join with an empty "
               "data folder\"",
               nm->id.raft_id);
}

/* Raft refuses a transfer where it should be asked first. */
void members_transfer(struct nm *nm, const struct event *ev, struct effects *fx)
{
    struct raft_event rev = {.type = RAFT_TRANSFER};
    struct msg reply = {.type = MSG_TYPE_nm_transfer_reply};
    uint32_t id = ev->msg->nm_transfer.id;
    const struct raft_server *s = configured(nm, id);

    if (id == nm->id.raft_id) {
        fx_reply(fx, ev->to, &reply, NULL); /* it leads already */
        return;
    }
    if (id != 0 && (s == NULL || s->role != RAFT_VOTER)) {
        fx_fail(fx, ev->to, DFS_ENOENT, "NameServer %u is no voter", id);
        return;
    }
    if (!lease_needed(nm)) {
        fx_fail(fx, ev->to, DFS_EINVAL, "there is no other NameServer to lead");
        return;
    }
    if (raft_transferee(&nm->raft) != 0) {
        fx_fail(fx, ev->to, DFS_EAGAIN, "leadership is being handed over already");
        return;
    }
    rev.transfer.server_id = id;
    fx_reply(fx, ev->to, &reply, NULL);
    engine_step(nm, &rev, fx);
}

/* Nothing is acknowledged before it is durable here, and as long as our heartbeats go out nobody else leads. Where others are not
 * ahead (all disks are slow, or there is no other) we go on. It may not succeed at once: whoever is to lead may be gone. */
void members_yield(struct nm *nm, struct effects *fx)
{
    struct raft_event ev = {.type = RAFT_TRANSFER};
    uint64_t durable = nm->log.durable_index;

    if (!engine_is_leader(nm) || raft_commit_index(&nm->raft) <= durable || nm->behind_at != durable + 1) {
        nm->behind_at = durable + 1;
        nm->behind_from = nm->now.mono;
        nm->yield_at = nm->now.mono + HANGS;
        return;
    }
    if (nm->now.mono < nm->yield_at || raft_transferee(&nm->raft) != 0)
        return;
    nm->yield_at = nm->now.mono + HANGS;
    fx_log(fx, LOG_ERROR, "nm.disk_hangs",
           "ms=%" PRIu64 " advice=\"another NameServer is to lead; look at this one's disk\"",
           (uint64_t)((nm->now.mono - nm->behind_from) / NS_PER_MS));
    engine_step(nm, &ev, fx);
}

static uint8_t state_of(struct nm *nm, const struct meta_member *m)
{
    const struct raft_server *s = configured(nm, m->id);
    const struct peer *p = peer_find(nm, m->id);

    if (m->id == nm->id.raft_id)
        return NM_LEADER;
    if (p == NULL || p->heard == 0 || nm->now.mono - p->heard > SILENT)
        return s != NULL && s->role == RAFT_VOTER ? NM_DOWN : NM_JOINING;
    return s != NULL && s->role == RAFT_VOTER ? NM_FOLLOWER : NM_JOINING;
}

int members_fill_status(struct nm *nm, struct msg_status_reply *s, struct arena *a)
{
    uint32_t n = meta_n_members(nm->meta);

    s->nameservers = arena_alloc(a, n, sizeof *s->nameservers);
    if (s->nameservers == NULL)
        return DFS_ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        const struct meta_member *m = meta_member_at(nm->meta, i);

        s->nameservers[i] = (struct wire_nm_info){
            .id = m->id,
            .addr = str_of(m->id == nm->id.raft_id ? nm->address : m->addr),
            .state = state_of(nm, m),
        };
    }
    s->n_nameservers = n;
    return 0;
}

/* --- the one who joins --- */

void join_turn(struct nm *nm, struct effects *fx)
{
    struct msg m = {.type = MSG_TYPE_nm_join};
    const char *to = nm->join.leader[0] != '\0' ? nm->join.leader : nm->join.names[nm->join.at % nm->cfg.n_join];

    if (nm->join.calling || nm->now.mono < nm->join.next)
        return;
    if (strcmp(to, nm->address) == 0) { /* one list may serve all */
        nm->join.at++;
        nm->join.next = nm->now.mono + JOIN_RETRY / 10;
        return;
    }
    m.nm_join = (struct msg_nm_join){
        .uuid_hi = nm->id.uuid_hi, .uuid_lo = nm->id.uuid_lo, .addr = str_of(nm->address), .level = level_ours(nm)};
    nm->join.calling = true;
    fx_call(fx, to, &m, NULL, call_token(CALL_JOIN, 0, 0), JOIN_TIMEOUT);
}

static void join_again(struct nm *nm, const struct event *ev)
{
    struct str leader = ev->msg != NULL && ev->status == DFS_ENOTLEADER ? ev->msg->error.leader : STR("");

    nm->join.next = nm->now.mono + JOIN_RETRY;
    if (leader.len > 0) {
        snprintf(nm->join.leader, sizeof nm->join.leader, "%.*s", STR_ARG(leader));
        nm->join.next = nm->now.mono + NS_PER_MS;
        return;
    }
    nm->join.leader[0] = '\0';
    nm->join.at++;
}

void join_reply(struct nm *nm, const struct event *ev, struct effects *fx)
{
    struct identity id = nm->id;
    char why[512];

    nm->join.calling = false;
    if (!nm->join.active)
        return;
    if (ev->status != 0) {
        if (ev->status == DFS_ENOSPC && !nm->join_waits)
            fx_log(fx, LOG_WARN, "nm.join_waits", "text=\"%.*s\"",
                   STR_ARG(ev->msg != NULL ? ev->msg->error.text : STR("")));
        nm->join_waits = ev->status == DFS_ENOSPC;
        if (ev->msg != NULL && !dfs_err_may_retry(ev->status) && ev->status != DFS_EUNKNOWN &&
            ev->status != DFS_ENOSPC) {
            nm->dead = true;
            fx_fatal(fx, "the cluster does not let this NameServer join: %.*s", STR_ARG(ev->msg->error.text));
            return;
        }
        join_again(nm, ev);
        return;
    }
    if (ev->msg->type != MSG_TYPE_nm_join_reply || ev->msg->nm_join_reply.id == 0)
        return;
    id.raft_id = ev->msg->nm_join_reply.id;
    id.cluster_hi = ev->msg->nm_join_reply.cluster_hi;
    id.cluster_lo = ev->msg->nm_join_reply.cluster_lo;
    if (nm_open_joined(nm, &id, why, sizeof why) != 0) {
        nm->dead = true;
        fx_fatal(fx, "the data folder cannot be made: %s", why);
        return;
    }
    nm->join.active = false;
    fx_log(fx, LOG_INFO, "nm.joined", "id=%u cluster=%016" PRIx64 "%016" PRIx64, id.raft_id, id.cluster_hi,
           id.cluster_lo);
}
