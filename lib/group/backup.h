/* SPDX-License-Identifier: MIT */
/* The namespace out of the cluster and back: what is left when every NameServer's folder is lost.
 *
 * A backup is a snapshot file under any name (snapshot.h). Out of one, or out of nothing, a fresh data folder is made: a
 * lone NameServer of the same cluster, with a new id and uuid, whose log begins far behind where any log of the
 * cluster's earlier life can have ended. So its epochs are above all that StorageServers have obeyed, and what the
 * earlier life's NameServers still say, should one come back, is refused (CONSISTENCY B16). */
#ifndef DFS_GROUP_BACKUP_H
#define DFS_GROUP_BACKUP_H

#include "wire/disk.h"

struct meta;

struct nm_life {
    uint64_t cluster_hi, cluster_lo;
    uint64_t uuid_hi, uuid_lo; /* fresh: of the NameServer that begins it */
    uint64_t index, term;      /* of the earlier life, as far as known */
    int64_t wall;              /* now: ns since the epoch */
    uint64_t segment_bytes;    /* of its log */
};

/* Writes the data folder for this state, which is changed to begin anew. The folder must be empty (DFS_ENOTEMPTY). On
 * error *why is a sentence; identity is written last, so that what is left is no NameServer. */
int life_begin(struct disk *to, struct meta *m, const struct nm_life *life, char *why, size_t why_len) MUST_USE;

struct nm_restored { /* what was */
    uint64_t cluster_hi, cluster_lo, index;
    uint64_t files, directories;
    bool in_folder; /* with an error: it is about the folder, not the backup */
};
/* From the backup `name` on `from` into the folder `to`: life_begin. */
int nm_restore(struct disk *from, const char *name, struct disk *to, const struct nm_life *life,
               struct nm_restored *out, char *why, size_t why_len) MUST_USE;
/* Whether this is a whole backup. */
int nm_check_backup(struct disk *from, const char *name, char *why, size_t why_len) MUST_USE;

#endif
