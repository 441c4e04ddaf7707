/* SPDX-License-Identifier: MIT */
/* Cleaning: the space of what was overwritten or deleted is given back, and what is kept is verified (scrub). One job of
 * each kind at a time per folder, on one sealed segment, which it reads from its first record to its last.
 *
 *   PUNCH    (large records) READING: headers, dead block runs noted -> DRAINING: reads that began before are waited
 *            for -> PUNCHING: their space returned. Headers and CRC arrays stay (CONSISTENCY D22).
 *   COMPACT  READING <-> MOVING: what is live is written again, as records of the same (version, sequence), through the
 *            same batches as everything else; needed tombstones as well. When all of it is durable nothing points to the
 *            old segment any more, and it is unlinked (segments.c).
 *   SCRUB    READING: CRC arrays and live payloads verified, at a bounded rate.
 *
 * Possible failures are: no space or a failing disk (the job ends; what was moved stays moved, the rest stays where it
 * is), damage (the chunk is marked and reported; the segment is kept until its chunks are deleted or repaired). */
#include <stdlib.h>

#include "base/crc.h"
#include "store/impl.h"

#define PUNCHES_AT_ONCE 8u
#define COMPACT_MOST 95u /* per cent of a segment's bytes that are worth copying for the rest */

static uint64_t footprint(const struct segment *s) { return s->end - min_u64(s->punched, s->end) + s->summary_len; }

/* Whether what is live is in pieces that would be moved as small records: as many holes would have to be made. */
static bool in_pieces(const struct segment *s)
{
    return s->header.class == CLASS_LARGE && (uint64_t)s->live_bytes / LARGE_PAYLOAD < (uint64_t)s->live;
}

/* Bytes a copy of the segment's live data would take, at most, about: a large record begins on a block. */
static uint64_t needed(const struct segment *s)
{
    uint64_t extents = (uint64_t)s->live, stuck = min_u64(s->stuck, extents * DFS_BLOCK);
    uint64_t bytes = (uint64_t)s->live_bytes + stuck, overhead = extents * (RECORD_HEADER + SUMMARY_ENTRY + 8);
    if (s->header.class == CLASS_LARGE)
        overhead += min_u64(extents, bytes / LARGE_PAYLOAD) * (DFS_BLOCK + DFS_BLOCK / 2);
    return min_u64(bytes + bytes / 1024 + overhead + s->tombs * RECORD_HEADER, footprint(s));
}

static bool usable(const struct segment *s)
{
    return s && s->state == SEG_SEALED && !s->cleaning && !s->unsettled && !s->keep && (s->live || s->tombs);
}

/* Whether there is much to be had by holes; INT64_MAX where an unfinished one is to be made good. */
static int64_t punchable(const struct store *st, const struct segment *s)
{
    if (st->no_punch || !usable(s) || !s->closed || !s->live)
        return 0;
    if (s->tail) /* its end was to be punched, and perhaps was */
        return INT64_MAX;
    int64_t fresh = segment_dead(s) - s->punch_seen;
    return s->header.class == CLASS_LARGE && fresh >= s->header.size / 16 ? fresh : 0;
}

static struct segment *pick_punch(struct ss *ss, const struct store *st)
{
    struct segment *best = NULL;
    int64_t most = 0;
    for (uint32_t i = 0; i < ss->n_segments; i++) {
        struct segment *s = ss->segments[i];
        int64_t gain = s && s->disk == st->number ? punchable(st, s) : 0;
        if (gain > most) {
            most = gain;
            best = s;
        }
    }
    return best;
}

/* The segment that gives most back for the least copying, if the folder's dead bytes are worth it; one that a few holes help is
 * left to them. Where space is short they all go first, as copying takes some. */
