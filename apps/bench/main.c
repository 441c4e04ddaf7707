/* SPDX-License-Identifier: MIT */
/* dfs-bench: flags, the table of workloads, set-up and end. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/flags.h"
#include "base/rand.h"
#include "base/stdfds.h"
#include "bench.h"

#define MAX_CONNECTIONS 10000u
#define MAX_DEPTH 1024u
#define MAX_GOAL 16u
#define KEPT_MEMORY (32 * 1024 * 1024)
#define SMALL_CONNECTIONS 16u /* default of put, get, meta */

struct workload {
    const char *name;
    int (*run)(struct bench *b);
    uint32_t connections; /* default */
    const char *help;
};

static const struct workload workloads[] = {
    {"meta", workload_meta, SMALL_CONNECTIONS, "create, stat, list, rename and unlink empty files"},
    {"put", workload_put, SMALL_CONNECTIONS, "store small files; they stay for a later get"},
    {"get", workload_get, SMALL_CONNECTIONS, "read back and check what put stored"},
    {"write", workload_write, 1, "store large files; they stay for a later read"},
    {"read", workload_read, 1, "read back and check what write stored"},
};

struct arguments {
    struct options opt;
    const char *workload;
    bool help, version;
    const char *compare;
};

static void print_usage(struct bytes *out)
{
    int rc = bytes_printf(
        out, "Usage: dfs-bench [OPTION]... WORKLOAD\nMeasures a DFS cluster and checks every byte it reads.\n\n"
             "Workloads:\n");
    for (size_t i = 0; i < ARRAY_LEN(workloads) && rc == 0; i++)
        rc = bytes_printf(out, "  %-6s %s\n", workloads[i].name, workloads[i].help);
    if (rc == 0)
        rc = bytes_printf(
            out,
            "  %-6s %s\n\nFiles live in /dfs-bench. With neither --files nor --seconds, small operations run for "
            "5 seconds\neach, and write and read move one file per connection.\n\nExamples:\n"
            "  dfs-bench meta -c 50 --files 100000\n"
            "  dfs-bench put --size 4k -c 64 --seconds 10 && dfs-bench get --size 4k -c 64 --seconds 10 --cleanup\n"
            "  dfs-bench write --size 1g --json write.json\n",
            "all", "all of these");
    assert(rc == 0);
}

static void print_help(const struct flag *table)
{
    struct bytes text;
    bytes_init(&text, 64 * KIB);
    print_usage(&text);
    printf("%.*s\nOptions:\n", (int)text.len, (const char *)text.p);
    text.len = 0;
    flags_help(table, &text);
    fwrite(text.p, 1, text.len, stdout);
    bytes_close(&text);
}

/* What dfs-bench.1 and docs/REFERENCE.md are made from. */
static void print_man(const struct flag *table)
{
    struct bytes usage_text, text;
    bytes_init(&usage_text, 64 * KIB);
    bytes_init(&text, 64 * KIB);
    print_usage(&usage_text);
    printf(".TH dfs-bench 1 \"\" \"dfs\" \"DFS\"\n.SH NAME\ndfs-bench \\- measures a DFS cluster\n.SH SYNOPSIS\n"
           ".B dfs-bench\n[\\fIOPTION\\fR]... \\fIWORKLOAD\\fR\n.SH DESCRIPTION\n.nf\n");
    roff_text(strchr((const char *)usage_text.p, '\n') + 1, &text);
    fwrite(text.p, 1, text.len, stdout);
    text.len = 0;
    printf(".fi\n.SH OPTIONS\n");
    flags_roff(table, &text);
    fwrite(text.p, 1, text.len, stdout);
    printf(".SH SEE ALSO\n.BR dfs (1)\n");
    bytes_close(&usage_text);
    bytes_close(&text);
}

static void print_reference(const struct flag *table)
{
    struct bytes text;
    bytes_init(&text, 64 * KIB);
    flags_markdown(table, &text);
    fwrite(text.p, 1, text.len, stdout);
    bytes_close(&text);
}

static int usage(const char *what, const char *detail)
{
    fprintf(stderr, "dfs-bench: %s%s; see dfs-bench --help\n", what, detail);
    return 2;
}

/* 0 to go on, 2 for a usage error. */
static int check_arguments(const struct arguments *a, const char *const *args, size_t n)
{
    const struct options *o = &a->opt;
    if (a->compare)
        return usage("--compare is not supported yet", "");
    if (n == 0)
        return usage("which workload?", "");
    if (n > 1)
        return usage("one workload at a time, not also ", args[1]);
    if (strcmp(args[0], "rand") == 0 || strcmp(args[0], "mix") == 0)
        return usage("not supported yet: workload ", args[0]);
    if (o->connections > MAX_CONNECTIONS)
        return usage("too many connections", "");
    if (o->depth == 0 || o->depth > MAX_DEPTH)
        return usage("--depth is from 1 to 1024", "");
    if (o->goal > MAX_GOAL)
        return usage("--goal is at most 16", "");
    if (strcmp(args[0], "all") == 0)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(workloads); i++) {
        if (strcmp(args[0], workloads[i].name) == 0)
            return 0;
    }
    return usage("no such workload: ", args[0]);
}

