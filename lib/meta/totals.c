/* SPDX-License-Identifier: MIT */
/* Directories and what lies below them. Totals are kept along the way up at every change, by chasing pointers: no walk
 * is needed to tell how much a directory holds, and a directory that moves takes its totals along. */
#include <stdlib.h>

#include "meta/state.h"

static size_t dir_cost(const struct dir *d)
{
    return heap_cost(sizeof *d) + (d->name != NULL ? heap_cost(strlen(d->name) + 1) : 0);
}

struct dir *meta_dir_new(struct meta *m, uint64_t ino)
{
    struct dir *d = xcalloc(1, sizeof *d);
    d->ino = ino;
    m->heap_bytes += dir_cost(d);
    return d;
}

void meta_dir_free(struct meta *m, struct dir *d)
{
    m->heap_bytes -= dir_cost(d);
    free(d->name);
    free(d);
}

/* Adds t to d and all above it, or, with sign -1, takes it away. */
static void add_upwards(struct dir *d, const struct totals *t, int sign)
{
    uint64_t files = t->files, bytes = t->bytes;
    uint32_t dirs = t->dirs, symlinks = t->symlinks;
    if (sign < 0) {
        files = -files;
        bytes = -bytes;
        dirs = -dirs;
        symlinks = -symlinks;
    }
    for (; d != NULL; d = d->up) {
        d->all.files += files;
        d->all.bytes += bytes;
        d->all.dirs += dirs;
        d->all.symlinks += symlinks;
    }
}

struct totals meta_totals_of(const struct inode *in)
{
    struct totals t = {0};
    switch (inode_type(in)) {
    case INODE_FILE: t.files = 1, t.bytes = in->size; break;
    case INODE_FIFO:
    case INODE_SOCKET:
    case INODE_CHAR_DEVICE:
    case INODE_BLOCK_DEVICE: t.files = 1; break;
    case INODE_SYMLINK: t.symlinks = 1; break;
    default: t = in->dir->all, t.dirs++; break;
    }
    return t;
}

void meta_dir_attach(struct meta *m, struct dir *d, struct dir *up, struct str name)
{
    struct totals t = d->all;
    t.dirs++;
    d->up = up;
    d->name = xstrndup(name.p, name.len);
    m->heap_bytes += heap_cost(name.len + 1);
    up->subdirs++;
    add_upwards(up, &t, 1);
}

void meta_dir_detach(struct meta *m, struct dir *d)
{
    struct totals t = d->all;
    t.dirs++;
    add_upwards(d->up, &t, -1);
    d->up->subdirs--;
    d->up = NULL;
    m->heap_bytes -= heap_cost(strlen(d->name) + 1);
    free(d->name);
    d->name = NULL;
}

void meta_totals_count(struct meta *m, const struct inode *in, uint64_t dir, int sign)
{
    struct totals t = meta_totals_of(in);
    add_upwards(meta_inode(m, dir)->dir, &t, sign);
}

void meta_totals_bytes(struct meta *m, uint64_t dir, uint64_t more)
{
    struct totals t = {.bytes = more};
    add_upwards(meta_inode(m, dir)->dir, &t, 1);
}

uint64_t meta_top(const struct meta *m, uint64_t dir)
{
    const struct dir *d = meta_inode(m, dir)->dir;
    while (d->up != NULL)
        d = d->up;
    return d->ino;
}

struct sum { /* starts with what it is known as outside */
    struct totals all;
    uint32_t waits; /* subdirectories not added yet */
    uint32_t reserved;
};

/* A directory all of whose subdirectories were added is added to the one above it, which may then be complete too. */
static void pass_up(struct idmap *sums, const struct dir *d)
{
    const struct sum *s = idmap_find(sums, d->ino);
    while (s->waits == 0 && d->up != NULL) {
        struct sum *up = idmap_find(sums, d->up->ino);
        up->all.files += s->all.files;
        up->all.bytes += s->all.bytes;
        up->all.dirs += s->all.dirs + 1;
        up->all.symlinks += s->all.symlinks;
        up->waits--;
        d = d->up;
        s = up;
    }
}

void meta_totals_sum(const struct meta *m, struct idmap *sums)
{
    struct idmap_iter it;
    const struct inode *in;
    uint64_t ino;
    idmap_init(sums, sizeof(struct sum));
    if (idmap_iter_init(&it, &m->inodes) != 0)
        abort();
    while ((in = idmap_iter_next(&it, &ino)) != NULL)
        if (is_dir(in))
            ((struct sum *)idmap_add(sums, ino))->waits = in->dir->subdirs;
    idmap_iter_close(&it);
    if (idmap_iter_init(&it, &m->inodes) != 0)
        abort();
    struct sum *s = NULL; /* of `home`: files made one after the other often share theirs */
    uint64_t home = 0;
    while ((in = idmap_iter_next(&it, &ino)) != NULL) {
        if (is_dir(in) || in->names == 0)
            continue;
        if (inode_home(in) != home) {
            home = inode_home(in);
            s = idmap_find(sums, home);
        }
        if (s == NULL)
            continue;
        struct totals t = meta_totals_of(in);
        s->all.files += t.files;
        s->all.bytes += t.bytes;
        s->all.symlinks += t.symlinks;
    }
    idmap_iter_close(&it);
    if (idmap_iter_init(&it, &m->inodes) != 0)
        abort();
    while ((in = idmap_iter_next(&it, &ino)) != NULL)
        if (is_dir(in) && in->dir->subdirs == 0)
            pass_up(sums, in->dir);
    idmap_iter_close(&it);
}
