/* SPDX-License-Identifier: MIT */
/* Calling addresses: one connection to each (or a few), made when first needed.
 *
 * The happy path is: a numeric address is connected to at once, a name is resolved on the pool first; then the link says
 * HELLO and sends what has been waiting in it. Possible failures are: not an address, does not resolve, refused, no route,
 * or no HELLO in time; all end the link, and with it every call that waited there, as DFS_EUNREACH. A connection that
 * ends gives up its place here at once, so that the next call starts afresh. IPv4 is preferred where a name has both. */
#include <stdio.h>
#include <stdlib.h>

#include "uv/net_impl.h"
#include "uv/uverr.h"

/* Outlives its connection: a name being resolved cannot always be called off. */
struct dial {
    uv_getaddrinfo_t resolve;
    uv_connect_t connect;
    struct net *net;
    struct conn *conn; /* NULL: given up */
    bool resolving;
};

static void dial_end(struct dial *d)
{
    struct conn *c = d->conn;
    struct net *n = d->net;
    n->n_dials--;
    free(d);
    if (c) {
        c->dial = NULL;
        conn_reap(c);
    }
    net_maybe_done(n);
}

static void on_connected(uv_connect_t *req, int status)
{
    struct dial *d = req->data;
    struct conn *c = d->conn;
    if (c && !c->closing) {
        c->net->mono = now_sample().mono;
        if (status == 0)
            conn_start(c);
        else
            conn_fail(c, DFS_EUNREACH, uv_strerror(status));
    }
    dial_end(d);
}

static void connect_to(struct dial *d, const struct sockaddr *sa)
{
    struct conn *c = d->conn;
    int err = uv_tcp_connect(&d->connect, &c->tcp, sa, on_connected);
    if (err) {
        conn_fail(c, DFS_EUNREACH, uv_strerror(err));
        dial_end(d);
    }
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list)
{
    struct dial *d = req->data;
    const struct addrinfo *ai = list;
    d->resolving = false;
    if (!d->conn) {
        dial_end(d);
    } else if (status < 0) {
        conn_fail(d->conn, DFS_EUNREACH, uv_strerror(status));
        dial_end(d);
    } else {
        while (ai->ai_next && ai->ai_family != AF_INET)
            ai = ai->ai_next;
        connect_to(d, ai->ai_family == AF_INET ? ai->ai_addr : list->ai_addr);
    }
    uv_freeaddrinfo(list);
}

static bool split_address(const char *addr, char host[256], char port[8])
{
    const char *colon = strrchr(addr, ':');
    if (!colon || colon == addr || strlen(colon + 1) > 5 || colon[1] == '\0' || colon - addr > 255)
        return false;
    bool bracketed = addr[0] == '[' && colon[-1] == ']';
    snprintf(host, 256, "%.*s", (int)(colon - addr) - (bracketed ? 2 : 0), addr + (bracketed ? 1 : 0));
    snprintf(port, 8, "%s", colon + 1);
    return strspn(port, "0123456789") == strlen(port) && atoi(port) > 0 && atoi(port) < 65536;
}

void dial_start(struct conn *c)
{
    char host[256], port[8];
    union {
        struct sockaddr any;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    } sa;
    if (!split_address(c->remote->addr, host, port)) {
        conn_fail(c, DFS_EUNREACH, "not an address (HOST:PORT)");
        return;
    }
    struct dial *d = xcalloc(1, sizeof *d);
    d->net = c->net;
    d->conn = c;
    d->resolve.data = d->connect.data = d;
    c->dial = d;
    c->net->n_dials++;
    if (uv_ip4_addr(host, atoi(port), &sa.in4) == 0 || uv_ip6_addr(host, atoi(port), &sa.in6) == 0) {
        connect_to(d, &sa.any);
        return;
    }
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    d->resolving = true;
    int err = uv_getaddrinfo(c->net->loop, &d->resolve, on_resolved, host, port, &hints);
    if (err) {
        d->resolving = false;
        conn_fail(c, DFS_EUNREACH, uv_strerror(err));
        dial_end(d);
    }
}

/* Closing the socket ends a connect with UV_ECANCELED before the close callback; only resolving needs more. */
void dial_cancel(struct conn *c)
{
    struct dial *d = c->dial;
    if (!d || !d->resolving)
        return;
    uv_cancel((uv_req_t *)&d->resolve); /* on_resolved comes in any case */
    d->conn = NULL;
    c->dial = NULL;
}

struct conn *dial_conn(struct net *n, struct str addr, bool *fresh)
{
    struct remote *r;
    HASH_FIND(hh, n->remotes, addr.p, addr.len, r);
    if (!r) {
        r = xcalloc(1, sizeof *r + addr.len + 1);
        memcpy(r->addr, addr.p, addr.len);
        HASH_ADD_KEYPTR(hh, n->remotes, r->addr, addr.len, r);
    }
    uint32_t i = r->next++ % n->limits.calls_per_addr;
    *fresh = !r->conns[i];
    if (r->conns[i])
        return r->conns[i];
    struct conn *c = conn_new(n, false);
    if (!c)
        abort();
    snprintf(c->peer, sizeof c->peer, "%s", r->addr);
    c->remote = r;
    r->conns[i] = c;
    r->n_conns++;
    return c;
}

void dial_forget(struct conn *c)
{
    struct remote *r = c->remote;
    if (!r)
        return;
    for (uint32_t i = 0; i < NET_CALLS_PER_ADDR_MAX; i++)
        if (r->conns[i] == c)
            r->conns[i] = NULL;
    c->remote = NULL;
    if (--r->n_conns == 0) {
        HASH_DEL(c->net->remotes, r);
        free(r);
    }
}
