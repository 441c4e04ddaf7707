/* SPDX-License-Identifier: MIT */
/* What the parts of the network share: net.c (the object), conn.c (one connection), listen.c (accepting), dial.c
 * (finding and making connections to addresses), wheel.c (deadlines).
 *
 *             accept                                 link fails, or either side closes
 *   (none) ------------> open ---------------------------------------------------------> ending ----> freed
 *   (none) --> resolving --> connecting --> open                                           ^ uv_close at once; the link's
 *                  +------------+----------------------------------------------------------+ last replies, then the end
 *
 * Events reach the host only from the loop's callbacks, never from inside net_call, net_reply or net_flush: a connection
 * that fails there is put on the `later` list and drained from an idle callback. */
#ifndef DFS_UV_NET_IMPL_H
#define DFS_UV_NET_IMPL_H

#include "base/hash.h"
#include "uv/net.h"

#define NET_PEER_MAX 64u       /* "[v6]:port" or the called address, cut */
#define NET_SLICES 64u         /* slices given to one write */
/* Bytes read from one connection before others, and the disks, get their turn. */
#define NET_BURST (2u * 1024 * 1024)
#define NET_IDLE_DEFAULT (600 * NS_PER_SEC)
#define NET_CONNS_DEFAULT 10000u
#define NET_ACCEPT_BATCH 64u
#define NET_ACCEPT_PAUSE_MS 200u
#define NET_LOG_LINES 20u      /* lines about broken connections per second; the rest are counted */
#define NET_CALLS_PER_ADDR_MAX 16u
#define NET_UNREACHABLE 16u
#define NET_UNREACHABLE_AGAIN (60 * NS_PER_SEC)
#define WHEEL_SLOTS 256u
#define WHEEL_TICK (20 * NS_PER_MS)

struct dial;

struct conn {
    uv_tcp_t tcp;
    uv_write_t write;
    struct net *net;
    struct link *link;
    struct remote *remote; /* whom it calls; NULL: accepted, or its place there was given up */
    struct dial *dial;     /* resolving or connecting */
    struct list all, dirty, later, timer;
    uint64_t id;
    uint64_t tick;         /* of the wheel; 0: not on it */
    uint64_t active;       /* mono ns of the last bytes in either direction */
    uint64_t bytes_in;
    uint64_t write_len;
    uint64_t burst;        /* bytes read since reading was last begun */
    bool accepter, open, reading, writing, closing, closed, drained, pumping;
    char peer[NET_PEER_MAX];
};

/* A called address and its connections. */
struct remote {
    UT_hash_handle hh;
    struct conn *conns[NET_CALLS_PER_ADDR_MAX];
    uint32_t next, n_conns;
    char addr[]; /* the key */
};

struct slot {
    struct conn *conn;
    uint32_t generation, next_free;
};

struct wheel {
    struct list slots[WHEEL_SLOTS];
    uint64_t done;  /* ticks up to this one were handled */
    uint64_t armed; /* tick the timer waits for; 0: not armed */
};

struct listener {
    uv_poll_t poll;
    uv_timer_t pause;
    int fd; /* -1: not listening */
};

struct log_budget {
    uint64_t since;
    uint32_t lines, suppressed;
};

/* An address found unreachable, said so once a minute: whoever calls it goes on trying. */
struct unreachable {
    char peer[NET_PEER_MAX];
    uint64_t said;
};

struct net {
    uv_loop_t *loop;
    const struct link_self *self;
    const struct logger *log;
    struct net_handlers handlers;
    struct net_limits limits;
    uint64_t mono; /* of the last event */
    struct arena arena;
    struct listener listener;
    uv_timer_t timer;
    uv_idle_t idle;
    uv_prepare_t prepare;
    uv_check_t check;
    struct wheel wheel;
    struct slot *slots;
    uint32_t n_slots, free_slot; /* free_slot: index + 1, 0: none */
    struct list all, dirty, later;
    struct remote *remotes;
    uint32_t n_accepted, n_dials, n_handles;
    uint64_t unanswered;
    bool stopped, closing, idle_on;
    struct log_budget budget;
    struct unreachable unreachable[NET_UNREACHABLE];
    uint32_t next_unreachable;
    struct net_counters counters;
    void (*done)(void *arg);
    void *done_arg;
};

/* conn.c */
struct conn *conn_new(struct net *n, bool accepter); /* NULL: out of memory */
void conn_start(struct conn *c);                     /* its socket is connected */
void conn_fail(struct conn *c, int err, const char *why); /* why NULL: the link knows */
void conn_pump(struct conn *c, struct now now);      /* hands out what the link has to say */
void conn_write(struct conn *c);
void conn_expire(struct conn *c, struct now now);
void conn_mark_dirty(struct conn *c);
void conn_mark_later(struct conn *c);
void conn_reap(struct conn *c); /* frees it if nothing can happen to it any more */
struct conn *conn_find(struct net *n, uint64_t id);

/* dial.c */
/* The connection to an address. fresh: it was just made; dial_start connects it once its first call is in its link. */
struct conn *dial_conn(struct net *n, struct str addr, bool *fresh);
void dial_start(struct conn *c);
void dial_cancel(struct conn *c);
void dial_forget(struct conn *c); /* the next call to its address connects anew */

/* listen.c */
void listener_close(struct net *n);
void address_print(const struct sockaddr *sa, char *out, size_t len);

/* wheel.c */
void wheel_init(struct net *n);
void wheel_put(struct conn *c, uint64_t deadline); /* UINT64_MAX: none; an earlier place on the wheel is kept */
void wheel_remove(struct conn *c);

/* net.c */
void net_handle_closed(uv_handle_t *h); /* close callback of the net's own handles */
void net_maybe_done(struct net *n);
/* Whether one more line about a bad peer may be logged now. */
bool net_may_log(struct net *n);
/* Whether this address should be called unreachable in the log; true at most once a minute. */
bool net_unreachable_is_news(struct net *n, const char *peer);
void net_refuse(struct net *n, const char *peer, const char *why);

#endif
