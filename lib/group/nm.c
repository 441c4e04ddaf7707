/* SPDX-License-Identifier: MIT */
/* The NameServer core's events and turns. */
#include "group/group.h"

#include <stdio.h>

#include "base/log.h"

/* Free space, in log segments: below the first mark only what frees space is let through, below the second nothing. */
#define SPACE_RESERVE 4u
#define SPACE_LOW 2u
#define STAT_EVERY NS_PER_SEC

/* --- accessors --- */

void nm_cluster(const struct nm *nm, uint64_t *hi, uint64_t *lo)
{
    *hi = nm->id.cluster_hi;
    *lo = nm->id.cluster_lo;
}

uint32_t nm_id(const struct nm *nm) { return nm->id.raft_id; }

bool nm_serving(const struct nm *nm) { return nm->serving; }

bool nm_leads(const struct nm *nm, uint64_t mono)
{
    return nm->serving && (!lease_needed(nm) || mono < nm->lease_until);
}

uint32_t nm_voters(const struct nm *nm)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < nm->raft.configuration.n && nm->raft.configuration_uncommitted_index == 0; i++)
        n += nm->raft.configuration.servers[i].role == RAFT_VOTER;
    return n;
}

uint64_t nm_applied(const struct nm *nm) { return nm->applied; }

const struct meta *nm_meta(const struct nm *nm) { return nm->meta; }

/* --- requests --- */

static uint64_t space_mark(const struct nm *nm, uint32_t segments) { return segments * nm->cfg.log_segment_bytes; }

/* 0, or why this mutation is not taken for want of disk space. Checked before submitting, so that ENOSPC never reaches
 * raft (A2). */
static int check_space(const struct nm *nm, uint16_t type, uint32_t len)
{
    int err = raftlog_stuck(&nm->log, len + 1024);

    if (err != 0)
        return err;
    if (nm->free_bytes >= space_mark(nm, SPACE_RESERVE))
        return 0;
    if (nm->free_bytes < space_mark(nm, SPACE_LOW))
        return DFS_ENOSPC;
    switch (type) {
    case MSG_TYPE_unlink:
    case MSG_TYPE_rmdir:
    case MSG_TYPE_remove:
    case MSG_TYPE_trash_empty:
    case MSG_TYPE_session_open:
    case MSG_TYPE_session_close:
    case MSG_TYPE_close:
    case MSG_TYPE_unlock:
    case MSG_TYPE_lock_cancel:
    case MSG_TYPE_delegate_return:
    case MSG_TYPE_ss_register:
    case MSG_TYPE_quarantine_drop:
        return 0;
    default:
        return DFS_ENOSPC;
    }
}

static void on_mutation(struct nm *nm, const struct event *ev, struct effects *fx)
{
    struct meta_result before;
    int err = check_space(nm, ev->msg->type, ev->head.len);

    if (err != 0 && meta_remembered(nm->meta, ev->msg, &before)) {
        fx_reply_bytes(fx, ev->to, before.type, before.head, before.head_len);
        return;
    }

    if (err != 0) {
        fx_fail(fx, ev->to, err,
                err == DFS_ENOSPC ? "the NameServer's disk is nearly full" : "the NameServer's disk fails");
        return;
    }
    /* what we see may be old unless a lease runs: then only applying it tells */
    err = lease_valid(nm) ? meta_check(nm->meta, ev->msg) : 0;
    if (err != 0) {
        fx_fail(fx, ev->to, err, "%s", dfs_strerror(err));
        return;
    }
    if (lease_valid(nm) && delegations_stop(nm, ev, fx))
        return;
    if (ev->msg->type == MSG_TYPE_ss_register && leader_hears_twin(nm, &ev->msg->ss_register)) {
        fx_fail(fx, ev->to, DFS_EIDENTITY,
                "a storage server of this identity is running at another address: is this a copy of its data folder?");
        return;
    }
    if (ev->msg->type == MSG_TYPE_session_open &&
        !openers_admit(&nm->lead.openers, nm->meta, ev->msg->session_open.nonce, ev->peer, nm->cfg.sessions_per_host,
                       nm->now.mono)) {
        fx_fail(fx, ev->to, DFS_EMFILE, "%u sessions were opened from this address; more are not given to one",
                nm->cfg.sessions_per_host);
        return;
    }
    if (!level_allows(nm, ev->msg)) {
        fx_fail(fx, ev->to, DFS_ENOTSUP, "%s is possible once every NameServer has been updated",
                wire_type_name(ev->msg->type));
        return;
    }
    if (ev->msg->type == MSG_TYPE_truncate && !cut_request(nm, ev, fx))
        return;
    delegations_asked(nm, ev->msg);
    err = batch_take(nm, ev);
    if (err == DFS_EAGAIN)
        fx_fail(fx, ev->to, err, "too many changes wait for the NameServer's disk");
    else if (err != 0)
        fx_fail(fx, ev->to, err, "the request is larger than %u bytes", COMMAND_MAX_BYTES);
}

