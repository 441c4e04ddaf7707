/* SPDX-License-Identifier: MIT */
#include "host/up.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "host/nm_server.h"
#include "host/ss_server.h"

#define UP_SERVERS_DEFAULT 3u
#define UP_FIRST_SS_PORT 10u /* behind the base port: 4610 gives 4620 */

struct up {
    struct nm_server *nm;
    struct ss_server *ss[UP_MAX_SERVERS];
    struct logger nm_log, ss_log[UP_MAX_SERVERS];
    char names[UP_MAX_SERVERS][16];
    uint32_t n_ss, running;
    uint64_t grace;
    void (*done)(void *arg);
    void *done_arg;
};

static uint32_t count_folders(const char *dir)
{
    char path[4096];
    struct stat st;
    uint32_t n = 0;
    while (n < UP_MAX_SERVERS) {
        snprintf(path, sizeof path, "%s/ss%u", dir, n + 1);
        if (stat(path, &st) != 0)
            break;
        n++;
    }
    return n;
}

static int start_nm(struct up *u, uv_loop_t *loop, const struct up_options *o, void (*fatal)(void *arg, const char *why),
                    void *fatal_arg, char *why, size_t why_len)
{
    char data[4096], listen[64];
    snprintf(data, sizeof data, "%s/nm", o->dir);
    snprintf(listen, sizeof listen, "127.0.0.1:%u", o->base_port);
    struct nm_options nm = {
        .data = data, .listen = listen, .software = o->software, .init = INIT_IF_EMPTY, .max_conns = o->max_conns};
    return nm_server_start(loop, &nm, &u->nm_log, fatal, fatal_arg, &u->nm, why, why_len);
}

static int start_ss(struct up *u, uint32_t i, uv_loop_t *loop, const struct up_options *o,
                    void (*fatal)(void *arg, const char *why), void *fatal_arg, char *why, size_t why_len)
{
    char data[4096], listen[64];
    snprintf(data, sizeof data, "%s/ss%u", o->dir, i + 1);
    snprintf(listen, sizeof listen, "127.0.0.1:%u", o->base_port ? o->base_port + UP_FIRST_SS_PORT + i : 0);
    struct ss_options ss = {.data = {data},
                            .n_data = 1,
                            .nameservers = {nm_server_address(u->nm)},
                            .n_nameservers = 1,
                            .listen = listen,
                            .software = o->software,
                            .max_conns = o->max_conns};
    return ss_server_start(loop, &ss, &u->ss_log[i], fatal, fatal_arg, &u->ss[i], why, why_len);
}

int up_start(uv_loop_t *loop, const struct up_options *o, const struct logger *log,
             void (*fatal)(void *arg, const char *why), void *fatal_arg, struct up **out, char *why, size_t why_len)
{
    uint32_t found = count_folders(o->dir);
    uint32_t want = o->servers ? o->servers : found ? found : UP_SERVERS_DEFAULT;
    if (want > UP_MAX_SERVERS) {
        snprintf(why, why_len, "at most %u StorageServers", UP_MAX_SERVERS);
        return DFS_EINVAL;
    }
    struct up *u = xcalloc(1, sizeof *u);
    u->nm_log = *log;
    u->nm_log.who = "nm";
    int err = start_nm(u, loop, o, fatal, fatal_arg, why, why_len);
    for (uint32_t i = 0; i < want && err == 0; i++) {
        snprintf(u->names[i], sizeof u->names[i], "ss%u", i + 1);
        u->ss_log[i] = *log;
        u->ss_log[i].who = u->names[i];
        err = start_ss(u, i, loop, o, fatal, fatal_arg, why, why_len);
        if (err == 0)
            u->n_ss++;
    }
    if (err) {
        up_stop(u, 0, NULL, NULL);
        return err;
    }
    *out = u;
    return 0;
}

const char *up_address(const struct up *u)
{
    return nm_server_address(u->nm);
}

uint32_t up_servers(const struct up *u)
{
    return u->n_ss;
}

bool up_ready(const struct up *u)
{
    for (uint32_t i = 0; i < u->n_ss; i++)
        if (!ss_server_registered(u->ss[i]))
            return false;
    return nm_server_serving(u->nm);
}

static void on_stopped(void *arg)
{
    struct up *u = arg;
    void (*done)(void *) = u->done;
    void *done_arg = u->done_arg;
    if (--u->running > 0)
        return;
    free(u);
    if (done)
        done(done_arg);
}

void up_stop(struct up *u, uint64_t grace, void (*done)(void *arg), void *arg)
{
    u->done = done;
    u->done_arg = arg;
    u->running = u->n_ss + 1;
    for (uint32_t i = 0; i < u->n_ss; i++)
        ss_server_stop(u->ss[i], grace, on_stopped, u);
    if (u->nm)
        nm_server_stop(u->nm, grace, on_stopped, u);
    else
        on_stopped(u);
}
