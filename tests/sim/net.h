/* SPDX-License-Identifier: MIT */
/* The simulated network: connections between nodes, each a real link (wire/link.h) at both ends and a pipe of bytes each
 * way. Bytes arrive late and in arbitrary pieces; connections are cut, stall in one direction, or change a byte. */
#ifndef DFS_SIM_NET_H
#define DFS_SIM_NET_H

#include "sim/sim.h"
#include "wire/link.h"

struct node;
struct cluster;

struct conn_end {
    struct node *node;
    struct link *link; /* NULL: closed at this end */
    uint8_t *in;       /* bytes on their way to this end */
    uint32_t in_len, in_cap;
    uint64_t stalled_until;
    bool planned; /* a delivery is */
};

struct conn {
    uint64_t id;
    struct conn_end end[2]; /* the caller's, the accepter's */
    bool connected;
    bool altered; /* a byte was changed: the ends may well complain */
};

struct conn_list { /* the oldest first */
    struct conn **v;
    uint32_t n, cap;
};

struct net {
    struct cluster *cluster;
    struct conn_list all; /* those with a link at either end */
    uint64_t next_id;
    uint32_t alter_at_least; /* the next delivery of so many bytes has one changed; 0: none has */
    uint32_t altered;
    struct arena arena;
};

void net_init(struct net *net, struct cluster *c);
void net_close(struct net *net);

/* Carry out a node's effects; references move. */
void net_call(struct net *net, struct node *from, struct effect *e);
void net_reply(struct net *net, struct node *from, struct effect *e);
/* Puts what a turn queued on the way. */
void net_flush(struct net *net, struct node *n);
/* Ends calls of n whose deadline has passed. */
void net_expire(struct net *net, struct node *n);
uint64_t net_deadline(const struct node *n);
/* The node's process ended; peers learn of it within `notice` ns. */
void net_forget(struct net *net, struct node *n, uint64_t notice);

/* Faults, on one connection drawn at random; false: there is none. */
bool net_cut(struct net *net);
bool net_stall(struct net *net, uint64_t ns);
/* Changes one bit of the next delivery that is not too small. */
void net_alter(struct net *net);

#endif
