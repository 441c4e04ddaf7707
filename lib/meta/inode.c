/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "meta/state.h"

struct inode *meta_inode(const struct meta *m, uint64_t ino) { return idmap_find(&m->inodes, ino); }

static uint64_t *counter_of(struct meta *m, uint8_t type)
{
    return type == INODE_FILE ? &m->n_files : type == INODE_DIRECTORY ? &m->n_dirs : &m->n_symlinks;
}

struct inode *meta_inode_new(struct meta *m, const struct stamp *st, uint8_t type, uint32_t mode, uint32_t uid,
                             uint32_t gid, uint64_t *ino)
{
    *ino = m->next_ino++;
    struct inode *in = idmap_add(&m->inodes, *ino);
    in->type_mode = (uint16_t)(type << 12 | (mode & 07777));
    in->uid = uid;
    in->gid = gid;
    in->mtime_ns = in->ctime_ns = st->time_ns;
    meta_set_generation(in, m->next_generation++);
    (*counter_of(m, type))++;
    return in;
}

void meta_inode_free_content(struct inode *in)
{
    if (inode_type(in) == INODE_FILE && in->n > 1)
        free(in->chunks);
    if (inode_type(in) == INODE_SYMLINK)
        free(in->target);
}

void meta_inode_drop(struct meta *m, const struct stamp *st, uint64_t ino)
{
    struct inode *in = meta_inode(m, ino);
    uint8_t type = inode_type(in);
    if (type == INODE_FILE) {
        meta_file_drop_chunks(m, st, in);
        m->file_bytes -= in->size;
    } else if (type == INODE_SYMLINK) {
        m->heap_bytes -= heap_cost(in->size);
    }
    (*counter_of(m, type))--;
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
    in->n = n;
    if (n == 1) {
        in->chunk = ids[0];
    } else if (n > 1) {
        in->chunks = xcalloc(n, sizeof *in->chunks);
        memcpy(in->chunks, ids, n * sizeof *ids);
        m->heap_bytes += heap_cost(n * sizeof *ids);
    }
}

uint64_t meta_generation(const struct inode *in) { return (uint64_t)in->generation_high << 32 | in->generation_low; }

void meta_set_generation(struct inode *in, uint64_t generation)
{
    in->generation_low = (uint32_t)generation;
    in->generation_high = (uint16_t)(generation >> 32);
}

void meta_fill_attr(uint64_t ino, const struct inode *in, struct wire_attr *a)
{
    bool dir = is_dir(in);
    *a = (struct wire_attr){
        .ino = ino,
        .generation = meta_generation(in),
        .size = in->size,
        .mtime_ns = in->mtime_ns,
        .ctime_ns = in->ctime_ns,
        .mode = in->type_mode & 07777,
        .uid = in->uid,
        .gid = in->gid,
        .nlink = dir ? in->n + 2 : in->names,
        .chunks = inode_type(in) == INODE_FILE ? in->n : 0,
        .type = inode_type(in),
        .goal = in->goal,
    };
}

static void entry_counted(struct meta *m, const struct stamp *st, uint64_t parent, int entries, int dirs)
{
    struct inode *p = meta_inode(m, parent);
    p->size += (uint64_t)(int64_t)entries;
    p->n += (uint32_t)dirs;
    p->mtime_ns = p->ctime_ns = st->time_ns;
}

void meta_link(struct meta *m, const struct stamp *st, uint64_t parent, struct str name, uint64_t ino)
{
    struct inode *in = meta_inode(m, ino);
    bool added = names_add(&m->names, parent, name, ino);
    assert(added);
    (void)added;
    in->names++;
    in->ctime_ns = st->time_ns;
    if (is_dir(in))
        in->parent = parent;
    entry_counted(m, st, parent, 1, is_dir(in));
}

void meta_unlink(struct meta *m, const struct stamp *st, uint64_t parent, struct str name)
{
    uint64_t ino = names_remove(&m->names, parent, name);
    struct inode *in = meta_inode(m, ino);
    in->ctime_ns = st->time_ns;
    entry_counted(m, st, parent, -1, -(int)is_dir(in));
    if (--in->names == 0)
        meta_inode_drop(m, st, ino);
}

void meta_move(struct meta *m, const struct stamp *st, uint64_t parent, struct str name, uint64_t to_parent,
               struct str to_name)
{
    uint64_t ino = names_remove(&m->names, parent, name);
    struct inode *in = meta_inode(m, ino);
    entry_counted(m, st, parent, -1, -(int)is_dir(in));
    in->names--;
    meta_link(m, st, to_parent, to_name, ino);
}

bool meta_is_above(const struct meta *m, uint64_t dir, uint64_t below)
{
    for (;;) {
        if (below == dir)
            return true;
        if (below == ROOT_INO)
            return false;
        below = meta_inode(m, below)->parent;
    }
}
