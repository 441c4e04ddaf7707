/* SPDX-License-Identifier: MIT */
/* dfs-bench: workloads, flags, help, man page and reference. */
#include "options.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/flags.h"

#define MAX_CONNECTIONS 10000u
#define MAX_DEPTH 1024u
#define MAX_GOAL 16u
#define SMALL_CONNECTIONS 16u /* default of small operations */
#define DEFAULT_MIX "25:50:15:10"

const struct workload workloads[WORKLOADS] = {
    {"meta", workload_meta, SMALL_CONNECTIONS, "create, stat, list, rename and unlink empty files"},
    {"put", workload_put, SMALL_CONNECTIONS, "store small files; they stay for a later get"},
    {"get", workload_get, SMALL_CONNECTIONS, "read back and check what put stored"},
    {"write", workload_write, 1, "store large files; they stay for a later read"},
    {"read", workload_read, 1, "read back and check what write stored"},
    {"rand", workload_rand, SMALL_CONNECTIONS, "read and write blocks at random places of one file"},
    {"mix", workload_mix, SMALL_CONNECTIONS, "put, get, stat and remove small files, all at once"},
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
            "  %-6s %s\n\nFiles live in /dfs-bench. Without --files, --ops and --seconds, small operations run for "
            "5 seconds\neach, and write and read move one file per connection. What put and write store stays "
            "unless\n--cleanup is given; all other workloads remove their files.\n\n"
            "Columns \"nm cpu\", \"ss cpu\" and \"own\": cores kept busy by NameServers, StorageServers and dfs-bench; "
            "100%% is one "
            "core.\n\n"
            "Exit status: 0 all went well, 1 an operation failed or Ctrl-C, 2 wrong usage, 3 --compare found "
            "something\n"
            "slower.\n\nExamples:\n"
            "  dfs-bench meta -c 50 --files 100000\n"
            "  dfs-bench put --size 4k -c 64 --seconds 10 && dfs-bench get --size 4k -c 64 --seconds 10 --cleanup\n"
            "  dfs-bench rand -c 8 --read-percent 50 --verify\n"
            "  dfs-bench all --rounds 5 --cleanup --json before.json\n"
            "  dfs-bench all --rounds 5 --cleanup --compare before.json\n",
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

/* "25:50:15:10" */
static int parse_mix(const char *s, uint32_t shares[4])
{
    uint64_t sum = 0;
    for (int i = 0; i < 4; i++) {
        char *end;
        if (*s < '0' || *s > '9')
            return DFS_EINVAL;
        unsigned long n = strtoul(s, &end, 10);
        if (n > 1000000 || *end != (i < 3 ? ':' : '\0'))
            return DFS_EINVAL;
        shares[i] = (uint32_t)n;
        sum += n;
        s = end + 1;
    }
    return sum > 0 ? 0 : DFS_EINVAL;
}

/* 0 to go on, 2 for a usage error. */
static int check_arguments(struct arguments *a, const char *const *args, size_t n)
{
    const struct options *o = &a->opt;
    if (n == 0)
        return usage("which workload?", "");
    if (n > 1)
        return usage("one workload at a time, not also ", args[1]);
    if (o->connections > MAX_CONNECTIONS)
        return usage("too many connections", "");
    if (o->depth == 0 || o->depth > MAX_DEPTH)
        return usage("--depth is from 1 to 1024", "");
    if (o->goal > MAX_GOAL)
        return usage("--goal is at most 16", "");
    if (o->rounds == 0 || o->rounds > BENCH_MAX_ROUNDS)
        return usage("--rounds is from 1 to 64", "");
    if (o->block == 0 || o->block > MIB)
        return usage("--block is at most 1m", "");
    if (o->read_percent > 100)
        return usage("--read-percent is at most 100", "");
    if (parse_mix(a->mix, a->opt.mix) != 0)
        return usage("--mix takes four numbers, of which one is not 0: 25:50:15:10, not ", a->mix);
    if (strcmp(args[0], "all") == 0)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(workloads); i++) {
        if (strcmp(args[0], workloads[i].name) == 0)
            return 0;
    }
    return usage("no such workload: ", args[0]);
}

int parse_arguments(int argc, char **argv, struct arguments *a)
{
    struct options *o = &a->opt;
    const struct flag table[] = {
        {"nm", 0, FLAG_STRING, &o->nm, "HOST:PORT", "NameServers, separated by commas", "$DFS_NM, else 127.0.0.1:4610"},
        {"connections", 'c', FLAG_U64, &o->connections, "N", "connections", "16; write, read: 1"},
        {"depth", 0, FLAG_U64, &o->depth, "D", "requests outstanding on each connection", "1"},
        {"files", 0, FLAG_U64, &o->files, "N", "how many files; mix: at first", "mix: 1000"},
        {"ops", 0, FLAG_U64, &o->ops, "N", "rand, mix: how many operations", NULL},
        {"seconds", 0, FLAG_DURATION, &o->seconds, "S", "how long each phase may take", NULL},
        {"warmup", 0, FLAG_DURATION, &o->warmup, "S", "time at the start of each phase that does not count", "0"},
        {"rounds", 0, FLAG_U64, &o->rounds, "N", "measure so often, and report medians", "1"},
        {"size", 0, FLAG_SIZE, &o->size, "SIZE", "bytes per file", "4k; write, read: 1g; rand: 256m"},
        {"block", 0, FLAG_SIZE, &o->block, "SIZE", "rand: bytes of each read and write", "4k"},
        {"read-percent", 0, FLAG_U64, &o->read_percent, "N", "rand: how many of 100 operations are reads", "70"},
        {"mix", 0, FLAG_STRING, &a->mix, "P:G:S:R", "mix: shares of puts, gets, stats and removes", DEFAULT_MIX},
        {"goal", 0, FLAG_U64, &o->goal, "N", "copies of each file stored", "the cluster's default"},
        {"verify", 0, FLAG_SWITCH, &o->verify, NULL, "read all that was written back and check it", NULL},
        {"json", 0, FLAG_STRING, &o->json, "FILE", "write the results to FILE as JSON (-: standard output)", NULL},
        {"compare", 0, FLAG_STRING, &o->compare, "FILE", "say what has changed since the run that wrote FILE", NULL},
        {"cleanup", 0, FLAG_SWITCH, &o->cleanup, NULL, "remove the files at the end", NULL},
        {"help", 'h', FLAG_SWITCH, &a->help, NULL, "show this", NULL},
        {"version", 0, FLAG_SWITCH, &a->version, NULL, "show the version", NULL},
        {0},
    };
    a->mix = DEFAULT_MIX;
    o->rounds = 1;
    o->block = 4 * KIB;
    o->read_percent = 70;
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
