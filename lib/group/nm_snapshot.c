/* SPDX-License-Identifier: MIT */
/* Taking snapshots: asked for at the end of a turn, written by a forked child while the loop goes on.
 *
 * The happy path: enough log has gathered -> EFF_SNAPSHOT -> the host forks, the child calls nm_write_snapshot ->
 * EV_SNAPSHOT -> raft is told, the log is trimmed. Two snapshots are kept, and the log from the older one on, so that a
 * damaged newest snapshot costs time and not data. A failure is logged and tried again later. */
#include "base/log.h"
#include "group/group.h"

#define SNAPSHOT_TOKEN 1u
/* A backup that is being read keeps its snapshot for so long after each slice, unless the log has grown to so many times
 * what calls for the next one. */
#define BACKUP_HOLD (10 * NS_PER_SEC)
#define BACKUP_LOGS 8u
#define SNAPSHOT_RETRY (60 * NS_PER_SEC)

/* Writing and loading a snapshot cost what the state is large, so the log between two grows with it. Replaying takes about
 * three times as long as loading the same number of bytes, so a quarter at most doubles the time of a start. */
#define LOG_SHARE 4u

static uint64_t log_limit(const struct nm *nm)
{
    return max_u64(nm->cfg.snapshot_log_bytes, nm->newest_bytes / LOG_SHARE);
}

static bool is_due(const struct nm *nm)
{
    uint64_t limit = log_limit(nm);

    if (nm->backup_after > nm->newest.index)
        return true;
    return nm->log.bytes >= limit && (nm->now.mono >= nm->backup_until || nm->log.bytes / BACKUP_LOGS >= limit);
}

void snapshot_consider(struct nm *nm, struct effects *fx)
{
    if (nm->taking.index != 0 || nm->applied <= nm->newest.index || !is_due(nm) || nm->now.mono < nm->snapshot_retry)
        return;
    /* everything in the snapshot must be in the durable log: at opening a log that ends before it is damaged */
    if (nm->log.flushed < nm->log.written)
        return;
    nm->taking = (struct snapshot_ref){nm->applied, nm->applied_term};
    nm->log.bytes = 0;
    fx_log(fx, LOG_INFO, "nm.snapshot_begin", "index=%" PRIu64, nm->taking.index);
    fx_snapshot(fx, SNAPSHOT_TOKEN);
}

int nm_write_snapshot(const struct nm *nm, struct disk *disk)
{
    struct snapshot_info info = {.cluster_hi = nm->id.cluster_hi,
                                 .cluster_lo = nm->id.cluster_lo,
                                 .index = nm->applied,
                                 .term = nm->applied_term,
                                 .conf_index = nm->conf_index};
    struct raft_buffer conf;
    int err;

    /* content and label belong together (A9): the host must carry this out before anything else is applied */
    if (nm->taking.index == 0 || nm->taking.index != nm->applied)
        return DFS_EINVAL;
    if (raft_configuration_encode(&nm->raft.configuration_committed, &conf) != 0)
        return DFS_ENOMEM;
    err = conf.len <= SNAPSHOT_CONF_MAX ? snapshot_write(disk, &info, conf.base, (uint32_t)conf.len, nm->meta)
                                        : DFS_ETOOBIG;
    raft_free(conf.base);
    return err;
}

/* Everything that was acknowledged when the first request came is in the snapshot that is handed out. */
void snapshot_backup(struct nm *nm, const struct event *ev, struct effects *fx)
{
    const struct msg_nm_backup *b = &ev->msg->nm_backup;
    struct msg reply = {.type = MSG_TYPE_nm_backup_reply};
    uint64_t after = b->after != 0 ? min_u64(b->after, nm->applied) : nm->applied;

    nm->backup_until = nm->now.mono + BACKUP_HOLD;
    if (b->index != 0) {
        install_send(nm, ev->to, (struct snapshot_ref){b->index, b->term}, b->offset, b->length, true, fx);
        return;
    }
    memset(&reply.nm_backup_reply, 0, sizeof reply.nm_backup_reply);
    reply.nm_backup_reply.after = after;
    if (nm->newest.index >= after) {
        reply.nm_backup_reply.index = nm->newest.index;
        reply.nm_backup_reply.term = nm->newest.term;
    } else {
        nm->backup_after = max_u64(nm->backup_after, after);
    }
    fx_reply(fx, ev->to, &reply, NULL);
}

static void unlink_file(const char *name, struct effects *fx)
{
    struct disk_op *op = disk_op_new(DISK_UNLINK, name, 0);

    op->token = TOKEN_SNAPSHOT_UNLINK;
    fx_disk(fx, op);
}

static void forget(struct snapshot_ref ref, struct effects *fx)
{
    char name[DISK_NAME_MAX + 1];

    if (ref.index == 0)
        return;
    snapshot_name(ref.index, ref.term, name);
    unlink_file(name, fx);
}

void snapshot_forget(struct nm *nm, struct effects *fx)
{
    forget(nm->older, fx);
    forget(nm->newest, fx);
    forget(nm->damaged, fx);
    nm->older = nm->newest = nm->damaged = (struct snapshot_ref){0};
}

void snapshot_is(struct nm *nm, struct snapshot_ref ref)
{
    nm->newest = ref;
    nm->newest_bytes = snapshot_size(nm->disk, ref);
}

void snapshot_done(struct nm *nm, int status, struct effects *fx)
{
    struct snapshot_ref done = nm->taking;

    nm->taking = (struct snapshot_ref){0};
    if (done.index == 0)
        return;
    if (status != 0) {
        nm->snapshot_retry = nm->now.mono + SNAPSHOT_RETRY;
        nm->log.bytes = log_limit(nm);
        unlink_file(SNAPSHOT_TMP, fx); /* it may have taken the last space, which deletes need */
        fx_log(fx, LOG_ERROR, "nm.snapshot_failed", "index=%" PRIu64 " error=%s", done.index, dfs_errname(status));
        return;
    }
    fx_log(fx, LOG_INFO, "nm.snapshot_taken", "index=%" PRIu64, done.index);
    forget(nm->older, fx);
    forget(nm->damaged, fx);
    nm->damaged = (struct snapshot_ref){0};
    nm->older = nm->newest;
    snapshot_is(nm, done);
    engine_snapshot_taken(nm, done, nm->older.index, fx);
    if (!nm->dead && nm->older.index > 0)
        raftlog_trim(&nm->log, nm->older.index, fx);
}
