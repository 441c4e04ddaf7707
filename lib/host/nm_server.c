/* SPDX-License-Identifier: MIT */
#include "host/nm_server.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/flags.h"
#include "base/rand.h"
#include "host/snapshot.h"

struct nm_server {
    struct host host;
    struct nm *nm;
    char advertised[HOST_ADDRESS_MAX];
    struct snapshot_child snapshot;
    bool serving;
    void (*fatal)(void *arg, const char *why);
    void *fatal_arg;
    void (*done)(void *arg);
    void *done_arg;
};

/* --- the core --- */

static void core_event(void *core, const struct event *ev, struct effects *fx)
{
    nm_event(core, ev, fx);
}

static void core_turn(void *core, struct now now, struct effects *fx)
{
    nm_turn(core, now, fx);
}

static uint64_t core_deadline(void *core)
{
    return nm_deadline(core);
}

static const struct core_ops nm_core = {core_event, core_turn, core_deadline};

/* --- what the host asks of its owner --- */

static void learn_ids(struct nm_server *s)
{
    nm_cluster(s->nm, &s->host.self.cluster_hi, &s->host.self.cluster_lo);
    s->host.self.node = nm_id(s->nm);
}

static void after_turn(void *arg)
{
    struct nm_server *s = arg;
    learn_ids(s);
    s->serving = nm_serving(s->nm);
}

static void on_snapshot_done(void *arg, uint64_t token, int status)
{
    struct nm_server *s = arg;
    host_snapshot_done(&s->host, token, status);
}

static int write_snapshot(void *arg)
{
    struct nm_server *s = arg;
    return nm_write_snapshot(s->nm, s->host.disks[0]);
}

static void on_snapshot(void *arg, uint64_t token)
{
    struct nm_server *s = arg;
    snapshot_start(&s->snapshot, token);
}

static void on_fatal(void *arg, const char *why)
{
    struct nm_server *s = arg;
    s->fatal(s->fatal_arg, why);
}

static void free_server(void *arg)
{
    struct nm_server *s = arg;
    void (*done)(void *) = s->done;
    void *done_arg = s->done_arg;
    if (s->nm)
        nm_close(s->nm);
    free(s);
    if (done)
        done(done_arg);
}

/* The snapshot's watcher is the last to go: it has a handle of its own. */
static void on_closed(void *arg)
{
    struct nm_server *s = arg;
    snapshot_close(&s->snapshot, free_server, s);
}

/* --- start and stop --- */

static void note_file(void *arg, const char *name, uint64_t size)
{
    (void)name;
    (void)size;
    *(bool *)arg = true;
}

static int want_init(struct nm_server *s, enum init_mode mode, bool *init, char *why, size_t why_len)
{
    bool any = false;
    *init = mode == INIT_YES;
    if (mode != INIT_IF_EMPTY)
        return 0;
    int err = s->host.disks[0]->ops->list(s->host.disks[0], note_file, &any);
    if (err)
        snprintf(why, why_len, "the data folder cannot be listed: %s", dfs_strerror(err));
    *init = !any;
    return err;
}

/* "a:1,b:2" into the configuration; text keeps the addresses. */
static int parse_join(const char *list, struct nm_config *cfg, char text[][HOST_ADDRESS_MAX])
{
    while (*list != '\0') {
        size_t len = strcspn(list, ",");
        char one[HOST_ADDRESS_MAX];
        if (cfg->n_join == NM_JOIN_MAX || len == 0 || len >= sizeof one)
            return DFS_EINVAL;
        memcpy(one, list, len);
        one[len] = '\0';
        int err = parse_address(one, 4610, text[cfg->n_join], HOST_ADDRESS_MAX);
        if (err)
            return err;
        cfg->join[cfg->n_join] = text[cfg->n_join];
        cfg->n_join++;
        list += len + (list[len] == ',');
    }
    return cfg->n_join > 0 ? 0 : DFS_EINVAL;
}

/* 32 hexadecimal digits, with dashes as status prints them or without. */
static int parse_cluster(const char *text, struct nm_config *cfg)
{
    uint64_t half[2] = {0, 0};
    uint32_t n = 0;
    for (; *text != '\0'; text++) {
        static const char digits[] = "0123456789abcdef";
        const char *d = strchr(digits, *text | 0x20);
        if (*text == '-')
            continue;
        if (d == NULL || n == 32)
            return DFS_EINVAL;
        half[n / 16] = half[n / 16] << 4 | (uint64_t)(d - digits);
        n++;
    }
    cfg->cluster_hi = half[0];
    cfg->cluster_lo = half[1];
    return n == 32 && (half[0] | half[1]) != 0 ? 0 : DFS_EINVAL;
}

