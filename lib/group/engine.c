/* SPDX-License-Identifier: MIT */
/* raft_step and what its updates ask for. Only lib/group includes <raft.h>.
 *
 * Who frees what in libraft 0.22.1's pure engine (raft_init with neither io nor fsm), from its source:
 *   RAFT_START     metadata's configuration moves into raft. Entries stay ours if it succeeds (raft keeps terms only,
 *                  and decodes the configurations it needs); if it fails it frees the array and every batch.
 *   RAFT_SUBMIT    entries and batch stay ours; update.entries points at the array we passed. batch must not be NULL.
 *   RAFT_RECEIVE   update.entries points into the message's array: the message's memory must outlive the write.
 *   RAFT_SNAPSHOT  metadata's configuration moves into raft, or is freed there. Never twice for one index.
 *   RAFT_CONFIGURATION  the configuration moves into raft, or is freed there.
 *   update.messages points at memory of raft's, valid until the next step.
 * A barrier's entry (a leader of several) is raft_malloc'ed and ours to free after it is persisted. */
#include <stdio.h>

#include "base/log.h"
#include "group/group.h"

void nm_fatal(struct nm *nm, struct effects *fx, const char *what, int err)
{
    nm->dead = true;
    nm->serving = false;
    fx_fatal(fx, "%s: %s", what, dfs_strerror(err));
}

bool engine_is_leader(const struct nm *nm) { return nm->raft.state == RAFT_LEADER; }

/* --- updates --- */

/* Term and vote must be durable before a message that depends on them leaves (A2). Messages wait for vote_writing;
 * both slots in one write would be torn together, so the second follows the first (vote_written). */
static void vote_write(struct nm *nm, uint64_t slot, struct effects *fx)
{
    struct disk_op *op = disk_op_new(DISK_WRITE, VOTE_FILE, 1);
    struct buf *b = buf_new(VOTE_SLOT);

    if (b == NULL) {
        disk_op_free(op);
        nm_fatal(nm, fx, "the vote cannot be written", DFS_ENOMEM);
        return;
    }
    vote_encode(&nm->vote, b->data);
    op->data[0] = slice_take(b, 0, VOTE_SLOT);
    op->offset = slot * VOTE_SLOT_SPACING;
    op->flush = true;
    op->token = TOKEN_VOTE;
    nm->vote_writing = true;
    if (slot == 0)
        nm->vote_number_writing = nm->vote.number;
    fx_disk(fx, op);
}

static void pump(struct nm *nm, struct effects *fx);

/* What waited for it: messages, and entries, which must not be in the log with a term the vote does not know. */
static void vote_durable(struct nm *nm, struct effects *fx)
{
    nm->vote_writing = false;
    fx_move(fx, &nm->held);
    pump(nm, fx);
}

void engine_vote_written(struct nm *nm, const struct event *ev, struct effects *fx)
{
    if (ev->status != 0)
        nm_fatal(nm, fx, "the vote cannot be written", ev->status);
    else if (ev->op->offset == 0 || nm->vote.number != nm->vote_number_writing)
        vote_write(nm, ev->op->offset == 0 ? 1 : 0, fx);
    else
        vote_durable(nm, fx);
}

/* Gives pending entries to the log: all that fit into one write. */
static void pump(struct nm *nm, struct effects *fx)
{
    while (nm->unlogged != NULL && !nm->vote_writing && raftlog_room(&nm->log, nm->unlogged->len)) {
        struct batch *b = nm->unlogged;

        nm->unlogged = b->link.next == &nm->pending ? NULL : CONTAINER_OF(b->link.next, struct batch, link);
        raftlog_append(&nm->log, b->index, b->term, b->type, b->rec, b->len);
    }
    raftlog_write(&nm->log, nm->now, fx);
}

/* An entry that is not of our queue: received from the leader, or made by raft itself (a barrier). */
static struct batch *adopt(struct nm *nm, uint64_t index, const struct raft_entry *e)
{
    struct batch *b = batch_new(nm);
    uint64_t i = index - nm->received_first;

    if (index >= nm->received_first && i < nm->n_received) {
        b->rec = buf_ref(nm->received[i]);
    } else {
        b->rec = raftlog_buf((uint32_t)e->buf.len);
        if (b->rec != NULL)
            memcpy(b->rec->data + LOG_RECORD_HEADER, e->buf.base, e->buf.len);
    }
    if (b->rec == NULL) {
        batch_free(b);
        return NULL;
    }
    b->len = (uint32_t)e->buf.len;
    b->index = index;
    b->term = e->term;
    b->type = (uint8_t)e->type;
    batch_push(nm, b);
    return b;
}

