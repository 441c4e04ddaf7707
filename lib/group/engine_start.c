/* SPDX-License-Identifier: MIT */
/* Starting raft with what the disk holds, and telling it what was done. Only lib/group includes <raft.h>. */
#include "group/group.h"

#define ELECTION_MS 300u
#define HEARTBEAT_MS 50u
/* Sent to a member and not acknowledged: enough for it to fill its flushes while it catches up. */
#define INFLIGHT_ENTRIES 256u
/* A member that joins gets minutes to catch up, not raft's ten rounds of five seconds. */
#define CATCH_UP_ROUNDS 100u

int engine_error(int rv)
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

uint64_t engine_ms(const struct nm *nm) { return nm->now.mono / NS_PER_MS; }

/* u8 version, u64 count, then for each server u64 id, its address with a NUL, u8 role. */
static bool shape_fine(const void *body, uint32_t len)
{
    const uint8_t *p = body, *end = p + len, *nul;
    uint64_t n;

    if (len < 9 || p[0] != 1)
        return false;
    n = get_u64(p + 1);
    for (p += 9; n > 0; n--) {
        if (end - p < 10)
            return false;
        nul = memchr(p + 8, '\0', (size_t)(end - p) - 8);
        if (nul == NULL || end - nul < 2)
            return false;
        p = nul + 2;
    }
    return true;
}

int engine_decode(const void *body, uint32_t len, struct raft_configuration *conf)
{
    struct raft_buffer buf = {(void *)(uintptr_t)body, len};
    int err;

    raft_configuration_init(conf);
    if (!shape_fine(body, len))
        return DFS_ECORRUPT;
    err = engine_error(raft_configuration_decode(&buf, conf));
    if (err != 0) /* raft has freed what it had made */
        raft_configuration_init(conf);
    return err;
}

bool engine_configuration_fine(const void *body, uint32_t len)
{
    struct raft_configuration conf;

    if (engine_decode(body, len, &conf) != 0)
        return false;
    raft_configuration_close(&conf);
    return true;
}

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
    return engine_error(rv);
}

static int start(struct nm *nm, struct raft_snapshot_metadata *meta, struct raft_entry *entries, uint32_t n,
                 uint64_t first_index)
{
    struct raft_update update;
    struct raft_event ev = {.type = RAFT_START, .time = engine_ms(nm)};

    memset(&update, 0, sizeof update);
    ev.start.term = nm->vote.term;
    ev.start.voted_for = nm->vote.voted_for;
    ev.start.metadata = meta;
    ev.start.start_index = first_index;
    ev.start.entries = entries;
    ev.start.n_entries = n;
    return engine_error(raft_step(&nm->raft, &ev, &update));
}

int engine_start(struct nm *nm, const struct snapshot_info *snap, const struct slice *conf, struct raft_entry *entries,
                 uint32_t n, uint64_t first_index)
{
    struct raft_snapshot_metadata meta;
    int err;

    memset(&nm->raft, 0, sizeof nm->raft); /* raft_init leaves its legacy fields alone when there is no io */
    err = engine_error(raft_init(&nm->raft, NULL, NULL, nm->id.raft_id, nm->address));
    if (err != 0)
        return err;
    nm->raft.tracer = NULL; /* the default one formats every line, even unseen */
    raft_seed(&nm->raft, (unsigned)mix64(nm->cfg.seed));
    raft_set_election_timeout(&nm->raft, ELECTION_MS);
    raft_set_heartbeat_timeout(&nm->raft, HEARTBEAT_MS);
    raft_set_pre_vote(&nm->raft, true);
    raft_set_max_inflight_entries(&nm->raft, INFLIGHT_ENTRIES);
    raft_set_max_catch_up_rounds(&nm->raft, CATCH_UP_ROUNDS);
    if (snap->index == 0)
        return start(nm, NULL, entries, n, first_index);

    memset(&meta, 0, sizeof meta);
    meta.index = snap->index;
    meta.term = snap->term;
    meta.configuration_index = snap->conf_index;
    err = engine_decode(slice_data(*conf), conf->len, &meta.configuration);
    if (err != 0)
        return err;
    return start(nm, &meta, entries, n, first_index);
}

void engine_close(struct nm *nm)
{
    if (nm->raft.address != NULL)
        raft_close(&nm->raft, NULL);
    nm->raft.address = NULL;
}

/* --- what was done --- */

void engine_configuration(struct nm *nm, uint64_t index, const void *body, uint32_t len, struct effects *fx)
{
    struct raft_event ev = {.type = RAFT_CONFIGURATION};

    ev.configuration.index = index;
    if (engine_decode(body, len, &ev.configuration.conf) != 0) {
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
    if (engine_decode(buf.base, (uint32_t)buf.len, &ev.snapshot.metadata.configuration) != 0) {
        raft_free(buf.base);
        nm_fatal(nm, fx, "the configuration cannot be copied", DFS_ENOMEM);
        return;
    }
    raft_free(buf.base);
    ev.snapshot.trailing = (unsigned)min_u64(ref.index - keep, UINT32_MAX);
    engine_step(nm, &ev, fx);
}
