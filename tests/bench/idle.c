/* SPDX-License-Identifier: MIT */
/* idle: what StorageServers cost a NameServer when nothing is wrong and nobody asks for anything. It plays the two servers of a
 * folder that meta_scale has made: they register, say that they are there, wait for tasks, and report all chunks they hold.
 *
 * The happy path is: both register, the leader opens, heartbeats and nothing else for some seconds; then each reports once,
 * page by page, as a real one does every ten minutes. What the NameServer's process has used is asked of it before and after.
 * Whatever fails ends the program with a sentence. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "base/flags.h"
#include "base/rand.h"
#include "uv/net.h"
#include "wire/codec.h"

#define SERVERS 2u
#define PAGE 4096u
#define LENGTH 4096u
#define INCARNATION 77u
#define HEARTBEAT_MS 250u
#define CALL_TIMEOUT (30 * NS_PER_SEC)
#define TASKS_TIMEOUT (60 * NS_PER_SEC)

struct server {
    struct load *load;
    uint32_t id; /* as registered; 0: not yet */
    struct net *net;
    struct effects fx;
    uv_timer_t beat;
    uint64_t next; /* chunk of the next page; 0: none is reported */
    bool reported;
    struct wire_held page[PAGE];
};

struct load {
    const char *nm;
    uint64_t files, seconds, cpu_us, mono_us;
    bool answered;
    uv_loop_t loop;
    struct link_self self;
    struct server servers[SERVERS];
};

