/* SPDX-License-Identifier: MIT */
/* dfs-nm: the NameServer. */
#include <stdio.h>

#include "base/stdfds.h"
#include "host/daemon.h"
#include "host/nm_server.h"

#define POOL_THREADS 8u

static const char usage[] =
    "Usage: dfs-nm --data DIR [--init | --join HOST:PORT[,...]] [OPTION...]\n"
    "The NameServer of a DFS cluster: the namespace, and which chunk is on which StorageServer.\n"
    "\n"
    "  dfs-nm --data /var/lib/dfs/nm --init              a new cluster in an empty folder\n"
    "  dfs-nm --data /var/lib/dfs/nm --join nm1:4610     one more NameServer for it, likewise\n"
    "  dfs-nm --data /var/lib/dfs/nm                     every later start\n";

struct options {
    struct daemon_flags common;
    struct nm_options nm;
    bool init;
};

static int parse(struct options *o, int argc, char **argv)
{
    struct nm_options *nm = &o->nm;
    const struct flag table[] = {
        {"data", 'd', FLAG_STRING, &nm->data, "DIR", "the data folder", NULL},
        {"init", 0, FLAG_SWITCH, &o->init, NULL, "make a new cluster in an empty data folder", NULL},
        {"rebuild", 0, FLAG_STRING, &nm->rebuild, "CLUSTER",
         "with --init: take the place of this cluster's NameServers, whose data is lost and of which there is no "
         "backup; its "
         "names are not known any more (see dfs nm --help)",
         NULL},
        {"join", 0, FLAG_STRING, &nm->join, "HOST:PORT[,...]",
         "join the cluster of these NameServers, with an empty data folder", NULL},
        {"listen", 'l', FLAG_STRING, &nm->listen, "HOST:PORT", "where to listen; port 0 takes a free one",
         "127.0.0.1:4610"},
        {"advertise", 0, FLAG_STRING, &nm->advertise, "HOST:PORT", "the address others reach this server at",
         "as --listen"},
        {"heartbeat", 0, FLAG_DURATION, &nm->heartbeat, "TIME", "how often StorageServers report", "250ms"},
        {"serve-lease", 0, FLAG_DURATION, &nm->serve_lease, "TIME", "how long one may serve without a heartbeat", "2s"},
        {"down-after", 0, FLAG_DURATION, &nm->down_after, "TIME", "when a silent StorageServer counts as down",
         "2500ms"},
        {"grant-lifetime", 0, FLAG_DURATION, &nm->grant_lifetime, "TIME", "when an unpublished chunk is given up",
         "1m"},
        {"repair-grace", 0, FLAG_DURATION, &nm->repair_grace, "TIME",
         "how long a StorageServer may be gone before its copies are made elsewhere", "1m"},
        {"reader-grace", 0, FLAG_DURATION, &nm->reader_grace, "TIME", "how long replaced chunks live on", "10m"},
        {"session-ttl", 0, FLAG_DURATION, &nm->session_ttl, "TIME", "when an idle session is forgotten", "10m"},
        {"lock-ttl", 0, FLAG_DURATION, &nm->lock_ttl, "TIME",
         "when a client that is not heard of loses its locks, and what it had open with them", "30s"},
        {"snapshot-log-size", 0, FLAG_SIZE, &nm->snapshot_log_bytes, "SIZE",
         "log written between two snapshots; never less than a quarter of the last one", "64m"},
        DAEMON_FLAGS(o->common),
        {0},
    };
    int status = daemon_parse(table, &o->common, argc, argv, usage, DFS_VERSION, NULL, 0);
    if (status >= 0)
        return status;
    if (!nm->data) {
        fprintf(stderr, "dfs-nm: --data DIR is missing; see dfs-nm --help\n");
        return 2;
    }
    if (o->init && nm->join) {
        fprintf(stderr, "dfs-nm: --init makes a new cluster, --join enters one: give one of them\n");
        return 2;
    }
    if (nm->rebuild && !o->init) {
        fprintf(stderr, "dfs-nm: --rebuild makes a new folder: it goes with --init and an empty one\n");
        return 2;
    }
    nm->relaxed = o->common.relaxed;
    nm->init = o->init ? INIT_YES : INIT_NO;
    return -1;
}

static void stop(void *arg, struct daemon *d) { nm_server_stop(arg, DAEMON_GRACE, daemon_stopped, d); }

int main(int argc, char **argv)
{
    struct options o = {.nm = {.listen = "127.0.0.1:4610", .software = "dfs " DFS_VERSION}};
    char why[1024], listen[HOST_ADDRESS_MAX];
    struct daemon d;
    struct nm_server *server;
    stdfds_fill();
    int status = parse(&o, argc, argv);
    if (status >= 0)
        return daemon_end(&o.common, status);
    if (parse_address(o.nm.listen, 4610, listen, sizeof listen) != 0) {
        fprintf(stderr, "dfs-nm: --listen %s: not HOST:PORT\n", o.nm.listen);
        return daemon_end(&o.common, 2);
    }
    o.nm.listen = listen;
    if ((status = daemon_check_listen(&o.common, "dfs-nm", listen, o.nm.advertise)) != 0 ||
        (status = daemon_init(&d, "dfs-nm", &o.common, POOL_THREADS)) != 0)
        return daemon_end(&o.common, status);
    d.log.who = "nm";
    o.nm.max_conns = d.max_conns;
    if (o.common.insecure)
        log_warn(&d.log, "nm.insecure", "reason=\"--insecure: whoever reaches this port may read and write\"");
    if (nm_server_start(&d.loop, &o.nm, &d.log, daemon_fatal, &d, &server, why, sizeof why) != 0)
        return daemon_give_up(&d, why);
    daemon_write_port(&d, &o.common, nm_server_address(server));
    return daemon_run(&d, 1, stop, server);
}
