/* SPDX-License-Identifier: MIT */
/* dfs-bench: the parts and how they fit.
 *
 * A workload (workload_*.c) prepares a set of files and runs phases. A phase (phase.c) is one kind of operation,
 * repeated by all slots at once until enough were done or the time is over; it fills a result, round by round. Around it,
 * usage.c asks the servers what it cost them. report.c prints it all, compare.c puts it beside an earlier run.
 * Everything runs on one loop; phase_run and the bench_* helpers turn that loop until what they started has ended. */
#ifndef DFS_BENCH_BENCH_H
#define DFS_BENCH_BENCH_H

#include <stdio.h>
#include <uv.h>

#include "base/bytes.h"
#include "dfs/dfs.h"
#include "histogram.h"
#include "stats.h"

/* Files of a workload are spread over so many folders. */
#define BENCH_FOLDERS 64u
/* A phase that has seen so many errors is given up. */
#define BENCH_MAX_ERRORS 100u
#define BENCH_MAX_RESULTS 40u
#define BENCH_MAX_ROUNDS 64u
#define BENCH_MAX_SERVERS 64u
#define BENCH_PATH 256u
/* Exit status of --compare: something is slower. */
#define BENCH_EXIT_SLOWER 3

struct options {
    const char *nm;
    uint64_t files;       /* 0: not given */
    uint64_t seconds;     /* ns; 0: not given */
    uint64_t size;        /* 0: not given */
    uint64_t connections; /* 0: not given */
    uint64_t depth;
    uint64_t goal;
    uint64_t ops;    /* of rand and mix; 0: not given */
    uint64_t warmup; /* ns */
    uint64_t rounds;
    uint64_t block, read_percent; /* of rand */
    uint32_t mix[4];              /* shares of put, get, stat, remove */
    const char *json, *compare;
    bool cleanup, verify;
};

/* Cores kept busy, on the average: 1.0 is one core. Negative: not known. */
struct usage {
    double nameservers, storage, own;
};

struct result {
    const char *workload, *op;
    uint64_t concurrency, size, ops, bytes, errors;
    double seconds;
    double rates[BENCH_MAX_ROUNDS]; /* operations a second, of each round */
    uint32_t n_rounds;
    struct usage usage; /* of all rounds together; the last one counts for what others did not tell */
    char first_error[512];
    struct histogram latency; /* ns */
};

struct server { /* one process; what a server says of itself, and when */
    char address[64], host[64];
    uint32_t pid, cores;
    bool storage, nameserver, silent;
    uint64_t first_cpu, cpu, mono; /* us */
    uint64_t memory, memory_peak;
    uint64_t began_cpu, began_mono; /* when the phase did */
};

struct bench {
    const struct options *opt;
    uv_loop_t loop;
    uv_signal_t sigint;
    uv_timer_t live; /* redraws the live line */
    bool show_live, interrupted, color;
    bool all; /* every workload, one after the other */
    bool last_round;
    struct dfs_client **clients;
    uint32_t n_clients, depth;
    uint64_t run_id;   /* random: names what only this run uses */
    uint64_t verified; /* bytes compared with what was stored */
    struct server servers[BENCH_MAX_SERVERS];
    uint32_t n_servers;
    bool asking;
    uint64_t own_cpu, own_began; /* us, ns, when the phase began */
    struct result *results[BENCH_MAX_RESULTS];
    uint32_t n_results;
};

/* --- phase.c --- */

struct phase;

/* One operation in flight. */
struct slot {
    struct phase *phase;
    struct dfs_client *client;
    uint32_t client_index, part; /* part: which of phase.parts this operation counts for */
    uint64_t index;              /* of the operation within the phase */
    uint64_t number;             /* of the file or block it is about, where the workload chooses one */
    uint64_t started;
    char path[BENCH_PATH], path2[BENCH_PATH];
    uint64_t seed, size, moved;     /* of the file being written or checked; bytes so far */
    char after[BENCH_PATH];         /* where a listing goes on */
    char mismatch[BENCH_PATH + 80]; /* what was wrong with the data, or "" */
};