static void fail(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((noreturn));

static void fail(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("idle: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(1);
}

static void call(struct server *s, const struct msg *m, uint64_t timeout)
{
    fx_call(&s->fx, s->load->nm, m, NULL, m->type, timeout);
    for (uint32_t i = 0; i < s->fx.n; i++)
        net_call(s->net, &s->fx.v[i]);
    fx_reset(&s->fx);
}

static void on_beat(uv_timer_t *t)
{
    struct server *s = t->data;
    struct msg m = {.type = MSG_TYPE_heartbeat};
    m.heartbeat = (struct msg_heartbeat){
        .server = s->id, .incarnation = INCARNATION, .capacity = 100 * GIB, .used = 50 * GIB, .chunks = s->load->files};
    call(s, &m, CALL_TIMEOUT);
}

static void ask_tasks(struct server *s)
{
    struct msg m = {.type = MSG_TYPE_tasks};
    m.tasks = (struct msg_tasks){.server = s->id, .incarnation = INCARNATION, .room_chunks = 64, .room_bytes = GIB};
    call(s, &m, TASKS_TIMEOUT);
}

static void send_page(struct server *s)
{
    struct msg m = {.type = MSG_TYPE_report};
    uint32_t n = 0;
    for (uint64_t chunk = s->next; n < PAGE && chunk <= s->load->files; chunk++)
        s->page[n++] = (struct wire_held){.chunk = chunk, .version = 1, .length = LENGTH};
    m.report = (struct msg_report){.server = s->id,
                                   .incarnation = INCARNATION,
                                   .chunks = s->page,
                                   .n_chunks = n,
                                   .first = s->next == 1,
                                   .eof = s->next + n > s->load->files};
    s->next += n;
    call(s, &m, CALL_TIMEOUT);
}

static void on_report(struct server *s, const struct msg_report_reply *m)
{
    if (m->n_remove > 0 || m->again != 0)
        fail("the NameServer does not agree with what server %u holds", s->id);
    s->reported = s->next > s->load->files;
    if (!s->reported)
        send_page(s);
}

static void on_event(void *arg, const struct event *ev)
{
    struct server *s = arg;
    const struct msg *m = ev->msg;
    if (ev->token == MSG_TYPE_tasks && s->id != 0) {
        if (ev->status == 0 && m->tasks_reply.n_tasks > 0)
            fail("the NameServer has something done about chunk %" PRIu64, m->tasks_reply.tasks[0].chunk);
        ask_tasks(s);
        return;
    }
    if (ev->status != 0)
        fail("%s: %s %.*s", wire_type_name((uint16_t)ev->token), dfs_strerror(ev->status),
             m && m->type == MSG_TYPE_error ? (int)m->error.text.len : 0,
             m && m->type == MSG_TYPE_error ? m->error.text.p : "");
    if (ev->token == MSG_TYPE_ss_register) {
        s->id = m->ss_register_reply.server;
    } else if (ev->token == MSG_TYPE_report) {
        on_report(s, &m->report_reply);
    } else if (ev->token == MSG_TYPE_process) {
        s->load->cpu_us = m->process_reply.cpu_us;
        s->load->mono_us = m->process_reply.mono_us;
        s->load->answered = true;
    }
}

static void server_start(struct load *l, uint32_t i)
{
    struct server *s = &l->servers[i];
    struct msg m = {.type = MSG_TYPE_ss_register};
    char addr[32];
    s->load = l;
    fx_init(&s->fx);
    if (net_new(&l->loop, &l->self, NULL, NULL, &(struct net_handlers){on_event, s}, &s->net) != 0)
        fail("no connection can be made");
    snprintf(addr, sizeof addr, "10.0.0.%u:4620", i + 1);
    m.ss_register = (struct msg_ss_register){.uuid_hi = 1,
                                             .uuid_lo = i + 1,
                                             .incarnation = INCARNATION,
                                             .addr = str_of(addr),
                                             .domain = STR("r1"),
                                             .capacity = 100 * GIB};
    call(s, &m, CALL_TIMEOUT);
    while (s->id == 0)
        uv_run(&l->loop, UV_RUN_ONCE);
    uv_timer_init(&l->loop, &s->beat);
    s->beat.data = s;
    uv_timer_start(&s->beat, on_beat, 0, HEARTBEAT_MS);
    ask_tasks(s);
}

static void pass(struct load *l, uint64_t seconds)
{
    for (uint64_t end = uv_hrtime() + seconds * NS_PER_SEC; uv_hrtime() < end;)
        uv_run(&l->loop, UV_RUN_ONCE);
}

/* What the NameServer has used since it was asked last: seconds, and of the processor. */
static double used(struct load *l, double *wall)
{
    uint64_t cpu = l->cpu_us, mono = l->mono_us;
    struct msg m = {.type = MSG_TYPE_process};
    l->answered = false;
    call(&l->servers[0], &m, CALL_TIMEOUT);
    while (!l->answered)
        uv_run(&l->loop, UV_RUN_ONCE);
    *wall = (double)(l->mono_us - mono) / 1e6;
    return (double)(l->cpu_us - cpu) / 1e6;
}

static void measure(struct load *l, uint64_t period)
{
    double wall, beats, reports, share;
    pass(l, 5); /* what a new leader does */
    (void)used(l, &wall);
    pass(l, l->seconds);
    beats = used(l, &wall) / wall;
    for (uint32_t i = 0; i < SERVERS; i++) {
        l->servers[i].next = 1;
        send_page(&l->servers[i]);
    }
    while (!l->servers[0].reported || !l->servers[1].reported)
        uv_run(&l->loop, UV_RUN_ONCE);
    reports = used(l, &wall);
    share = beats + reports / (double)period;
    printf("%u servers with %" PRIu64
           " chunks each: %.3f %% of a processor for heartbeats, %.2f s for a report of each (in %.2f s); "
           "with one every %" PRIu64 " s %.3f %%\n",
           SERVERS, l->files, beats * 100, reports, wall, period, share * 100);
}

int main(int argc, char **argv)
{
    static struct load l = {.self = {.role = ROLE_STORAGE, .software = "idle"}};
    uint64_t period = 600;
    const struct flag table[] = {
        {"nm", 0, FLAG_STRING, &l.nm, "HOST:PORT", "the NameServer, started from a folder of meta_scale", "$DFS_NM"},
        {"files", 0, FLAG_U64, &l.files, "N", "files of that folder", "10000000"},
        {"seconds", 0, FLAG_U64, &l.seconds, "S", "heartbeats and nothing else for so long", "20"},
        {0},
    };
    const char *args[4];
    size_t n = 0;
    char err[256] = "idle [OPTION]...";
    l.files = 10000000;
    l.seconds = 20;
    l.nm = getenv("DFS_NM");
    if (argc > 4 * 2 || flags_parse(table, argc, argv, args, &n, err, sizeof err) != 0 || n > 0 || !l.nm) {
        fprintf(stderr, "idle: %s\n", err);
        return 2;
    }
    uv_loop_init(&l.loop);
    for (uint32_t i = 0; i < SERVERS; i++)
        server_start(&l, i);
    measure(&l, period);
    return 0;
}
