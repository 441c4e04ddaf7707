/* SPDX-License-Identifier: MIT */
/* Accepting connections.
 *
 * The listening socket is ours and only watched by libuv, so that accepting can pause: out of file descriptors, it is
 * left alone for a moment while the server goes on serving whom it has, instead of being spun on. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/flags.h"
#include "uv/net_impl.h"
#include "uv/uverr.h"

static void on_acceptable(uv_poll_t *poll, int status, int events);

void address_print(const struct sockaddr *sa, char *out, size_t len)
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;
        uv_ip6_name(in6, host, sizeof host);
        snprintf(out, len, "[%s]:%u", host, ntohs(in6->sin6_port));
    } else {
        const struct sockaddr_in *in4 = (const struct sockaddr_in *)(const void *)sa;
        uv_ip4_name(in4, host, sizeof host);
        snprintf(out, len, "%s:%u", host, ntohs(in4->sin_port));
    }
}

/* --- taking connections --- */

static void admit(struct net *n, int fd, const struct sockaddr *from)
{
    char peer[NET_PEER_MAX];
    address_print(from, peer, sizeof peer);
    if (n->n_accepted >= n->limits.max_conns) {
        close(fd);
        net_refuse(n, peer, "too many connections");
        return;
    }
    struct conn *c = conn_new(n, true);
    if (!c) {
        close(fd);
        net_refuse(n, peer, "out of memory");
        return;
    }
    snprintf(c->peer, sizeof c->peer, "%s", peer);
    n->counters.accepted++;
    int err = uv_tcp_open(&c->tcp, fd);
    if (err) {
        close(fd);
        conn_fail(c, dfs_err_of(err), uv_strerror(err));
        return;
    }
    conn_start(c);
    conn_write(c); /* puts it on the wheel */
}

static void on_pause_over(uv_timer_t *timer)
{
    struct net *n = timer->data;
    if (n->listener.fd >= 0 && !n->stopped)
        uv_poll_start(&n->listener.poll, UV_READABLE, on_acceptable);
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    struct net *n = poll->data;
    (void)status;
    (void)events;
    n->mono = now_sample().mono;
    for (uint32_t i = 0; i < NET_ACCEPT_BATCH; i++) {
        struct sockaddr_storage from = {0};
        socklen_t len = sizeof from;
        int fd = accept4(n->listener.fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            admit(n, fd, (struct sockaddr *)&from);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            if (net_may_log(n))
                log_error(n->log, "net.accept_paused", "error=%s hint=\"raise the limit of open files (ulimit -n)\"",
                          dfs_errname(dfs_err_of(errno)));
            uv_poll_stop(&n->listener.poll);
            uv_timer_start(&n->listener.pause, on_pause_over, NET_ACCEPT_PAUSE_MS, 0);
            return;
        }
        if (errno != ECONNABORTED && errno != EINTR)
            return; /* nobody left; or the network's passing error for one who has gone */
    }
}

/* --- opening and closing --- */

static int open_socket(const struct addrinfo *ai)
{
    int one = 1, err;
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return dfs_err_of(errno);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0 && listen(fd, 1024) == 0)
        return fd;
    err = dfs_err_of(errno);
    close(fd);
    return err;
}

int net_listen(struct net *n, const char *address, char *bound, size_t bound_len)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list = NULL;
    struct sockaddr_storage self = {0};
    socklen_t len = sizeof self;
    char host[256];
    const char *colon = strrchr(address, ':');
    if (!colon || (size_t)(colon - address) >= sizeof host)
        return DFS_EINVAL;
    bool bracketed = address[0] == '[' && colon > address + 1 && colon[-1] == ']';
    snprintf(host, sizeof host, "%.*s", (int)(colon - address) - (bracketed ? 2 : 0), address + (bracketed ? 1 : 0));
    if (getaddrinfo(host[0] ? host : NULL, colon + 1, &hints, &list) != 0)
        return DFS_EUNREACH;
    int fd = open_socket(list);
    freeaddrinfo(list);
    if (fd < 0)
        return fd;
    if (uv_poll_init(n->loop, &n->listener.poll, fd) != 0) {
        close(fd);
        return DFS_EIO;
    }
    uv_timer_init(n->loop, &n->listener.pause);
    n->n_handles += 2;
    n->listener.poll.data = n->listener.pause.data = n;
    n->listener.fd = fd;
    getsockname(fd, (struct sockaddr *)&self, &len);
    address_print((struct sockaddr *)&self, bound, bound_len);
    uv_poll_start(&n->listener.poll, UV_READABLE, on_acceptable);
    return 0;
}

void listener_close(struct net *n)
{
    if (n->listener.fd < 0)
        return;
    uv_poll_stop(&n->listener.poll);
    uv_close((uv_handle_t *)&n->listener.poll, net_handle_closed);
    uv_close((uv_handle_t *)&n->listener.pause, net_handle_closed);
    close(n->listener.fd);
    n->listener.fd = -1;
}
