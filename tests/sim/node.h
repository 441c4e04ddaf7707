/* SPDX-License-Identifier: MIT */
/* A process of the simulated cluster: hosts one real core, as lib/host does, on virtual time, network and disks. It can be
 * killed, lose power, start again on the same disks, and be stopped for a while. */
#ifndef DFS_SIM_NODE_H
#define DFS_SIM_NODE_H

#include "client/client.h"
#include "group/nm.h"
#include "sim/net.h"
#include "sim/swarm.h"
#include "store/ss.h"

enum node_kind { NODE_NM, NODE_SS, NODE_CLIENT };

#define NODE_DISKS 2
#define NODE_DISK_BYTES (512 * MIB)
/* The NameServers, the StorageServers, then the clients: as many as the seed draws. */
#define CLUSTER_NODES (CLUSTER_NAMES + CLUSTER_SERVERS + CLUSTER_CLIENTS)

struct node {
    struct cluster *cluster;
    enum node_kind kind;
    char name[8], address[32];
    struct disk *disks[NODE_DISKS];
    struct disk *backup[NODE_DISKS]; /* NULL: there is none (loss.c) */
    uint32_t n_disks;
    struct nm *nm; /* one of the three, while it is up */
    struct ss *ss;
    struct client *client;
    struct link_self self;
    struct conn_list conns; /* those with an end here */
    struct effects fx;
    bool up, turn_planned, dying;
    bool initialised; /* NODE_NM: --init or --join was done */
    bool disk_faulty; /* a disk call fails, or will: the process may give up */
    uint64_t life;    /* counts starts and ends: what was planned for an earlier life is stale */
    uint64_t paused_until, armed;
    uint64_t full_until; /* its disks take nothing more */
    int64_t wall_skew;
};

struct cluster {
    struct sim *sim;
    struct swarm swarm;
    struct net net;
    struct node nodes[CLUSTER_NODES];
    uint32_t n_nodes, n_names, n_servers;
    uint64_t blocked[CLUSTER_NODES][CLUSTER_NODES]; /* from, to: nothing arrives before then */
    uint64_t next_uuid;
    bool quiet;                        /* no more faults */
    uint64_t strikes;                  /* faults so far */
    struct {
        uint32_t state, server, at; /* the server's id, and which of the nodes it is */
        uint64_t unsure_until;
        bool closed;
    } admin; /* admin.c */
    uint64_t lost_at;                  /* the last loss for good */
    struct node *rotten;               /* on whose disks a bit may be wrong, in these segments */
    uint64_t flipped[64];
    uint32_t n_flipped;
    bool looked;                       /* after that: what waited for others was given up */
    uint32_t crashes, cuts, snapshots, removed, leaders; /* for the summary */
    const struct node *last_leader;
    uint64_t compared; /* the states that were, the last time */
    bool latecomer; /* the last NameServer has not been started yet */
};

void cluster_init(struct cluster *c, struct sim *sim, enum sabotage sabotage, const struct trim *trim);
void cluster_close(struct cluster *c);
/* The NameServer that leads; the first one if none does. */
struct node *cluster_nm(struct cluster *c);
/* The first so many nodes are servers. */
static inline uint32_t cluster_no_clients(const struct cluster *c) { return c->n_names + c->n_servers; }
static inline struct node *cluster_ss(struct cluster *c, uint32_t i) { return &c->nodes[c->n_names + i]; }
/* The StorageServer that has this id now; n_servers: it was lost, or is down. */
uint32_t cluster_server(struct cluster *c, uint32_t id);
static inline struct node *cluster_client(struct cluster *c, uint32_t i) { return &c->nodes[cluster_no_clients(c) + i]; }
/* At most one NameServer may lead at any instant; two of the same log index must hold the same. */
void cluster_check_leader(struct cluster *c);
void cluster_check_states(struct cluster *c);
/* Whether a NameServer serves, all are up and members, and every StorageServer is registered. */
bool cluster_whole(struct cluster *c);

/* Starts the core; a core that refuses its own disks fails the run. */
void node_start(struct node *n);
/* Ends the process: power also costs what its disks had not flushed. It starts again after `downtime` (0: at once). */
void node_crash(struct node *n, bool power, uint64_t downtime);
void node_wipe(struct disk *d); /* of all segments */
void node_pause(struct node *n, uint64_t ns);
/* Its disks have no space left for so long; 0: they have again. */
void node_fill(struct node *n, uint64_t ns);
void node_set_clock(struct node *n); /* to another time of day */
/* While the node is paused, plans fn again for when it goes on, and returns true. */
bool node_defer(struct node *n, sim_fn fn, void *arg, uint64_t a, uint64_t b);

void node_event(struct node *n, const struct event *ev);
/* Something happened: a turn of its loop ends soon. */
void node_touch(struct node *n);
struct now node_now(const struct node *n);

#endif
