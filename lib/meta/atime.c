/* SPDX-License-Identifier: MIT */
/* Times of access. Reading does not move them: that would be an entry of the log for each file read. What a program sets is
 * kept, beside the inodes, as few have any; all others were accessed when their content last changed. */
#include "meta/state.h"

/* A map's value is never 0, and the epoch is a time like others. */
#define BIAS (1ULL << 63)

int64_t meta_atime(const struct meta *m, uint64_t ino, const struct inode *in)
{
    return in->flags & INODE_ATIME ? (int64_t)(u64map_get(&m->atimes, ino) ^ BIAS) : in->mtime_ns;
}

void meta_set_atime(struct meta *m, uint64_t ino, struct inode *in, int64_t atime_ns)
{
    if (atime_ns == in->mtime_ns || atime_ns == ATIME_NONE)
        meta_drop_atime(m, ino, in);
    else
        meta_keep_atime(m, ino, in, atime_ns);
}

void meta_keep_atime(struct meta *m, uint64_t ino, struct inode *in, int64_t atime_ns)
{
    u64map_put(&m->atimes, ino, (uint64_t)atime_ns ^ BIAS);
    in->flags |= INODE_ATIME;
}

void meta_drop_atime(struct meta *m, uint64_t ino, struct inode *in)
{
    if (in->flags & INODE_ATIME)
        u64map_remove(&m->atimes, ino);
    in->flags &= INODE_FLAGS & ~INODE_ATIME;
}