static struct batch *last_pending(const struct nm *nm)
{
    return list_empty(&nm->pending) ? NULL : CONTAINER_OF(nm->pending.prev, struct batch, link);
}

void engine_cut(struct nm *nm, uint64_t index)
{
    for (struct batch *b = last_pending(nm); b != NULL && b->index >= index; b = last_pending(nm)) {
        if (nm->unlogged == b)
            nm->unlogged = NULL;
        nm->n_pending--;
        batch_recycle(nm, b);
    }
    entries_cut(nm, index);
    if (index <= nm->log.last_index)
        raftlog_rewind(&nm->log, index);
}

static void persist(struct nm *nm, const struct raft_update *up, struct effects *fx)
{
    struct batch *b = last_pending(nm);

    /* our own submission is pending already; anything else below what we have takes its place */
    if (b == NULL
            ? up->entries.index <= nm->log.last_index
            : up->entries.index <= b->index && !(up->entries.index == b->index && b->submitted != 0 &&
                                                 up->entries.batch[0].buf.base == b->rec->data + LOG_RECORD_HEADER))
        engine_cut(nm, up->entries.index);
    for (unsigned i = 0; i < up->entries.n; i++) {
        uint64_t index = up->entries.index + i;

        b = last_pending(nm);
        if (b == NULL || b->index < index)
            b = adopt(nm, index, &up->entries.batch[i]);
        if (b == NULL) {
            nm_fatal(nm, fx, "an entry of the log cannot be kept", DFS_ENOMEM);
            return;
        }
        entries_put(nm, index, b);
        if (up->entries.batch == &nm->raft.barrier)
            raft_free(nm->raft.barrier.buf.base);
    }
    pump(nm, fx);
}

/* Only what our own log holds durably is applied, so that no snapshot is ever ahead of it. */
void engine_apply(struct nm *nm, struct effects *fx)
{
    uint64_t commit = min_u64(raft_commit_index(&nm->raft), nm->log.durable_index);

    while (nm->applied < commit && !list_empty(&nm->pending) && !nm->dead) {
        struct batch *b = CONTAINER_OF(nm->pending.next, struct batch, link);
        int err = apply_entry(nm, b->index, b->term, b->type, b->rec->data + LOG_RECORD_HEADER, b->len, b, fx);

        if (err != 0) {
            nm_fatal(nm, fx, "a committed entry cannot be applied", err);
            return;
        }
        lease_renew(nm, b);
        nm->n_pending--;
        batch_recycle(nm, b);
    }
}

/* Leadership is gone: what was submitted may still commit, what was not never will. Either way the client asks the new
 * leader with the same number, and gets its one outcome (A7); but only of the latter may it say that it failed. */
static void refuse_all(struct nm *nm, struct list *batches, bool submitted, struct effects *fx)
{
    LIST_FOR_EACH (e, batches) {
        struct batch *b = CONTAINER_OF(e, struct batch, link);

        for (uint32_t i = 0; i < b->n; i++) {
            if (wire_class_of(b->cmds[i].type) == CLASS_COMMAND)
                continue;
            if (submitted)
                fx_fail(fx, b->to[i], DFS_EUNKNOWN, "leadership was lost while this change was on its way");
            else
                fx_not_leader(fx, b->to[i], "");
        }
        b->n = 0;
        b->opens_epoch = false; /* of a leadership that is over, even if we lead again when it commits */
        if (!submitted)
            batch_recycle(nm, b);
    }
}

static void state_changed(struct nm *nm, struct effects *fx)
{
    fx_log(fx, LOG_INFO, "nm.raft_state", "state=%s term=%llu", raft_state_name(nm->raft.state),
           raft_current_term(&nm->raft));
    nm->opening = nm->epoch_open = nm->serving = false;
    refuse_all(nm, &nm->pending, true, fx);
    refuse_all(nm, &nm->queue, false, fx);
    nm->queued_bytes = 0;
    nm->queued_commands = 0;
    lease_refuse(nm, fx);
    lockwait_refuse(nm, fx);
    watches_refuse(nm, fx);
    cut_refuse(nm, fx);
    agree_refuse(nm, fx);
    tasks_refuse(nm, fx);
    repair_forget(nm);
    reports_refuse(nm, fx);
    if (engine_is_leader(nm))
        lease_leader(nm);
}

