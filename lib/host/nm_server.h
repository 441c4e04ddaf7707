/* SPDX-License-Identifier: MIT */
/* A NameServer: the core of lib/group on the real loop. */
#ifndef DFS_HOST_NM_SERVER_H
#define DFS_HOST_NM_SERVER_H

#include "group/nm.h"
#include "host/host.h"

enum init_mode { INIT_NO, INIT_YES, INIT_IF_EMPTY };

/* Strings are borrowed until the return, software until the end. */
struct nm_options {
    const char *data, *listen, *advertise; /* advertise: NULL for the bound address */
    const char *software;
    enum init_mode init;
    const char *rebuild; /* with INIT_YES: the id of the cluster whose NameServers are lost; NULL: a new cluster */
    const char *join; /* "HOST:PORT[,…]": join their cluster; NULL: do not */
    uint32_t max_conns;
    bool relaxed;
    uint64_t heartbeat, serve_lease, down_after, repair_grace, grant_lifetime, reader_grace, session_ttl, lock_ttl,
        snapshot_log_bytes;
};

struct nm_server;

/* Opens everything and begins to serve with the loop's next turn. fatal is called if the process must end (A2).
 * On error why is a sentence, and the loop has to run once more to its end, to close what was opened. */
int nm_server_start(uv_loop_t *loop, const struct nm_options *o, const struct logger *log,
                    void (*fatal)(void *arg, const char *why), void *fatal_arg, struct nm_server **out, char *why,
                    size_t why_len) MUST_USE;
/* Answers what is under way for at most grace ns, closes and frees; done may be NULL. */
void nm_server_stop(struct nm_server *s, uint64_t grace, void (*done)(void *arg), void *arg);

const char *nm_server_address(const struct nm_server *s); /* bound */
struct host *nm_server_host(struct nm_server *s);
bool nm_server_serving(const struct nm_server *s);

#endif
