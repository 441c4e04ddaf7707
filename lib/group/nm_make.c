/* SPDX-License-Identifier: MIT */
/* A NameServer's settings checked, and new data folders: for a new cluster, or to join one. */
#include <stdarg.h>
#include <stdio.h>

#include "group/backup.h"
#include "group/opening.h"

#define FIRST_TERM 1u
#define DEFAULT_SEGMENT (8 * MIB)
#define DEFAULT_SNAPSHOT_LOG (64 * MIB)

int opening_fail(struct opening *o, int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(o->why, o->why_len, fmt, ap);
    va_end(ap);
    return err;
}

void opening_close(struct opening *o)
{
    slice_drop(&o->conf);
    bytes_close(&o->confs);
    raft_free(o->entries);
}

/* --- configuration --- */

static uint64_t or_default(uint64_t v, uint64_t preset) { return v != 0 ? v : preset; }

int opening_config(struct opening *o, const struct nm_config *cfg)
{
    struct nm_config *c = &o->nm->cfg;

    *c = *cfg;
    c->heartbeat = or_default(c->heartbeat, 250 * NS_PER_MS);
    c->serve_lease = or_default(c->serve_lease, 2 * NS_PER_SEC);
    c->down_after = or_default(c->down_after, 2500 * NS_PER_MS);
    c->read_lease = or_default(c->read_lease, 500 * NS_PER_MS);
    c->grant_lifetime = or_default(c->grant_lifetime, 60 * NS_PER_SEC);
    c->repair_grace = or_default(c->repair_grace, 60 * NS_PER_SEC);
    c->reader_grace = or_default(c->reader_grace, 600 * NS_PER_SEC);
    c->session_ttl = or_default(c->session_ttl, 600 * NS_PER_SEC);
    c->lock_ttl = min_u64(or_default(c->lock_ttl, 30 * NS_PER_SEC), c->session_ttl);
    c->delegation_ttl =
        min_u64(or_default(c->delegation_ttl, 5 * NS_PER_SEC), c->lock_ttl); /* no session ends before */
    c->sessions_per_host = (uint32_t)or_default(c->sessions_per_host, NM_SESSIONS_PER_HOST);
    c->snapshot_log_bytes = or_default(c->snapshot_log_bytes, DEFAULT_SNAPSHOT_LOG);
    c->log_segment_bytes = round_up(or_default(c->log_segment_bytes, DEFAULT_SEGMENT), DFS_BLOCK);
    if (cfg->address == NULL || strlen(cfg->address) == 0 || strlen(cfg->address) > WIRE_ADDR_MAX)
        return opening_fail(o, DFS_EINVAL, "the NameServer's address must have 1 to %u bytes", WIRE_ADDR_MAX);
    if (cfg->n_join > NM_JOIN_MAX)
        return opening_fail(o, DFS_EINVAL, "at most %u NameServers to join", NM_JOIN_MAX);
    for (uint32_t i = 0; i < cfg->n_join; i++) {
        if (cfg->join[i] == NULL || strlen(cfg->join[i]) > WIRE_ADDR_MAX)
            return opening_fail(o, DFS_EINVAL, "the address to join must have at most %u bytes", WIRE_ADDR_MAX);
        strcpy(o->nm->join.names[i], cfg->join[i]);
    }
    if (ENGINE_FAILOVER + c->read_lease + c->read_lease / 10 > c->serve_lease)
        return opening_fail(
            o, DFS_EINVAL,
            "the times do not fit: an election (%llu ms) and the wait of a new leader (%llu ms) must be over "
            "within the serve lease (%llu ms), or a failover stops the StorageServers",
            ENGINE_FAILOVER / NS_PER_MS, (c->read_lease + c->read_lease / 10) / NS_PER_MS, c->serve_lease / NS_PER_MS);
    if (c->heartbeat * 2 > c->serve_lease || c->serve_lease >= c->down_after)
        return opening_fail(
            o, DFS_EINVAL,
            "the times do not fit: twice the heartbeat (%llu ms) must fit into the serve lease (%llu ms), and that "
            "must be shorter than the time after which a server is down (%llu ms)",
            c->heartbeat / NS_PER_MS, c->serve_lease / NS_PER_MS, c->down_after / NS_PER_MS);
    strcpy(o->nm->address, cfg->address);
    c->address = o->nm->address;
    return 0;
}

/* --- a new cluster --- */

