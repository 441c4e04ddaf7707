/* SPDX-License-Identifier: MIT */
/* TCP on the libuv loop: listening, calling addresses, answering; wire/link.h does the protocol.
 *
 * The happy path is: a peer connects, says HELLO, sends requests, and each comes out of on_request; the host answers with
 * net_reply, at once or later. net_call finds or makes the connection to an address (one per address), sends, and exactly
 * one on_reply follows. Possible failures are: the address does not resolve or connect (DFS_EUNREACH), the connection
 * breaks (DFS_ECONNLOST; the next call connects anew), the deadline passes (DFS_ETIMEDOUT), garbage from the peer (the
 * connection is closed and logged with the peer's address; nobody else notices). One loop, one thread. */
#ifndef DFS_UV_NET_H
#define DFS_UV_NET_H

#include <uv.h>

#include "base/log.h"
#include "wire/core.h"
#include "wire/link.h"

struct net;

struct net_handlers {
    /* An event of kind EV_REQUEST or EV_REPLY; everything in it is borrowed until the return. */
    void (*on_event)(void *arg, const struct event *ev);
    void *arg;
};

struct net_limits {
    uint32_t max_conns;      /* accepted connections; 0: default 10000 */
    uint64_t idle_timeout;   /* ns without a byte before an accepted connection is closed; 0: default 10 min */
    uint32_t calls_per_addr; /* connections per called address; 0: 1 */
};

/* self is borrowed and read whenever a HELLO is said: its owner may fill in ids as they become known. */
int net_new(uv_loop_t *loop, const struct link_self *self, const struct net_limits *limits, const struct logger *log,
            const struct net_handlers *h, struct net **out) MUST_USE;
/* "host:port", port 0 for any; the bound address as "host:port" to bound. */
int net_listen(struct net *n, const char *address, char *bound, size_t bound_len) MUST_USE;

/* Carry out effects; references and memory as in wire/core.h. A reply whose connection is gone is dropped. */
void net_reply(struct net *n, struct effect *e);
void net_call(struct net *n, struct effect *e);
/* Writes out what this turn queued: the host calls it at the end of its turn. */
void net_flush(struct net *n);

/* Orderly shutdown: accepts no one and reads no further requests; calls and answers go on. */
void net_stop(struct net *n);
/* Whether requests are unanswered or answers unsent. */
bool net_busy(const struct net *n);

/* Ends everything: outstanding calls get DFS_ECANCELED first; done is called when all handles are closed. */
void net_close(struct net *n, void (*done)(void *arg), void *arg);

struct net_counters {
    uint64_t conns, accepted, refused, broken, requests, replies, bytes_in, bytes_out;
};
const struct net_counters *net_counters(const struct net *n);

struct now now_sample(void); /* CLOCK_BOOTTIME and CLOCK_REALTIME */

#endif
