/* SPDX-License-Identifier: MIT */
#include "sim/swarm.h"

static const struct {
    const char *name, *text;
} sabotages[SABOTAGE_END] = {
    [SABOTAGE_NONE] = {"none", "nothing is broken on purpose"},
    [SABOTAGE_SKIP_FSYNC] = {"skip-fsync", "every flush reports success and makes nothing durable"},
    [SABOTAGE_NM_ACK_EARLY] = {"nm-ack-early", "the NameServer acknowledges before its log is flushed"},
    [SABOTAGE_SS_ACK_EARLY] = {"ss-ack-early", "StorageServers acknowledge before their segments are flushed"},
    [SABOTAGE_TRUST_PAYLOAD] = {"trust-payload", "payload bytes change on the way and clients do not check them"},
    [SABOTAGE_WIPE_REPLICA] = {"wipe-replica", "a StorageServer comes back without its data folders' contents"},
    [SABOTAGE_TRUST_LEASE] = {"serve-after-lease", "a NameServer answers reads though its lease is over"},
    [SABOTAGE_COUNT_FAILED] = {"count-failed",
                               "a copy counts, and the one it replaces goes, whether it was made or not"},
    [SABOTAGE_TRUST_COPIES] = {"copy-unverified", "bytes of copies change on the way and are not verified"},
    [SABOTAGE_KEEP_CUT] = {"keep-cut",
                           "StorageServers keep what a truncate cuts off, and it shows when the file grows"},
    [SABOTAGE_PASS_LOCKS] = {"pass-locks-early", "locks of a session that ended pass on before its writes are fenced"},
    [SABOTAGE_ACK_ALONE] = {"ack-alone", "a write is acknowledged before the servers below have it"},
    [SABOTAGE_ANY_VERSION] = {"old-version", "StorageServers show what they have, whatever version is asked for"},
    [SABOTAGE_FORGET_RESULTS] = {"forget-results", "a change that is asked for again is made again"},
    [SABOTAGE_IGNORE_DELEGATIONS] = {"ignore-delegations", "others are answered as if there were no delegations"},
    [SABOTAGE_REVOKE_EARLY] = {"revoke-early", "a delegation that is in the way is revoked at once"},
    [SABOTAGE_FORGET_APPENDS] = {"append-twice", "StorageServers append again what a client repeats"},
    [SABOTAGE_WRONG_ORACLE] = {"wrong-oracle", "the model forgets an acknowledged put, so its checks must object"},
};

const char *sabotage_name(enum sabotage s) { return sabotages[s].name; }

const char *sabotage_text(enum sabotage s) { return sabotages[s].text; }

enum sabotage sabotage_find(const char *name)
{
    for (unsigned i = 0; i < SABOTAGE_END; i++)
        if (strcmp(name, sabotages[i].name) == 0)
            return (enum sabotage)i;
    return SABOTAGE_END;
}

static const struct {
    const char *name;
    size_t at;
} faults[FAULT_KINDS] = {
#define SWARM_FAULT(name) [FAULT_##name] = {#name, offsetof(struct swarm, name)},
    SWARM_FAULTS(SWARM_FAULT)
#undef SWARM_FAULT
};

const char *fault_name(enum fault kind) { return faults[kind].name; }

enum fault fault_find(const char *name, size_t len)
{
    for (unsigned i = 0; i < FAULT_KINDS; i++)
        if (strlen(faults[i].name) == len && memcmp(faults[i].name, name, len) == 0)
            return (enum fault)i;
    return FAULT_KINDS;
}

uint64_t *swarm_rate(struct swarm *w, enum fault kind) { return (uint64_t *)(void *)((char *)w + faults[kind].at); }

/* Half of the seeds have a fault kind; those that do draw how often. */
static uint64_t draw_rate(struct sim *s, uint64_t least, uint64_t most)
{
    bool on = sim_chance(s, 500), often = sim_chance(s, 300);
    uint64_t mean = least + sim_below(s, (often ? least : most) - least / 2);
    return on ? mean : 0;
}

/* Only StorageServers are taken out of service, one after the other. */
static void make_calm(struct swarm *w)
{
    w->calm = true;
    w->crash_nm = w->crash_ss = w->crash_client = w->crash_all = w->partition = w->cut = w->stall = w->pause = 0;
    w->corrupt = w->disk_error = w->loss = w->cut_off = w->disk_full = w->clock = w->rot = 0;
    w->drain = NS_PER_SEC;
    w->ops = 60;
}

