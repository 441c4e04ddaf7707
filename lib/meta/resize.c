/* SPDX-License-Identifier: MIT */
/* Truncating (C18). The state changes first: the file's size, its list of chunks, and its generation, by which late
 * extensions are known. The chunk it ends in is then "cut": its length is the new one, and until its servers hold no
 * more than that, in a version of their own, nothing makes the file longer. The leader has seen to it that nobody writes to
 * what is cut off (group/cut.c); here it is checked. */
#include <stdio.h>

#include "meta/state.h"

#define REFUSE(m, err, ...) (snprintf((m)->text, sizeof(m)->text, __VA_ARGS__), (err))

static int find_file(const struct meta *m, const struct msg_truncate *r, uint64_t *ino)
{
    if (r->handle != 0)
        return meta_may_write(m, r->id.session, r->handle, ino) ? 0 : DFS_EBADF;
    int rv = meta_walk_existing(m, r->dir, r->path, WALK_FOLLOW, ino);
    if (rv != 0)
        return rv;
    uint8_t type = inode_type(meta_inode(m, *ino));
    return type == INODE_FILE ? 0 : type == INODE_DIRECTORY ? DFS_EISDIR : DFS_EINVAL;
}

/* The place in the list of the chunk that holds byte `size`, or of the first one behind. */
static uint32_t place_of(const struct meta *m, const struct inode *in, uint64_t size)
{
    return meta_first_chunk(m, in, (uint32_t)min_u64(size / META_CHUNK_SIZE, META_INDEX_MAX + 1ULL));
}

/* It begins before `size`, and ends behind it as far as the state knows. */
static bool straddles(const struct chunk *c, uint64_t size)
{
    uint64_t start = (uint64_t)c->index * META_CHUNK_SIZE;
    return start < size && start + c->length > size;
}

bool meta_is_cut(const struct meta *m, const struct inode *in)
{
    uint32_t at = in->size > 0 ? place_of(m, in, in->size - 1) : in->n;
    return at < in->n && meta_chunk(m, meta_file_chunk(in, at))->cut;
}

bool meta_truncate_file(const struct meta *m, const struct msg_truncate *r, uint64_t *ino)
{
    return find_file(m, r, ino) == 0;
}

uint64_t meta_truncate_waits(const struct meta *m, uint64_t ino, uint64_t size)
{
    const struct inode *in = meta_inode(m, ino);
    if (in == NULL || inode_type(in) != INODE_FILE || size >= in->size)
        return 0;
    for (uint32_t i = place_of(m, in, size); i < in->n; i++) {
        const struct chunk *c = meta_chunk(m, meta_file_chunk(in, i));
        if (c->open && !c->cut)
            return meta_file_chunk(in, i);
    }
    return 0;
}

static void shrink(struct meta *m, const struct stamp *st, uint64_t ino, struct inode *in, uint64_t size)
{
    uint32_t at = place_of(m, in, size), kept = at;
    for (; at < in->n; at++) {
        uint64_t id = meta_file_chunk(in, at);
        struct chunk *c = meta_chunk(m, id);
        uint64_t start = (uint64_t)c->index * META_CHUNK_SIZE;
        if (start >= size) {
            meta_chunk_remove(m, id, st->time_ns);
            continue;
        }
        kept++;
        if (straddles(c, size))
            meta_chunk_cut(m, id, c, ino, (uint32_t)(size - start));
    }
    meta_file_keep_chunks(m, in, kept);
    meta_file_resize(m, in, size);
    meta_set_generation(in, m->next_generation++);
}

int meta_op_truncate(struct meta *m, const struct stamp *st, const struct msg_truncate *r, struct msg *reply)
{
    uint64_t ino = 0;
    int rv = find_file(m, r, &ino);
    if (rv != 0)
        return rv;
    if (r->size > META_FILE_SIZE_MAX)
        return DFS_EFBIG;
    if (meta_truncate_waits(m, ino, r->size) != 0)
        return REFUSE(m, DFS_EAGAIN, "what is to be cut off is being written to");
    struct inode *in = meta_inode(m, ino);
    if (r->size < in->size) {
        shrink(m, st, ino, in, r->size);
    } else if (r->size > in->size) {
        if (meta_is_cut(m, in))
            return REFUSE(m, DFS_EAGAIN, "the end of the file is being cut off");
        meta_file_resize(m, in, r->size);
    }
    in->mtime_ns = in->ctime_ns = st->time_ns;
    meta_changed(m, ino);
    reply->type = MSG_TYPE_truncate_reply;
    meta_fill_attr(m, ino, in, &reply->truncate_reply.attr);
    return 0;
}
