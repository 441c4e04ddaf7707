/* SPDX-License-Identifier: MIT */
/* The NameServer, as a StorageServer sees it.
 *
 *   LOST --register--> REGISTERED --heartbeat--> REGISTERED
 *     ^--- refused, no answer: next NameServer, backoff      ^--- not the leader: follow, still registered
 *     ^--- heartbeat refused as stale: register again
 *
 * Every answer renews the serve lease, counted from when the call was sent (CONSISTENCY B12); without it nothing is
 * served. */
#include <stdio.h>
#include <stdlib.h>

#include "store/impl.h"

/* Short: a failover of the NameServers must be over, for us too, within the serve lease. */
#define BACKOFF_MIN (50 * NS_PER_MS)
#define BACKOFF_MAX (300 * NS_PER_MS)
#define CALL_TIMEOUT (600 * NS_PER_MS)
#define REDIRECTS_MAX 4u

const char *register_address(const struct ss *ss)
{
    return ss->leader[0] ? ss->leader : ss->cfg.nameservers[ss->nm_at % ss->cfg.n_nameservers];
}

bool ss_serving(const struct ss *ss, uint64_t mono)
{
    return ss->nm_state == NM_REGISTERED && ss->identity_saved && mono < ss->lease_until;
}

static void space_of(const struct ss *ss, uint64_t *capacity, uint64_t *used, uint64_t *chunks)
{
    *capacity = *used = *chunks = 0;
    for (uint32_t i = 0; i < ss->n_stores; i++) {
        const struct store *st = &ss->stores[i];
        if (st->failed)
            continue;
        *capacity += st->total;
        *used += st->total - min_u64(st->free, st->total);
        *chunks += st->chunks;
    }
}

static void send_register(struct ss *ss, struct effects *fx)
{
    struct msg m = {.type = MSG_TYPE_ss_register};
    uint64_t used, chunks;
    m.ss_register.uuid_hi = ss->identity.uuid_hi;
    m.ss_register.uuid_lo = ss->identity.uuid_lo;
    m.ss_register.incarnation = ss->cfg.incarnation;
    m.ss_register.addr = str_of(ss->cfg.address);
    m.ss_register.domain = str_of(ss->cfg.domain);
    space_of(ss, &m.ss_register.capacity, &used, &chunks);
    fx_call(fx, register_address(ss), &m, NULL, token_make(TOKEN_REGISTER, 0, 0), 2 * CALL_TIMEOUT);
}

static uint32_t fill_disks(const struct ss *ss, struct wire_disk_info *out)
{
    for (uint32_t i = 0; i < ss->n_stores; i++) {
        const struct store *st = &ss->stores[i];
        out[i] = (struct wire_disk_info){.failed = st->failed,
                                         .capacity = st->total,
                                         .used = st->total - min_u64(st->free, st->total),
                                         .read_errors = st->errors.read,
                                         .write_errors = st->errors.write,
                                         .damaged = st->errors.damaged,
                                         .scrubbed = st->scrub.bytes,
                                         .scrub_passes = st->scrub.passes};
    }
    return ss->n_stores;
}

static uint32_t fill_unsettled(struct ss *ss, struct wire_chunk_id out[UNSETTLED_PAGE])
{
    uint32_t n = open_unsettled(ss);
    if (n)
        memcpy(out, ss->unsettled, n * sizeof *out);
    for (uint32_t i = 0; i < ss->n_newer && n < UNSETTLED_PAGE; i++)
        out[n++] = ss->newer[i];
    ss->n_newer = 0;
    return n;
}