static int open_core(struct nm_server *s, const struct nm_options *o, char *why, size_t why_len)
{
    char join[NM_JOIN_MAX][HOST_ADDRESS_MAX];
    uint64_t random[5];
    struct nm_config cfg = {
        .address = s->advertised,
        .relaxed = o->relaxed,
        .heartbeat = o->heartbeat,
        .serve_lease = o->serve_lease,
        .down_after = o->down_after,
        .repair_grace = o->repair_grace,
        .grant_lifetime = o->grant_lifetime,
        .reader_grace = o->reader_grace,
        .session_ttl = o->session_ttl,
        .lock_ttl = o->lock_ttl,
        .snapshot_log_bytes = o->snapshot_log_bytes,
    };
    int err = want_init(s, o->init, &cfg.init, why, why_len);
    if (err)
        return err;
    if (o->join && (err = parse_join(o->join, &cfg, join)) != 0) {
        snprintf(why, why_len, "--join %s: not a list of HOST:PORT", o->join);
        return err;
    }
    if ((err = entropy_get(random, sizeof random)) != 0) {
        snprintf(why, why_len, "the system gives no random numbers");
        return err;
    }
    cfg.cluster_hi = random[0];
    cfg.cluster_lo = random[1];
    if (o->rebuild) {
        cfg.rebuild = true;
        if ((err = parse_cluster(o->rebuild, &cfg)) != 0) {
            snprintf(why, why_len,
                     "--rebuild %s: not the id of a cluster: 32 hexadecimal digits, as \"dfs-ss --dump DIR\" shows",
                     o->rebuild);
            return err;
        }
    }
    cfg.uuid_hi = random[2];
    cfg.uuid_lo = random[3];
    cfg.seed = random[4];
    return nm_open(&cfg, s->host.disks[0], now_sample(), &s->nm, why, why_len);
}

static int open_all(struct nm_server *s, const struct nm_options *o, char *why, size_t why_len)
{
    int err = host_add_disk(&s->host, o->data, why, why_len);
    if (err == 0)
        err = host_listen(&s->host, o->listen, why, why_len);
    if (err == 0 && (err = address_advertised(o->advertise, s->host.address, s->advertised, sizeof s->advertised)) != 0)
        snprintf(why, why_len, "%s is not an address to advertise", o->advertise);
    if (err == 0)
        err = open_core(s, o, why, why_len);
    return err;
}

int nm_server_start(uv_loop_t *loop, const struct nm_options *o, const struct logger *log,
                    void (*fatal)(void *arg, const char *why), void *fatal_arg, struct nm_server **out, char *why,
                    size_t why_len)
{
    struct nm_server *s = xcalloc(1, sizeof *s);
    struct host_owner owner = {after_turn, on_snapshot, on_fatal, on_closed, s};
    s->fatal = fatal;
    s->fatal_arg = fatal_arg;
    int err = host_init(&s->host, loop, log, &owner, ROLE_NAME, o->software, o->max_conns);
    if (err) {
        snprintf(why, why_len, "%s", dfs_strerror(err));
        free(s);
        return err;
    }
    snapshot_init(&s->snapshot, loop, log, write_snapshot, on_snapshot_done, s);
    err = open_all(s, o, why, why_len);
    if (err) {
        host_close(&s->host);
        return err;
    }
    learn_ids(s);
    log_info(log, "nm.started", "listen=%s advertise=%s data=\"%s\" id=%u cluster=%016" PRIx64 "%016" PRIx64,
             s->host.address, s->advertised, o->data, nm_id(s->nm), s->host.self.cluster_hi, s->host.self.cluster_lo);
    host_run(&s->host, &nm_core, s->nm);
    *out = s;
    return 0;
}

void nm_server_stop(struct nm_server *s, uint64_t grace, void (*done)(void *arg), void *arg)
{
    s->done = done;
    s->done_arg = arg;
    host_stop(&s->host, grace);
}

const char *nm_server_address(const struct nm_server *s)
{
    return s->host.address;
}

struct host *nm_server_host(struct nm_server *s)
{
    return &s->host;
}

bool nm_server_serving(const struct nm_server *s)
{
    return s->serving;
}
