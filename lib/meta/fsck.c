/* SPDX-License-Identifier: MIT */
/* What is wrong with the files of a directory, page by page. The walk from one to the next is the client's. */
#include "meta/state.h"

#define ENTRIES_MAX 4096u
/* What one page looks at: names, and the chunks behind them. */
#define NAMES_MAX 4096u
#define CHUNKS_MAX 65536u
#define ENTRY_BYTES 64u

struct fsck {
    const struct meta *m;
    struct msg_fsck_reply *out;
    const struct meta_fsck_known *known;
    uint32_t chunks, bytes;
};

static void look_at_chunk(const struct fsck *f, uint64_t id, struct wire_fsck_entry *e)
{
    struct meta_placement p;
    if (!meta_placement_get(f->m, meta_chunk(f->m, id)->placement, &p))
        return;
    bool missing = p.live + p.leaving == 0;
    bool corrupt = !missing && f->known->corrupt(f->known->arg, id);
    e->missing += missing;
    e->corrupt += corrupt;
    e->waiting += !missing && f->known->waits(f->known->arg, id);
    e->under_replicated += p.live < p.goal || corrupt;
    e->misplaced += p.domains_shared;
    e->over_replicated += p.live > p.goal;
}

static void look_at(struct fsck *f, struct str name, uint64_t ino)
{
    const struct inode *in = meta_inode(f->m, ino);
    uint8_t type = inode_type(in);
    struct wire_fsck_entry e = {
        .name = name, .ino = ino, .type = type, .goal = meta_goal(f->m, in->goal), .size = in->size};
    if (type == INODE_FILE) {
        e.chunks = in->n;
        f->out->files++;
        f->chunks += in->n;
        for (uint32_t i = 0; i < in->n; i++)
            look_at_chunk(f, meta_file_chunk(in, i), &e);
    }
    if (type == INODE_DIRECTORY || e.missing || e.corrupt || e.under_replicated || e.misplaced || e.over_replicated ||
        e.waiting) {
        f->out->entries[f->out->n_entries++] = e;
        f->bytes += ENTRY_BYTES + name.len;
    }
}

int meta_read_fsck(const struct meta *m, const struct msg_fsck *r, struct msg *reply, struct arena *a,
                   const struct meta_fsck_known *known)
{
    struct fsck f = {.m = m, .out = &reply->fsck_reply, .known = known};
    struct names_cursor c;
    struct str name;
    uint64_t dir, at, ino;
    int rv = meta_walk_existing(m, r->dir, r->path, 0, &dir);
    if (rv != 0)
        return rv;
    if (r->after.len > WIRE_NAME_MAX)
        return DFS_ENAMETOOLONG;
    const struct inode *in = meta_inode(m, dir);
    uint32_t limit = r->limit == 0 || r->limit > ENTRIES_MAX ? ENTRIES_MAX : r->limit;
    *f.out = (struct msg_fsck_reply){.next = STR(""), .eof = 1};
    reply->type = MSG_TYPE_fsck_reply;
    meta_fill_attr(m, dir, in, &f.out->attr);
    f.out->entries = arena_alloc(a, is_dir(in) ? min_u64(limit, in->size) : 1, sizeof *f.out->entries);
    if (f.out->entries == NULL)
        return DFS_ENOMEM;
    if (!is_dir(in)) {
        look_at(&f, STR(""), dir);
        return 0;
    }
    names_seek(&m->names, &c, dir, r->after);
    for (uint32_t seen = 0; names_next(&c, &at, &name, &ino) && at == dir; f.out->next = name) {
        if (f.out->n_entries == limit || seen++ == NAMES_MAX || f.chunks > CHUNKS_MAX || f.bytes > META_PAGE_BYTES) {
            f.out->eof = 0;
            break;
        }
        look_at(&f, name, ino);
    }
    return 0;
}
