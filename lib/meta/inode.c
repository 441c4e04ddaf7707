/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "meta/state.h"

struct inode *meta_inode(const struct meta *m, uint64_t ino) { return idmap_find(&m->inodes, ino); }

static uint64_t *counter_of(struct meta *m, uint8_t type)
{
    return type == INODE_SYMLINK ? &m->n_symlinks : type == INODE_DIRECTORY ? &m->n_dirs : &m->n_files;
}

struct inode *meta_inode_new(struct meta *m, const struct stamp *st, uint8_t type, uint32_t mode, uint32_t uid,
                             uint32_t gid, uint64_t *ino)
{
    *ino = m->next_ino++;
    return meta_inode_add(m, st, type, mode, uid, gid, *ino);
}

struct inode *meta_inode_add(struct meta *m, const struct stamp *st, uint8_t type, uint32_t mode, uint32_t uid,
                             uint32_t gid, uint64_t ino)
{
    struct inode *in = idmap_add(&m->inodes, ino);
    if (type == INODE_DIRECTORY)
        in->dir = meta_dir_new(m, ino);
    in->type_mode = (uint16_t)(type << 12 | (mode & 07777));
    in->uid = uid;
    in->gid = gid;
    in->mtime_ns = in->ctime_ns = st->time_ns;
    meta_set_generation(in, m->next_generation++);
    (*counter_of(m, type))++;
    return in;
}

struct inode *meta_root_new(struct meta *m, uint64_t ino)
{
    struct inode *in = idmap_add(&m->inodes, ino);
    in->type_mode = INODE_DIRECTORY << 12 | 0755;
    in->dir = meta_dir_new(m, ino);
    meta_set_generation(in, 1);
    return in;
}

void meta_inode_free_content(struct inode *in)
{
    if (is_dir(in)) {
        free(in->dir->name);
        free(in->dir);
    }
    if (inode_type(in) == INODE_FILE && in->n > 1)
        free(in->chunks);
    if (inode_type(in) == INODE_SYMLINK)
        free(in->target);
}

void meta_inode_drop(struct meta *m, const struct stamp *st, uint64_t ino)
{
    struct inode *in = meta_inode(m, ino);
    uint8_t type = inode_type(in);
    if (type == INODE_DIRECTORY)
        meta_delegation_gone(m, ino);
    if (type == INODE_FILE)
        meta_file_drop_chunks(m, st, in);
    else if (type == INODE_SYMLINK)
        m->heap_bytes -= heap_cost(in->size);
    (*counter_of(m, type))--;
    if (in->flags & INODE_XATTRS)
        meta_xattrs_put(m, ino, in, NULL, 0);
    meta_drop_atime(m, ino, in);
    if (type == INODE_DIRECTORY)
        meta_dir_free(m, in->dir);
    else
        meta_inode_free_content(in);
    idmap_remove(&m->inodes, ino);
}

uint64_t meta_file_chunk(const struct inode *in, uint32_t i) { return in->n == 1 ? in->chunk : in->chunks[i]; }

void meta_file_drop_chunks(struct meta *m, const struct stamp *st, struct inode *in)
{
    for (uint32_t i = 0; i < in->n; i++)
        meta_chunk_remove(m, meta_file_chunk(in, i), st->time_ns);
    if (in->n > 1) {
        m->heap_bytes -= heap_cost(in->n * sizeof *in->chunks);
        free(in->chunks);
    }
    in->chunks = NULL;
    in->n = 0;
}

void meta_file_set_chunks(struct meta *m, struct inode *in, const uint64_t *ids, uint32_t n)
{
    assert(n <= INODE_CHUNKS_MAX);
    in->n = n & INODE_CHUNKS_MAX;
    if (n == 1) {
        in->chunk = ids[0];
    } else if (n > 1) {
        in->chunks = xcalloc(n, sizeof *in->chunks);
        memcpy(in->chunks, ids, n * sizeof *ids);
        m->heap_bytes += heap_cost(n * sizeof *ids);
    }
}

