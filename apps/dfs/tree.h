/* SPDX-License-Identifier: MIT */
/* Walking trees with many operations in flight. The walk itself is recursive and waits for directories, one page or one
 * open folder per level; files go out in parallel. Memory grows with depth, not with the number of files. */
#ifndef DFS_APPS_TREE_H
#define DFS_APPS_TREE_H

#include "cli.h"
#include "sync.h"

struct tree {
    struct cli *cli;
    uint32_t in_flight;
    uint64_t bytes;  /* of the files in flight, as far as they occupy memory */
    uint32_t making; /* directories being made; tree_made waits for them */
    char **unmade;   /* those that could not be */
    size_t n_unmade;
};

/* A directory whose contents are still being worked on; the last one out calls last(). */
struct branch {
    struct tree *tree;
    struct branch *parent;
    uint32_t refs;
    bool failed; /* something below it went wrong */
    char *path, *path2;
    struct dfs_attr attr;
    void (*last)(struct branch *n); /* must end with branch_free, now or later */
};

/* One operation in flight. */
struct job {
    struct tree *tree;
    struct branch *branch;
    uint64_t bytes;
    unsigned step;
    char *path, *path2;
    char *target; /* of a link */
    struct sync_side source;
    struct dfs_attr attr;
};

struct branch *branch_new(struct tree *t, struct branch *parent, char *path, char *path2,
                          void (*last)(struct branch *n));
void branch_drop(struct branch *n); /* one reference */
void branch_free(struct branch *n); /* drops its parent */

/* Waits until one more may start. path and path2 are taken over. */
struct job *job_new(struct tree *t, struct branch *n, char *path, char *path2, uint64_t size);
void job_end(struct job *j);
/* Reports, marks the branch, ends. */
void job_fail(struct job *j, int status, const char *error); /* status 0: not one of the cluster's */
void tree_finish(struct tree *t);                            /* waits for all */

/* Makes a directory of the cluster, in parallel with others; takes path over. */
void tree_mkdir(struct tree *t, char *path, uint32_t mode);
void tree_made(struct tree *t);
bool tree_is_unmade(const struct tree *t, const char *path);
/* Makes j->path2 a symbolic link to target, also where there is one already; ends the job. */
void tree_link(struct job *j, const char *target);
/* Moves the job's file unless the target has it already (sync.h); move(j) starts the transfer, or ends the job. */
void tree_move(struct job *j, void (*move)(struct job *j));
/* For move: nothing is to be moved, only said. */
bool tree_only_says(struct job *j);
void on_tree_file(void *job, int status, const char *error); /* as an xfer_done */

/* One page of a directory of the cluster, copied. */
struct page {
    struct dfs_entry *v;
    size_t n;
    bool eof;
};
/* after: the last name of the page before, or "". */
int page_take(struct call *k, const char *path, const char *after, struct page *out); /* says nothing */
int page_read(struct cli *cli, const char *path, const char *after, struct page *out);
void page_free(struct page *p);

#endif