static struct segment *pick_compact(struct ss *ss, const struct store *st)
{
    uint64_t used = 0, live = 0, best_cost = COMPACT_MOST + 1, slack = ss->segment_size[CLASS_SMALL] / 4;
    struct segment *best = NULL;
    bool tight = st->free < 4 * store_reserve(ss);
    for (uint32_t i = 0; i < ss->n_segments; i++) {
        struct segment *s = ss->segments[i];
        if (!usable(s) || s->disk != st->number) /* nor is what is dead there to be had by cleaning others */
            continue;
        uint64_t has = footprint(s), needs = needed(s), cost = needs * 100 / (has + 1); /* per cent that would be copied */
        used += has;
        slack += SEGMENT_HEADER;
        live += needs;
        if (cost < best_cost && (in_pieces(s) || !punchable(st, s))) {
            best_cost = cost;
            best = s;
        }
    }
    return used > live + live / (tight ? 32 : CLEAN_SLACK) + slack && !(tight && st->jobs[CLEAN_PUNCH]) ? best : NULL;
}

/* --- a job's life --- */

static void read_next(struct ss *ss, struct store *st, struct clean *j, struct effects *fx);

static void job_end(struct ss *ss, struct store *st, struct clean *j)
{
    st->jobs[j->kind] = NULL;
    st->clean_wait = j->failed ? CLEAN_WAIT : 0;
    if (!j->failed)
        ss->clean_next = 0; /* there may be more to do at once */
    for (uint32_t i = 0; i < j->n_tombs; i++)
        segment_unpin(ss, segment_at(ss, j->tombs[i].slot));
    j->segment->cleaning = false;
    segment_unpin(ss, j->segment);
    slice_drop(&j->window);
    free(j->tombs);
    free(j->needed);
    free(j->holes);
    free(j->runs.v);
    free(j);
    ss->clean_look = true;
}

static int by_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void job_start(struct ss *ss, struct store *st, struct segment *s, enum clean_kind kind, struct effects *fx)
{
    struct clean *j = xcalloc(1, sizeof *j);
    j->segment = s;
    j->kind = kind;
    j->position = SEGMENT_HEADER;
    j->dead = segment_dead(s);
    s->pins++;
    s->cleaning = true;
    if (kind == CLEAN_COMPACT) {
        j->needed = xcalloc(s->tombs + 1, sizeof *j->needed);
        for (uint32_t i = 0; i < s->tombs; i++)
            j->needed[j->n_needed++] = s->tomb_list[i]->chunk;
        qsort(j->needed, j->n_needed, sizeof *j->needed, by_u64);
    }
    st->jobs[kind] = j;
    read_next(ss, st, j, fx);
}

/* What comes of it is told to the job by clean_event. */
static struct disk_op *job_op(struct store *st, const struct clean *j, enum disk_kind kind, uint32_t what)
{
    char name[DISK_NAME_MAX + 1];
    segment_name(name, sizeof name, j->segment->header.id);
    return ss_disk_op(st, kind, name, kind == DISK_READ,
                      token_make(TOKEN_CLEAN, st->number, what | (uint32_t)j->kind << CLEAN_KIND));
}

static void job_read(struct store *st, struct clean *j, uint32_t len, struct effects *fx)
{
    struct disk_op *op = job_op(st, j, DISK_READ, CLEAN_READ);
    op->offset = j->position;
    op->length = min_u64(len, j->segment->end - j->position);
    j->reading = true;
    fx_disk(fx, op);
}

/* --- damage --- */

void damaged_note(struct ss *ss, const struct chunk *c)
{
    if (ss->n_damaged == ss->cap_damaged) {
        ss->cap_damaged = ss->cap_damaged ? ss->cap_damaged * 2 : 16;
        ss->damaged = xrealloc(ss->damaged, ss->cap_damaged, sizeof *ss->damaged);
    }
    ss->damaged[ss->n_damaged++] = (struct wire_chunk_id){.chunk = c->id, .version = c->version};
}

void chunk_damaged(struct ss *ss, struct chunk *c, const char *what, struct effects *fx)
{
    if (c->flags & CHUNK_DAMAGED)
        return;
    c->flags |= CHUNK_DAMAGED;
    ss->stores[c->disk].errors.damaged++;
    damaged_note(ss, c);
    fx_log(fx, LOG_ERROR, "store.damaged", "chunk=%" PRIu64 " folder=%u what=\"%s\"", c->id, c->disk, what);
}