static void send_heartbeat(struct ss *ss, struct effects *fx)
{
    struct msg m = {.type = MSG_TYPE_heartbeat};
    m.heartbeat.server = ss->identity.server;
    m.heartbeat.incarnation = ss->cfg.incarnation;
    space_of(ss, &m.heartbeat.capacity, &m.heartbeat.used, &m.heartbeat.chunks);
    m.heartbeat.load = ss->n_writes + ss->n_reads;
    m.heartbeat.disks_failed = (uint8_t)ss_disks_failed(ss);
    struct wire_disk_info disks[SS_MAX_DISKS];
    m.heartbeat.disks = disks;
    m.heartbeat.n_disks = fill_disks(ss, disks);
    m.heartbeat.damaged = ss->damaged;
    m.heartbeat.n_damaged = ss->damaged_told = ss->n_damaged < DAMAGED_PAGE ? ss->n_damaged : DAMAGED_PAGE;
    struct wire_chunk_id unsettled[UNSETTLED_PAGE];
    m.heartbeat.unsettled = unsettled;
    m.heartbeat.n_unsettled = fill_unsettled(ss, unsettled);
    fx_call(fx, register_address(ss), &m, NULL, token_make(TOKEN_HEARTBEAT, 0, 0), CALL_TIMEOUT);
}

void register_turn(struct ss *ss, struct now now, struct effects *fx)
{
    if (ss->nm_calling || now.mono < ss->nm_next || ss->cfg.n_nameservers == 0)
        return;
    ss->nm_calling = true;
    ss->nm_sent = now.mono;
    if (ss->nm_state == NM_REGISTERED)
        send_heartbeat(ss, fx);
    else
        send_register(ss, fx);
}

static void try_next(struct ss *ss, uint64_t now)
{
    ss->leader[0] = 0;
    ss->nm_at++;
    ss->backoff = ss->backoff ? min_u64(ss->backoff * 2, BACKOFF_MAX) : BACKOFF_MIN;
    ss->nm_next = now + ss->backoff / 2 + rng_below(&ss->rng, ss->backoff / 2 + 1);
}

/* The call failed. Whether to ask the leader named in the answer, or another NameServer later. */
static void call_failed(struct ss *ss, const struct event *ev)
{
    struct str leader = ev->status == DFS_ENOTLEADER && ev->msg ? ev->msg->error.leader : STR("");
    if (leader.len && leader.len < sizeof ss->leader && ss->redirects++ < REDIRECTS_MAX) {
        snprintf(ss->leader, sizeof ss->leader, "%.*s", STR_ARG(leader));
        ss->nm_next = ev->now.mono;
        return;
    }
    ss->redirects = 0;
    try_next(ss, ev->now.mono);
}

static void renew(struct ss *ss, const struct event *ev, uint32_t lease_ms)
{
    ss->backoff = 0;
    ss->redirects = 0;
    if (ev->now.mono > ss->lease_until)
        open_lapse(ss); /* meanwhile chunks may have gone on without us (CONSISTENCY B11) */
    ss->lease_until = lease_ms ? ss->nm_sent + lease_ms * NS_PER_MS : UINT64_MAX;
    ss->nm_next = max_u64(ss->nm_sent + ss->heartbeat_every, ev->now.mono);
}

/* Every NameServer that leads is to hear of all that is held and damaged. */
static void told_again(struct ss *ss)
{
    uint32_t at = 0;
    ss->n_damaged = ss->damaged_told = 0;
    for (const struct chunk *c; (c = index_next(&ss->index, &at));)
        if (c->flags & CHUNK_DAMAGED)
            damaged_note(ss, c);
    report_soon(ss);
}

bool epoch_seen(struct ss *ss, uint64_t epoch)
{
    if (epoch < ss->identity.epoch)
        return false;
    if (epoch > ss->identity.epoch) {
        ss->identity.epoch = epoch;
        ss->identity_dirty = true;
        told_again(ss);
    }
    return true;
}

static void damaged_told(struct ss *ss)
{
    if (!ss->damaged_told)
        return;
    ss->n_damaged -= ss->damaged_told;
    memmove(ss->damaged, ss->damaged + ss->damaged_told, ss->n_damaged * sizeof *ss->damaged);
    ss->damaged_told = 0;
}

