/* SPDX-License-Identifier: MIT */
/* dfs-ss: a StorageServer. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/stdfds.h"
#include "host/daemon.h"
#include "host/ss_server.h"
#include "host/ss_tool.h"

#define POOL_THREADS_MIN 8u
#define KEPT_MEMORY (8 << 20)

static const char usage[] =
    "Usage: dfs-ss --data DIR [--data DIR...] --nm HOST:PORT[,HOST:PORT...] [OPTION...]\n"
    "A StorageServer of a DFS cluster: keeps chunks of files, one data folder for each disk.\n"
    "\n"
    "With --check, --dump or --rebuild-index it looks at a folder no server uses, and ends: 0 all well, 1 damage or\n"
    "an error, 2 usage.\n"
    "\n"
    "  dfs-ss --data /srv/disk1 --data /srv/disk2 --nm 10.0.0.1:4610 --listen 10.0.0.7:4620 --insecure\n";

struct options {
    struct daemon_flags common;
    struct ss_options ss;
    const char *check, *dump, *rebuild;
    bool json;
    struct flag_list data, nm;
    char addresses[SS_MAX_NAMESERVERS][HOST_ADDRESS_MAX];
    char listen[HOST_ADDRESS_MAX];
};

/* Each --nm may hold several, separated by commas. */
static int take_nameservers(struct options *o)
{
    for (size_t i = 0; i < o->nm.n; i++) {
        char *copy = xstrdup(o->nm.v[i]), *rest = copy, *one;
        int err = 0;
        while (err == 0 && (one = strsep(&rest, ",")) != NULL) {
            uint32_t n = o->ss.n_nameservers;
            err = n == SS_MAX_NAMESERVERS ? DFS_ETOOBIG
                                          : parse_address(one, 4610, o->addresses[n], sizeof o->addresses[n]);
            if (err == 0) {
                o->ss.nameservers[n] = o->addresses[n];
                o->ss.n_nameservers++;
            } else if (err == DFS_ETOOBIG) {
                fprintf(stderr, "dfs-ss: --nm: at most %u NameServers\n", SS_MAX_NAMESERVERS);
            } else {
                fprintf(stderr, "dfs-ss: --nm %s: not HOST:PORT\n", o->nm.v[i]);
            }
        }
        free(copy);
        if (err)
            return err;
    }
    return 0;
}

static int check(struct options *o)
{
    const char *folder = o->check ? o->check : o->dump ? o->dump : o->rebuild;
    if (folder)
        return ss_tool(o->check ? 'c' : o->dump ? 'd' : 'r', folder, o->json);
    if (o->data.n == 0 || o->nm.n == 0) {
        fprintf(stderr, "dfs-ss: %s is missing; see dfs-ss --help\n", o->data.n == 0 ? "--data DIR" : "--nm HOST:PORT");
        return 2;
    }
    if (o->data.n > SS_MAX_DISKS) {
        fprintf(stderr, "dfs-ss: at most %u data folders\n", SS_MAX_DISKS);
        return 2;
    }
    for (size_t i = 0; i < o->data.n; i++)
        o->ss.data[o->ss.n_data++] = o->data.v[i];
    o->ss.relaxed = o->common.relaxed;
    if (parse_address(o->ss.listen, 4620, o->listen, sizeof o->listen) != 0) {
        fprintf(stderr, "dfs-ss: --listen %s: not HOST:PORT\n", o->ss.listen);
        return 2;
    }
    o->ss.listen = o->listen;
    return take_nameservers(o) == 0 ? -1 : 2;
}

static int parse(struct options *o, int argc, char **argv)
{
    struct ss_options *ss = &o->ss;
    const struct flag table[] = {
        {"data", 'd', FLAG_LIST, &o->data, "DIR", "a data folder; once for each disk", NULL},
        {"nm", 0, FLAG_LIST, &o->nm, "HOST:PORT", "the NameServers, separated by commas", NULL},
        {"listen", 'l', FLAG_STRING, &ss->listen, "HOST:PORT", "where to listen; port 0 takes a free one",
         "127.0.0.1:4620"},
        {"advertise", 0, FLAG_STRING, &ss->advertise, "HOST:PORT", "the address others reach this server at",
         "as --listen"},
        {"domain", 0, FLAG_STRING, &ss->domain, "NAME", "failure domain, such as rack1/host3", NULL},
        {"segment-size", 0, FLAG_SIZE, &ss->segment_size, "SIZE", "bytes in a segment file", "64m"},
        {"repair-rate", 0, FLAG_SIZE, &ss->repair_rate, "SIZE",
         "bytes a second copied from other servers, by repair or to balance, while clients use them or this one", "32m"},
        {"check", 0, FLAG_STRING, &o->check, "DIR", "read and verify all of a data folder; change nothing", NULL},
        {"dump", 0, FLAG_STRING, &o->dump, "DIR", "print the segments and records of a data folder", NULL},
        {"rebuild-index", 0, FLAG_STRING, &o->rebuild, "DIR", "write the summaries of a data folder's segments anew",
         NULL},
        {"json", 'j', FLAG_SWITCH, &o->json, NULL, "--check and --dump print JSON", NULL},
        DAEMON_FLAGS(o->common),
        {0},
    };
    int status = daemon_parse(table, &o->common, argc, argv, usage, DFS_VERSION, NULL, 0);
    return status >= 0 ? status : check(o);
}

static void stop(void *arg, struct daemon *d) { ss_server_stop(arg, DAEMON_GRACE, daemon_stopped, d); }

int main(int argc, char **argv)
{
    struct options o = {.ss = {.listen = "127.0.0.1:4620", .software = "dfs " DFS_VERSION}};
    char why[1024];
    struct daemon d;
    struct ss_server *server;
    stdfds_fill();
    int status = parse(&o, argc, argv);
    if (status >= 0)
        return daemon_end(&o.common, status);
    unsigned pool = max_u64(POOL_THREADS_MIN, (uint64_t)o.ss.n_data * SS_DISK_THREADS);
    if ((status = daemon_check_listen(&o.common, "dfs-ss", o.listen, o.ss.advertise)) != 0 ||
        (status = daemon_init(&d, "dfs-ss", &o.common, pool)) != 0)
        return daemon_end(&o.common, status);
    d.log.who = "ss";
    /* Buffers of a megabyte come and go with every frame: some are kept, not given back and faulted in again. */
    mallopt(M_MMAP_THRESHOLD, KEPT_MEMORY);
    mallopt(M_TRIM_THRESHOLD, KEPT_MEMORY);
    o.ss.max_conns = d.max_conns;
    if (o.common.insecure)
        log_warn(&d.log, "ss.insecure", "reason=\"--insecure: whoever reaches this port may read and write\"");
    if (ss_server_start(&d.loop, &o.ss, &d.log, daemon_fatal, &d, &server, why, sizeof why) != 0)
        return daemon_give_up(&d, why);
    daemon_write_port(&d, &o.common, ss_server_address(server));
    return daemon_run(&d, 1, stop, server);
}
