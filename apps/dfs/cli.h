/* SPDX-License-Identifier: MIT */
/* What the verbs of the CLI share. A verb is a function in a file of its own, named in the table of verbs.c.
 *
 * Exit status: 0 fine, 1 something failed (and was said on stderr), 2 usage. */
#ifndef DFS_APPS_CLI_H
#define DFS_APPS_CLI_H

#include <stdio.h>
#include <sys/stat.h>
#include <uv.h>

#include "base/bytes.h"
#include "base/list.h"
#include "dfs/dfs.h"
#include "verbs.h"

/* Files moved at once by a recursive put, get or chmod, and the bytes they may keep in memory together. */
#define CLI_FLIGHT_MAX 256u
#define CLI_FLIGHT_BYTES (24 * MIB)

struct options {
    const char *nm, *color;
    const char *time, *to, *format, *algorithm;
    const char *name, *iname, *size, *mtime, *type; /* find */
    const char *bytes, *lines;                      /* head, tail */
    const char *mode;                               /* mkdir */
    uint64_t depth, max_depth;
    bool json, recursive, parents, symbolic, long_form, all, human, force, summary, no_create, no_follow, now, help;
    bool give_up;                                                                    /* fsck */
    bool changed, newer, skip_existing, checksum, dry_run, verbose, prune, preserve; /* put, get, cp */
    uint64_t wait, conflict;                                                         /* lock: ns; exit status */
    bool shared, exclusive, no_wait;
    bool by_time, by_size, reverse, single, directory, zero, follow;
    bool classify, inode;     /* ls */
    bool archive;             /* cp */
    bool empty, print, total; /* find, find, du */
};

struct progress {
    uv_timer_t timer;
    bool on, shown;              /* shown: a line stands on the terminal */
    bool terminal, told;         /* told: what is waited for, where there is none */
    uint64_t moved, moved_at;    /* what is below, together, and when it was another number; 0: not looked at yet */
    uint64_t started;            /* ns */
    uint64_t bytes, total;       /* total 0: not known */
    uint64_t files, total_files; /* likewise */
    uint64_t skipped, removed, failed;
    struct {
        uint64_t at, bytes;
    } samples[16]; /* of the last seconds, for the rate */
    unsigned n_samples;
};

struct cli {
    const struct verb *verb;
    struct options opt;
    const char **args;
    size_t n_args;
    struct globbed *globbed; /* what patterns among the operands became */
    uint64_t timeout_ms;     /* 0: the library's */
    uv_loop_t loop;
    struct dfs_client *client;
    uv_signal_t signals[2];
    struct list temps; /* files to be removed when a signal ends us */
    struct progress progress;
    bool colors;     /* names on standard output are coloured */
    bool gave_up;    /* what failed would befall everything that follows: nothing more is begun */
    uint64_t untold; /* failures since then, of the same kind */
    char *alone;     /* put, get, cp: what DST, not there before, becomes the copy of; malloc'ed */
    bool tree;       /* it was a directory */
    int status;
};

/* --- verb_backup.c: parts of nm --- */
int verb_nm_backup(struct cli *cli, const char *file);
int verb_nm_restore(struct cli *cli, const char *file, const char *folder);
int verb_nm_quarantine(struct cli *cli, const char *what, const char *more); /* NULL: show it; nothing more */

