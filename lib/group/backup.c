/* SPDX-License-Identifier: MIT */
#include "group/backup.h"

#include <stdio.h>

#include "group/group.h"

/* How far behind: the clock's seconds, times more entries than a log can take in a second (index) or chunks that can be
 * granted in a minute (serial, of which there are 2^48). So the next life begins above the one before, whatever backup
 * it comes from, unless the clock went back meanwhile; then StorageServers refuse it. */
#define ENTRIES_PER_SECOND (1ULL << 24)
#define SERIALS_PER_MINUTE (1ULL << 22)
#define SERIALS_SINCE 1577836800LL /* 2020-01-01 */
/* No clock that is set says less: 2026-01-01. */
#define CLOCK_MIN 1767225600LL

static uint64_t first_index(const struct nm_life *life)
{
    return max_u64(life->index + 1, (uint64_t)(life->wall / (int64_t)NS_PER_SEC) * ENTRIES_PER_SECOND);
}

static uint64_t first_serial(const struct nm_life *life)
{
    uint64_t minutes = (uint64_t)((life->wall / (int64_t)NS_PER_SEC - SERIALS_SINCE) / 60 + 1);

    return min_u64(minutes * SERIALS_PER_MINUTE, CHUNK_SERIAL_MASK / 2);
}

static void note_file(void *arg, const char *name, uint64_t size)
{
    char *first = arg;

    (void)size;
    if (first[0] == '\0')
        snprintf(first, DISK_NAME_MAX + 1, "%s", name);
}

static int check_place(struct disk *to, const struct nm_life *life, char *why, size_t why_len)
{
    char first[DISK_NAME_MAX + 1] = "";
    int err = to->ops->list(to, note_file, first);

    if (err != 0)
        snprintf(why, why_len, "the data folder cannot be listed: %s", dfs_strerror(err));
    if (err == 0 && first[0] != '\0') {
        snprintf(why, why_len, "the data folder is not empty (it holds \"%s\"): give an empty one", first);
        err = DFS_ENOTEMPTY;
    }
    if (err == 0 && life->wall / (int64_t)NS_PER_SEC < CLOCK_MIN) {
        snprintf(why, why_len,
                 "the clock of this machine is not set; epochs above the old ones come from it: set it first");
        err = DFS_EINVAL;
    }
    return err;
}

int life_begin(struct disk *to, struct meta *m, const struct nm_life *life, char *why, size_t why_len)
{
    struct identity id = {life->cluster_hi, life->cluster_lo, life->uuid_hi, life->uuid_lo, meta_next_member(m)};
    struct vote vote = {.number = 1, .term = life->term + 1};
    struct snapshot_info info = {life->cluster_hi, life->cluster_lo, first_index(life), life->term, 1};
    struct log_config log_cfg = {.cluster_hi = life->cluster_hi,
                                 .cluster_lo = life->cluster_lo,
                                 .salt = identity_salt(&id),
                                 .segment_bytes = life->segment_bytes,
                                 .may_be_empty = true};
    struct raftlog log = {0};
    struct raft_buffer conf;
    struct stamp st;
    int err = check_place(to, life, why, why_len);

    if (err != 0)
        return err;
    info.conf_index = info.index;
    st = (struct stamp){.index = info.index, .epoch = meta_epoch(m), .time_ns = life->wall};
    meta_begin_anew(m, life->cluster_hi, life->cluster_lo, &st, first_serial(life));
    err = engine_bootstrap(id.raft_id, "127.0.0.1:4610", &conf);
    if (err == 0) {
        err = identity_begin(to, &id);
        if (err == 0)
            err = vote_save(to, &vote);
        if (err == 0)
            err = snapshot_write(to, &info, conf.base, (uint32_t)conf.len, m);
        if (err == 0)
            err = raftlog_reset(&log_cfg, to, info.index + 1, &log);
        raftlog_close(&log);
        if (err == 0)
            err = identity_finish(to);
        raft_free(conf.base);
    }
    if (err != 0)
        snprintf(why, why_len, "the data folder cannot be written: %s", dfs_strerror(err));
    return err;
}

int nm_restore(struct disk *from, const char *name, struct disk *to, const struct nm_life *life,
               struct nm_restored *out, char *why, size_t why_len)
{
    struct snapshot_info info;
    struct nm_life next = *life;
    struct msg ask = {.type = MSG_TYPE_statfs}, totals;
    struct meta *m;
    struct slice conf;
    int err = check_place(to, life, why, why_len); /* before a long read */

    *out = (struct nm_restored){.in_folder = err != 0};
    if (err == 0)
        err = snapshot_load_any(from, name, &info, &conf, &m, why, why_len);
    if (err != 0)
        return err;
    slice_drop(&conf);
    next.cluster_hi = info.cluster_hi;
    next.cluster_lo = info.cluster_lo;
    next.index = info.index;
    next.term = info.term;
    err = meta_read(m, &ask, &totals, NULL);
    *out = (struct nm_restored){
        info.cluster_hi, info.cluster_lo, info.index, totals.statfs_reply.files, totals.statfs_reply.directories, true};
    if (err == 0)
        err = life_begin(to, m, &next, why, why_len);
    meta_free(m);
    return err;
}

int nm_check_backup(struct disk *from, const char *name, char *why, size_t why_len)
{
    struct snapshot_info info;
    struct slice conf;
    int err = snapshot_load_any(from, name, &info, &conf, NULL, why, why_len);

    slice_drop(&conf);
    return err;
}
