/* SPDX-License-Identifier: MIT */
/* The index, from the records of all segments. Nothing on the disks is changed until everything was read and
 * understood; then torn tails are cut, so that a later start does not have to judge them again, and all segments found
 * are sealed: what is appended from now on goes to new ones. */
#include <stdio.h>
#include <stdlib.h>

#include "store/impl.h"
#include "store/scan.h"

#define EXPECTED 16u /* segments whose summaries are asked for at a time */

struct found { /* a record of a dead copy, or a tombstone */
    uint64_t chunk, copy;
    uint32_t segment;
};

struct found_list {
    struct found *v;
    uint32_t n, cap;
};

struct file {
    uint64_t id, size;
};

struct sum { /* what the begin of a version says of all that came before */
    uint64_t chunk, copy, sum;
    uint32_t version, end;
};

struct recovery {
    struct ss *ss;
    struct store *st;
    struct file *files;
    uint32_t n_files, cap_files;
    struct found_list tombs, strays, damaged;
    struct index rivals; /* chunks that a folder before this one holds as well */
    struct sum *sums;
    uint32_t n_sums, cap_sums;
    bool lost; /* damage that cannot be pinned on a chunk */
};

static void found_add(struct found_list *l, uint64_t chunk, uint64_t copy, uint32_t segment)
{
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->v = xrealloc(l->v, l->cap, sizeof *l->v);
    }
    l->v[l->n++] = (struct found){chunk, copy, segment};
}

static void sum_add(struct recovery *rc, const struct record *r)
{
    if (rc->n_sums == rc->cap_sums) {
        rc->cap_sums = rc->cap_sums ? rc->cap_sums * 2 : 64;
        rc->sums = xrealloc(rc->sums, rc->cap_sums, sizeof *rc->sums);
    }
    rc->sums[rc->n_sums++] = (struct sum){r->chunk, r->copy, r->number, r->version, r->offset};
}

static int by_chunk(const void *a, const void *b)
{
    const struct found *x = a, *y = b;
    if (x->chunk != y->chunk)
        return x->chunk < y->chunk ? -1 : 1;
    return x->copy > y->copy ? -1 : x->copy < y->copy; /* the newest copy first */
}

