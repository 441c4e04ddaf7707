/* SPDX-License-Identifier: MIT */
/* dfs up DIR: a whole cluster in one process, in the foreground. */
#include <stdio.h>

#include "host/daemon.h"
#include "host/up.h"
#include "up.h"

#define POOL_THREADS 16u
#define READY_POLL_MS 20u

static const char usage[] =
    "Usage: dfs up DIR [OPTION...]\n"
    "A whole cluster on this machine, in one process: a NameServer and StorageServers, with their data in DIR.\n"
    "\n"
    "  dfs up /tmp/try                   then, in another terminal: DFS_NM=127.0.0.1:4610 dfs put FILE /\n"
    "  dfs up /tmp/try --listen 7000     the NameServer at port 7000, StorageServers at 7010, 7011, ...\n";

struct verb {
    struct daemon d;
    struct up *up;
    uv_timer_t ready;
};

static void on_ready_poll(uv_timer_t *timer)
{
    struct verb *v = timer->data;
    if (!up_ready(v->up))
        return;
    printf("A cluster of one NameServer and %u StorageServers is up. In another terminal:\n"
           "  export DFS_NM=%s\n"
           "  dfs put FILE /\n"
           "  dfs status\n"
           "Ctrl-C stops it; the data stays, and the same command goes on with it.\n",
           up_servers(v->up), up_address(v->up));
    fflush(stdout);
    uv_close((uv_handle_t *)timer, NULL);
}

static void stop(void *arg, struct daemon *d)
{
    struct verb *v = arg;
    if (!uv_is_closing((uv_handle_t *)&v->ready))
        uv_close((uv_handle_t *)&v->ready, NULL);
    up_stop(v->up, DAEMON_GRACE, daemon_stopped, d);
}

int verb_up(int argc, char **argv)
{
    struct daemon_flags common = {.log_level = "warn"};
    uint64_t servers = 0, base = 4610;
    const char *dir;
    const struct flag table[] = {
        {"servers", 0, FLAG_U64, &servers, "N", "StorageServers to run", "3, or as many as DIR has"},
        {"listen", 'l', FLAG_U64, &base, "PORT", "the NameServer's port; 0 takes free ones", "4610"},
        {"port-file", 0, FLAG_STRING, &common.port_file, "FILE", "write the NameServer's address to FILE", NULL},
        {"log-level", 0, FLAG_STRING, &common.log_level, "LEVEL", "debug, info, warn or error", "warn"},
        {"log-json", 0, FLAG_SWITCH, &common.log_json, NULL, "write the log as JSON", NULL},
        {"help", 'h', FLAG_SWITCH, &common.help, NULL, "show this", NULL},
        {0},
    };
    struct verb v;
    char why[1024], name[] = "dfs up";
    argv[0] = name;
    int status = daemon_parse(table, &common, argc, argv, usage, DFS_VERSION, &dir, 1);
    if (status >= 0)
        return status;
    if (base > 65535 - 100 || servers > UP_MAX_SERVERS) {
        fprintf(stderr, "dfs: up: --listen takes a port, --servers at most %u\n", UP_MAX_SERVERS);
        return 2;
    }
    if ((status = daemon_init(&v.d, "dfs: up", &common, POOL_THREADS)) != 0)
        return status;
    v.d.log.who = "up";
    struct up_options o = {.dir = dir,
                           .software = "dfs " DFS_VERSION,
                           .servers = (uint32_t)servers,
                           .base_port = (uint32_t)base,
                           .max_conns = v.d.max_conns};
    if (up_start(&v.d.loop, &o, &v.d.log, daemon_fatal, &v.d, &v.up, why, sizeof why) != 0)
        return daemon_give_up(&v.d, why);
    daemon_write_port(&v.d, &common, up_address(v.up));
    uv_timer_init(&v.d.loop, &v.ready);
    v.ready.data = &v;
    uv_timer_start(&v.ready, on_ready_poll, 0, READY_POLL_MS);
    return daemon_run(&v.d, 1, stop, &v);
}
