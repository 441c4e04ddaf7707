/* SPDX-License-Identifier: MIT */
/* What the command line of dfs-mount says; the same for dfs mount and mount(8). */
#ifndef DFS_APPS_MOUNT_OPTIONS_H
#define DFS_APPS_MOUNT_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MOUNT_CACHE_DEFAULT (64u * 1024 * 1024)

struct mount_options {
    char *source;      /* as it was typed, for the table of mounts */
    char *nameservers; /* NULL: $DFS_NM */
    char *sub;         /* the cluster's folder that is mounted: "/", "/a/b" */
    const char *dir;   /* where */
    bool foreground, read_only, allow_other, no_allow_other, relaxed, soft, nodelegate, acl, help, version;
    uint64_t timeout_ms;        /* how long an operation may make no progress */
    uint64_t attr_ms, entry_ms; /* how long the kernel believes attributes, and names */
    uint64_t cache;             /* bytes that may wait to be written */
    char *passed;               /* options for FUSE itself, "" or "a,b" */
};

/* 0; or 2 with a sentence in err. Strings are malloc'ed; options_free. */
int options_parse(struct mount_options *o, int argc, char **argv, char *err, size_t err_len);
void options_free(struct mount_options *o);

#endif