static int by_file(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static void on_file(void *arg, const char *name, uint64_t size)
{
    struct recovery *rc = arg;
    uint64_t id;
    if (!segment_parse_name(name, &id))
        return;
    if (rc->n_files == rc->cap_files) {
        rc->cap_files = rc->cap_files ? rc->cap_files * 2 : 16;
        rc->files = xrealloc(rc->files, rc->cap_files, sizeof *rc->files);
    }
    rc->files[rc->n_files++] = (struct file){id, size};
}

/* --- records --- */

/* Records of a chunk come in any order: those of its newest copy count. NULL: it is of an older one. */
static struct open_chunk *open_of(struct recovery *rc, const struct record *r)
{
    struct open_chunk *o = open_find(rc->ss, r->chunk);
    if (o && o->copy < r->copy) {
        open_forget(rc->ss, o);
        o = NULL;
    }
    if (!o) {
        o = open_add(rc->ss, r->chunk);
        o->copy = r->copy;
        o->disk = rc->st->number;
    }
    return o->copy == r->copy ? o : NULL;
}

static void note_writer(struct recovery *rc, const struct chunk *c, const struct record *r)
{
    struct open_chunk *o = open_of(rc, r);
    if (!o)
        return;
    o->version = c->version;
    struct record known = *r;
    if (r->flags & RECORD_PART)
        known.session = 0; /* the same request would not fit it */
    open_note(rc->ss, o, &known, NULL); /* of whatever version: a request may be repeated in a later one (B14) */
}

/* The index that has this chunk, or is to have it, as this folder holds it. */
static struct index *index_for(struct recovery *rc, uint64_t chunk)
{
    const struct chunk *c = index_find(&rc->ss->index, chunk);
    return c && c->disk != rc->st->number ? &rc->rivals : &rc->ss->index;
}

static struct chunk *find_here(struct recovery *rc, uint64_t chunk) { return index_find(index_for(rc, chunk), chunk); }

/* Gone for a newer copy here, or by a tombstone. */
static void drop_copy(struct recovery *rc, struct chunk *c)
{
    struct index *ix = index_for(rc, c->id);
    struct open_chunk *o = ix == &rc->rivals ? NULL : open_find(rc->ss, c->id);
    const uint32_t *touched;
    uint32_t n = chunk_segments(c, &touched);
    for (uint32_t i = 0; i < n; i++)
        found_add(&rc->strays, c->id, c->copy, touched[i]);
    rc->st->chunks -= ix != &rc->rivals;
    if (o && o->copy <= c->copy)
        open_forget(rc->ss, o);
    index_remove(ix, c);
}

static struct chunk *chunk_for(struct recovery *rc, const struct record *r, struct segment *s)
{
    struct chunk *c = find_here(rc, r->chunk);
    if (c && r->copy < c->copy) {
        found_add(&rc->strays, r->chunk, r->copy, s->slot);
        return NULL;
    }
    if (c && r->copy > c->copy) {
        drop_copy(rc, c);
        c = NULL;
    }
    if (!c) {
        struct index *ix = index_for(rc, r->chunk);
        c = index_add(ix, r->chunk, r->copy, r->version, rc->st->number);
        rc->st->chunks += ix != &rc->rivals;
    }
    return c;
}

/* Its chunk may show only later. */
static void note_told(struct recovery *rc, const struct record *r)
{
    struct open_chunk *o = index_for(rc, r->chunk) == &rc->ss->index ? open_of(rc, r) : NULL;
    if (o)
        open_note_told(o, r);
}

static void on_record(struct recovery *rc, struct segment *s, const struct record *r, bool recent)
{
    struct ss *ss = rc->ss;
    ss->next_copy = max_u64(ss->next_copy, r->copy + 1);
    if (r->kind == RECORD_DELETE)
        found_add(&rc->tombs, r->chunk, r->copy, s->slot);
    if (r->kind == RECORD_WRITER)
        note_told(rc, r);
    if (r->kind == RECORD_TRUNCATE && r->sequence == 0 && r->number)
        sum_add(rc, r);
    struct extent e = record_extent(r, s->slot);
    if ((r->kind != RECORD_DATA && !record_is_hole(r)) || !e.rec_len)
        return;
    s->payload += record_payload(r);
    struct chunk *c = chunk_for(rc, r, s);
    if (!c)
        return;
    if (e.order >= order_of(c->version, c->sequence))
        c->flags = (uint8_t)((c->flags & ~CHUNK_OPEN) | (r->flags & RECORD_OPEN ? CHUNK_OPEN : 0));
    index_insert(&ss->index, c, &e);
    if ((recent || r->flags & RECORD_OPEN) && index_for(rc, r->chunk) == &ss->index)
        note_writer(rc, c, r);
}

/* --- tombstones --- */

static uint32_t strays_of(const struct found_list *l, const struct found *tomb, uint32_t **out)
{
    uint32_t lo = 0, hi = l->n, n = 0;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        if (l->v[mid].chunk < tomb->chunk)
            lo = mid + 1;
        else
            hi = mid;
    }
    *out = NULL;
    for (; lo < l->n && l->v[lo].chunk == tomb->chunk; lo++) {
        if (l->v[lo].copy > tomb->copy)
            continue;
        *out = xrealloc(*out, n + 1, sizeof **out);
        (*out)[n++] = l->v[lo].segment;
    }
    return n;
}

static void bury_all(struct recovery *rc)
{
    struct ss *ss = rc->ss;
    if (rc->tombs.n)
        qsort(rc->tombs.v, rc->tombs.n, sizeof *rc->tombs.v, by_chunk);
    for (uint32_t i = 0; i < rc->tombs.n; i++) {
        struct chunk *c = find_here(rc, rc->tombs.v[i].chunk);
        if (c && c->copy <= rc->tombs.v[i].copy)
            drop_copy(rc, c);
    }
    if (rc->strays.n)
        qsort(rc->strays.v, rc->strays.n, sizeof *rc->strays.v, by_chunk);
    for (uint32_t i = 0; i < rc->tombs.n; i++) {
        const struct found *t = &rc->tombs.v[i];
        if (i && t->chunk == t[-1].chunk)
            continue; /* the newer tombstone covers what this one did, and lives as long */
        uint32_t *strays, n = strays_of(&rc->strays, t, &strays);
        chunk_bury(ss, NULL, t->chunk, t->copy, t->segment, strays, n);
        free(strays);
    }
}