static int make_files(struct opening *o)
{
    struct nm *nm = o->nm;
    struct vote vote = {.number = 1, .term = FIRST_TERM};
    struct log_config cfg = nm_log_config(nm);
    struct raft_buffer conf;
    int err = engine_bootstrap(FIRST_ID, nm->address, &conf);

    if (err != 0)
        return err;
    err = identity_begin(o->disk, &nm->id);
    if (err == 0)
        err = vote_save(o->disk, &vote);
    if (err == 0)
        err = raftlog_create(&cfg, o->disk, FIRST_TERM, RAFT_CHANGE, conf.base, (uint32_t)conf.len);
    raft_free(conf.base);
    if (err == 0)
        err = identity_finish(o->disk);
    return err;
}

/* 0 if the folder is free for a new NameServer. */
static int check_free(struct opening *o)
{
    if (o->has_identity)
        return opening_fail(o, DFS_EEXIST,
                            "the data folder holds a NameServer already: start without --init and --join");
    /* identity.new is what an interrupted --init leaves behind; anything else was a NameServer once */
    if ((o->has_log || o->n_snaps > 0) && !o->has_new)
        return opening_fail(
            o, DFS_ECORRUPT,
            "the data folder holds a NameServer's log, but no file \"identity\": restore it from a backup, or use "
            "an empty folder");
    return 0;
}

/* An empty state begins the next life of a cluster whose data is on its StorageServers. */
static int begin_rebuilt(struct opening *o)
{
    const struct nm_config *c = &o->nm->cfg;
    struct nm_life life = {.cluster_hi = c->cluster_hi,
                           .cluster_lo = c->cluster_lo,
                           .uuid_hi = c->uuid_hi,
                           .uuid_lo = c->uuid_lo,
                           .wall = o->nm->now.wall,
                           .segment_bytes = c->log_segment_bytes};
    struct meta *m = meta_new();
    int err = life_begin(o->disk, m, &life, o->why, o->why_len);

    meta_free(m);
    if (err == 0)
        err = opening_look(o); /* at what was made */
    return err;
}

int opening_init(struct opening *o)
{
    const struct nm_config *c = &o->nm->cfg;
    int err = check_free(o);

    if (err != 0)
        return err;
    if (c->rebuild)
        return begin_rebuilt(o);
    o->nm->id = (struct identity){.cluster_hi = c->cluster_hi,
                                  .cluster_lo = c->cluster_lo,
                                  .uuid_hi = c->uuid_hi,
                                  .uuid_lo = c->uuid_lo,
                                  .raft_id = FIRST_ID};
    err = make_files(o);
    return err != 0 ? opening_fail(o, err, "a new cluster cannot be made in the data folder: %s", dfs_strerror(err))
                    : 0;
}

/* The uuid is on disk before it is shown to anybody, so that a join that is interrupted goes on as the same member. */
int opening_join(struct opening *o)
{
    struct nm *nm = o->nm;
    struct identity begun;
    int err = check_free(o);

    if (err != 0)
        return err;
    nm->id = (struct identity){.uuid_hi = nm->cfg.uuid_hi, .uuid_lo = nm->cfg.uuid_lo};
    if (o->has_new && identity_begun(o->disk, &begun)) {
        nm->id.uuid_hi = begun.uuid_hi;
        nm->id.uuid_lo = begun.uuid_lo;
    }
    err = identity_begin(o->disk, &nm->id);
    if (err != 0)
        return opening_fail(o, err, "the data folder cannot be written: %s", dfs_strerror(err));
    nm->meta = meta_new();
    nm->join.active = true;
    return 0;
}

int nm_open_joined(struct nm *nm, const struct identity *id, char *why, size_t why_len)
{
    struct opening o = {.nm = nm, .disk = nm->disk, .why = why, .why_len = why_len};
    struct vote vote = {.number = 1};
    struct log_config cfg;
    struct raftlog log = {0};
    int err;

    bytes_init(&o.confs, 16 * MIB);
    nm->id = *id;
    cfg = nm_log_config(nm);
    err = identity_begin(nm->disk, id);
    if (err == 0)
        err = vote_save(nm->disk, &vote);
    if (err == 0)
        err = raftlog_reset(&cfg, nm->disk, 1, &log);
    raftlog_close(&log);
    if (err == 0)
        err = identity_finish(nm->disk);
    if (err != 0)
        opening_fail(&o, err, "%s", dfs_strerror(err));
    meta_free(nm->meta);
    nm->meta = NULL;
    if (err == 0)
        err = opening_load(&o);
    opening_close(&o);
    return err;
}