/* A sabotage shows only where the fault that it leaves us open to happens. */
static void arrange_for(struct swarm *w)
{
    switch (w->sabotage) {
    case SABOTAGE_SKIP_FSYNC:
    case SABOTAGE_NM_ACK_EARLY:
    case SABOTAGE_SS_ACK_EARLY:
        w->power = true;
        w->crash_all = 3 * NS_PER_SEC;
        w->crash_nm = NS_PER_SEC;
        w->disk_delay = 20 * NS_PER_MS;
        break;
    case SABOTAGE_TRUST_PAYLOAD:
        w->corrupt = NS_PER_SEC / 50;
        break;
    case SABOTAGE_WIPE_REPLICA:
        w->crash_ss = 3 * NS_PER_SEC;
        break;
    case SABOTAGE_TRUST_LEASE:
        w->names = 3;
        w->pause = w->partition = 2 * NS_PER_SEC;
        break;
    case SABOTAGE_COUNT_FAILED:
        w->loss = NS_PER_SEC;
        w->crash_ss = 2 * NS_PER_SEC;
        w->downtime = 12 * NS_PER_SEC;
        w->cut = NS_PER_SEC / 10;
        w->corrupt = NS_PER_SEC / 50;
        w->ops = 100;
        w->cut_off = 2 * NS_PER_SEC;
        break;
    case SABOTAGE_TRUST_COPIES:
        w->loss = NS_PER_SEC;
        w->corrupt = NS_PER_SEC / 50;
        w->crash_ss = 4 * NS_PER_SEC;
        w->downtime = 10 * NS_PER_SEC;
        break;
    case SABOTAGE_ACK_ALONE:
        w->loss = NS_PER_SEC;
        w->cut = NS_PER_SEC / 20;
        w->crash_ss = NS_PER_SEC;
        w->downtime = 8 * NS_PER_SEC;
        break;
    case SABOTAGE_ANY_VERSION:
        w->crash_ss = NS_PER_SEC;
        w->downtime = 10 * NS_PER_SEC;
        w->ops = 150;
        w->think = 300 * NS_PER_MS;
        w->crash_nm = w->crash_all = w->partition = w->drain = w->loss = 0;
        break;
    case SABOTAGE_FORGET_RESULTS:
        w->cut = NS_PER_SEC / 50;
        break;
    case SABOTAGE_PASS_LOCKS:
        w->pause = 2 * NS_PER_SEC;
        w->long_pauses = true;
        w->crash_nm = w->crash_ss = w->crash_client = w->crash_all = w->loss = w->partition = w->cut_off = 0;
        w->ops = 150;
        w->actors = 4;
        w->think = 300 * NS_PER_MS;
        w->lock_ttl = 2 * NS_PER_SEC;
        break;
    case SABOTAGE_IGNORE_DELEGATIONS:
    case SABOTAGE_REVOKE_EARLY:
        w->makers = w->clients;
        w->delegation_ttl = 5 * NS_PER_SEC;
        w->lock_ttl = 6 * NS_PER_SEC;
        w->pause = 2 * NS_PER_SEC;
        w->crash_nm = w->crash_ss = w->crash_client = w->crash_all = w->loss = w->partition = w->cut_off = 0;
        w->ops = 150;
        w->actors = 4;
        w->think = 300 * NS_PER_MS;
        break;
    default:
        break;
    }
}

static void leave_out(struct swarm *w, const struct trim *trim)
{
    w->strikes = trim->strikes;
    w->ops = (uint32_t)min_u64(w->ops, trim->ops);
    for (unsigned i = 0; i < FAULT_KINDS; i++)
        if (trim->without & 1u << i)
            *swarm_rate(w, (enum fault)i) = 0;
}

