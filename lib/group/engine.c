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

#define ELECTION_MS 300u
#define HEARTBEAT_MS 50u

static int translate(int rv)
{
    switch (rv) {
    case 0:
        return 0;
    case RAFT_NOMEM:
        return DFS_ENOMEM;
    case RAFT_NOTLEADER:
    case RAFT_LEADERSHIPLOST:
        return DFS_ENOTLEADER;
    case RAFT_MALFORMED:
    case RAFT_CORRUPT:
        return DFS_ECORRUPT;
    default:
        return DFS_EINVAL;
    }
}

void nm_fatal(struct nm *nm, struct effects *fx, const char *what, int err)
{
    nm->dead = true;
    nm->serving = false;
    fx_fatal(fx, "%s: %s", what, dfs_strerror(err));
}

static raft_time now_ms(const struct nm *nm) { return nm->now.mono / NS_PER_MS; }

bool engine_is_leader(const struct nm *nm) { return nm->raft.state == RAFT_LEADER; }

/* --- start and end --- */

int engine_bootstrap(uint64_t id, const char *address, struct raft_buffer *buf)
{
    struct raft_configuration conf;
    int rv;

    raft_configuration_init(&conf);
    rv = raft_configuration_add(&conf, id, address, RAFT_VOTER);
    if (rv == 0)
        rv = raft_configuration_encode(&conf, buf);
    raft_configuration_close(&conf);
    return translate(rv);
}

static int start(struct nm *nm, struct raft_snapshot_metadata *meta, struct raft_entry *entries, uint32_t n,
                 uint64_t first_index)
{
    struct raft_update update;
    struct raft_event ev = {.type = RAFT_START, .time = now_ms(nm)};

    memset(&update, 0, sizeof update);
    ev.start.term = nm->vote.term;
    ev.start.voted_for = nm->vote.voted_for;
    ev.start.metadata = meta;
    ev.start.start_index = first_index;
    ev.start.entries = entries;
    ev.start.n_entries = n;
    return translate(raft_step(&nm->raft, &ev, &update));
}

int engine_start(struct nm *nm, const struct snapshot_info *snap, const struct slice *conf, struct raft_entry *entries,
                 uint32_t n, uint64_t first_index)
{
    struct raft_snapshot_metadata meta;
    int err;

    memset(&nm->raft, 0, sizeof nm->raft); /* raft_init leaves its legacy fields alone when there is no io */
    err = translate(raft_init(&nm->raft, NULL, NULL, nm->id.raft_id, nm->address));
    if (err != 0)
        return err;
    nm->raft.tracer = NULL; /* the default one formats every line, even unseen */
    raft_seed(&nm->raft, (unsigned)mix64(nm->cfg.seed));
    raft_set_election_timeout(&nm->raft, ELECTION_MS);
    raft_set_heartbeat_timeout(&nm->raft, HEARTBEAT_MS);
    raft_set_pre_vote(&nm->raft, true);
    if (snap->index == 0)
        return start(nm, NULL, entries, n, first_index);

    memset(&meta, 0, sizeof meta);
    meta.index = snap->index;
    meta.term = snap->term;
    meta.configuration_index = snap->conf_index;
    raft_configuration_init(&meta.configuration);
    struct raft_buffer buf = {slice_data(*conf), conf->len};

    err = translate(raft_configuration_decode(&buf, &meta.configuration));
    if (err != 0) {
        raft_configuration_close(&meta.configuration);
        return err;
    }
    return start(nm, &meta, entries, n, first_index);
}

void engine_close(struct nm *nm)
{
    if (nm->raft.address != NULL)
        raft_close(&nm->raft, NULL);
    nm->raft.address = NULL;
}

/* --- updates --- */

