/* SPDX-License-Identifier: MIT */
/* dfs-bench: the parts and how they fit.
 *
 * A workload (workload_*.c) prepares a set of files and runs phases. A phase (phase.c) is one kind of operation,
 * repeated by all slots at once until enough were done or the time is over; it fills a result. report.c prints them.
 * Everything runs on one loop; phase_run and the bench_* helpers turn that loop until what they started has ended. */
#ifndef DFS_BENCH_BENCH_H
#define DFS_BENCH_BENCH_H

#include <uv.h>

#include "base/bytes.h"
#include "dfs/dfs.h"
#include "histogram.h"

/* Files of a workload are spread over so many folders. */
#define BENCH_FOLDERS 64u
/* A phase that has seen so many errors is given up. */
#define BENCH_MAX_ERRORS 100u
#define BENCH_MAX_RESULTS 16u
#define BENCH_PATH 256u

struct options {
    const char *nm;
    uint64_t files;   /* 0: not given */
    uint64_t seconds; /* ns; 0: not given */
    uint64_t size;    /* 0: not given */
    uint64_t connections; /* 0: not given */
    uint64_t depth;
    uint64_t goal;
    const char *json;
    bool cleanup;
};

struct result {
    const char *workload, *op;
    uint64_t concurrency, size, ops, bytes, errors;
    double seconds;
    char first_error[512];
    struct histogram latency; /* ns */
};

struct bench {
    const struct options *opt;
    uv_loop_t loop;
    uv_signal_t sigint;
    uv_timer_t live; /* redraws the live line */
    bool show_live, interrupted;
    bool all; /* every workload, one after the other */
    struct dfs_client **clients;
    uint32_t n_clients, depth;
    uint64_t run_id; /* random: names what only this run uses */
    struct result *results[BENCH_MAX_RESULTS];
    uint32_t n_results;
};

/* --- phase.c --- */

struct phase;

/* One operation in flight. */
struct slot {
    struct phase *phase;
    struct dfs_client *client;
    uint64_t index; /* of the operation within the phase */
    uint64_t started;
    char path[BENCH_PATH], path2[BENCH_PATH];
    uint64_t seed, size, moved; /* of the file being written or checked; bytes so far */
    char after[BENCH_PATH];     /* where a listing goes on */
    char mismatch[BENCH_PATH + 80];   /* what was wrong with the data, or "" */
};

struct phase {
    const char *workload, *op;
    uint64_t size;
    /* Starts operation s->index on s->client; it ends with phase_done or phase_finish. 0 or a DFS_E. */
    int (*start)(struct slot *s);
    void *arg;
    uint64_t limit;   /* operations at most */
    uint64_t seconds; /* ns; 0: no limit of time */
    bool quiet;       /* preparation: no live line, and errors say so */
    /* filled by phase_run */
    struct bench *bench;
    struct result *result;
    uint64_t issued, began, ended, busy, moved;
};

/* Runs until limit or time or too many errors; p->result says what happened, and is the bench's. After Ctrl-C nothing
 * is run, and there is no result. */
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
void fileset_path(const struct fileset *f, uint64_t number, char out[BENCH_PATH]);
void fileset_folder(const struct fileset *f, uint64_t folder, char out[BENCH_PATH]);
/* 0, or 1 after printing what failed. */
int fileset_make_folders(struct bench *b, struct fileset *f) MUST_USE;
int fileset_load(struct bench *b, struct fileset *f) MUST_USE; /* lists what is there; nothing is no error */
int fileset_remove(struct bench *b, struct fileset *f) MUST_USE; /* files and folders, whatever is there */

/* --- workloads: 0, or 1 after printing why it could not run --- */

int workload_meta(struct bench *b) MUST_USE;
int workload_put(struct bench *b) MUST_USE;
int workload_get(struct bench *b) MUST_USE;
int workload_write(struct bench *b) MUST_USE;
int workload_read(struct bench *b) MUST_USE;

/* --- report.c --- */

/* "4k", "1g"; the plain number where no unit divides it. */
void size_text(uint64_t size, char *out, size_t len);
void report_table(const struct bench *b, FILE *out);
/* 0 or a DFS_E. */
int report_json(const struct bench *b, const char *file) MUST_USE;
uint64_t report_errors(const struct bench *b);

#endif
