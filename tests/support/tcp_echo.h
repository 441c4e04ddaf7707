/* SPDX-License-Identifier: MIT */
/* A node on real loopback for the tests of lib/uv: it answers ping-like requests by itself and records what its calls
 * came to. Requests are answered by the handler a test sets; calls' results are counted by status. */
#ifndef DFS_TESTS_TCP_ECHO_H
#define DFS_TESTS_TCP_ECHO_H

#include "uv/net.h"

#define ECHO_HELD_MAX 16384u

struct echo_node {
    uv_loop_t *loop;
    struct net *net;
    struct link_self self;
    struct logger log;
    char *log_text; /* what was logged so far; after echo_log */
    size_t log_len;
    char address[64];
    bool mute;            /* takes requests and does not answer */
    uint32_t requests;    /* seen */
    uint32_t replies, ok; /* calls that ended; with success */
    int last_status;
    uint64_t last_token;
    uint64_t last_cpu_us, last_memory; /* of the last process reply */
    uint8_t *expect;      /* payload the next read replies must carry; NULL: not checked */
    uint32_t expect_len, matched;
    struct reply_to held; /* the last request */
    struct reply_to all_held[ECHO_HELD_MAX]; /* requests not answered, when mute */
    uint32_t n_held;
    bool closed;
};

/* Answers chunk_read with the payload that chunk_write brought last, lookup with its path as target. */
void echo_open(struct echo_node *e, uv_loop_t *loop, const struct net_limits *limits, bool listen);
void echo_close(struct echo_node *e); /* runs the loop until it is closed */

void echo_lookup(struct echo_node *e, const char *addr, const char *path, uint64_t token, uint64_t timeout);
void echo_process(struct echo_node *e, const char *addr, uint64_t token);
void echo_write(struct echo_node *e, const char *addr, const void *p, uint32_t len, uint64_t token);
/* Answers what was held while mute. */
void echo_answer_held(struct echo_node *e);
/* What the log says so far. */
const char *echo_log(struct echo_node *e);

/* Runs the loop until *n reaches want, for at most 30 s. */
bool echo_run_until(uv_loop_t *loop, const uint32_t *n, uint32_t want);

/* A blocking socket to "127.0.0.1:port", as hostile peers have. */
int raw_connect(const char *address);
/* Sends all (as far as the peer takes it). */
void raw_send(int fd, const void *p, size_t len);

#endif
