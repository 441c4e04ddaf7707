/* SPDX-License-Identifier: MIT */
/* A member that is too far behind takes over a snapshot of the leader's.
 *
 * The happy path: the leader says that its log does not reach back far enough (peer_snapshot) -> its snapshot file is
 * fetched slice by slice into snap.get -> raft is given the message only now, and agrees -> the file "install" is made,
 * snap.get gets its name and is read -> state, log and raft start from it -> "install" is removed. Possible failures:
 * the leader changes or its snapshot is gone: the next one it offers is fetched from the start; a crash: opening finds
 * "install", and does the rest again (nm_open.c). Until raft agrees nothing here has changed, so there is nothing to undo.
 *
 * Reading the snapshot and starting the log anew are synchronous: this node serves nobody meanwhile. */
#include <stdio.h>

#include "base/crc.h"
#include "base/log.h"
#include "group/group.h"

#define SLICE (512u * 1024)
#define FETCH_TIMEOUT (5 * NS_PER_SEC)
#define RETRY (200 * NS_PER_MS)
/* The mark that says that a snapshot is being taken over, and what a file system adds. */
#define SMALL_FILES (64 * KIB)

/* --- the one who has it --- */

void install_send(struct nm *nm, struct reply_to to, struct snapshot_ref ref, uint64_t offset, uint32_t length,
                  bool backup, struct effects *fx)
{
    char name[DISK_NAME_MAX + 1];
    struct disk_op *op;
    uint32_t slot = 0;

    if ((ref.index != nm->newest.index || ref.term != nm->newest.term) &&
        (ref.index != nm->older.index || ref.term != nm->older.term)) {
        fx_fail(fx, to, DFS_ENOENT, "this snapshot is not here any more");
        return;
    }
    while (slot < FETCH_SLOTS && nm->fetch_used[slot])
        slot++;
    if (slot == FETCH_SLOTS || ref.index == 0) {
        fx_fail(fx, to, DFS_EAGAIN, "too many fetch snapshots");
        return;
    }
    snapshot_name(ref.index, ref.term, name);
    op = disk_op_new(DISK_READ, name, 1);
    op->offset = offset;
    op->length = min_u64(length, SLICE);
    op->token = TOKEN_FETCH + slot;
    nm->fetch_used[slot] = true;
    nm->fetch_backup[slot] = backup;
    nm->fetch_length[slot] = (uint32_t)op->length;
    nm->fetch[slot] = to;
    fx_disk(fx, op);
}

void install_serve(struct nm *nm, const struct event *ev, struct effects *fx)
{
    const struct msg_snapshot_fetch *f = &ev->msg->snapshot_fetch;

    install_send(nm, ev->to, (struct snapshot_ref){f->index, f->term}, f->offset, f->length, false, fx);
}

void install_served(struct nm *nm, const struct event *ev, struct effects *fx)
{
    uint32_t slot = (uint32_t)(ev->token - TOKEN_FETCH), crc;
    struct payload payload = {0};
    struct msg reply;
    bool eof;

    if (slot >= FETCH_SLOTS || !nm->fetch_used[slot])
        return;
    nm->fetch_used[slot] = false;
    if (ev->status != 0) {
        fx_fail(fx, nm->fetch[slot], ev->status, "the snapshot cannot be read");
        return;
    }
    eof = ev->op->data[0].len < nm->fetch_length[slot];
    crc = crc32c(0, slice_data(ev->op->data[0]), ev->op->data[0].len);
    memset(&reply, 0, sizeof reply);
    if (nm->fetch_backup[slot]) {
        reply.type = MSG_TYPE_nm_backup_reply;
        reply.nm_backup_reply.eof = eof;
        reply.nm_backup_reply.crc = crc;
    } else {
        reply.type = MSG_TYPE_snapshot_fetch_reply;
        reply.snapshot_fetch_reply.eof = eof;
        reply.snapshot_fetch_reply.crc = crc;
    }
    if (ev->op->data[0].len > 0) {
        payload = payload_of(ev->op->data[0]);
        ev->op->data[0] = (struct slice){0};
    }
    fx_reply(fx, nm->fetch[slot], &reply, &payload);
}

/* --- the one who needs it --- */

void install_wanted(struct nm *nm, uint32_t from, const char *addr, struct snapshot_ref ref)
{
    struct install *in = &nm->install;

    if (ref.index <= nm->applied || ref.term == 0 || engine_is_leader(nm))
        return;
    in->wanted = ref;
    in->from = from;
    if (in->addr != addr)
        snprintf(in->addr, sizeof in->addr, "%s", addr);
}

