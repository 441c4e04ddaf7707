/* SPDX-License-Identifier: MIT */
/* Opening a NameServer's data folder, and making a new one.
 *
 * Everything is read and checked before anything is changed: identity, vote, snapshot, log; then raft starts, committed
 * entries are applied, and only then a torn tail is cut. What is missing or damaged is named, with what to do. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "group/opening.h"

static void PRINTF_LIKE(2, 3) note(struct nm *nm, const char *fmt, ...)
{
    va_list ap;

    if (nm->n_notes == ARRAY_LEN(nm->note))
        return;
    va_start(ap, fmt);
    vsnprintf(nm->note[nm->n_notes++], sizeof nm->note[0], fmt, ap);
    va_end(ap);
}

struct log_config nm_log_config(const struct nm *nm)
{
    return (struct log_config){.cluster_hi = nm->id.cluster_hi,
                               .cluster_lo = nm->id.cluster_lo,
                               .salt = identity_salt(&nm->id),
                               .segment_bytes = nm->cfg.log_segment_bytes,
                               .may_be_empty = nm->id.raft_id != FIRST_ID || nm->newest.index > 0,
                               .relaxed = nm->cfg.relaxed};
}

/* --- the folder --- */

static void on_file(void *arg, const char *name, uint64_t size)
{
    struct opening *o = arg;
    struct snapshot_ref ref;
    uint64_t first;

    (void)size;
    o->has_identity |= strcmp(name, IDENTITY_FILE) == 0;
    o->has_new |= strcmp(name, IDENTITY_NEW) == 0;
    o->has_tmp |= strcmp(name, SNAPSHOT_TMP) == 0;
    o->has_get |= strcmp(name, SNAPSHOT_GET) == 0;
    o->has_mark |= strcmp(name, INSTALL_MARK) == 0;
    o->has_log |= log_segment_parse(name, &first);
    if (!snapshot_parse(name, &ref.index, &ref.term))
        return;
    o->seen_snapshot = max_u64(o->seen_snapshot, ref.index);
    /* newest first; far more than the two that are kept */
    if (o->n_snaps == ARRAY_LEN(o->snaps))
        return;
    uint32_t i = o->n_snaps++;

    for (; i > 0 && o->snaps[i - 1].index < ref.index; i--)
        o->snaps[i] = o->snaps[i - 1];
    o->snaps[i] = ref;
}

int opening_look(struct opening *o)
{
    int err = o->disk->ops->list(o->disk, on_file, o);

    return err != 0 ? opening_fail(o, err, "the data folder cannot be listed: %s", dfs_strerror(err)) : 0;
}

static int load_identity(struct opening *o)
{
    int err = identity_load(o->disk, &o->nm->id);

    if (err == DFS_ENOENT && (o->has_log || o->n_snaps > 0) && !o->has_new)
        return opening_fail(
            o, DFS_ECORRUPT,
            "the data folder holds a NameServer's log, but no file \"identity\": restore it from a backup");
    if (err == DFS_ENOENT)
        return opening_fail(
            o, err,
            "no NameServer data in the data folder: start with --init to make a new cluster, or with --join to "
            "join one");
    if (err != 0)
        return opening_fail(o, err, "the file \"identity\" cannot be used (%s): restore it from a backup",
                            dfs_strerror(err));
    return 0;
}

static int load_vote(struct opening *o)
{
    int err = vote_load(o->disk, &o->nm->vote, &o->vote_both);

    if (err != 0)
        return opening_fail(o, err == DFS_ENOENT ? DFS_ECORRUPT : err,
                            "the file \"vote\" cannot be used (%s): restore it from a backup", dfs_strerror(err));
    return 0;
}

/* The newest good snapshot, if there is any. */
static int load_snapshot(struct opening *o)
{
    struct nm *nm = o->nm;

    for (uint32_t i = 0; i < o->n_snaps; i++) {
        char name[DISK_NAME_MAX + 1];
        int err;

        snapshot_name(o->snaps[i].index, o->snaps[i].term, name);
        err = snapshot_load(o->disk, name, &o->snap, &o->conf, &nm->meta);
        if (err != 0 && err != DFS_ECORRUPT)
            return opening_fail(o, err, "%s cannot be read: %s", name, dfs_strerror(err));
        if (err == 0 && (o->snap.cluster_hi != nm->id.cluster_hi || o->snap.cluster_lo != nm->id.cluster_lo))
            return opening_fail(o, DFS_EIDENTITY, "%s belongs to another cluster", name);
        if (err == 0) {
            snapshot_is(nm, o->snaps[i]);
            if (i + 1 < o->n_snaps)
                nm->older = o->snaps[i + 1];
            return 0;
        }
        if (nm->damaged.index == 0)
            nm->damaged = o->snaps[i];
        note(nm, "%s is damaged; the state before it and the log are used instead", name);
    }
    o->snap = (struct snapshot_info){0};
    nm->meta = meta_new();
    return nm->meta != NULL ? 0 : opening_fail(o, DFS_ENOMEM, "no memory for the namespace");
}