/* Term and vote must be durable before a message that depends on them leaves (A2). Messages will wait for vote_writing;
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

void engine_vote_written(struct nm *nm, const struct event *ev, struct effects *fx)
{
    if (ev->status != 0)
        nm_fatal(nm, fx, "the vote cannot be written", ev->status);
    else if (ev->op->offset == 0 || nm->vote.number != nm->vote_number_writing)
        vote_write(nm, ev->op->offset == 0 ? 1 : 0, fx);
    else
        nm->vote_writing = false;
}

/* Gives pending entries to the log, one at a time. */
static void pump(struct nm *nm, struct effects *fx)
{
    LIST_FOR_EACH (e, &nm->pending) {
        struct batch *b = CONTAINER_OF(e, struct batch, link);

        if (b->in_log)
            continue;
        if (!raftlog_room(&nm->log, b->len))
            return;
        b->in_log = true;
        raftlog_append(&nm->log, b->term, b->type, b->rec, b->len, nm->now, fx);
        return;
    }
}

/* An entry raft made by itself (a barrier): it gets a record of its own. */
static struct batch *adopt(struct nm *nm, uint64_t index, const struct raft_entry *e)
{
    struct batch *b = batch_new(nm);

    b->rec = raftlog_buf((uint32_t)e->buf.len);
    if (b->rec == NULL) {
        batch_free(b);
        return NULL;
    }
    memcpy(b->rec->data + LOG_RECORD_HEADER, e->buf.base, e->buf.len);
    b->len = (uint32_t)e->buf.len;
    b->index = index;
    b->term = e->term;
    b->type = (uint8_t)e->type;
    list_push(&nm->pending, &b->link);
    return b;
}

static void persist(struct nm *nm, const struct raft_update *up, struct effects *fx)
{
    for (unsigned i = 0; i < up->entries.n; i++) {
        uint64_t index = up->entries.index + i;
        struct batch *last = list_empty(&nm->pending) ? NULL : CONTAINER_OF(nm->pending.prev, struct batch, link);

        if ((last == NULL || last->index < index) && adopt(nm, index, &up->entries.batch[i]) == NULL) {
            nm_fatal(nm, fx, "an entry of the log cannot be kept", DFS_ENOMEM);
            return;
        }
        if (up->entries.batch == &nm->raft.barrier)
            raft_free(nm->raft.barrier.buf.base);
    }
    pump(nm, fx);
}

static void apply_committed(struct nm *nm, struct effects *fx)
{
    uint64_t commit = raft_commit_index(&nm->raft);

    while (nm->applied < commit && !list_empty(&nm->pending) && !nm->dead) {
        struct batch *b = CONTAINER_OF(nm->pending.next, struct batch, link);
        int err = apply_entry(nm, b->index, b->term, b->type, b->rec->data + LOG_RECORD_HEADER, b->len, b, fx);

        if (err != 0) {
            nm_fatal(nm, fx, "a committed entry cannot be applied", err);
            return;
        }
        batch_recycle(nm, b);
    }
}

/* Leadership is gone: what was submitted may still commit, what was not never will. Either way the client asks the new
 * leader with the same number, and gets its one outcome (A7). */
static void refuse_all(struct nm *nm, struct list *batches, bool forget, struct effects *fx)
{
    LIST_FOR_EACH (e, batches) {
        struct batch *b = CONTAINER_OF(e, struct batch, link);

        for (uint32_t i = 0; i < b->n; i++)
            if (wire_class_of(b->cmds[i].type) != CLASS_COMMAND)
                fx_not_leader(fx, b->to[i], "");
        b->n = 0;
        if (forget)
            batch_recycle(nm, b);
    }
}

static void state_changed(struct nm *nm, struct effects *fx)
{
    fx_log(fx, LOG_INFO, "nm.raft_state", "state=%s term=%llu", raft_state_name(nm->raft.state),
           raft_current_term(&nm->raft));
    nm->opening = false;
    nm->serving = false;
    if (engine_is_leader(nm))
        return;
    refuse_all(nm, &nm->pending, false, fx);
    refuse_all(nm, &nm->queue, true, fx);
    nm->queued_bytes = 0;
    nm->queued_commands = 0;
}

void engine_step(struct nm *nm, struct raft_event *ev, struct effects *fx)
{
    struct raft_update up;
    int err;

    memset(&up, 0, sizeof up);
    ev->time = now_ms(nm);
    err = translate(raft_step(&nm->raft, ev, &up));
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
    if (up.flags & (RAFT_UPDATE_ENTRIES))
        persist(nm, &up, fx);
    if (up.flags & (RAFT_UPDATE_COMMIT_INDEX))
        apply_committed(nm, fx);
}