/* 0 to go on, 1 when there is nothing more to do, 2 for a usage error. */
static int parse_arguments(int argc, char **argv, struct arguments *a)
{
    struct options *o = &a->opt;
    const struct flag table[] = {
        {"nm", 0, FLAG_STRING, &o->nm, "HOST:PORT", "NameServers, separated by commas", "$DFS_NM, else 127.0.0.1:4610"},
        {"connections", 'c', FLAG_U64, &o->connections, "N", "connections", "16; write, read: 1"},
        {"depth", 0, FLAG_U64, &o->depth, "D", "requests outstanding on each connection", "1"},
        {"files", 0, FLAG_U64, &o->files, "N", "how many files", NULL},
        {"seconds", 0, FLAG_DURATION, &o->seconds, "S", "how long each phase may take", NULL},
        {"size", 0, FLAG_SIZE, &o->size, "SIZE", "bytes per file", "4k; write, read: 1g"},
        {"goal", 0, FLAG_U64, &o->goal, "N", "copies of each file stored", "the cluster's default"},
        {"json", 0, FLAG_STRING, &o->json, "FILE", "write the results to FILE as JSON (-: standard output)", NULL},
        {"cleanup", 0, FLAG_SWITCH, &o->cleanup, NULL, "remove the files at the end", NULL},
        {"compare", 0, FLAG_STRING, &a->compare, "FILE", "not supported yet", NULL},
        {"help", 'h', FLAG_SWITCH, &a->help, NULL, "show this", NULL},
        {"version", 0, FLAG_SWITCH, &a->version, NULL, "show the version", NULL},
        {0},
    };
    const char **args = xcalloc((size_t)argc + 1, sizeof *args);
    size_t n = 0;
    char err[256];
    int rc = 1;
    if (argc == 2 && strcmp(argv[1], "--print-man") == 0)
        print_man(table);
    else if (argc == 2 && strcmp(argv[1], "--print-reference") == 0)
        print_reference(table);
    else if (flags_parse(table, argc, argv, args, &n, err, sizeof err) != 0)
        rc = usage(err, "");
    else if (a->help)
        print_help(table);
    else if (a->version)
        puts("dfs-bench " DFS_VERSION);
    else
        rc = check_arguments(a, args, n);
    a->workload = n > 0 ? args[0] : NULL;
    free(args);
    return rc;
}

/* --- set-up and end --- */

static void on_sigint(uv_signal_t *handle, int signum)
{
    struct bench *b = handle->data;
    if (b->interrupted)
        _exit(128 + signum);
    b->interrupted = true;
}

static void bench_open(struct bench *b, const struct options *o)
{
    *b = (struct bench){.opt = o, .depth = (uint32_t)o->depth};
    if (entropy_get(&b->run_id, sizeof b->run_id) != 0)
        b->run_id = uv_hrtime();
    uv_loop_init(&b->loop);
    uv_signal_init(&b->loop, &b->sigint);
    b->sigint.data = b;
    uv_signal_start(&b->sigint, on_sigint, SIGINT);
    uv_timer_init(&b->loop, &b->live);
    uv_unref((uv_handle_t *)&b->sigint);
    uv_unref((uv_handle_t *)&b->live);
    b->show_live = isatty(STDERR_FILENO) == 1;
}

static int clients_open(struct bench *b, uint32_t n)
{
    struct dfs_options o = {.nameservers = b->opt->nm, .program = "dfs-bench"};
    b->clients = xcalloc(n, sizeof *b->clients);
    for (b->n_clients = 0; b->n_clients < n; b->n_clients++) {
        int rc = dfs_client_open(&b->loop, &o, &b->clients[b->n_clients]);
        if (rc != 0) {
            fprintf(stderr, "dfs-bench: --nm %s: %s\n", b->opt->nm ? b->opt->nm : "($DFS_NM)", dfs_strerror(rc));
            return 1;
        }
    }
    return 0;
}

static void on_client_closed(void *arg) { --*(uint32_t *)arg; }

static void clients_close(struct bench *b)
{
    uint32_t open = b->n_clients;
    for (uint32_t i = 0; i < b->n_clients; i++)
        dfs_client_close(b->clients[i], on_client_closed, &open);
    while (open > 0)
        uv_run(&b->loop, UV_RUN_ONCE);
    free(b->clients);
    b->clients = NULL;
    b->n_clients = 0;
}

static void bench_close(struct bench *b)
{
    uv_close((uv_handle_t *)&b->sigint, NULL);
    uv_close((uv_handle_t *)&b->live, NULL);
    uv_run(&b->loop, UV_RUN_DEFAULT);
    uv_loop_close(&b->loop);
    for (uint32_t i = 0; i < b->n_results; i++)
        free(b->results[i]);
}

static int run_workloads(struct bench *b, const char *name)
{
    b->all = strcmp(name, "all") == 0;
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(workloads) && !b->interrupted && rc == 0; i++) {
        const struct workload *w = &workloads[i];
        if (!b->all && strcmp(name, w->name) != 0)
            continue;
        uint64_t connections = b->opt->connections ? b->opt->connections : w->connections;
        rc = clients_open(b, (uint32_t)connections);
        if (rc == 0)
            rc = w->run(b);
        clients_close(b);
    }
    return rc;
}

int main(int argc, char **argv)
{
    struct arguments a = {.opt = {.depth = 1}};
    stdfds_fill();
    int rc = parse_arguments(argc, argv, &a);
    if (rc != 0)
        return rc == 2 ? 2 : 0;
    /* Buffers of a megabyte come and go with every frame: kept, not given back and faulted in again, which costs a third
     * of the rate of large reads. */
    mallopt(M_MMAP_THRESHOLD, KEPT_MEMORY);
    mallopt(M_TRIM_THRESHOLD, 4 * KEPT_MEMORY);
    struct bench b;
    bench_open(&b, &a.opt);
    rc = run_workloads(&b, a.workload);
    if (!a.opt.json || strcmp(a.opt.json, "-") != 0)
        report_table(&b, stdout);
    if (a.opt.json && report_json(&b, a.opt.json) != 0)
        rc = 1;
    if (b.interrupted)
        fputs("dfs-bench: interrupted\n", stderr);
    rc = rc || report_errors(&b) > 0 || b.interrupted;
    bench_close(&b);
    return rc;
}