static uint32_t in_ms(uint64_t ns) { return (uint32_t)min_u64(ns / NS_PER_MS, UINT32_MAX); }

void nm_set_timers(struct nm *nm)
{
    struct meta_timers t = {.heartbeat_ms = in_ms(nm->cfg.heartbeat),
                            .lease_ms = in_ms(nm->cfg.serve_lease),
                            .session_ttl_ms = in_ms(nm->cfg.session_ttl),
                            .lock_ttl_ms = in_ms(nm->cfg.lock_ttl),
                            .delegation_ttl_ms = in_ms(nm->cfg.delegation_ttl)};

    meta_set_timers(nm->meta, &t);
    meta_ignore_delegations(nm->meta, nm->cfg.ignore_delegations);
}

/* --- the log --- */

static int on_record(void *arg, const struct log_record *rec)
{
    struct opening *o = arg;
    struct raft_entry *e;

    if (o->n_entries == 0 || rec->index < o->first_entry) {
        o->first_entry = rec->index;
        o->n_entries = 0;
    }
    if (rec->index < o->first_entry + o->n_entries) /* it takes the place of what a deposed leader had sent */
        o->n_entries = (uint32_t)(rec->index - o->first_entry);
    if (rec->type != RAFT_COMMAND && rec->type != RAFT_BARRIER && rec->type != RAFT_CHANGE)
        return DFS_ECORRUPT;
    if (rec->type == RAFT_CHANGE && !engine_configuration_fine(rec->body, rec->len))
        return DFS_ECORRUPT;
    if (o->n_entries == o->cap_entries) {
        o->cap_entries = o->cap_entries ? o->cap_entries * 2 : 64;
        e = raft_realloc(o->entries, o->cap_entries * sizeof *e);
        if (e == NULL)
            return DFS_ENOMEM;
        o->entries = e;
    }
    e = &o->entries[o->n_entries++];
    *e = (struct raft_entry){.term = rec->term, .type = rec->type};
    if (rec->type == RAFT_CHANGE) { /* the only bodies raft reads */
        e->buf.base = (void *)(uintptr_t)o->confs.len;
        e->buf.len = rec->len;
        return bytes_add(&o->confs, rec->body, rec->len);
    }
    return 0;
}

static int on_replay(void *arg, const struct log_record *rec)
{
    struct nm *nm = arg;

    return apply_entry(nm, rec->index, rec->term, rec->type, rec->body, rec->len, NULL, &nm->held);
}

/* Not known to be committed: it waits until the leader, or our own leadership, says so. */
static int on_pending(void *arg, const struct log_record *rec)
{
    struct nm *nm = arg;
    struct batch *b = batch_new(nm);

    b->rec = raftlog_buf(rec->len);
    if (b->rec == NULL) {
        batch_free(b);
        return DFS_ENOMEM;
    }
    memcpy(b->rec->data + LOG_RECORD_HEADER, rec->body, rec->len);
    b->len = rec->len;
    b->index = rec->index;
    b->term = rec->term;
    b->type = rec->type;
    list_push(&nm->pending, &b->link);
    nm->n_pending++;
    entries_put(nm, b->index, b);
    return 0;
}

/* A snapshot of another that was taking the log's place when the process ended: the log begins behind it. */
static int finish_install(struct opening *o)
{
    struct nm *nm = o->nm;
    struct log_config cfg = nm_log_config(nm);
    uint64_t index, term;
    int err;

    if (!o->has_mark || !install_marked(o->disk, &index, &term) || index != nm->newest.index || term != nm->newest.term)
        return 0;
    err = raftlog_reset(&cfg, o->disk, index + 1, &nm->log);
    raftlog_close(&nm->log);
    return err != 0 ? opening_fail(o, err, "the log cannot begin anew: %s", dfs_strerror(err)) : 0;
}