void meta_set_goal(struct meta *m, struct inode *in, uint8_t goal)
{
    in->goal = goal & 31;
    for (uint32_t i = 0; inode_type(in) == INODE_FILE && i < in->n; i++) {
        struct chunk *c = meta_chunk(m, meta_file_chunk(in, i));
        const struct placement *p = meta_placement(m, c);
        uint16_t servers[META_MAX_REPLICAS];
        memcpy(servers, placement_servers(p), p->n * sizeof *servers); /* the table may move */
        meta_chunk_place(m, c, placements_take(&m->placements, goal, servers, p->n));
    }
}

uint64_t meta_generation(const struct inode *in) { return (uint64_t)in->generation_high << 32 | in->generation_low; }

void meta_set_generation(struct inode *in, uint64_t generation)
{
    in->generation_low = (uint32_t)generation;
    in->generation_high = (uint16_t)(generation >> 32);
}

void meta_fill_attr(const struct meta *m, uint64_t ino, const struct inode *in, struct wire_attr *a)
{
    bool dir = is_dir(in);
    *a = (struct wire_attr){
        .ino = ino,
        .generation = meta_generation(in),
        .size = in->size,
        .mtime_ns = in->mtime_ns,
        .ctime_ns = in->ctime_ns,
        .atime_ns = meta_atime(m, ino, in),
        .mode = in->type_mode & 07777,
        .uid = in->uid,
        .gid = in->gid,
        .nlink = dir ? in->dir->subdirs + 2 : in->names,
        .chunks = inode_type(in) == INODE_FILE ? in->n : 0,
        .type = inode_type(in),
        .goal = inode_type(in) == INODE_SYMLINK ? 0 : meta_goal(m, in->goal),
        .goal_chosen = in->goal != 0,
    };
}

void meta_file_resize(struct meta *m, struct inode *in, uint64_t size)
{
    if (in->names > 0)
        meta_totals_bytes(m, inode_home(in), size - in->size);
    in->size = size;
}

static void set_home(struct inode *in, uint64_t dir)
{
    in->home_low = (uint32_t)dir;
    in->home_high = (uint16_t)(dir >> 32);
}

/* --- the other names of an inode --- */

static size_t also_cost(const struct also *a) { return heap_cost(sizeof *a + a->cap * sizeof a->dirs[0]); }

static void also_add(struct meta *m, uint64_t ino, uint64_t dir)
{
    struct also *a = (struct also *)(uintptr_t)u64map_get(&m->also, ino);
    if (a == NULL || a->n == a->cap) {
        uint32_t cap = a == NULL ? 1 : a->cap * 2;
        struct also *b = xcalloc(1, sizeof *b + cap * sizeof b->dirs[0]);
        if (a != NULL) {
            memcpy(b->dirs, a->dirs, a->n * sizeof a->dirs[0]);
            b->n = a->n;
            m->heap_bytes -= also_cost(a);
            free(a);
        }
        a = b;
        a->cap = cap;
        m->heap_bytes += also_cost(a);
        u64map_put(&m->also, ino, (uint64_t)(uintptr_t)a);
    }
    uint32_t i = a->n++;
    for (; i > 0 && a->dirs[i - 1] > dir; i--)
        a->dirs[i] = a->dirs[i - 1];
    a->dirs[i] = dir;
}

/* Takes out dir, or the lowest if dir is 0; returns it. */
static uint64_t also_take(struct meta *m, uint64_t ino, uint64_t dir)
{
    struct also *a = (struct also *)(uintptr_t)u64map_get(&m->also, ino);
    uint32_t i = 0;
    while (dir != 0 && a->dirs[i] != dir)
        i++;
    dir = a->dirs[i];
    memmove(&a->dirs[i], &a->dirs[i + 1], (--a->n - i) * sizeof a->dirs[0]);
    if (a->n == 0) {
        m->heap_bytes -= also_cost(a);
        free(a);
        u64map_remove(&m->also, ino);
    }
    return dir;
}

void meta_also_free_all(struct meta *m)
{
    for (size_t i = 0; i < m->also.cap; i++)
        free((struct also *)(uintptr_t)m->also.slots[i].value);
    u64map_close(&m->also);
}