/* No record stands where one should. Those the index knows there are damaged; the walk goes on with the next it knows,
 * if there is one. */
static bool skip_damage(struct ss *ss, struct clean *j, struct effects *fx)
{
    uint32_t at = 0, next = UINT32_MAX;
    for (struct chunk *c; (c = index_next(&ss->index, &at));)
        for (uint32_t i = 0; i < c->n; i++) {
            struct extent e = chunk_extent(c, i);
            if (e.segment != j->segment->slot)
                continue;
            if (e.position == j->position)
                chunk_damaged(ss, c, "record header", fx);
            else if (e.position > j->position && e.position < next)
                next = e.position;
        }
    j->segment->keep = true;
    if (next == UINT32_MAX)
        return false;
    j->position = next;
    return true;
}

/* --- moving --- */

static struct write *move_new(struct ss *ss, const struct clean *j, const struct record *r)
{
    struct write *w = write_new(ss, j->segment->disk, record_class(r));
    w->record = *r;
    w->moved_from = j->segment->slot + 1;
    w->moved_position = r->position;
    w->down_done = true;
    return w;
}

static void note_moved(struct segment *s, uint64_t chunk)
{
    if (s->n_moved && s->moved[s->n_moved - 1] == chunk)
        return;
    if (s->n_moved == s->cap_moved) {
        s->cap_moved = s->cap_moved ? s->cap_moved * 2 : 64;
        s->moved = xrealloc(s->moved, s->cap_moved, sizeof *s->moved);
    }
    s->moved[s->n_moved++] = chunk;
}

static void move_hole(struct ss *ss, struct clean *j, const struct record *r)
{
    const struct chunk *c = index_find(&ss->index, r->chunk);
    if (c && c->copy == r->copy)
        note_moved(j->segment, r->chunk);
    if (!hole_live(ss, j->segment->slot, r))
        return;
    append_queue(ss, move_new(ss, j, r));
    j->moves++;
}

static void move_tomb(struct ss *ss, struct clean *j, const struct record *r)
{
    if (!bsearch(&r->chunk, j->needed, j->n_needed, sizeof *j->needed, by_u64))
        return;
    append_queue(ss, move_new(ss, j, r));
    j->moves++;
}

static void move_run(struct ss *ss, struct clean *j, const struct record *r, const struct run *run, const uint8_t *crcs,
                     struct slice payload)
{
    struct range g = run_range(r, run);
    struct write *w = move_new(ss, j, r);
    w->record.offset = r->offset + g.off;
    w->record.length = g.len;
    w->record.flags |= g.len < r->length ? RECORD_PART : 0;
    w->class = record_class(&w->record);
    w->payload = payload_of(slice_sub(payload, g.off, g.len));
    w->crcs = xcalloc(run->n, 4);
    memcpy(w->crcs, crcs + 4ULL * run->first, 4ULL * run->n);
    ss->write_bytes += g.len;
    ss->stores[w->disk].write_bytes += g.len;
    j->moves++;
    j->moving += g.len;
    append_queue(ss, w);
}

/* A moved record is durable, or it is not. */
void clean_moved(struct ss *ss, struct write *w, int err)
{
    struct clean *j = ss->stores[w->disk].jobs[CLEAN_COMPACT];
    const struct record *r = &w->record;
    if (!j)
        return;
    j->moves--;
    j->moving -= record_payload(r);
    if (err) {
        j->failed = true;
    } else if (r->kind == RECORD_DELETE) {
        if (j->n_tombs == j->cap_tombs) {
            j->cap_tombs = j->cap_tombs ? j->cap_tombs * 2 : 16;
            j->tombs = xrealloc(j->tombs, j->cap_tombs, sizeof *j->tombs);
        }
        j->tombs[j->n_tombs++] = (struct moved_tomb){r->chunk, r->copy, w->segment->slot};
        w->segment->pins++;
    } else {
        struct chunk *c = index_find(&ss->index, r->chunk);
        if (!c || c->copy != r->copy) { /* deleted meanwhile: its tombstone must outlive this copy, too */
            grave_extend(ss, j->segment, r->chunk, r->copy, w->segment->slot);
            return;
        }
        struct extent e = record_extent(r, w->segment->slot);
        uint32_t live = index_move(&ss->index, c, w->moved_from - 1, w->moved_position, &e);
        w->segment->stuck += record_payload(r) - min_u64(live, record_payload(r));
    }
}

