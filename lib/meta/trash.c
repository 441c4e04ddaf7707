/* SPDX-License-Identifier: MIT */
/* Removal of whole trees, the trash, and the slow part of both.
 *
 *   name --remove--> TRASH_INO --reclaim (kept long enough, or emptied)--> PURGE_INO --reclaim, piece by piece--> gone
 *          `----------- remove for good ------------------------------------^
 *
 * A move between the roots is a rename, whatever hangs below. Only reclaim touches every inode, a bounded number for
 * each command. */
#include <stdio.h>
#include <stdlib.h>

#include "meta/state.h"

#define REFUSE(m, err, ...) (snprintf((m)->text, sizeof(m)->text, __VA_ARGS__), (err))

struct str meta_removal_name(uint64_t number, struct removal_name *room)
{
    snprintf(room->text, sizeof room->text, "%016" PRIx64, number);
    return (struct str){room->text, REMOVAL_NAME};
}

uint64_t meta_removal_number(struct str name)
{
    uint64_t number = 0;
    if (name.len != REMOVAL_NAME)
        return 0;
    for (uint32_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
            return 0;
        number = number << 4 | (uint64_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    return number;
}

struct wire_totals meta_wire_totals(struct totals t)
{
    return (struct wire_totals){.files = t.files, .directories = t.dirs, .symlinks = t.symlinks, .bytes = t.bytes};
}

/* --- the records --- */

void meta_trashed_free_content(struct trashed *t) { free(t->path); }

/* The clock was set back: what is in the trash is there since now at the latest, and must not hold up what comes. */
static void lower_times(struct meta *m, int64_t time_ns)
{
    struct idmap_iter it;
    struct trashed *t;
    uint64_t number;
    if (idmap_iter_init(&it, &m->trash) != 0)
        abort(); /* the outcome must not depend on this machine's memory (A6) */
    while ((t = idmap_iter_next(&it, &number)) != NULL)
        t->time_ns = t->time_ns > time_ns ? time_ns : t->time_ns;
    idmap_iter_close(&it);
}

void meta_trashed_add(struct meta *m, uint64_t number, int64_t time_ns, uint32_t uid, const char *path)
{
    if (time_ns < m->trash_newest)
        lower_times(m, time_ns);
    m->trash_newest = time_ns;
    struct trashed *t = idmap_add(&m->trash, number);
    *t = (struct trashed){.time_ns = time_ns, .uid = uid, .path = path != NULL ? xstrdup(path) : NULL};
    m->heap_bytes += path != NULL ? heap_cost(strlen(path) + 1) : 0;
}

static void forget_trashed(struct meta *m, uint64_t number)
{
    struct trashed *t = idmap_find(&m->trash, number);
    m->heap_bytes -= t->path != NULL ? heap_cost(strlen(t->path) + 1) : 0;
    meta_trashed_free_content(t);
    idmap_remove(&m->trash, number);
}

/* The path of a name, from the root; NULL: longer than a path may be. */
static const char *path_of(const struct dir *d, struct str name, char room[WIRE_PATH_MAX + 1])
{
    size_t at = WIRE_PATH_MAX;
    room[at] = '\0';
    for (;;) {
        if (name.len + 1 > at)
            return NULL;
        at -= name.len;
        memcpy(room + at, name.p, name.len);
        room[--at] = '/';
        if (d->up == NULL)
            return room + at;
        name = str_of(d->name);
        d = d->up;
    }
}

/* --- remove --- */

static int check_remove(const struct meta *m, const struct walk *w, uint32_t flags)
{
    if (flags & ~(REMOVE_TREE | REMOVE_KEEP))
        return DFS_EINVAL;
    if (w->ino == 0)
        return DFS_ENOENT;
    bool dir = is_dir(meta_inode(m, w->ino));
    if (w->kind != LAST_NAME)
        return w->kind == LAST_ROOT ? DFS_EBUSY : dir ? DFS_EINVAL : DFS_ENOTDIR;
    if (dir && !(flags & REMOVE_TREE))
        return DFS_EISDIR;
    return !dir && w->slash ? DFS_ENOTDIR : 0;
}

static uint64_t move_to_trash(struct meta *m, const struct stamp *st, const struct walk *w, uint32_t uid)
{
    char room[WIRE_PATH_MAX + 1];
    struct removal_name name;
    uint64_t number = m->next_removal++;
    meta_trashed_add(m, number, st->time_ns, uid, path_of(meta_inode(m, w->parent)->dir, w->name, room));
    meta_move(m, st, w->parent, w->name, TRASH_INO, meta_removal_name(number, &name));
    return number;
}

int meta_op_remove(struct meta *m, const struct stamp *st, const struct msg_remove *r, struct msg *reply)
{
    struct walk w = {.links = 0};
    struct removal_name name;
    int rv = meta_walk(m, r->dir, r->path, 0, &w);
    if (rv == 0)
        rv = check_remove(m, &w, r->flags);
    if (rv != 0)
        return rv;
    const struct inode *in = meta_inode(m, w.ino);
    reply->type = MSG_TYPE_remove_reply;
    reply->remove_reply = (struct msg_remove_reply){.trash = 0};
    if (is_dir(in) || in->names == 1)
        reply->remove_reply.totals = meta_wire_totals(meta_totals_of(in));
    if (!is_dir(in) && in->names > 1)
        meta_unlink(m, st, w.parent, w.name); /* it is still there: nothing to be restored */
    else if ((r->flags & REMOVE_KEEP) && m->trash_keep_ns > 0)
        reply->remove_reply.trash = move_to_trash(m, st, &w, r->uid);
    else if (is_dir(in) && in->size > 0)
        meta_move(m, st, w.parent, w.name, PURGE_INO, meta_removal_name(m->next_removal++, &name));
    else
        meta_unlink(m, st, w.parent, w.name);
    return 0;
}

/* --- the trash --- */

/* NULL: there is no such entry, or it was given up. */
static const struct trashed *find_trashed(const struct meta *m, uint64_t number)
{
    return number < m->trash_emptied ? NULL : idmap_find(&m->trash, number);
}

static int walk_back(struct meta *m, const struct msg_trash_restore *r, const struct trashed *t, struct walk *w)
{
    bool back = r->path.len == 0;
    if (back && t->path == NULL)
        return REFUSE(m, DFS_ENAMETOOLONG, "its path was too long to be kept: give it another place");
    int rv = back ? meta_walk(m, ROOT_INO, str_of(t->path), 0, w) : meta_walk(m, r->dir, r->path, 0, w);
    if (rv == DFS_ENOENT || rv == DFS_ENOTDIR)
        return REFUSE(m, rv, back ? "the directory it was in is gone: give it another place"
                                  : "there is no such directory to put it in");
    if (rv == 0 && w->ino != 0)
        return REFUSE(m, DFS_EEXIST, "the name is taken: give it another place");
    return rv;
}

int meta_op_trash_restore(struct meta *m, const struct stamp *st, const struct msg_trash_restore *r, struct msg *reply)
{
    char room[WIRE_PATH_MAX + 1];
    struct walk w = {.links = 0};
    struct removal_name name;
    const struct trashed *t = find_trashed(m, r->trash);
    if (t == NULL)
        return REFUSE(m, DFS_ENOENT, "the trash has no entry %" PRIu64, r->trash);
    int rv = walk_back(m, r, t, &w);
    if (rv != 0)
        return rv;
    struct str from = meta_removal_name(r->trash, &name);
    uint64_t ino = names_find(&m->names, TRASH_INO, from);
    if (w.slash && !is_dir(meta_inode(m, ino)))
        return DFS_ENOTDIR;
    const char *path = path_of(meta_inode(m, w.parent)->dir, w.name, room);
    meta_move(m, st, TRASH_INO, from, w.parent, w.name); /* w.name may point into the record */
    forget_trashed(m, r->trash);
    reply->type = MSG_TYPE_trash_restore_reply;
    meta_fill_attr(m, ino, meta_inode(m, ino), &reply->trash_restore_reply.attr);
    reply->trash_restore_reply.path = STR("");
    if (path != NULL) { /* the reply outlives room */
        uint32_t len = (uint32_t)strlen(path);
        char *copy = arena_alloc(&m->arena, len + 1, 1);
        if (copy == NULL)
            abort();
        memcpy(copy, path, len + 1);
        reply->trash_restore_reply.path = (struct str){copy, len};
    }
    return 0;
}

static struct totals give_up(struct meta *m, const struct stamp *st, uint64_t number)
{
    struct removal_name name;
    struct str entry = meta_removal_name(number, &name);
    struct totals t = meta_totals_of(meta_inode(m, names_find(&m->names, TRASH_INO, entry)));
    meta_move(m, st, TRASH_INO, entry, PURGE_INO, entry);
    forget_trashed(m, number);
    return t;
}

int meta_op_trash_empty(struct meta *m, const struct stamp *st, const struct msg_trash_empty *r, struct msg *reply)
{
    struct totals all = {0};
    for (uint32_t i = 0; i < r->n_entries; i++)
        if (find_trashed(m, r->entries[i].id) == NULL)
            return REFUSE(m, DFS_ENOENT, "the trash has no entry %" PRIu64, r->entries[i].id);
    for (uint32_t i = 0; i < r->n_entries; i++) {
        if (find_trashed(m, r->entries[i].id) == NULL)
            continue; /* named twice */
        struct totals t = give_up(m, st, r->entries[i].id);
        all.files += t.files;
        all.bytes += t.bytes;
        all.dirs += t.dirs;
        all.symlinks += t.symlinks;
    }
    if (r->n_entries == 0) { /* reclaim takes them out, however many they are */
        all = meta_inode(m, TRASH_INO)->dir->all;
        m->trash_emptied = m->next_removal;
    }
    reply->type = MSG_TYPE_trash_empty_reply;
    reply->trash_empty_reply.totals = meta_wire_totals(all);
    return 0;
}

int meta_op_trash_keep(struct meta *m, const struct msg_trash_keep *r, struct msg *reply)
{
    if (r->keep_ms > META_TRASH_KEEP_MAX_MS)
        return DFS_EINVAL;
    m->trash_keep_ns = (int64_t)(r->keep_ms * NS_PER_MS);
    reply->type = MSG_TYPE_trash_keep_reply;
    reply->trash_keep_reply.reserved = 0;
    return 0;
}

static int fill_trashed(const struct meta *m, uint64_t number, uint64_t ino, struct wire_trashed *out)
{
    const struct trashed *t = idmap_find(&m->trash, number);
    const struct inode *in = meta_inode(m, ino);
    *out = (struct wire_trashed){.id = number, .removed_ns = t->time_ns, .uid = t->uid,
                                 .path = t->path != NULL ? str_of(t->path) : STR(""),
                                 .totals = meta_wire_totals(meta_totals_of(in))};
    meta_fill_attr(m, ino, in, &out->attr);
    return (int)(160 + out->path.len);
}

int meta_read_trash(const struct meta *m, const struct msg_trash_list *r, struct msg *reply, struct arena *a)
{
    struct msg_trash_list_reply *out = &reply->trash_list_reply;
    uint32_t limit = r->limit == 0 || r->limit > 4096 ? 4096 : r->limit;
    uint64_t after = max_u64(r->after, m->trash_emptied > 0 ? m->trash_emptied - 1 : 0), dir, ino;
    struct removal_name room;
    struct names_cursor c;
    struct str name;
    reply->type = MSG_TYPE_trash_list_reply;
    *out = (struct msg_trash_list_reply){.keep_ms = (uint64_t)m->trash_keep_ns / NS_PER_MS, .eof = 1};
    out->entries = arena_alloc(a, min_u64(limit, m->trash.count), sizeof *out->entries);
    if (out->entries == NULL)
        return DFS_ENOMEM;
    names_seek(&m->names, &c, TRASH_INO, meta_removal_name(after, &room));
    for (size_t bytes = 0; names_next(&c, &dir, &name, &ino) && dir == TRASH_INO;) {
        if (out->n_entries == limit || bytes > META_PAGE_BYTES) {
            out->eof = 0;
            break;
        }
        bytes += (size_t)fill_trashed(m, meta_removal_number(name), ino, &out->entries[out->n_entries++]);
    }
    return 0;
}

/* --- reclaim --- */

struct entry {
    char name[WIRE_NAME_MAX];
    uint32_t len;
    uint64_t ino;
};

/* Copied out, because what is done with it changes the index. */
static bool first_entry(const struct meta *m, uint64_t dir, struct entry *e)
{
    struct names_cursor c;
    struct str name;
    uint64_t at;
    names_seek(&m->names, &c, dir, STR(""));
    if (!names_next(&c, &at, &name, &e->ino) || at != dir)
        return false;
    memcpy(e->name, name.p, name.len);
    e->len = name.len;
    return true;
}

static struct str name_of(const struct entry *e) { return (struct str){e->name, e->len}; }

/* The entry of the trash that leaves it next; 0: it is empty. */
static uint64_t oldest(const struct meta *m)
{
    struct entry e;
    return first_entry(m, TRASH_INO, &e) ? meta_removal_number(name_of(&e)) : 0;
}

int64_t meta_trash_keep(const struct meta *m) { return m->trash_keep_ns; }

int64_t meta_oldest_trash(const struct meta *m)
{
    uint64_t number = oldest(m);
    return number == 0 ? INT64_MAX : ((const struct trashed *)idmap_find(&m->trash, number))->time_ns;
}

bool meta_can_reclaim(const struct meta *m)
{
    return meta_inode(m, PURGE_INO)->size > 0 || (m->trash.count > 0 && oldest(m) < m->trash_emptied);
}

/* One step towards an empty PURGE_INO. A directory in a directory is not descended into but moved up, so that the work of
 * a step does not depend on how deep a tree is. False: nothing is left. */
static bool purge_one(struct meta *m, const struct stamp *st)
{
    struct entry e, below;
    struct removal_name name;
    if (!first_entry(m, PURGE_INO, &e))
        return false;
    if (!is_dir(meta_inode(m, e.ino)) || !first_entry(m, e.ino, &below)) {
        meta_unlink(m, st, PURGE_INO, name_of(&e));
        return true;
    }
    const struct inode *in = meta_inode(m, below.ino);
    if (is_dir(in) && in->size > 0)
        meta_move(m, st, e.ino, name_of(&below), PURGE_INO, meta_removal_name(m->next_removal++, &name));
    else
        meta_unlink(m, st, e.ino, name_of(&below));
    return true;
}

void meta_apply_reclaim(struct meta *m, const struct stamp *st, const struct msg_reclaim *r)
{
    uint32_t left = r->limit < META_RECLAIM_MAX ? r->limit : META_RECLAIM_MAX;
    for (; left > 0; left--) {
        uint64_t number = oldest(m);
        if (number == 0 || (number >= m->trash_emptied && meta_oldest_trash(m) >= r->trash_before_ns))
            break;
        give_up(m, st, number);
    }
    while (left > 0 && purge_one(m, st))
        left--;
}