#define PHASE_PARTS 4u
struct phase {
    const char *workload, *op;
    const char *parts[PHASE_PARTS]; /* kinds of operations that also have a result each; the first NULL ends them */
    uint64_t size;
    /* Starts operation s->index on s->client; it ends with phase_done or phase_finish. 0 or a DFS_E. */
    int (*start)(struct slot *s);
    /* Told of each that has ended, before the slot goes on; may be NULL. */
    void (*done)(struct slot *s, int status);
    void *arg;
    uint64_t limit;   /* operations at most */
    uint64_t seconds; /* ns; 0: no limit of time */
    bool quiet;       /* preparation: no live line, and errors say so */
    /* filled by phase_run */
    struct bench *bench;
    struct result *result, *part_results[PHASE_PARTS];
    bool warming;
    uint64_t issued, began, ended, busy, moved;
};

/* Runs until limit or time or too many errors, after the warm-up, which counts for the limit only; what happened is added
 * to the bench's results. After Ctrl-C nothing is run, and there is no result. */
void phase_run(struct bench *b, struct phase *p);
/* A phase that is not reported and ends at the first error: the number of errors, after printing that one. */
uint64_t phase_run_quietly(struct bench *b, struct phase *p);
/* The end of one operation. error: a sentence, used with a status. */
void phase_finish(struct slot *s, int status, const char *error, uint64_t bytes);
/* As a dfs_cb whose arg is the slot. */
void phase_done(void *slot, int status, const struct dfs_result *r);
void phase_live(uv_timer_t *timer); /* timer->data: the phase, or NULL */

/* --- fileset.c: files under /dfs-bench/<name>/<folder>/<letter><number> --- */

struct fileset {
    char base[64];
    uint32_t folders;
    uint64_t *numbers; /* with FILESET_RENAMED in those that carry the second letter */
    size_t n, cap;
};
#define FILESET_RENAMED (1ULL << 63)

void fileset_init(struct fileset *f, const char *name, uint32_t folders);
void fileset_close(struct fileset *f);
void fileset_add(struct fileset *f, uint64_t number);
void fileset_path(const struct fileset *f, uint64_t number, char out[BENCH_PATH]);
void fileset_folder(const struct fileset *f, uint64_t folder, char out[BENCH_PATH]);
/* 0, or 1 after printing what failed. */
int fileset_make_folders(struct bench *b, struct fileset *f) MUST_USE;
int fileset_load(struct bench *b, struct fileset *f) MUST_USE;   /* lists what is there; nothing is no error */
int fileset_remove(struct bench *b, struct fileset *f) MUST_USE; /* files and folders, whatever is there */

/* --- workload_data.c, for others too: a file of p->size bytes, made from its number --- */

int data_put(struct slot *s, const struct fileset *f, uint64_t number) MUST_USE;
int data_get(struct slot *s, const struct fileset *f, uint64_t number) MUST_USE; /* checks every byte */
/* Removes what the workload stored, and says where the rest is if it cannot. 0 or 1. */
int data_tidy(struct bench *b, struct fileset *f) MUST_USE;

/* --- usage.c --- */

/* Learns which servers there are; those that say nothing of themselves are left out from then on. */
void usage_open(struct bench *b);
void usage_begin(struct bench *b);
struct usage usage_end(struct bench *b);

/* --- compare.c --- */

/* Prints what has changed since the run whose JSON is in the file. 0, 1 (it cannot be read) or BENCH_EXIT_SLOWER. */
int compare_report(const struct bench *b, const char *file, FILE *out) MUST_USE;

/* --- workloads: 0, or 1 after printing why it could not run --- */

int workload_meta(struct bench *b) MUST_USE;
int workload_put(struct bench *b) MUST_USE;
int workload_get(struct bench *b) MUST_USE;
int workload_write(struct bench *b) MUST_USE;
int workload_read(struct bench *b) MUST_USE;
int workload_rand(struct bench *b) MUST_USE;
int workload_mix(struct bench *b) MUST_USE;

/* --- report.c --- */

/* "4k", "1g"; the plain number where no unit divides it. */
void size_text(uint64_t size, char *out, size_t len);
/* "1.25 ms": three significant digits and a unit that fits. */
void time_text(uint64_t ns, char *out, size_t len);
double result_rate(const struct result *r); /* operations a second: the median of the rounds */
void report_table(const struct bench *b, FILE *out);
/* --- json.c --- */
/* 0 or a DFS_E. */
int report_json(const struct bench *b, const char *file) MUST_USE;
uint64_t report_errors(const struct bench *b);

#endif