/* --- damage --- */

static void mark_damaged(struct recovery *rc, uint64_t chunk)
{
    struct chunk *c = find_here(rc, chunk);
    if (!c || c->flags & CHUNK_DAMAGED)
        return;
    c->flags |= CHUNK_DAMAGED;
    rc->st->errors.damaged++;
}

/* A record is gone and nothing says whose it was: whoever might have lost one is not to be served. */
static void mark_suspects(struct recovery *rc, const struct index *ix)
{
    uint32_t at = 0;
    for (struct chunk *c; (c = index_next(ix, &at));)
        if (c->disk == rc->st->number && c->sequence > c->n)
            mark_damaged(rc, c->id);
}

/* What looks like a torn tail may be a bit that flipped in the last record of a log (CONSISTENCY B10). Where a version begins behind it,
 * in the other log of this folder, it had been whole: what that begin sums up is not there any more. If all of it is there, what is
 * damaged was dead. Of a chunk that took writes since, its members tell each other. */
static void check_sums(struct recovery *rc)
{
    for (uint32_t i = 0; i < rc->n_sums; i++) {
        const struct sum *s = &rc->sums[i];
        struct chunk *c = find_here(rc, s->chunk);
        if (!c || c->copy != s->copy || c->version != s->version || c->sequence != 0)
            continue;
        bool whole = chunk_sum(c, s->end, order_of(s->version, 0)) == s->sum;
        if (whole && c->flags & CHUNK_DAMAGED) {
            c->flags &= (uint8_t)~CHUNK_DAMAGED;
            rc->st->errors.damaged--;
        } else if (!whole) {
            ss_note(rc->ss, "folder=%u chunk=%" PRIu64 " what=\"a record is gone\"", rc->st->number, s->chunk);
            mark_damaged(rc, s->chunk);
        }
    }
}

/* --- chunks in two folders --- */

/* One folder was out of service, and the chunk came back to the other. What has the later version counts; of one version a
 * copy that was cut off while it was made is damaged or shorter; of two that are alike the later one was asked for. */
static bool is_better(const struct chunk *a, const struct chunk *b)
{
    if (a->version != b->version)
        return a->version > b->version;
    if ((a->flags ^ b->flags) & CHUNK_DAMAGED)
        return b->flags & CHUNK_DAMAGED;
    if (chunk_length(a) != chunk_length(b))
        return chunk_length(a) > chunk_length(b);
    return a->copy > b->copy;
}

/* The other copy stays where it is, like what is dead: a later start judges the same. */
static void settle_rival(struct recovery *rc, struct chunk *c)
{
    struct ss *ss = rc->ss;
    struct chunk *other = index_find(&ss->index, c->id);
    struct open_chunk *o = open_find(ss, c->id);
    bool better = ss->stores[other->disk].failed || is_better(c, other);
    ss_note(ss, "folder=%u chunk=%" PRIu64 " what=\"also held by folder %u, %s\"", c->disk, c->id, other->disk,
            better ? "which is older" : "which counts");
    if (!better) {
        index_remove(&rc->rivals, c);
        return;
    }
    ss->stores[other->disk].chunks--;
    rc->st->chunks++;
    index_remove(&ss->index, other);
    index_take(&ss->index, &rc->rivals, c);
    if (o)
        open_forget(ss, o);
}

static void settle_rivals(struct recovery *rc)
{
    uint32_t at = 0;
    for (struct chunk *c; (c = index_next(&rc->rivals, &at));)
        settle_rival(rc, c);
}

/* --- segments --- */