/* --- cli.c --- */
/* "dfs: VERB PATH: reason" on stderr; the exit status becomes 1. path may be NULL. */
void cli_fail(struct cli *cli, const char *path, const char *fmt, ...) PRINTF_LIKE(3, 4);
void cli_warn(struct cli *cli, const char *path, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* With -v: what was done, on standard output. */
void cli_did(const struct cli *cli, const char *what, const char *path);
/* A call's failure. One that tells of the cluster and not of the path is said once, and gives up. */
void cli_fail_call(struct cli *cli, int status, const char *path, const char *error);
int cli_open(struct cli *cli);
/* Closes everything, flushes stdout, gives the exit status. */
int cli_close(struct cli *cli);
/* Ctrl-C ends us at once from now on, also while a write waits for standard output's reader; for who has nothing to undo. */
void cli_signals_default(struct cli *cli);
/* stdout cannot be written: says so, or ends as SIGPIPE ends cat. */
void cli_stdout_failed(struct cli *cli);

/* One call, waited for. */
struct call {
    struct cli *cli;
    bool done;
    int status;
    char error[320];
    struct dfs_attr attr;
    char *target;                                        /* of a symlink; call_free */
    void (*take)(void *arg, const struct dfs_result *r); /* looks at a good result; may be NULL */
    void *take_arg;
};
#define CALL(c) ((struct call){.cli = (c)})
void on_call(void *arg, int status, const struct dfs_result *r);
/* err: what the dfs_ function returned. Waits, and gives the outcome. */
int call_wait(struct call *k, int err);
void call_free(struct call *k);
/* Does not follow a final symlink; says nothing. */
int cli_lstat(struct cli *cli, const char *path, struct dfs_attr *attr);
int cli_stat(struct cli *cli, const char *path, struct dfs_attr *attr);
/* Where operands go: *into says that path is a directory. False, and said why: that cannot be told. */
bool cli_target(struct cli *cli, const char *path, bool *into);

/* A file to be removed if a signal ends us. */
struct temp {
    struct list link;
    char *path;
};

/* --- glob.c --- */
/* Patterns among the operands become the names they fit. False: one fits nothing, which was said. */
bool cli_expand(struct cli *cli);
void cli_expand_free(struct cli *cli);

/* --- progress.c: a line on the terminal during long transfers; nothing anywhere else --- */
void progress_start(struct cli *cli, uint64_t total);
void progress_stop(struct cli *cli);
/* Adds what the path holds to what is to come, so that a bar and the time left can be shown. */
void progress_expect(struct cli *cli, const char *remote);
void progress_expect_local(struct cli *cli, const char *local);
void progress_skip(struct cli *cli, uint64_t size); /* a file that is there already */
void progress_clear(struct cli *cli);               /* before anything else is printed */

/* --- text.c --- */
/* "1.5 GiB" */
const char *text_size(uint64_t n, char out[32]);
/* "1 file", "2 files" */
const char *text_count(uint64_t n, const char *one, const char *many, char out[64]);
/* "1d", "90s", "1500ms": in the largest unit of which it is a whole number. */
const char *text_duration(uint64_t ms, char out[32]);
/* As ls -l shows it. */
void text_mode(const struct dfs_attr *a, char out[11]);
/* UTC, RFC 3339 */
void text_time(int64_t ns, char out[40]);
/* A name as it may be shown: control bytes are escaped if out is a terminal. */
void text_name(FILE *out, const char *name);
/* How many columns it takes then. */
size_t text_width(const char *name);
/* On standard output, with the colour of its type. */
void text_colored(const struct cli *cli, const char *name, const struct dfs_attr *a);
const char *text_type(uint8_t type);
/* Length of the UTF-8 sequence at p, 0 if it is none. */
unsigned utf8_len(const unsigned char *p);
/* Joins with exactly one '/', "a/." and "b" to "a/b"; malloc'ed. */
char *path_join(const char *dir, const char *name);
/* The last component without trailing slashes; "" for "/", "." and "..". malloc'ed. */
char *path_base(const char *path);

/* --- json.c --- */
void json_string(FILE *out, const char *s);
/* "key":"…" and, if s is not UTF-8, "key_base64":"…" beside a lossy "key". */
void json_name(FILE *out, const char *key, const char *s);
/* An object of one value, which need not be text. */
void json_bytes(FILE *out, const char *key, const void *p, size_t len);
void json_attr(FILE *out, const char *path, const struct dfs_attr *a, const char *target);
/* The same without the last brace. */
void json_attr_open(FILE *out, const char *path, const struct dfs_attr *a, const char *target);

/* --- xfer_put.c, xfer_get.c: one file --- */
typedef void (*xfer_done)(void *arg, int status, const char *error);
/* done comes from the loop, exactly once, unless the return is not 0 (then error holds the sentence). "-" is stdin. */
int xfer_put(struct cli *cli, const char *local, const char *remote, xfer_done done, void *arg, char error[320]);
/* Under a temporary name until it is complete; mode and mtime as stored. "-" is stdout. */
int xfer_get(struct cli *cli, const char *remote, const char *local, xfer_done done, void *arg, char error[320]);

/* One file of the cluster to another path of it; a: the source's. */
int xfer_copy(struct cli *cli, const char *from, const char *to, const struct dfs_attr *a, xfer_done done, void *arg,
              char error[320]);

/* One xfer, waited for; failures are reported under `named`. */
struct xfer_wait {
    bool done;
    int status;
    char error[320];
};
void on_xfer_wait(void *arg, int status, const char *error);
int xfer_finish(struct cli *cli, struct xfer_wait *w, int err, const char *named);

/* --- tree_*.c: directories, or single files under the same rules; failures are reported and counted --- */
void tree_put(struct cli *cli, const char *local, const char *remote);
void tree_get(struct cli *cli, const char *remote, const char *local);
void tree_copy(struct cli *cli, const char *from, const char *to);
/* Calls set() for everything below remote, and for remote itself; it fills in what is to be changed, false: nothing. */
typedef bool (*tree_set_fn)(void *arg, const struct dfs_attr *a, struct dfs_setattr *out);
void tree_set(struct cli *cli, const char *remote, const struct dfs_attr *attr, tree_set_fn set, void *arg);
/* verb_attr.c: one path, or with -R a tree. */
void cli_set(struct cli *cli, const char *path, tree_set_fn set, void *arg);

#endif