void engine_step(struct nm *nm, struct raft_event *ev, struct effects *fx)
{
    struct raft_update up;
    int err;

    memset(&up, 0, sizeof up);
    ev->time = engine_ms(nm);
    err = engine_error(raft_step(&nm->raft, ev, &up));
    if (err != 0) {
        nm_fatal(nm, fx, "raft refused an event", err);
        return;
    }
    if (up.flags & ((RAFT_UPDATE_CURRENT_TERM) | (RAFT_UPDATE_VOTED_FOR))) {
        nm->vote = (struct vote){.number = nm->vote.number + 1,
                                 .term = raft_current_term(&nm->raft),
                                 .voted_for = raft_voted_for(&nm->raft)};
        if (!nm->vote_writing)
            vote_write(nm, 0, fx);
    }
    if (up.flags & (RAFT_UPDATE_STATE))
        state_changed(nm, fx);
    nm->took_entries |= (up.flags & (RAFT_UPDATE_ENTRIES)) != 0;
    if (up.flags & (RAFT_UPDATE_ENTRIES))
        persist(nm, &up, fx);
    if (up.flags & (RAFT_UPDATE_MESSAGES))
        peers_send(nm, up.messages.batch, up.messages.n, fx);
    if (up.flags & (RAFT_UPDATE_COMMIT_INDEX))
        engine_apply(nm, fx);
}

/* --- events --- */

/* Whether raft would take an entry now, and the log too. */
static bool may_submit(const struct nm *nm, uint64_t len)
{
    return engine_is_leader(nm) && raft_transferee(&nm->raft) == 0 && nm->unlogged == NULL && !nm->vote_writing &&
           nm->n_pending < PENDING_MAX && raftlog_room(&nm->log, (uint32_t)min_u64(len, LOG_BODY_MAX));
}

static void submit(struct nm *nm, struct batch *b, struct effects *fx)
{
    struct raft_event ev = {.type = RAFT_SUBMIT};
    struct raft_entry entry;

    b->index = raft_last_index(&nm->raft) + 1;
    b->term = raft_current_term(&nm->raft);
    b->submitted = nm->now.mono;
    batch_push(nm, b);
    entry = (struct raft_entry){
        .term = b->term, .type = b->type, .buf = {b->rec->data + LOG_RECORD_HEADER, b->len}, .batch = b->rec};
    ev.submit.entries = &entry;
    ev.submit.n = 1;
    engine_step(nm, &ev, fx);
}

void engine_submit(struct nm *nm, struct effects *fx)
{
    struct batch *b;
    int err;

    if (list_empty(&nm->queue))
        return;
    b = CONTAINER_OF(nm->queue.next, struct batch, link);
    /* the length is known only after encoding; this bounds it */
    if (!may_submit(nm, b->bodies.len + 32ULL * b->n + 64))
        return;
    err = batch_encode(b, b->opens_epoch ? 0 : meta_epoch(nm->meta), nm->now.wall);
    if (err != 0) {
        nm_fatal(nm, fx, "an entry cannot be encoded", err);
        return;
    }
    list_remove(&b->link);
    nm->queued_commands -= b->n;
    nm->queued_bytes -= b->bodies.len;
    b->type = RAFT_COMMAND;
    submit(nm, b, fx);
}

bool engine_change(struct nm *nm, const struct raft_configuration *conf, struct effects *fx)
{
    struct raft_buffer buf;
    struct batch *b;
    bool ok;

    if (nm->raft.configuration_uncommitted_index != 0 || nm->raft.leader_state.promotee_id != 0)
        return false;
    if (raft_configuration_encode(conf, &buf) != 0)
        return false;
    ok = may_submit(nm, buf.len) && buf.len <= LOG_BODY_MAX;
    b = ok ? batch_new(nm) : NULL;
    if (b != NULL) {
        b->rec = raftlog_buf((uint32_t)buf.len);
        ok = b->rec != NULL;
        if (!ok)
            batch_free(b);
    }
    if (ok) {
        memcpy(b->rec->data + LOG_RECORD_HEADER, buf.base, buf.len);
        b->len = (uint32_t)buf.len;
        b->type = RAFT_CHANGE;
        submit(nm, b, fx);
    }
    raft_free(buf.base);
    return ok;
}

void engine_persisted(struct nm *nm, struct effects *fx)
{
    struct raft_event ev = {.type = RAFT_PERSISTED_ENTRIES};

    if (nm->log.durable_index > nm->raft.last_stored) {
        ev.persisted_entries.index = nm->log.durable_index;
        engine_step(nm, &ev, fx);
    }
    if (!nm->dead)
        engine_apply(nm, fx);
    if (!nm->dead)
        pump(nm, fx);
}

void engine_timeout(struct nm *nm, struct effects *fx)
{
    struct raft_event ev = {.type = RAFT_TIMEOUT};

    if (engine_ms(nm) >= raft_timeout(&nm->raft))
        engine_step(nm, &ev, fx);
}

uint64_t engine_deadline(const struct nm *nm) { return raft_timeout(&nm->raft) * NS_PER_MS; }