/* --- reading --- */

static void hole_add(struct clean *j, uint64_t start, uint64_t end)
{
    if (end <= start)
        return;
    if (j->n_holes == j->cap_holes) {
        j->cap_holes = j->cap_holes ? j->cap_holes * 2 : 64;
        j->holes = xrealloc(j->holes, j->cap_holes, sizeof *j->holes);
    }
    j->holes[j->n_holes++] = (struct range){(uint32_t)start, (uint32_t)(end - start)};
    j->punched += end - start;
}

/* The whole pages between live blocks. */
static void note_holes(struct clean *j, const struct record *r)
{
    uint32_t blocks = blocks_touched(r->offset, r->length), from = 0;
    struct record_layout l = record_layout(CLASS_LARGE, r->position, r->offset, r->length);
    for (uint32_t i = 0; i <= j->runs.n; i++) {
        uint32_t to = i < j->runs.n ? j->runs.v[i].first : blocks;
        if (to > from) {
            struct range g = run_range(r, &(struct run){from, to - from, 0});
            uint64_t start = l.payload + g.off;
            hole_add(j, round_up(start, DFS_BLOCK), (start + g.len) / DFS_BLOCK * DFS_BLOCK);
        }
        from = i < j->runs.n ? j->runs.v[i].first + j->runs.v[i].n : blocks;
    }
}

/* Verifies the live runs of a record whose bytes are in the window, and moves them if that is the job. */
static void keep_record(struct ss *ss, struct clean *j, const struct record *r, uint32_t at, struct effects *fx)
{
    struct record_layout l = record_layout(j->segment->header.class, r->position, r->offset, r->length);
    const uint8_t *crcs = slice_data(j->window) + at + RECORD_HEADER;
    struct chunk *c = index_find(&ss->index, r->chunk);
    bool good = crc32c(0, crcs, 4ULL * l.n_crcs) == r->crcs_crc;
    if (c && c->copy == r->copy && j->kind == CLEAN_COMPACT)
        note_moved(j->segment, r->chunk);
    if (!j->runs.n)
        return;
    struct slice payload = slice_sub(j->window, at + (uint32_t)(l.payload - r->position), r->length);
    for (uint32_t i = 0; i < j->runs.n && good; i++) {
        struct range g = run_range(r, &j->runs.v[i]);
        struct payload p = payload_of(slice_sub(payload, g.off, g.len));
        good = crcs_match(&p, r->offset + g.off, crcs + 4ULL * j->runs.v[i].first);
        payload_drop(&p);
    }
    if (!good) {
        chunk_damaged(ss, c, "data or checksums on the disk", fx);
        j->segment->keep = true;
        j->failed = j->kind == CLEAN_COMPACT;
    }
    for (uint32_t i = 0; i < j->runs.n && good && j->kind == CLEAN_COMPACT; i++)
        move_run(ss, j, r, &j->runs.v[i], crcs, payload);
    slice_drop(&payload);
}