static int segment_refuse(struct recovery *rc, const char *name, int err, char *why, size_t why_len)
{
    const char *what = err == DFS_EIDENTITY  ? "belongs to another StorageServer"
                       : err == DFS_ECLUSTER ? "belongs to another cluster"
                                             : dfs_strerror(err);
    snprintf(why, why_len, "data folder %u: file \"%s\": %s", rc->st->number, name, what);
    return err;
}

static int check_owner(const struct recovery *rc, const struct scan *sc, uint64_t id)
{
    const struct identity *own = &rc->ss->identity;
    if (sc->header.uuid_hi != own->uuid_hi || sc->header.uuid_lo != own->uuid_lo)
        return DFS_EIDENTITY;
    if (sc->header.cluster_hi != own->cluster_hi || sc->header.cluster_lo != own->cluster_lo)
        return DFS_ECLUSTER;
    return sc->header.id == id ? 0 : DFS_EIDENTITY;
}

static void take_segment(struct recovery *rc, struct scan *sc, const char *name)
{
    struct ss *ss = rc->ss;
    struct segment *s = segment_add(ss, rc->st->number, &sc->header, SEG_SEALED);
    bool open = !sc->closed && round_up(sc->size, RECORD_ALIGN) > sc->end;
    s->end = sc->end;
    s->cut = !sc->closed;
    if (sc->closed) {
        s->summary_len = (uint32_t)min_u64(sc->size, summary_size(sc->n_records));
        s->summary_at = (uint32_t)sc->size - s->summary_len;
        s->tail = s->end + s->header.size / 32 < s->summary_at;
    }
    for (uint32_t i = 0; i < sc->n_records; i++) {
        on_record(rc, s, &sc->records[i], open);
        if (s->cut)
            segment_note(s, &sc->records[i]);
        s->last = sc->records[i].position;
        s->last_chunk = sc->records[i].chunk;
    }
    s->keep = sc->n_damage > 0;
    for (uint32_t i = 0; i < sc->n_damage; i++) {
        const struct scan_damage *d = &sc->damage[i];
        ss_note(ss, "folder=%u file=%s offset=%u chunk=%" PRIu64 " known=%d what=\"a record is damaged\"",
                rc->st->number, name, d->position, d->chunk, d->known);
        if (d->known)
            found_add(&rc->damaged, d->chunk, 0, s->slot);
        else
            rc->lost = true;
    }
    if (sc->header_damaged)
        ss_note(ss, "folder=%u file=%s what=\"the segment's header is damaged\"", rc->st->number, name);
    rc->st->cut |= sc->torn > 0;
    if (sc->torn)
        ss_note(ss, "folder=%u file=%s offset=%u what=\"a torn tail is cut\"", rc->st->number, name, sc->end);
}

/* Nothing of it can be understood. What it held is as if it were damaged, and the file is left as it is: a controller that reads
 * nonsense today may not tomorrow. */
static void leave_segment(struct recovery *rc, const char *name)
{
    ss_note(rc->ss, "folder=%u file=%s what=\"nothing of this segment can be read; it is left as it is\"", rc->st->number, name);
    rc->st->errors.read++;
    rc->lost = true;
}

static int recover_segment(struct recovery *rc, const struct file *f, char *why, size_t why_len)
{
    char name[DISK_NAME_MAX + 1];
    const struct identity *own = &rc->ss->identity;
    struct scan sc = {.quick = !rc->ss->cfg.rebuild,
                      .header = {.cluster_hi = own->cluster_hi,
                                 .cluster_lo = own->cluster_lo,
                                 .uuid_hi = own->uuid_hi,
                                 .uuid_lo = own->uuid_lo}};
    segment_name(name, sizeof name, f->id);
    int err = segment_scan(rc->st->disk, name, f->id, f->size, &sc);
    if (!err && sc.empty)
        sc.header.id = f->id; /* nothing in it: it is removed like any dead segment */
    else if (!err)
        err = check_owner(rc, &sc, f->id);
    if (err == DFS_ECORRUPT) {
        leave_segment(rc, name);
        err = 0;
    } else if (err) {
        segment_refuse(rc, name, err, why, why_len);
    } else {
        take_segment(rc, &sc, name);
    }
    scan_free(&sc);
    return err;
}

