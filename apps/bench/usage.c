/* SPDX-License-Identifier: MIT */
/* What the work costs: CPU time and memory of the servers, as they tell it themselves, and our own. Servers that share a
 * process (dfs up) count once. */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

struct ask { /* one server asked */
    struct server *server;
    uint32_t *open;
};

static void turn_until_none(struct bench *b, const uint32_t *open)
{
    while (*open > 0)
        uv_run(&b->loop, UV_RUN_ONCE);
}

static void on_process(void *arg, int status, const struct dfs_result *r)
{
    struct ask *a = arg;
    struct server *s = a->server;
    --*a->open;
    s->silent = status != 0;
    if (status != 0)
        return;
    const struct dfs_process *p = r->process;
    snprintf(s->host, sizeof s->host, "%s", p->host);
    s->pid = p->pid;
    s->cores = p->cores;
    s->cpu = p->cpu_us;
    s->mono = p->mono_us;
    s->memory = p->memory;
    s->memory_peak = p->memory_peak;
}

static void ask_all(struct bench *b)
{
    struct ask asks[BENCH_MAX_SERVERS];
    uint32_t open = 0;
    for (uint32_t i = 0; i < b->n_servers; i++) {
        asks[i] = (struct ask){&b->servers[i], &open};
        if (!b->servers[i].silent &&
            dfs_server_process(b->clients[0], b->servers[i].address, on_process, &asks[i]) == 0)
            open++;
    }
    turn_until_none(b, &open);
}

static void server_add(struct bench *b, const char *address, bool storage)
{
    if (b->n_servers == BENCH_MAX_SERVERS)
        return;
    struct server *s = &b->servers[b->n_servers++];
    *s = (struct server){.storage = storage, .nameserver = !storage};
    snprintf(s->address, sizeof s->address, "%s", address);
}

static void on_status(void *arg, int status, const struct dfs_result *r)
{
    struct bench *b = arg;
    b->asking = false;
    if (status != 0)
        return;
    for (size_t i = 0; i < r->status->n_nameservers; i++)
        server_add(b, r->status->nameservers[i].address, false);
    for (size_t i = 0; i < r->status->n_servers; i++)
        if (strcmp(r->status->servers[i].state, "up") == 0)
            server_add(b, r->status->servers[i].address, true);
}

static void drop_doubles(struct bench *b)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < b->n_servers; i++) {
        struct server *s = &b->servers[i], *same = NULL;
        for (uint32_t k = 0; k < kept && !same; k++)
            same = b->servers[k].pid == s->pid && strcmp(b->servers[k].host, s->host) == 0 ? &b->servers[k] : NULL;
        if (s->silent)
            continue;
        if (same) {
            same->storage |= s->storage;
            same->nameserver |= s->nameserver;
            continue;
        }
        s->first_cpu = s->cpu;
        b->servers[kept++] = *s;
    }
    b->n_servers = kept;
}

void usage_open(struct bench *b)
{
    if (b->n_servers > 0)
        return;
    b->asking = dfs_status(b->clients[0], on_status, b) == 0;
    while (b->asking)
        uv_run(&b->loop, UV_RUN_ONCE);
    ask_all(b);
    drop_doubles(b);
}

static uint64_t own_cpu(void)
{
    uv_rusage_t u;
    if (uv_getrusage(&u) != 0)
        return 0;
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

void usage_begin(struct bench *b)
{
    ask_all(b);
    for (uint32_t i = 0; i < b->n_servers; i++) {
        b->servers[i].began_cpu = b->servers[i].cpu;
        b->servers[i].began_mono = b->servers[i].mono;
    }
    b->own_cpu = own_cpu();
    b->own_began = uv_hrtime();
}

struct usage usage_end(struct bench *b)
{
    double took = (double)(uv_hrtime() - b->own_began) / 1e3;
    struct usage u = {-1, -1, took > 0 ? (double)(own_cpu() - b->own_cpu) / took : -1};
    ask_all(b);
    for (uint32_t i = 0; i < b->n_servers; i++) {
        const struct server *s = &b->servers[i];
        if (s->silent || s->mono <= s->began_mono || s->cpu < s->began_cpu)
            continue; /* it fell silent, or was started anew */
        double busy = (double)(s->cpu - s->began_cpu) / (double)(s->mono - s->began_mono);
        double *sum = s->nameserver ? &u.nameservers : &u.storage;
        *sum = busy + (*sum > 0 ? *sum : 0);
    }
    return u;
}