/* Takes what is whole in the window. False: nothing was. */
static bool take_window(struct ss *ss, struct clean *j, struct effects *fx)
{
    const struct segment *s = j->segment;
    uint32_t at = 0;
    while (j->position < s->end && j->window.len - at >= RECORD_HEADER && !j->failed) {
        struct record r;
        if (!record_parse(slice_data(j->window) + at, &s->header, s->seed, j->position, &r))
            break;
        uint64_t end = layout_of(s->header.class, &r, r.position).end;
        if (end > round_up(s->end, RECORD_ALIGN))
            break;
        bool whole = end - r.position <= j->window.len - at;
        if (j->kind != CLEAN_PUNCH && !whole)
            break;
        if (r.kind == RECORD_DATA) {
            record_live(ss, s->slot, &r, &j->runs);
            if (j->kind == CLEAN_PUNCH && s->header.class == CLASS_LARGE)
                note_holes(j, &r);
            else if (j->kind != CLEAN_PUNCH)
                keep_record(ss, j, &r, at, fx);
        } else if (r.kind == RECORD_DELETE && j->kind == CLEAN_COMPACT) {
            move_tomb(ss, j, &r);
        } else if (record_is_hole(&r) && j->kind == CLEAN_COMPACT) {
            move_hole(ss, j, &r);
        }
        j->position = (uint32_t)end;
        at = whole ? at + (uint32_t)(end - r.position) : j->window.len;
    }
    return at > 0;
}

static void read_next(struct ss *ss, struct store *st, struct clean *j, struct effects *fx)
{
    uint32_t len = j->kind == CLEAN_PUNCH ? RECORD_HEADER : CLEAN_WINDOW;
    bool walk = j->kind != CLEAN_PUNCH || j->segment->header.class == CLASS_LARGE;
    if (walk && j->position + RECORD_HEADER <= j->segment->end && !j->failed) {
        if (j->moving < CLEAN_MOVING)
            job_read(st, j, len, fx);
        return;
    }
    if (j->moves)
        return;
    if (j->kind == CLEAN_PUNCH && !j->failed) {
        uint64_t punched = j->punched;
        hole_add(j, round_up(j->segment->end, DFS_BLOCK), j->segment->summary_at / DFS_BLOCK * DFS_BLOCK);
        j->punched = punched; /* what is behind the end does not count as taken */
        j->segment->tail = false;
        j->drain = segment_drain(j->segment);
        return; /* clean_turn goes on */
    }
    if (j->kind == CLEAN_COMPACT && !j->failed)
        tombs_relink(ss, j->segment, j->tombs, j->n_tombs);
    if (j->kind == CLEAN_SCRUB)
        scrub_done(ss, st, j->segment);
    job_end(ss, st, j);
}

static void on_window(struct ss *ss, struct store *st, struct clean *j, const struct event *ev, struct effects *fx)
{
    j->reading = false;
    slice_drop(&j->window);
    if (ev->status || ev->op->n_data != 1) {
        st->errors.read++;
        j->segment->keep = true; /* not tried again before a restart */
        j->failed = true;
    } else {
        j->window = ev->op->data[0];
        ev->op->data[0] = (struct slice){0};
        uint32_t before = j->position;
        bool some = take_window(ss, j, fx);
        if (j->kind == CLEAN_SCRUB)
            scrub_pace(ss, st, j->position - before, ev->now.mono);
        if (!some && !skip_damage(ss, j, fx))
            j->position = j->segment->end;
        if (!some && j->kind != CLEAN_SCRUB)
            j->failed = true;
    }
    if (j->kind != CLEAN_SCRUB || j->failed)
        read_next(ss, st, j, fx);
}

/* --- punching --- */

static void punch_end(struct ss *ss, struct store *st, struct clean *j)
{
    if (!j->failed) {
        j->segment->punched = j->punched;
        j->segment->punch_seen = j->dead;
    }
    job_end(ss, st, j);
}

static void punch_some(struct store *st, struct clean *j, struct effects *fx)
{
    while (j->holes_done < j->n_holes && j->punching < PUNCHES_AT_ONCE && !j->failed) {
        struct range g = j->holes[j->holes_done++];
        struct disk_op *op = job_op(st, j, DISK_PUNCH, CLEAN_HOLE);
        op->offset = g.off;
        op->length = g.len;
        j->punching++;
        fx_disk(fx, op);
    }
}