/* --- events --- */

void engine_submit(struct nm *nm, struct effects *fx)
{
    struct raft_event ev = {.type = RAFT_SUBMIT};
    struct raft_entry entry;
    struct batch *b;
    int err;

    if (list_empty(&nm->queue) || !list_empty(&nm->pending) || !engine_is_leader(nm))
        return;
    b = CONTAINER_OF(nm->queue.next, struct batch, link);
    /* the length is known only after encoding; this bounds it */
    if (!raftlog_room(&nm->log, min_u64(b->bodies.len + 32ULL * b->n + 64, LOG_BODY_MAX)))
        return;
    err = batch_encode(b, b->opens_epoch ? 0 : meta_epoch(nm->meta), nm->now.wall);
    if (err != 0) {
        nm_fatal(nm, fx, "an entry cannot be encoded", err);
        return;
    }
    list_remove(&b->link);
    list_push(&nm->pending, &b->link);
    nm->queued_commands -= b->n;
    nm->queued_bytes -= b->bodies.len;
    b->index = nm->log.last_index + 1;
    b->term = raft_current_term(&nm->raft);
    b->type = RAFT_COMMAND;
    entry = (struct raft_entry){
        .term = b->term, .type = RAFT_COMMAND, .buf = {b->rec->data + LOG_RECORD_HEADER, b->len}, .batch = b->rec};
    ev.submit.entries = &entry;
    ev.submit.n = 1;
    engine_step(nm, &ev, fx);
}

void engine_persisted(struct nm *nm, struct effects *fx)
{
    struct raft_event ev = {.type = RAFT_PERSISTED_ENTRIES};

    ev.persisted_entries.index = nm->log.durable_index;
    engine_step(nm, &ev, fx);
    if (!nm->dead)
        pump(nm, fx);
}

void engine_timeout(struct nm *nm, struct effects *fx)
{
    struct raft_event ev = {.type = RAFT_TIMEOUT};

    if (now_ms(nm) >= raft_timeout(&nm->raft))
        engine_step(nm, &ev, fx);
}

uint64_t engine_deadline(const struct nm *nm) { return raft_timeout(&nm->raft) * NS_PER_MS; }

void engine_configuration(struct nm *nm, uint64_t index, const void *body, uint32_t len, struct effects *fx)
{
    struct raft_event ev = {.type = RAFT_CONFIGURATION};
    struct raft_buffer buf = {(void *)(uintptr_t)body, len};

    ev.configuration.index = index;
    raft_configuration_init(&ev.configuration.conf);
    if (raft_configuration_decode(&buf, &ev.configuration.conf) != 0) {
        raft_configuration_close(&ev.configuration.conf);
        nm_fatal(nm, fx, "a configuration in the log cannot be read", DFS_ECORRUPT);
        return;
    }
    engine_step(nm, &ev, fx);
}

void engine_snapshot_taken(struct nm *nm, struct snapshot_ref ref, uint64_t keep, struct effects *fx)
{
    struct raft_event ev = {.type = RAFT_SNAPSHOT};
    struct raft_buffer buf;

    if (raft_configuration_encode(&nm->raft.configuration_committed, &buf) != 0) {
        nm_fatal(nm, fx, "the configuration cannot be copied", DFS_ENOMEM);
        return;
    }
    ev.snapshot.metadata.index = ref.index;
    ev.snapshot.metadata.term = ref.term;
    ev.snapshot.metadata.configuration_index = nm->conf_index;
    raft_configuration_init(&ev.snapshot.metadata.configuration);
    if (raft_configuration_decode(&buf, &ev.snapshot.metadata.configuration) != 0) {
        raft_free(buf.base);
        raft_configuration_close(&ev.snapshot.metadata.configuration);
        nm_fatal(nm, fx, "the configuration cannot be copied", DFS_ENOMEM);
        return;
    }
    raft_free(buf.base);
    ev.snapshot.trailing = (unsigned)min_u64(ref.index - keep, UINT32_MAX);
    engine_step(nm, &ev, fx);
}