/* --- names --- */

static void move_home(struct meta *m, struct inode *in, uint64_t dir)
{
    meta_totals_count(m, in, inode_home(in), -1);
    meta_totals_count(m, in, dir, 1);
    set_home(in, dir);
}

/* One more directory names this inode. */
static void gain_name(struct meta *m, uint64_t ino, struct inode *in, uint64_t dir, struct str name)
{
    if (is_dir(in)) {
        meta_dir_attach(m, in->dir, meta_inode(m, dir)->dir, name);
        set_home(in, dir);
    } else if (in->names == 0) {
        set_home(in, dir);
        meta_totals_count(m, in, dir, 1);
    } else if (dir < inode_home(in)) {
        also_add(m, ino, inode_home(in));
        move_home(m, in, dir);
    } else {
        also_add(m, ino, dir);
    }
    in->names++;
}

static void lose_name(struct meta *m, uint64_t ino, struct inode *in, uint64_t dir)
{
    if (is_dir(in)) {
        meta_dir_detach(m, in->dir);
    } else if (in->names == 1) {
        meta_totals_count(m, in, dir, -1);
        set_home(in, 0);
    } else if (dir == inode_home(in)) {
        dir = also_take(m, ino, 0);
        if (dir != inode_home(in))
            move_home(m, in, dir);
    } else {
        also_take(m, ino, dir);
    }
    in->names--;
}

static void directory_changed(struct meta *m, const struct stamp *st, uint64_t dir)
{
    struct inode *in = meta_inode(m, dir);
    in->mtime_ns = in->ctime_ns = st->time_ns;
}

static void count_name(struct meta *m, uint64_t parent, struct str name, uint64_t ino)
{
    gain_name(m, ino, meta_inode(m, ino), parent, name);
    meta_inode(m, parent)->size++;
}

bool meta_name_append(struct meta *m, uint64_t parent, struct str name, uint64_t ino)
{
    bool added = names_append(&m->names, parent, name, ino);
    if (added)
        count_name(m, parent, name, ino);
    return added;
}

void meta_link(struct meta *m, const struct stamp *st, uint64_t parent, struct str name, uint64_t ino)
{
    bool added = names_add(&m->names, parent, name, ino);
    assert(added);
    (void)added;
    count_name(m, parent, name, ino);
    meta_inode(m, ino)->ctime_ns = st->time_ns;
    directory_changed(m, st, parent);
    meta_entry_changed(m, parent, name, ino);
}

static uint64_t take_name(struct meta *m, const struct stamp *st, uint64_t parent, struct str name)
{
    uint64_t ino = names_remove(&m->names, parent, name);
    struct inode *in = meta_inode(m, ino);
    meta_entry_changed(m, parent, name, ino);
    in->ctime_ns = st->time_ns;
    lose_name(m, ino, in, parent);
    meta_inode(m, parent)->size--;
    directory_changed(m, st, parent);
    return ino;
}

void meta_unlink(struct meta *m, const struct stamp *st, uint64_t parent, struct str name)
{
    uint64_t ino = take_name(m, st, parent, name);
    if (meta_inode(m, ino)->names == 0 && !meta_is_open(m, ino))
        meta_inode_drop(m, st, ino);
}

void meta_move(struct meta *m, const struct stamp *st, uint64_t parent, struct str name, uint64_t to_parent,
               struct str to_name)
{
    meta_link(m, st, to_parent, to_name, take_name(m, st, parent, name));
}

void meta_swap(struct meta *m, const struct stamp *st, const struct walk *a, const struct walk *b)
{
    uint64_t ino_a = take_name(m, st, a->parent, a->name), ino_b = take_name(m, st, b->parent, b->name);
    meta_link(m, st, b->parent, b->name, ino_a);
    meta_link(m, st, a->parent, a->name, ino_b);
}

bool meta_is_above(const struct meta *m, uint64_t dir, uint64_t below)
{
    const struct dir *d = meta_inode(m, below)->dir;
    while (d != NULL && d->ino != dir)
        d = d->up;
    return d != NULL;
}