static void on_read(struct nm *nm, const struct event *ev, struct effects *fx)
{
    struct msg reply;
    int err;

    if (delegations_stop(nm, ev, fx))
        return;
    rates_count(&nm->rates, nm->now.mono, RATE_READS);
    arena_reset(&nm->arena);
    err = status_read(nm, ev->msg, &reply, &nm->arena);
    if (err != 0)
        fx_fail(fx, ev->to, err, "%s", dfs_strerror(err));
    else
        fx_reply(fx, ev->to, &reply, NULL);
    if (err == 0 || err == DFS_ENOENT)
        watches_looked_up(nm, ev->msg, err == 0 ? &reply : NULL);
}

/* The leader's address, "" if there is none we know of. */
static const char *leader_address(struct nm *nm)
{
    raft_id id = 0;
    const char *address = NULL;

    raft_leader(&nm->raft, &id, &address);
    return address != NULL ? address : "";
}

void nm_answer(struct nm *nm, const struct event *ev, struct effects *fx)
{
    nm->asked = true;
    if (wire_class_of(ev->msg->type) == CLASS_READ)
        on_read(nm, ev, fx);
    else if (ev->msg->type == MSG_TYPE_nm_transfer)
        members_transfer(nm, ev, fx);
    else if (ev->msg->type == MSG_TYPE_nm_backup)
        snapshot_backup(nm, ev, fx);
    else if (ev->msg->type == MSG_TYPE_recover)
        recovery_request(nm, ev, fx);
    else if (ev->msg->type == MSG_TYPE_inventory)
        recovery_inventory(nm, ev, fx);
    else
        leader_request(nm, ev, fx);
}

static void on_reply(struct nm *nm, const struct event *ev, struct effects *fx)
{
    switch ((enum call_kind)(ev->token >> 56)) {
    case CALL_PEER:
        peers_reply(nm, ev, fx);
        break;
    case CALL_SNAPSHOT:
        install_reply(nm, ev, fx);
        break;
    case CALL_JOIN:
        join_reply(nm, ev, fx);
        break;
    }
}

static void on_request(struct nm *nm, const struct event *ev, struct effects *fx)
{
    enum msg_class class = wire_class_of(ev->msg->type);

    if (nm->join.active) {
        fx_not_leader(fx, ev->to, nm->join.leader);
        return;
    }
    if (class == CLASS_PEER) {
        peers_request(nm, ev, fx);
        return;
    }
    if (class != CLASS_READ && class != CLASS_MUTATION && class != CLASS_LEADER) {
        fx_fail(fx, ev->to, DFS_ENOTSUP, "%s is not served by a NameServer", wire_type_name(ev->msg->type));
        return;
    }
    if (!engine_is_leader(nm)) {
        fx_not_leader(fx, ev->to, leader_address(nm));
        return;
    }
    if (!nm->serving) {
        fx_fail(fx, ev->to, DFS_EAGAIN, "the NameServer is opening its epoch");
        return;
    }
    if (class == CLASS_MUTATION)
        on_mutation(nm, ev, fx);
    else if (lease_valid(nm))
        nm_answer(nm, ev, fx);
    else if (!lease_wait(nm, ev))
        fx_fail(fx, ev->to, DFS_EAGAIN, "too many requests wait for the NameServer's lease");
}

