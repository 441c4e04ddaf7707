/* SPDX-License-Identifier: MIT */
#include "store/scan.h"

#include <stdlib.h>

#include "base/crc.h"

#define WINDOW (1024u * 1024)
/* Read at once when only headers are wanted. */
#define GLANCE (8u * 1024)
#define TAIL (32u * 1024)
#define DAMAGE_MAX 1024u

#define SUMMARY_USUAL (256u * 1024)

/* A sliding view of the file. */
struct window {
    struct disk *disk;
    const char *name;
    uint64_t size, off;
    uint32_t len, ahead;
    uint8_t *buf;
    int err; /* sticky */
};

/* n ≤ WINDOW bytes at off, or NULL: past the end, or an error. */
static const uint8_t *window_at(struct window *w, uint64_t off, uint32_t n)
{
    if (w->err || n > WINDOW || off > w->size || n > w->size - off)
        return NULL;
    if (off < w->off || off + n > w->off + w->len) {
        size_t got = 0;
        uint64_t want = min_u64(n > w->ahead ? n : w->ahead, w->size - off);
        w->len = 0;
        w->err = w->disk->ops->read(w->disk, w->name, off, w->buf, want, &got);
        if (w->err)
            return NULL;
        w->off = off;
        w->len = (uint32_t)got;
        if (got < n)
            return NULL;
    }
    return w->buf + (off - w->off);
}

static uint32_t range_crc(struct window *w, uint64_t off, uint64_t len, bool *ok)
{
    uint32_t crc = 0;
    while (len) {
        uint32_t n = (uint32_t)min_u64(len, WINDOW);
        const uint8_t *p = window_at(w, off, n);
        if (!p) {
            *ok = false;
            return 0;
        }
        crc = crc32c(crc, p, n);
        off += n;
        len -= n;
    }
    return crc;
}

static bool header_at(struct window *w, struct scan *s, uint32_t seed, uint64_t pos, struct record *r)
{
    const uint8_t *p = window_at(w, pos, RECORD_HEADER);
    return p && record_parse(p, &s->header, seed, (uint32_t)pos, r) &&
           layout_of(s->header.class, r, pos).end <= round_up(s->size, RECORD_ALIGN);
}

static bool crcs_good(struct window *w, struct scan *s, const struct record *r)
{
    struct record_layout l = layout_of(s->header.class, r, r->position);
    bool ok = true;
    return range_crc(w, l.crcs, 4ULL * l.n_crcs, &ok) == r->crcs_crc && ok;
}

static bool payload_good(struct window *w, struct scan *s, const struct record *r)
{
    struct record_layout l = layout_of(s->header.class, r, r->position);
    uint8_t crcs[2048]; /* copied, so that the window need not go back for each */
    uint32_t done = 0;
    for (uint32_t i = 0; i < l.n_crcs; i++) {
        uint32_t at = 4 * i % sizeof crcs;
        if (at == 0) {
            uint32_t len = (uint32_t)min_u64(sizeof crcs, 4ULL * (l.n_crcs - i));
            const uint8_t *p = window_at(w, l.crcs + 4ULL * i, len);
            if (!p)
                return false;
            memcpy(crcs, p, len);
        }
        uint32_t n = (uint32_t)min_u64(r->length - done, DFS_BLOCK - (r->offset + done) % DFS_BLOCK);
        bool ok = true;
        if (range_crc(w, l.payload + done, n, &ok) != get_u32(crcs + at) || !ok)
            return false;
        done += n;
    }
    return true;
}

/* --- lists --- */

static void record_add(struct scan *s, const struct record *r)
{
    if (s->n_records == s->cap_records) {
        s->cap_records = s->cap_records ? s->cap_records * 2 : 64;
        s->records = xrealloc(s->records, s->cap_records, sizeof *s->records);
    }
    s->records[s->n_records++] = *r;
}

static void damage_add(struct scan *s, uint32_t position, bool known, uint64_t chunk)
{
    if (s->n_damage == DAMAGE_MAX)
        return;
    if (s->n_damage == s->cap_damage) {
        s->cap_damage = s->cap_damage ? s->cap_damage * 2 : 8;
        s->damage = xrealloc(s->damage, s->cap_damage, sizeof *s->damage);
    }
    s->damage[s->n_damage++] = (struct scan_damage){position, known, chunk};
}

void scan_free(struct scan *s)
{
    free(s->records);
    free(s->damage);
    memset(s, 0, sizeof *s);
}

/* --- beyond a bad spot --- */

