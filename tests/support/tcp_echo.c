/* SPDX-License-Identifier: MIT */
#include "support/tcp_echo.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void send_reply(struct echo_node *e, struct reply_to to, const struct msg *m, struct payload *payload)
{
    struct effects fx;
    fx_init(&fx);
    fx_reply(&fx, to, m, payload);
    net_reply(e->net, &fx.v[0]);
    fx_close(&fx);
}

static void on_request(struct echo_node *e, const struct event *ev)
{
    struct msg m = {.type = ev->msg->type | MSG_REPLY_BIT};
    struct payload back = {0};
    e->requests++;
    e->held = ev->to;
    if (e->mute) {
        assert_true(e->n_held < ECHO_HELD_MAX);
        e->all_held[e->n_held++] = ev->to;
        return;
    }
    if (ev->msg->type == MSG_TYPE_lookup) {
        m.lookup_reply.attr.ino = 7;
        m.lookup_reply.target = ev->msg->lookup.path;
    } else if (ev->msg->type == MSG_TYPE_chunk_write) {
        m.type = MSG_TYPE_error;
        m.error.text = STR("echo");
        m.error.code = 1;
        back = payload_ref(ev->payload);
    }
    send_reply(e, ev->to, &m, &back);
}

void echo_answer_held(struct echo_node *e)
{
    struct msg m = {.type = MSG_TYPE_lookup_reply};
    for (uint32_t i = 0; i < e->n_held; i++)
        send_reply(e, e->all_held[i], &m, NULL);
    e->n_held = 0;
}

static void on_reply(struct echo_node *e, const struct event *ev)
{
    e->replies++;
    e->last_status = ev->status;
    e->last_token = ev->token;
    if (ev->status == 0)
        e->ok++;
    if (ev->status == 0 && ev->msg->type == MSG_TYPE_process_reply) {
        e->last_cpu_us = ev->msg->process_reply.cpu_us;
        e->last_memory = ev->msg->process_reply.memory;
    }
    if (e->expect && ev->payload && payload_len(ev->payload) == e->expect_len) {
        uint8_t *copy = malloc(e->expect_len);
        payload_copy_out(ev->payload, 0, copy, e->expect_len);
        if (memcmp(copy, e->expect, e->expect_len) == 0)
            e->matched++;
        free(copy);
    }
}

static void on_event(void *arg, const struct event *ev)
{
    if (ev->kind == EV_REQUEST)
        on_request(arg, ev);
    else
        on_reply(arg, ev);
}

void echo_open(struct echo_node *e, uv_loop_t *loop, const struct net_limits *limits, bool listen)
{
    struct net_handlers handlers = {on_event, e};
    memset(e, 0, sizeof *e);
    e->loop = loop;
    e->self = (struct link_self){.role = ROLE_CLIENT, .software = "echo"};
    e->log = (struct logger){.level = LOG_INFO, .who = "echo", .out = open_memstream(&e->log_text, &e->log_len)};
    assert_int_equal(net_new(loop, &e->self, limits, &e->log, &handlers, &e->net), 0);
    if (listen)
        assert_int_equal(net_listen(e->net, "127.0.0.1:0", e->address, sizeof e->address), 0);
}

static void on_closed(void *arg)
{
    struct echo_node *e = arg;
    e->closed = true;
}

void echo_close(struct echo_node *e)
{
    net_close(e->net, on_closed, e);
    while (!e->closed)
        uv_run(e->loop, UV_RUN_ONCE);
    fclose(e->log.out);
    free(e->log_text);
}

static void send_call(struct echo_node *e, const char *addr, const struct msg *m, struct payload *payload,
                      uint64_t token, uint64_t timeout)
{
    struct effects fx;
    fx_init(&fx);
    fx_call(&fx, addr, m, payload, token, timeout);
    net_call(e->net, &fx.v[0]);
    fx_close(&fx);
}

void echo_lookup(struct echo_node *e, const char *addr, const char *path, uint64_t token, uint64_t timeout)
{
    struct msg m = {.type = MSG_TYPE_lookup};
    m.lookup.dir = ROOT_INO;
    m.lookup.path = str_of(path);
    send_call(e, addr, &m, NULL, token, timeout);
}

void echo_process(struct echo_node *e, const char *addr, uint64_t token)
{
    struct msg m = {.type = MSG_TYPE_process};
    send_call(e, addr, &m, NULL, token, 5 * NS_PER_SEC);
}

void echo_write(struct echo_node *e, const char *addr, const void *p, uint32_t len, uint64_t token)
{
    struct msg m = {.type = MSG_TYPE_chunk_write};
    struct payload payload = payload_of(slice_copy(p, len));
    m.chunk_write.length = len;
    send_call(e, addr, &m, &payload, token, 10 * NS_PER_SEC);
}

const char *echo_log(struct echo_node *e)
{
    fflush(e->log.out);
    return e->log_text;
}

static void on_guard(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

static void on_guard_closed(uv_handle_t *handle)
{
    handle->data = NULL;
}

bool echo_run_until(uv_loop_t *loop, const uint32_t *n, uint32_t want)
{
    uv_timer_t guard;
    bool late = false;
    uv_timer_init(loop, &guard);
    guard.data = &late;
    uv_timer_start(&guard, on_guard, 30000, 0);
    while (*n < want && !late)
        uv_run(loop, UV_RUN_ONCE);
    guard.data = &late;
    uv_close((uv_handle_t *)&guard, on_guard_closed);
    while (guard.data)
        uv_run(loop, UV_RUN_NOWAIT);
    return *n >= want;
}

int raw_connect(const char *address)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET};
    in4.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&in4, sizeof in4), 0);
    return fd;
}

void raw_send(int fd, const void *p, size_t len)
{
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(fd, (const char *)p + sent, len - sent, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        sent += (size_t)n;
    }
}