/* --- disk --- */

/* Says when space runs low, when there is enough again, and why the log gets no more. */
static void tell_space(struct nm *nm, struct effects *fx)
{
    bool low = nm->free_bytes < space_mark(nm, SPACE_RESERVE);
    bool no_spare = nm->log.spare_error != 0;

    if (low && !nm->nearly_full)
        fx_log(fx, LOG_ERROR, "nm.disk_nearly_full",
               "free_bytes=%" PRIu64 " needed=%" PRIu64 " advice=\"free space in the data folder's file system\"",
               nm->free_bytes, space_mark(nm, SPACE_RESERVE));
    else if (!low && nm->nearly_full)
        fx_log(fx, LOG_INFO, "nm.disk_has_space", "free_bytes=%" PRIu64, nm->free_bytes);
    if (no_spare && !nm->no_spare)
        fx_log(fx, LOG_ERROR, "nm.no_log_segment", "error=%s text=\"the next segment of the log cannot be made\"",
               dfs_errname(nm->log.spare_error));
    nm->nearly_full = low;
    nm->no_spare = no_spare;
}

static void on_stat(struct nm *nm, const struct event *ev)
{
    nm->stat_running = false;
    if (ev->status == 0)
        nm->free_bytes = ev->op->offset;
}

static void on_log_done(struct nm *nm, const struct event *ev, struct effects *fx)
{
    uint64_t durable = nm->log.durable_index;
    char what[160];
    int err = raftlog_event(&nm->log, ev, fx);

    if (err != 0) {
        snprintf(what, sizeof what, "the log could not be written (%s); the disk is not trusted any more",
                 ev->op->name);
        nm_fatal(nm, fx, what, err);
        return;
    }
    if (ev->token == LOG_TOKEN_SPARE && ev->op->kind == DISK_CREATE && ev->status == 0)
        nm->free_bytes -= min_u64(nm->free_bytes, nm->cfg.log_segment_bytes);
    if (nm->log.durable_index > durable || ev->token == LOG_TOKEN_SPARE) /* entries may wait for a segment */
        engine_persisted(nm, fx);
}

static void on_disk(struct nm *nm, const struct event *ev, struct effects *fx)
{
    switch (ev->token) {
    case TOKEN_VOTE:
        engine_vote_written(nm, ev, fx);
        break;
    case TOKEN_STAT:
        on_stat(nm, ev);
        break;
    case TOKEN_SNAPSHOT_UNLINK:
        if (ev->status != 0)
            fx_log(fx, LOG_WARN, "nm.snapshot_not_removed", "file=%s error=%s", ev->op->name, dfs_errname(ev->status));
        break;
    case TOKEN_ENTRIES:
        entries_read_done(nm, ev, fx);
        break;
    case TOKEN_INSTALL_WRITE:
        install_written(nm, ev, fx);
        break;
    default:
        if (ev->token >= TOKEN_FETCH)
            install_served(nm, ev, fx);
        else
            on_log_done(nm, ev, fx);
    }
}

/* --- step --- */

/* Time never goes back inside, whatever the host says. */
static void set_now(struct nm *nm, struct now now)
{
    nm->now.mono = max_u64(nm->now.mono, now.mono);
    nm->now.wall = now.wall;
}

void nm_event(struct nm *nm, const struct event *ev, struct effects *fx)
{
    set_now(nm, ev->now);
    if (nm->dead) {
        if (ev->kind == EV_REQUEST)
            fx_fail(fx, ev->to, DFS_ECLOSING, "the NameServer's disk has failed");
        return;
    }
    switch (ev->kind) {
    case EV_REQUEST:
        on_request(nm, ev, fx);
        break;
    case EV_DISK:
        on_disk(nm, ev, fx);
        break;
    case EV_SNAPSHOT:
        snapshot_done(nm, ev->status, fx);
        break;
    case EV_REPLY:
        on_reply(nm, ev, fx);
        break;
    }
}

