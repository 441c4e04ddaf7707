/* SPDX-License-Identifier: MIT */
/* What directories are like. Whenever the kernel has made or removed a name it asks again for the attributes of the directory,
 * before it looks at the next name: a round trip for each file of a tree that is unpacked or removed. So what the cluster said
 * of a directory is kept, no longer than the kernel itself might keep it, and its times move with what we change in it, as
 * the answers say. Other changes, ours or told by the NameServer, end it. */
#include <string.h>

#include "mount.h"

#define DIRS_SLOTS 256u

struct known_dir {
    uint64_t ino;
    uint64_t changed; /* the number of the last call begun when it changed: what those say may be older */
    uint64_t until;   /* ms; 0: nothing is known */
    struct dfs_attr attr;
};

static struct known_dir *slot_of(const struct mount *m, uint64_t ino)
{
    return m->dirs ? &m->dirs[ino % DIRS_SLOTS] : NULL;
}

/* The directory's own slot, taken from another if need be: then what was asked before does not count, because nobody has taken
 * note of changes. */
static struct known_dir *slot_take(struct mount *m, uint64_t ino)
{
    if (!m->dirs)
        m->dirs = xcalloc(DIRS_SLOTS, sizeof *m->dirs);
    struct known_dir *d = slot_of(m, ino);
    if (d->ino != ino)
        *d = (struct known_dir){.ino = ino, .changed = m->last_call};
    return d;
}

void dirs_heard(const struct call *k, const struct dfs_attr *a)
{
    if (a->type != DFS_DIRECTORY)
        return;
    struct known_dir *d = slot_take(k->m, a->ino);
    if (k->order <= d->changed)
        return;
    d->attr = *a;
    d->until = k->began + k->m->opt.attr_ms;
}

void dirs_changed(struct mount *m, uint64_t ino, int64_t ns)
{
    struct known_dir *d = slot_of(m, ino);
    if (!d || d->ino != ino)
        return;
    d->changed = m->last_call;
    if (!ns) {
        d->until = 0;
        return;
    }
    if (d->attr.atime_ns == d->attr.mtime_ns) /* it has none of its own */
        d->attr.atime_ns = ns;
    d->attr.mtime_ns = d->attr.ctime_ns = ns;
}

void dirs_forget(struct mount *m)
{
    for (size_t i = 0; m->dirs && i < DIRS_SLOTS; i++)
        m->dirs[i] = (struct known_dir){.ino = m->dirs[i].ino, .changed = m->last_call};
}

const struct dfs_attr *dirs_know(const struct mount *m, uint64_t ino, uint64_t *left_ms)
{
    const struct known_dir *d = slot_of(m, ino);
    uint64_t now = uv_now(&m->loop);
    if (!d || d->ino != ino || d->until <= now)
        return NULL;
    *left_ms = d->until - now;
    return &d->attr;
}