void swarm_draw(struct swarm *w, struct sim *s, enum sabotage sabotage, const struct trim *trim)
{
    *w = (struct swarm){.sabotage = sabotage};
    w->names = sim_chance(s, 600) ? 3 : sim_chance(s, 800) ? 1 : 5;
    w->servers = sim_chance(s, 400) ? 3 : sim_chance(s, 600) ? 4 : 2 + (uint32_t)sim_below(s, CLUSTER_SERVERS - 1);
    if (w->names > 1 && sim_chance(s, 400))
        w->latecomer = 2 * NS_PER_SEC + sim_below(s, 20 * NS_PER_SEC);
    w->clients = 2 + (uint32_t)sim_below(s, 3);
    w->actors = 6 * (w->clients + (uint32_t)sim_below(s, 4)); /* many: each fault meets more, and time passes anyway */
    w->ops = 15 + (uint32_t)sim_below(s, 60);
    w->max_file = sim_chance(s, 300) ? 300 * 1024 : sim_chance(s, 500) ? 40 * 1024 : 5000;
    w->net_delay = (100 + sim_below(s, sim_chance(s, 200) ? 50000 : 2000)) * NS_PER_US;
    w->disk_delay = (100 + sim_below(s, sim_chance(s, 200) ? 50000 : 3000)) * NS_PER_US;
    w->turn_delay = (1 + sim_below(s, 300)) * NS_PER_US;
    w->think = (1 + sim_below(s, 500)) * NS_PER_MS;
    w->split = (uint32_t)sim_below(s, 400);
    w->disk_stall = (uint32_t)sim_below(s, 30);
    w->crash_nm = draw_rate(s, NS_PER_SEC, 15 * NS_PER_SEC);
    w->crash_ss = draw_rate(s, NS_PER_SEC, 15 * NS_PER_SEC);
    w->crash_client = draw_rate(s, 3 * NS_PER_SEC, 20 * NS_PER_SEC);
    w->crash_all = draw_rate(s, 2 * NS_PER_SEC, 20 * NS_PER_SEC);
    w->partition = w->names > 1 ? draw_rate(s, NS_PER_SEC, 10 * NS_PER_SEC) : 0;
    w->cut = draw_rate(s, NS_PER_SEC / 20, 10 * NS_PER_SEC);
    w->stall = draw_rate(s, NS_PER_SEC / 4, 10 * NS_PER_SEC);
    w->pause = draw_rate(s, NS_PER_SEC, 15 * NS_PER_SEC);
    w->corrupt = draw_rate(s, NS_PER_SEC / 20, 10 * NS_PER_SEC);
    w->disk_error = draw_rate(s, 2 * NS_PER_SEC, 20 * NS_PER_SEC);
    w->loss = draw_rate(s, 2 * NS_PER_SEC, 20 * NS_PER_SEC);
    w->cut_off = draw_rate(s, NS_PER_SEC, 10 * NS_PER_SEC);
    w->power = sim_chance(s, 600);
    w->downtime = (10 + sim_below(s, sim_chance(s, 300) ? 15000 : 1500)) * NS_PER_MS;
    w->client_timeout = (sim_chance(s, 300) ? 3 + sim_below(s, 10) : 30) * NS_PER_SEC;
    w->snapshot_bytes = sim_chance(s, 800) ? 1024 + sim_below(s, 20 * KIB) : 0; /* without, a start replays all */
    if (w->latecomer && sim_chance(s, 700))
        w->snapshot_bytes = 1024 + sim_below(s, 4 * KIB);
    w->segment_size = (1 + sim_below(s, sim_chance(s, 200) ? 4 : 2)) * MIB;
    w->log_segment = sim_chance(s, 800) ? (64 + sim_below(s, 4) * 64) * KIB : MIB; /* a start reads all of it */
    w->disks_per_server = 1 + (uint32_t)sim_below(s, 2);
    w->disk_full = draw_rate(s, 3 * NS_PER_SEC, 15 * NS_PER_SEC);
    w->clock = draw_rate(s, NS_PER_SEC, 15 * NS_PER_SEC);
    w->lock_ttl = (2 + sim_below(s, 5)) * NS_PER_SEC;
    w->delegation_ttl = NS_PER_SEC + sim_below(s, 5 * NS_PER_SEC);
    w->makers = sim_chance(s, 600) ? w->clients : 0;
    w->drain = draw_rate(s, NS_PER_SEC, 15 * NS_PER_SEC);
    w->rot = draw_rate(s, NS_PER_SEC / 4, 5 * NS_PER_SEC);
    if (sim_chance(s, 100) && sabotage == SABOTAGE_NONE)
        make_calm(w);
    arrange_for(w);
    leave_out(w, trim);
    w->names = trim->names ? trim->names : w->names;
    w->servers = trim->servers ? trim->servers : w->servers;
    if (w->names == 1)
        w->latecomer = w->partition = 0;
}