static void open_epoch(struct nm *nm)
{
    struct msg cmd = {.type = MSG_TYPE_open_epoch};
    struct batch *b;

    if (nm->opening || nm->epoch_open || !engine_is_leader(nm))
        return;
    cmd.open_epoch.cluster_hi = nm->id.cluster_hi;
    cmd.open_epoch.cluster_lo = nm->id.cluster_lo;
    cmd.open_epoch.leader = nm->id.raft_id;
    cmd.open_epoch.addr = str_of(nm->address);
    cmd.open_epoch.uuid_hi = nm->id.uuid_hi;
    cmd.open_epoch.uuid_lo = nm->id.uuid_lo;
    cmd.open_epoch.level = level_ours(nm);
    if (!batch_propose(nm, &cmd))
        return;
    b = CONTAINER_OF(nm->queue.prev, struct batch, link);
    b->opens_epoch = true;
    nm->opening = true;
}

static bool wants_stat(const struct nm *nm)
{
    return !nm->stat_running &&
           (nm->log.last_index != nm->stat_index || nm->free_bytes < space_mark(nm, SPACE_RESERVE));
}

static void look_at_space(struct nm *nm, struct effects *fx)
{
    struct disk_op *op;

    if (!wants_stat(nm) || nm->now.mono < nm->stat_at)
        return;
    op = disk_op_new(DISK_STAT, "", 0);
    op->token = TOKEN_STAT;
    nm->stat_running = true;
    nm->stat_at = nm->now.mono + STAT_EVERY;
    nm->stat_index = nm->log.last_index;
    fx_disk(fx, op);
}

void nm_turn(struct nm *nm, struct now now, struct effects *fx)
{
    set_now(nm, now);
    if (nm->dead)
        return;
    for (; nm->n_notes > 0; nm->n_notes--)
        fx_log(fx, LOG_WARN, "nm.repaired", "what=\"%s\"", nm->note[nm->n_notes - 1]);
    if (nm->join.active) {
        join_turn(nm, fx);
        return;
    }
    if (!nm->vote_writing)
        fx_move(fx, &nm->held);
    engine_timeout(nm, fx);
    if (nm->dead)
        return;
    open_epoch(nm);
    lease_turn(nm, fx);
    if (nm->serving) {
        leader_tick(nm, fx);
        recovery_turn(nm, fx);
    }
    lockwait_turn(nm, fx);
    watches_turn(nm, fx);
    raftlog_turn(&nm->log, nm->now, fx);
    engine_submit(nm, fx);
    members_check(nm, fx);
    members_yield(nm, fx);
    level_check(nm, fx);
    install_turn(nm, fx);
    if (nm->dead)
        return;
    tell_space(nm, fx);
    look_at_space(nm, fx);
    snapshot_consider(nm, fx); /* last: nothing may be applied between the effect and the fork */
}

uint64_t nm_deadline(const struct nm *nm)
{
    uint64_t at;

    if (nm->dead)
        return UINT64_MAX;
    if (nm->join.active)
        return nm->join.calling ? UINT64_MAX : nm->join.next;
    if (nm->n_notes > 0 || (nm->held.n > 0 && !nm->vote_writing) ||
        (!nm->opening && !nm->epoch_open && engine_is_leader(nm)))
        return 0;
    at = min_u64(engine_deadline(nm), raftlog_deadline(&nm->log));
    at = min_u64(at, min_u64(lease_deadline(nm), install_deadline(nm)));
    if (nm->serving)
        at = min_u64(at, min_u64(min_u64(leader_deadline(nm), lockwait_deadline(nm)),
                                 min_u64(recovery_deadline(nm), watches_deadline(nm))));
    if (wants_stat(nm))
        at = min_u64(at, nm->stat_at);
    return at;
}