static int load_log(struct opening *o)
{
    struct nm *nm = o->nm;
    struct log_config cfg = nm_log_config(nm);
    int err = finish_install(o);

    if (err != 0)
        return err;
    err = raftlog_open(&cfg, o->disk, o->snap.index, on_record, o, &nm->log, o->why, o->why_len);

    if (err != 0)
        return err;
    if (nm->log.last_index < o->seen_snapshot)
        return opening_fail(o, DFS_ECORRUPT,
                            "the log ends at index %" PRIu64 ", but a snapshot of index %" PRIu64 " exists",
                            nm->log.last_index, o->seen_snapshot);
    if (nm->vote.term < nm->log.last_term)
        return opening_fail(o, DFS_ECORRUPT,
                            "the file \"vote\" is older than the log (term %" PRIu64 " and %" PRIu64
                            "): restore it from a backup",
                            nm->vote.term, nm->log.last_term);
    if (nm->log.first_index == 1 &&
        (o->n_entries == 0 ? nm->id.raft_id == FIRST_ID : o->entries[0].type != RAFT_CHANGE))
        return opening_fail(o, DFS_ECORRUPT, "the log does not begin with a configuration");
    for (uint32_t i = 0; i < nm->log.n_seg; i++) /* restarts must not put off the next snapshot */
        nm->log.bytes += nm->log.seg[i].number > o->snap.index ? nm->log.seg[i].end : 0;
    if (raftlog_is_torn(&nm->log))
        note(nm,
             "an unfinished write was cut off the log after index %" PRIu64 " (log-%016" PRIx64 ", offset %" PRIu64 ")",
             nm->log.last_index, nm->log.seg[nm->log.n_seg - 1].number, nm->log.cut_from);
    return 0;
}

/* Raft elects a lone voter at its start, in the term it had. But the last entries of the life before may have reached a
 * member without a vote and not our own disk: other entries of the same index and term would be taken for them. So the
 * term moves first. */
static int begin_term(struct opening *o)
{
    struct nm *nm = o->nm;
    struct raft_configuration conf;
    uint32_t voters = 0, own = 0;
    int err = 0;

    raft_configuration_init(&conf);
    for (uint32_t i = o->n_entries; i > 0 && conf.n == 0 && err == 0; i--)
        if (o->entries[i - 1].type == RAFT_CHANGE)
            err = engine_decode(o->entries[i - 1].buf.base, (uint32_t)o->entries[i - 1].buf.len, &conf);
    if (err == 0 && conf.n == 0 && o->snap.index > 0)
        err = engine_decode(slice_data(o->conf), o->conf.len, &conf);
    if (err != 0)
        return opening_fail(o, err, "the configuration in the log or the snapshot cannot be read");
    for (unsigned i = 0; i < conf.n; i++) {
        voters += conf.servers[i].role == RAFT_VOTER;
        own += conf.servers[i].role == RAFT_VOTER && conf.servers[i].id == nm->id.raft_id;
    }
    raft_configuration_close(&conf);
    if (voters != 1 || own != 1)
        return 0;
    nm->vote = (struct vote){.number = nm->vote.number + 1, .term = nm->vote.term + 1, .voted_for = nm->id.raft_id};
    err = vote_save(o->disk, &nm->vote);
    return err != 0 ? opening_fail(o, err, "the file \"vote\" cannot be written: %s", dfs_strerror(err)) : 0;
}

/* Starts raft with the log's entries, and applies what is committed. */
static int start_raft(struct opening *o)
{
    struct nm *nm = o->nm;
    uint8_t *batch = raft_malloc(o->confs.len + 1);
    uint64_t commit;
    int err;

    if (batch == NULL)
        return opening_fail(o, DFS_ENOMEM, "no memory for the log's configurations");
    if (o->confs.len > 0)
        memcpy(batch, o->confs.p, o->confs.len);
    for (uint32_t i = 0; i < o->n_entries; i++) {
        if (o->entries[i].type == RAFT_CHANGE)
            o->entries[i].buf.base = batch + (uintptr_t)o->entries[i].buf.base;
        o->entries[i].batch = batch; /* one for all: raft frees each run of equal ones once */
    }
    err = begin_term(o);
    if (err != 0) {
        raft_free(batch);
        return err;
    }
    err = engine_start(nm, &o->snap, &o->conf, o->entries, o->n_entries, nm->log.first_index);
    if (err == 0 || o->n_entries == 0)
        raft_free(batch);
    if (err == 0)
        raft_free(o->entries);
    o->entries = NULL;
    if (err != 0)
        return opening_fail(o, err, "raft cannot start from the log: %s", dfs_strerror(err));
    nm->live_from = nm->log.last_index + 1;
    nm->applied = o->snap.index;
    nm->applied_term = o->snap.term;
    nm->conf_index = o->snap.conf_index;
    commit = raft_commit_index(&nm->raft);
    err = raftlog_read(&nm->log, o->disk, nm->applied + 1, commit, on_replay, nm, o->why, o->why_len);
    if (err == 0)
        err = raftlog_read(&nm->log, o->disk, nm->applied + 1, nm->log.last_index, on_pending, nm, o->why, o->why_len);
    return err;
}

