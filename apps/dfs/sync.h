/* SPDX-License-Identifier: MIT */
/* What put, get and cp leave out because the target has it already, and what they say about each file. */
#ifndef DFS_APPS_SYNC_H
#define DFS_APPS_SYNC_H

#include "cli.h"

/* A file as far as the comparison goes. */
struct sync_side {
    uint64_t size;
    int64_t mtime_ns;
};

/* Whether the target has to be looked at before a file is moved. */
bool sync_wanted(const struct options *o);
/* The target exists: may the file be left out? With --checksum: not before sync_compare says so. */
bool sync_skips(const struct options *o, const struct sync_side *source, const struct sync_side *target);
bool sync_compares(const struct options *o, const struct sync_side *source, const struct sync_side *target);

/* Compares the contents of a local and a remote file of one size; done gets 0 (equal), 1 (they differ), or an error. */
typedef void (*compare_done)(void *arg, int status, const char *error);
void sync_compare(struct cli *cli, const char *local, const char *remote, compare_done done, void *arg);

/* With -v or -n: "FROM -> TO". */
void sync_say(struct cli *cli, const char *from, const char *to);
/* After all: what -j or -v prints. */
void sync_summary(struct cli *cli);

int64_t sync_mtime(const struct stat *st);

#endif