/* Past the blocks of zeros that begin at `pos`, where nothing was ever written. */
static uint64_t skip_zeros(struct window *w, uint64_t pos)
{
    static const uint8_t zeros[DFS_BLOCK];
    for (const uint8_t *p; w->size - pos >= DFS_BLOCK && (p = window_at(w, pos, DFS_BLOCK)); pos += DFS_BLOCK)
        if (memcmp(p, zeros, DFS_BLOCK) != 0)
            break;
    return pos;
}

/* The first valid record behind `bad`, and whether any was written after a flush of that spot. *dirty: a byte there is not zero. */
static bool search_behind(struct window *w, struct scan *s, uint32_t seed, uint64_t bad, struct record *first,
                          bool *later, uint32_t *dirty)
{
    bool found = false;
    *later = false;
    for (uint64_t pos = bad; pos + RECORD_ALIGN <= s->size; pos += RECORD_ALIGN) {
        const uint8_t *p = window_at(w, pos, RECORD_ALIGN);
        struct record r;
        if (!p)
            break;
        if (get_u64(p) == 0) {
            if ((pos - bad) % DFS_BLOCK == 0)
                pos = max_u64(skip_zeros(w, pos), pos + RECORD_ALIGN) - RECORD_ALIGN;
            continue;
        }
        *dirty = 1;
        if (pos == bad || get_u32(p) == 0 || !header_at(w, s, seed, pos, &r))
            continue;
        if (r.kind == RECORD_SEAL && r.durable == bad) { /* the end, as it should be */
            s->closed = true;
            return false;
        }
        if (!found)
            *first = r;
        found = true;
        if (r.durable > bad) {
            *later = true;
            return true;
        }
    }
    return found;
}

/* Walks the records up to `limit`, where they end if that is known. What is not a record is either the end or damage. */
static void walk(struct window *w, struct scan *s, uint32_t seed, uint64_t limit)
{
    uint64_t pos = SEGMENT_HEADER;
    struct record r, next = {0};
    while (pos < limit && pos + RECORD_HEADER <= s->size) {
        if (header_at(w, s, seed, pos, &r)) {
            if (r.kind == RECORD_SEAL) {
                s->closed = true;
                pos = r.durable;
                break;
            }
            pos = layout_of(s->header.class, &r, pos).end;
            if (!crcs_good(w, s, &r))
                r.kind = 0; /* judged later, once the end is known */
            record_add(s, &r);
            continue;
        }
        bool later;
        uint32_t dirty = 0;
        bool found = !w->err && search_behind(w, s, seed, pos, &next, &later, &dirty);
        if (w->err || s->closed)
            break;
        if (!found && limit < UINT32_MAX) { /* nothing behind it can be read, and yet it was there */
            damage_add(s, (uint32_t)pos, false, 0);
            pos = limit;
            break;
        }
        if (!found || !later) {
            s->torn = dirty;
            break;
        }
        damage_add(s, (uint32_t)pos, next.prev == pos, next.prev_chunk);
        pos = next.position;
    }
    s->closed |= limit < UINT32_MAX;
    s->end = (uint32_t)pos;
}

/* A record whose CRC array is bad is a torn tail where nothing proves that it was flushed, and damage before that; there,
 * in a segment that was not closed, payloads count as well. */
static void judge(struct window *w, struct scan *s)
{
    bool closed = s->closed || round_up(s->size, RECORD_ALIGN) <= s->end;
    uint32_t proven = s->n_records ? s->records[s->n_records - 1].durable : 0, kept = 0;
    for (uint32_t i = 0; i < s->n_records; i++) {
        const struct record *r = &s->records[i];
        bool last = !closed && r->position >= proven;
        bool good = r->kind != 0 && (!last || payload_good(w, s, r));
        if (w->err)
            return;
        if (!good && last) {
            s->end = r->position;
            s->torn = 1;
            break;
        }
        if (!good)
            damage_add(s, r->position, true, r->chunk);
        else
            s->records[kept++] = *r;
    }
    s->n_records = kept;
}

/* --- the summary --- */

static bool entry_good(const struct scan *s, const struct summary *m, const struct record *r, uint32_t after)
{
    return r->position >= after && r->position < m->end && r->offset <= CHUNK_LIMIT &&
           r->length <= CHUNK_LIMIT - r->offset && layout_of(s->header.class, r, r->position).end <= m->end;
}

static bool take_summary(struct window *w, struct scan *s, const struct summary *m)
{
    uint64_t at = m->seal + RECORD_HEADER;
    uint32_t crc = 0, after = SEGMENT_HEADER;
    for (uint32_t i = 0; i < m->n; i++, at += SUMMARY_ENTRY) {
        const uint8_t *p = window_at(w, at, SUMMARY_ENTRY);
        struct record r;
        if (!p)
            return false;
        crc = crc32c(crc, p, SUMMARY_ENTRY);
        summary_parse(p, &r);
        if (!entry_good(s, m, &r, after))
            return false;
        after = r.position + RECORD_HEADER;
        record_add(s, &r);
    }
    return crc == m->crc;
}