/* The others find us by the address in the configuration. */
static int check_address(struct opening *o)
{
    struct nm *nm = o->nm;

    for (unsigned i = 0; i < nm->raft.configuration.n && nm->raft.configuration.n > 1; i++) {
        const struct raft_server *s = &nm->raft.configuration.servers[i];

        if (s->id == nm->id.raft_id && strcmp(s->address, nm->address) != 0)
            return opening_fail(
                o, DFS_EINVAL,
                "the other NameServers know this one as %s, not %s: start it with --advertise %s, or remove it "
                "and join again with an empty folder",
                s->address, nm->address, s->address);
    }
    return 0;
}

/* --- what may be changed once all is well --- */

static int repair(struct opening *o)
{
    struct nm *nm = o->nm;
    int err = raftlog_repair(&nm->log, o->disk, o->why, o->why_len);

    if (err != 0)
        return err;
    if (!o->vote_both)
        err = vote_save(o->disk, &nm->vote);
    if (err == 0 && o->has_tmp)
        err = o->disk->ops->unlink(o->disk, SNAPSHOT_TMP);
    if (err == 0 && o->has_get)
        err = o->disk->ops->unlink(o->disk, SNAPSHOT_GET);
    if (err == 0 && o->has_mark)
        err = install_end(o->disk);
    for (uint32_t i = 0; i < o->n_snaps && err == 0; i++) {
        char name[DISK_NAME_MAX + 1];

        if (o->snaps[i].index >= nm->newest.index || o->snaps[i].index == nm->older.index)
            continue;
        snapshot_name(o->snaps[i].index, o->snaps[i].term, name);
        err = o->disk->ops->unlink(o->disk, name);
    }
    return err != 0 ? opening_fail(o, err, "the data folder cannot be tidied up: %s", dfs_strerror(err)) : 0;
}

int opening_load(struct opening *o)
{
    struct nm *nm = o->nm;
    int err = load_identity(o);

    if (err == 0)
        err = load_vote(o);
    if (err == 0)
        err = load_snapshot(o);
    if (err == 0)
        nm_set_timers(nm);
    if (err == 0)
        err = load_log(o);
    if (err == 0)
        err = start_raft(o);
    if (err == 0)
        err = check_address(o);
    if (err == 0)
        err = repair(o);
    return err;
}

static int open_all(struct opening *o, const struct nm_config *cfg)
{
    struct nm *nm = o->nm;
    uint64_t total;
    int err = opening_config(o, cfg);

    if (err == 0)
        err = opening_look(o);
    if (err == 0 && cfg->init)
        err = opening_init(o);
    if (err == 0)
        err = cfg->n_join > 0 ? opening_join(o) : opening_load(o);
    if (err == 0) {
        err = o->disk->ops->space(o->disk, &nm->free_bytes, &total);
        if (err != 0)
            opening_fail(o, err, "the data folder's free space cannot be asked for: %s", dfs_strerror(err));
    }
    return err;
}

int nm_open(const struct nm_config *cfg, struct disk *disk, struct now now, struct nm **out, char *why, size_t why_len)
{
    struct nm *nm = xcalloc(1, sizeof *nm);
    struct opening o = {.nm = nm, .disk = disk, .why = why, .why_len = why_len};
    int err;

    nm->disk = disk;
    nm->now = now;
    nm->led_at = now.mono;
    list_init(&nm->queue);
    list_init(&nm->pending);
    list_init(&nm->waiting);
    fx_init(&nm->held);
    arena_init(&nm->arena, WIRE_ARENA_MAX);
    arena_init(&nm->entry_arena, WIRE_ARENA_MAX);
    leader_init(&nm->lead, cfg->seed);
    bytes_init(&o.confs, 16 * MIB);
    *out = NULL;
    err = open_all(&o, cfg);
    opening_close(&o);
    if (err != 0) {
        nm_close(nm);
        return err;
    }
    nm->stat_index = nm->log.last_index;
    *out = nm;
    return 0;
}

static void free_batches(struct list *batches)
{
    LIST_FOR_EACH (e, batches) {
        list_remove(e);
        batch_free(CONTAINER_OF(e, struct batch, link));
    }
}

void nm_close(struct nm *nm)
{
    if (nm == NULL)
        return;
    engine_close(nm);
    free_batches(&nm->queue);
    free_batches(&nm->pending);
    batch_free(nm->spare);
    entries_close(&nm->recent);
    entries_close(&nm->old);
    lease_close(nm);
    lockwait_close(nm);
    cut_close(nm);
    agree_close(nm);
    fx_close(&nm->held);
    recovery_forget(nm);
    leader_close(nm);
    raftlog_close(&nm->log);
    if (nm->meta != NULL)
        meta_free(nm->meta);
    arena_close(&nm->arena);
    arena_close(&nm->entry_arena);
    free(nm);
}