static bool slice_fine(const struct event *ev)
{
    uint32_t crc = 0;

    for (uint32_t i = 0; ev->payload != NULL && i < PAYLOAD_PARTS; i++)
        crc = crc32c(crc, slice_data(ev->payload->part[i]), ev->payload->part[i].len);
    return crc == ev->msg->snapshot_fetch_reply.crc;
}

/* From the start, with what the leader offered last. */
static void begin(struct nm *nm, struct effects *fx)
{
    struct install *in = &nm->install;
    int err = nm->disk->ops->write(nm->disk, SNAPSHOT_GET, 0, "", 0);

    if (err == 0)
        err = nm->disk->ops->truncate(nm->disk, SNAPSHOT_GET, 0);
    if (err != 0) {
        in->retry = nm->now.mono + NS_PER_SEC;
        fx_log(fx, LOG_ERROR, "nm.snapshot_not_fetched", "error=%s", dfs_errname(err));
        return;
    }
    in->ref = in->wanted;
    in->offset = 0;
    in->running = true;
    in->complete = false;
    fx_log(fx, LOG_INFO, "nm.snapshot_fetch", "index=%" PRIu64 " from=%s", in->ref.index, in->addr);
}

static void fetch(struct nm *nm, struct effects *fx)
{
    struct install *in = &nm->install;
    struct msg m = {.type = MSG_TYPE_snapshot_fetch};

    m.snapshot_fetch = (struct msg_snapshot_fetch){.peer = peer_self(nm, in->from),
                                                   .index = in->ref.index,
                                                   .term = in->ref.term,
                                                   .offset = in->offset,
                                                   .length = SLICE};
    in->calling = true;
    fx_call(fx, in->addr, &m, NULL, call_token(CALL_SNAPSHOT, 0, 0), FETCH_TIMEOUT);
}

static void give_up(struct nm *nm, struct effects *fx, int err)
{
    struct install *in = &nm->install;

    fx_log(fx, LOG_WARN, "nm.snapshot_not_fetched", "index=%" PRIu64 " error=%s", in->ref.index, dfs_errname(err));
    in->running = in->complete = false;
    in->retry = nm->now.mono + RETRY;
    in->wanted = (struct snapshot_ref){0}; /* the leader offers one again */
}

void install_reply(struct nm *nm, const struct event *ev, struct effects *fx)
{
    struct install *in = &nm->install;
    struct disk_op *op;

    if (!in->running || in->complete) {
        in->calling = false;
        return;
    }
    if (ev->status != 0 || ev->msg->type != MSG_TYPE_snapshot_fetch_reply || !slice_fine(ev)) {
        in->calling = false;
        if (ev->status == DFS_ENOENT || ev->status == DFS_EIDENTITY || in->wanted.index != in->ref.index)
            give_up(nm, fx, ev->status);
        in->retry = nm->now.mono + RETRY;
        return;
    }
    op = disk_op_new(DISK_WRITE, SNAPSHOT_GET, PAYLOAD_PARTS);
    op->token = TOKEN_INSTALL_WRITE;
    op->offset = in->offset;
    if (ev->payload != NULL) {
        struct payload kept = payload_ref(ev->payload);

        op->data[0] = kept.part[0];
        op->data[1] = kept.part[1];
        in->offset += payload_len(ev->payload);
    }
    in->complete = ev->msg->snapshot_fetch_reply.eof != 0;
    op->flush = in->complete;
    fx_disk(fx, op); /* calling stays set until it is written */
}

void install_written(struct nm *nm, const struct event *ev, struct effects *fx)
{
    nm->install.calling = false;
    if (ev->status != 0)
        give_up(nm, fx, ev->status);
}

/* --- taking it over --- */