static void registered(struct ss *ss, const struct event *ev, struct effects *fx)
{
    const struct msg_ss_register_reply *m = &ev->msg->ss_register_reply;
    struct identity *id = &ss->identity;
    bool fresh = id->cluster_hi == 0 && id->cluster_lo == 0;
    if (!fresh && (m->cluster_hi != id->cluster_hi || m->cluster_lo != id->cluster_lo)) {
        fx_fatal(fx,
                 "the data folders belong to another cluster (%016" PRIx64 "%016" PRIx64 ") than the NameServer at %s "
                 "(%016" PRIx64 "%016" PRIx64
                 "): it would order the deletion of all they hold; give the right --nm, or "
                 "empty folders",
                 id->cluster_hi, id->cluster_lo, register_address(ss), m->cluster_hi, m->cluster_lo);
        ss->nm_next = UINT64_MAX;
        return;
    }
    if (m->epoch < id->epoch) {
        fx_log(fx, LOG_ERROR, "ss.old_nameserver", "epoch=%" PRIu64 " seen=%" PRIu64, m->epoch, id->epoch);
        try_next(ss, ev->now.mono);
        return;
    }
    if (fresh || id->server != m->server || id->epoch != m->epoch)
        ss->identity_dirty = true;
    id->cluster_hi = m->cluster_hi;
    id->cluster_lo = m->cluster_lo;
    id->server = m->server;
    id->epoch = m->epoch;
    if (ss->identity_dirty && fresh)
        ss->identity_saved = false;
    ss->heartbeat_every = (m->heartbeat_ms ? m->heartbeat_ms : 250) * NS_PER_MS;
    ss->nm_state = NM_REGISTERED;
    ss->refused = 0;
    told_again(ss);
    ss->tasks_lost = true; /* what was given to the process before us, or on a connection that is gone */
    renew(ss, ev, m->lease_ms);
    fx_log(fx, LOG_INFO, "ss.registered", "server=%u nameserver=%s chunks=%u", m->server, register_address(ss),
           ss->index.n);
}

static void on_register(struct ss *ss, const struct event *ev, struct effects *fx)
{
    if (ev->status == 0 && ev->msg->type == MSG_TYPE_ss_register_reply) {
        registered(ss, ev, fx);
        return;
    }
    struct str text = ev->status && ev->msg ? ev->msg->error.text : STR("");
    bool refused = ev->status == DFS_ECLUSTER || (ev->msg && !dfs_err_may_retry(ev->status));
    if (refused && ev->status != ss->refused) {
        ss->refused = ev->status;
        fx_log(fx, LOG_ERROR, "ss.refused", "nameserver=%s error=%s text=\"%.*s\"", register_address(ss),
               dfs_errname(ev->status), STR_ARG(text));
    }
    call_failed(ss, ev);
}

static void on_heartbeat(struct ss *ss, const struct event *ev, struct effects *fx)
{
    if (ev->status == 0 && ev->msg->type == MSG_TYPE_heartbeat_reply) {
        const struct msg_heartbeat_reply *m = &ev->msg->heartbeat_reply;
        if (m->epoch >= ss->identity.epoch) { /* a deposed NameServer renews nothing */
            damaged_told(ss);
            orders_take(ss, m->epoch, m->remove, m->n_remove, fx);
            if (m->report && !ss->report)
                report_soon(ss);
            inventory_wanted(ss, m->inventory, m->inventory_below, fx);
            renew(ss, ev, m->lease_ms);
            return;
        }
    }
    bool unknown = ev->status && ev->msg && !dfs_err_may_retry(ev->status);
    if (ev->status == DFS_ESTALE || unknown) { /* it does not know this incarnation */
        ss->nm_state = NM_LOST;
        ss->nm_next = ev->now.mono;
        return;
    }
    call_failed(ss, ev);
}

void register_event(struct ss *ss, const struct event *ev, struct effects *fx)
{
    ss->nm_calling = false;
    if (ev->token >> 56 == TOKEN_REGISTER)
        on_register(ss, ev, fx);
    else
        on_heartbeat(ss, ev, fx);
}