/* Whether the summary said all that is needed. If not, *limit is where the records end, if at least that is known. */
static bool summarized(struct window *w, struct scan *s, uint32_t seed, uint64_t *limit)
{
    struct summary m;
    *limit = UINT32_MAX;
    if (s->size < SEGMENT_HEADER + SUMMARY_TRAILER)
        return false;
    uint64_t from = s->size - min_u64(s->size, TAIL); /* most summaries are in the window with their trailer */
    if (from > SEGMENT_HEADER)
        window_at(w, from, TAIL);
    const uint8_t *p = window_at(w, s->size - SUMMARY_TRAILER, SUMMARY_TRAILER);
    if (!p || !trailer_parse(p, s->header.id, seed, s->size, &m))
        return false;
    *limit = m.end;
    if (!s->quick || s->header_damaged)
        return false;
    s->summarized = take_summary(w, s, &m);
    if (!s->summarized) {
        s->n_records = 0;
        return false;
    }
    s->closed = true;
    s->end = m.end;
    return true;
}

/* Whether a record of a segment of this class is there: its bytes are where they should be, or, as they may have been punched, the
 * next record is. */
static bool of_class(struct window *w, struct scan *s, uint64_t pos, uint8_t class)
{
    struct record r, next;
    s->header.class = class;
    uint32_t seed = segment_seed(&s->header);
    return header_at(w, s, seed, pos, &r) &&
           (payload_good(w, s, &r) || header_at(w, s, seed, layout_of(class, &r, pos).end, &next));
}

/* The header page is bad. If records follow, the segment was in use, and the first that can be read tells all the header would. */
static int without_header(struct window *w, struct scan *s, uint64_t id)
{
    bool used = false;
    const uint8_t *p;
    s->header.id = id;
    w->ahead = WINDOW;
    for (uint64_t pos = SEGMENT_HEADER; (p = window_at(w, pos, RECORD_HEADER)); pos += RECORD_ALIGN) {
        if (get_u64(p) == 0)
            continue;
        used = true;
        s->header.generation = get_u32(p + 16);
        for (uint8_t class = 0; class < SEGMENT_CLASSES && !s->header_damaged; class ++)
            s->header_damaged = of_class(w, s, pos, class);
        if (s->header_damaged)
            return 0;
    }
    /* A header is flushed before the first record is written: without a trace of records it was torn at birth. */
    s->empty = !used && !w->err;
    return w->err ? w->err : used ? DFS_ECORRUPT : 0;
}

static int scan_file(struct window *w, struct scan *s, uint64_t id)
{
    const uint8_t *p = window_at(w, 0, SEGMENT_HEADER);
    if (!p) {
        s->empty = true; /* shorter than a header: its creation was cut off */
        return w->err;
    }
    struct segment_header own = s->header;
    int err = segment_parse_header(p, &s->header);
    if (err == DFS_EVERSION)
        return err;
    if (err) {
        s->header = own;
        err = without_header(w, s, id);
        if (err || s->empty)
            return err;
    }
    uint64_t limit;
    w->ahead = WINDOW;
    if (summarized(w, s, segment_seed(&s->header), &limit))
        return 0;
    w->ahead = s->header.class == CLASS_LARGE ? GLANCE : WINDOW;
    walk(w, s, segment_seed(&s->header), limit);
    w->ahead = WINDOW;
    if (!w->err)
        judge(w, s);
    return w->err;
}

void segment_expect(struct disk *d, uint64_t id, uint64_t size)
{
    char name[DISK_NAME_MAX + 1];
    segment_name(name, sizeof name, id);
    d->ops->ahead(d, name, 0, SEGMENT_HEADER);
    if (size > SUMMARY_USUAL)
        d->ops->ahead(d, name, size - SUMMARY_USUAL, SUMMARY_USUAL);
}

int segment_scan(struct disk *d, const char *name, uint64_t id, uint64_t size, struct scan *s)
{
    if (size > UINT32_MAX)
        return DFS_ECORRUPT;
    struct window w = {.disk = d,
                       .name = name,
                       .size = size,
                       .ahead = s->quick ? SEGMENT_HEADER : WINDOW,
                       .buf = malloc(max_u64(min_u64(size, WINDOW), 1))};
    s->size = size;
    s->end = SEGMENT_HEADER;
    int err = w.buf ? scan_file(&w, s, id) : DFS_ENOMEM;
    free(w.buf);
    return err;
}
