/* SPDX-License-Identifier: MIT */
#include "host/ss_server.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/rand.h"

struct ss_server {
    struct host host;
    struct ss *ss;
    char advertised[HOST_ADDRESS_MAX];
    char *domain, *nameservers[SS_MAX_NAMESERVERS];
    bool registered;
    void (*fatal)(void *arg, const char *why);
    void *fatal_arg;
    void (*done)(void *arg);
    void *done_arg;
};

static void core_event(void *core, const struct event *ev, struct effects *fx)
{
    ss_event(core, ev, fx);
}

static void core_turn(void *core, struct now now, struct effects *fx)
{
    ss_turn(core, now, fx);
}

static uint64_t core_deadline(void *core)
{
    return ss_deadline(core);
}

static const struct core_ops ss_core = {core_event, core_turn, core_deadline};

static void learn_ids(struct ss_server *s)
{
    ss_cluster(s->ss, &s->host.self.cluster_hi, &s->host.self.cluster_lo);
    s->host.self.node = ss_id(s->ss);
}

static void after_turn(void *arg)
{
    struct ss_server *s = arg;
    learn_ids(s);
    s->registered = ss_registered(s->ss);
}

static void on_snapshot(void *arg, uint64_t token)
{
    struct ss_server *s = arg;
    host_snapshot_done(&s->host, token, DFS_ENOTSUP); /* a StorageServer has none */
}

static void on_fatal(void *arg, const char *why)
{
    struct ss_server *s = arg;
    s->fatal(s->fatal_arg, why);
}

static void on_closed(void *arg)
{
    struct ss_server *s = arg;
    void (*done)(void *) = s->done;
    void *done_arg = s->done_arg;
    if (s->ss)
        ss_close(s->ss);
    for (uint32_t i = 0; i < SS_MAX_NAMESERVERS; i++)
        free(s->nameservers[i]);
    free(s->domain);
    free(s);
    if (done)
        done(done_arg);
}

static int open_core(struct ss_server *s, const struct ss_options *o, char *why, size_t why_len)
{
    uint64_t random[4];
    struct ss_config cfg = {
        .address = s->advertised,
        .domain = s->domain,
        .n_nameservers = o->n_nameservers,
        .relaxed = o->relaxed,
        .segment_size = o->segment_size,
        .repair_rate = o->repair_rate,
    };
    int err = entropy_get(random, sizeof random);
    if (err) {
        snprintf(why, why_len, "the system gives no random numbers");
        return err;
    }
    for (uint32_t i = 0; i < o->n_nameservers; i++)
        cfg.nameservers[i] = s->nameservers[i];
    cfg.uuid_hi = random[0];
    cfg.uuid_lo = random[1];
    cfg.incarnation = random[2];
    cfg.seed = random[3];
    return ss_open(&cfg, s->host.disks, s->host.n_disks, now_sample(), &s->ss, why, why_len);
}

static int open_all(struct ss_server *s, const struct ss_options *o, char *why, size_t why_len)
{
    int err = 0;
    for (uint32_t i = 0; i < o->n_data && err == 0; i++)
        err = host_add_disk(&s->host, o->data[i], why, why_len);
    for (uint32_t i = 0; i < s->host.n_disks; i++)
        uv_disk_share(s->host.disks[i], SS_DISK_THREADS);
    if (err == 0)
        err = host_listen(&s->host, o->listen, why, why_len);
    if (err == 0 && (err = address_advertised(o->advertise, s->host.address, s->advertised, sizeof s->advertised)) != 0)
        snprintf(why, why_len, "%s is not an address to advertise", o->advertise);
    if (err == 0)
        err = open_core(s, o, why, why_len);
    return err;
}

int ss_server_start(uv_loop_t *loop, const struct ss_options *o, const struct logger *log,
                    void (*fatal)(void *arg, const char *why), void *fatal_arg, struct ss_server **out, char *why,
                    size_t why_len)
{
    struct ss_server *s = xcalloc(1, sizeof *s);
    struct host_owner owner = {after_turn, on_snapshot, on_fatal, on_closed, s};
    s->fatal = fatal;
    s->fatal_arg = fatal_arg;
    int err = host_init(&s->host, loop, log, &owner, ROLE_STORAGE, o->software, o->max_conns);
    if (err) {
        snprintf(why, why_len, "%s", dfs_strerror(err));
        free(s);
        return err;
    }
    s->domain = xstrdup(o->domain ? o->domain : "");
    for (uint32_t i = 0; i < o->n_nameservers; i++)
        s->nameservers[i] = xstrdup(o->nameservers[i]);
    err = open_all(s, o, why, why_len);
    if (err) {
        host_close(&s->host);
        return err;
    }
    learn_ids(s);
    log_info(log, "ss.started", "listen=%s advertise=%s folders=%u nameservers=%u", s->host.address, s->advertised,
             s->host.n_disks, o->n_nameservers);
    host_run(&s->host, &ss_core, s->ss);
    *out = s;
    return 0;
}

void ss_server_stop(struct ss_server *s, uint64_t grace, void (*done)(void *arg), void *arg)
{
    s->done = done;
    s->done_arg = arg;
    host_stop(&s->host, grace);
}

const char *ss_server_address(const struct ss_server *s)
{
    return s->host.address;
}

struct host *ss_server_host(struct ss_server *s)
{
    return &s->host;
}

bool ss_server_registered(const struct ss_server *s)
{
    return s->registered;
}
