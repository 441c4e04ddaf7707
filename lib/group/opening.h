/* SPDX-License-Identifier: MIT */
/* What nm_open.c, which reads a data folder, and nm_make.c, which makes one, share. */
#ifndef DFS_GROUP_OPENING_H
#define DFS_GROUP_OPENING_H

#include "group/group.h"

#define FIRST_ID 1u

struct opening {
    struct nm *nm;
    struct disk *disk;
    char *why;
    size_t why_len;
    /* what the folder holds */
    bool has_identity, has_new, has_log;
    struct snapshot_ref snaps[64];
    uint32_t n_snaps;
    bool has_tmp, has_get, has_mark;
    /* what was read */
    struct snapshot_info snap;
    struct slice conf;
    uint64_t seen_snapshot; /* the highest index of any snapshot file, good or not */
    bool vote_both;
    uint64_t first_entry;       /* index of entries[0] */
    struct raft_entry *entries; /* raft_malloc'ed: raft frees them if starting fails */
    uint32_t n_entries, cap_entries;
    struct bytes confs; /* bodies of configuration entries, at their buf.base as an offset */
};

/* Says why, and returns err. */
int opening_fail(struct opening *o, int err, const char *fmt, ...) PRINTF_LIKE(3, 4);
void opening_close(struct opening *o);

/* nm_make.c */
int opening_config(struct opening *o, const struct nm_config *cfg) MUST_USE;
int opening_init(struct opening *o) MUST_USE; /* a new cluster in this folder */
int opening_join(struct opening *o) MUST_USE; /* a folder that is to join one; the rest follows in nm_open_joined */

/* nm_open.c */
int opening_look(struct opening *o) MUST_USE; /* which files are there */
int opening_load(struct opening *o) MUST_USE; /* everything that is there, up to a running raft */

#endif