static void on_punched(struct ss *ss, struct store *st, struct clean *j, const struct event *ev, struct effects *fx)
{
    j->punching--;
    if (ev->status) { /* not every file system can; what is dead is compacted then */
        if (!st->no_punch)
            fx_log(fx, LOG_WARN, "store.no_punch", "folder=%u error=%s", st->number, dfs_errname(ev->status));
        st->no_punch = j->failed = true;
    } else {
        st->free += ev->op->length; /* about; the next look at the file system says */
    }
    punch_some(st, j, fx);
    if (j->punching)
        return;
    punch_end(ss, st, j);
}

void clean_event(struct ss *ss, const struct event *ev, struct effects *fx)
{
    struct store *st = &ss->stores[token_a(ev->token)];
    uint32_t what = token_b(ev->token) & ((1u << CLEAN_KIND) - 1);
    struct clean *j = st->jobs[token_b(ev->token) >> CLEAN_KIND];
    if (what == CLEAN_TAIL)
        return; /* whatever came of it */
    if (what == CLEAN_HOLE)
        on_punched(ss, st, j, ev, fx);
    else
        on_window(ss, st, j, ev, fx);
}

/* --- turns --- */

static void job_turn(struct ss *ss, struct store *st, struct clean *j, struct now now, struct effects *fx)
{
    if (j->reading || j->punching)
        return;
    if (st->failed)
        j->failed = true;
    if (j->drain) {
        if (!segment_drained(j->segment, j->drain))
            return;
        punch_some(st, j, fx);
        if (!j->punching)
            punch_end(ss, st, j);
        return;
    }
    if (j->kind == CLEAN_SCRUB && !j->failed && now.mono < st->scrub.next)
        return;
    read_next(ss, st, j, fx);
}

static void jobs_start(struct ss *ss, struct store *st, struct now now, struct effects *fx)
{
    struct segment *s;
    if (!st->jobs[CLEAN_PUNCH] && (s = pick_punch(ss, st)))
        job_start(ss, st, s, CLEAN_PUNCH, fx);
    if (!st->jobs[CLEAN_COMPACT] && (s = pick_compact(ss, st)))
        job_start(ss, st, s, CLEAN_COMPACT, fx);
    if (!st->jobs[CLEAN_PUNCH] && !st->jobs[CLEAN_COMPACT] && !st->jobs[CLEAN_SCRUB] && (s = scrub_pick(ss, st, now)))
        job_start(ss, st, s, CLEAN_SCRUB, fx);
}

void clean_turn(struct ss *ss, struct now now, struct effects *fx)
{
    bool look = now.mono >= ss->clean_next && (ss->clean_look || now.mono >= scrub_next(ss));
    if (look) {
        ss->clean_next = now.mono + CLEAN_PERIOD;
        ss->clean_look = false;
    }
    for (uint32_t i = 0; i < ss->n_stores; i++) {
        struct store *st = &ss->stores[i];
        for (int kind = 0; kind < CLEAN_KINDS; kind++)
            if (st->jobs[kind])
                job_turn(ss, st, st->jobs[kind], now, fx);
        if (st->failed || !look)
            continue;
        if (st->clean_wait) {
            st->clean_wait--;
            ss->clean_look = true;
        } else {
            jobs_start(ss, st, now, fx);
        }
    }
}

uint64_t clean_deadline(const struct ss *ss)
{
    uint64_t at = max_u64(scrub_next(ss), ss->clean_next);
    if (ss->clean_look)
        at = min_u64(at, ss->clean_next);
    for (uint32_t i = 0; i < ss->n_stores; i++) {
        const struct clean *j = ss->stores[i].jobs[CLEAN_SCRUB];
        if (j && !j->reading)
            at = min_u64(at, ss->stores[i].scrub.next);
    }
    return at;
}

void clean_close(struct ss *ss)
{
    for (uint32_t i = 0; i < ss->n_stores; i++)
        for (int kind = 0; kind < CLEAN_KINDS; kind++)
            if (ss->stores[i].jobs[kind])
                job_end(ss, &ss->stores[i], ss->stores[i].jobs[kind]);
}