int recover_store(struct ss *ss, struct store *st, char *why, size_t why_len)
{
    struct recovery rc = {.ss = ss, .st = st};
    index_init(&rc.rivals, &ss->index.hooks);
    int err = st->disk->ops->list(st->disk, on_file, &rc);
    if (rc.n_files)
        qsort(rc.files, rc.n_files, sizeof *rc.files, by_file);
    st->next_segment = rc.n_files ? rc.files[rc.n_files - 1].id + 1 : 1;
    for (uint32_t i = 0, expected = 0; i < rc.n_files && !err; i++) {
        for (; !ss->cfg.rebuild && expected < rc.n_files && expected < i + EXPECTED; expected++)
            segment_expect(st->disk, rc.files[expected].id, rc.files[expected].size);
        err = recover_segment(&rc, &rc.files[i], why, why_len);
    }
    if (!err) {
        for (uint32_t i = 0; i < rc.damaged.n; i++)
            mark_damaged(&rc, rc.damaged.v[i].chunk);
        if (rc.lost) {
            mark_suspects(&rc, &ss->index);
            mark_suspects(&rc, &rc.rivals);
        }
        bury_all(&rc);
        check_sums(&rc);
        settle_rivals(&rc);
    }
    index_close(&rc.rivals);
    free(rc.files);
    free(rc.tombs.v);
    free(rc.strays.v);
    free(rc.damaged.v);
    free(rc.sums);
    return err;
}

/* What was noted of chunks while their records came in, in the order of segments. */
static void settle_open(struct ss *ss)
{
    LIST_FOR_EACH (e, &ss->open_lru) {
        struct open_chunk *o = CONTAINER_OF(e, struct open_chunk, lru);
        const struct chunk *c = index_find(&ss->index, o->id);
        if (!c || c->copy != o->copy) {
            open_forget(ss, o);
            continue;
        }
        o->version = c->version;
        o->sequence = c->sequence;
        o->length = chunk_length(c);
        open_miss(o);
    }
}

/* Ends a segment that was in use: the next start finds its summary. A damaged one gets none: it is read again. */
static int cut_tail(struct segment *s, struct disk *d, const char *name)
{
    uint32_t position, len;
    int err = d->ops->truncate(d, name, s->end);
    if (err || s->keep || s->end <= SEGMENT_HEADER)
        return err;
    err = d->ops->sync(d, name); /* before anything says that it ends here */
    uint64_t size = round_up(s->end, RECORD_ALIGN) + summary_size(s->n_records);
    struct buf *buf = err || size > UINT32_MAX ? NULL : segment_summary(s, (uint32_t)size, &position, &len);
    if (!buf)
        return err;
    err = d->ops->write(d, name, position, buf->data, len);
    if (!err) {
        s->summary_at = position;
        s->summary_len = len;
    } else if (err == DFS_ENOSPC) { /* it can do without */
        err = d->ops->truncate(d, name, s->end);
    }
    buf_unref(buf);
    return err;
}

int recover_finish(struct ss *ss, char *why, size_t why_len)
{
    settle_open(ss);
    for (uint32_t i = 0; i < ss->n_stores; i++) {
        struct store *st = &ss->stores[i];
        if (!st->cut || st->failed)
            continue;
        st->identity.cut = true;
        int err = identity_keep(ss, st, why, why_len); /* the next start finds nothing to cut */
        if (err)
            return err;
    }
    for (uint32_t i = 0; i < ss->n_segments; i++) {
        struct segment *s = ss->segments[i];
        struct disk *d = ss->stores[s->disk].disk;
        if (ss->stores[s->disk].failed)
            continue;
        char name[DISK_NAME_MAX + 1];
        segment_name(name, sizeof name, s->header.id);
        int err = s->cut ? cut_tail(s, d, name) : 0;
        if (!err)
            err = d->ops->sync(d, name); /* what is served must be durable, and a killed process may not have flushed */
        s->closed = !err;
        if (err) {
            snprintf(why, why_len, "data folder %u: cutting the tail of file \"%s\": %s", s->disk, name,
                     dfs_strerror(err));
            return err;
        }
    }
    return 0;
}