/* The snapshot is in place under its name; everything starts from it. */
static int take_over(struct nm *nm, struct effects *fx)
{
    struct install *in = &nm->install;
    struct log_config cfg = nm_log_config(nm);
    struct raft_event ev = {.type = RAFT_PERSISTED_SNAPSHOT};
    struct snapshot_info info;
    struct meta *meta = NULL;
    struct slice conf = {0};
    bool decoded = false;
    char name[DISK_NAME_MAX + 1];
    int err;

    snapshot_name(in->ref.index, in->ref.term, name);
    err = install_begin(nm->disk, in->ref.index, in->ref.term);
    if (err == 0)
        err = nm->disk->ops->rename(nm->disk, SNAPSHOT_GET, name);
    if (err == 0)
        err = snapshot_load(nm->disk, name, &info, &conf, &meta);
    if (err == 0 && (info.cluster_hi != nm->id.cluster_hi || info.cluster_lo != nm->id.cluster_lo))
        err = DFS_ECLUSTER;
    if (err == 0)
        err = engine_decode(slice_data(conf), conf.len, &ev.persisted_snapshot.metadata.configuration);
    decoded = err == 0 && meta != NULL;
    slice_drop(&conf);
    if (err == 0)
        err = raftlog_reset(&cfg, nm->disk, in->ref.index + 1, &nm->log);
    if (err == 0)
        err = install_end(nm->disk);
    if (err != 0) {
        if (decoded)
            raft_configuration_close(&ev.persisted_snapshot.metadata.configuration);
        if (meta != NULL)
            meta_free(meta);
        return err;
    }
    engine_cut(nm, 0);
    meta_free(nm->meta);
    nm->meta = meta;
    nm_set_timers(nm);
    nm->applied = info.index;
    nm->applied_term = info.term;
    nm->conf_index = info.conf_index;
    snapshot_forget(nm, fx);
    snapshot_is(nm, in->ref);
    ev.persisted_snapshot.metadata.index = info.index;
    ev.persisted_snapshot.metadata.term = info.term;
    ev.persisted_snapshot.metadata.configuration_index = info.conf_index;
    ev.persisted_snapshot.last = true;
    engine_step(nm, &ev, fx);
    fx_log(fx, LOG_INFO, "nm.snapshot_installed", "index=%" PRIu64, info.index);
    return 0;
}

/* Before raft gives up its log for it: a new log has to fit beside what is there (A2). */
static bool has_room(struct nm *nm)
{
    uint64_t avail = 0, total = 0;
    return nm->disk->ops->space(nm->disk, &avail, &total) == 0 && avail >= nm->cfg.log_segment_bytes + SMALL_FILES;
}

/* Raft hears of the snapshot now that it is here. */
static void install(struct nm *nm, struct effects *fx)
{
    struct install *in = &nm->install;
    struct raft_message r = {.type = RAFT_INSTALL_SNAPSHOT};
    struct raft_event ev = {.type = RAFT_RECEIVE};
    int err;

    in->running = in->complete = false;
    r.server_id = in->from;
    r.server_address = in->addr;
    r.install_snapshot.version = 2;
    r.install_snapshot.term = raft_current_term(&nm->raft);
    r.install_snapshot.last_index = in->ref.index;
    r.install_snapshot.last_term = in->ref.term;
    raft_configuration_init(&r.install_snapshot.conf);
    ev.receive.message = &r;
    engine_step(nm, &ev, fx);
    if (nm->dead || !nm->raft.snapshot.installing)
        return; /* the log has caught up meanwhile */
    err = take_over(nm, fx);
    if (err != 0) /* raft has given up its log for this snapshot: opening the folder again sorts it out */
        nm_fatal(nm, fx, "a snapshot from another NameServer cannot be taken over; start again", err);
}

static bool may_install(const struct nm *nm)
{
    raft_id leader = 0;
    const char *addr = NULL;

    raft_leader((struct raft *)(uintptr_t)&nm->raft, &leader, &addr);
    return nm->raft.state == RAFT_FOLLOWER && leader == nm->install.from && raftlog_quiet(&nm->log) &&
           nm->taking.index == 0 && !nm->vote_writing && nm->log.spare_creating == false;
}

void install_turn(struct nm *nm, struct effects *fx)
{
    struct install *in = &nm->install;

    if (in->calling || nm->now.mono < in->retry)
        return;
    if (in->running && in->ref.index <= nm->applied)
        in->running = in->complete = false;
    if (!in->running && in->wanted.index > nm->applied)
        begin(nm, fx);
    if (in->running && !in->complete)
        fetch(nm, fx);
    else if (in->running && may_install(nm) && has_room(nm))
        install(nm, fx);
    else if (in->running)
        in->retry = nm->now.mono + 10 * NS_PER_MS;
}

uint64_t install_deadline(const struct nm *nm)
{
    const struct install *in = &nm->install;

    if (in->calling || (!in->running && in->wanted.index <= nm->applied))
        return UINT64_MAX;
    return in->retry;
}
