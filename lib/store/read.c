/* SPDX-License-Identifier: MIT */
/* chunk_read: from the index to pieces of whole stored blocks. The happy path is: the extents of the range are turned
 * into pieces (runs of one record's blocks), the pieces into as few disk reads as their places allow, and the answer is
 * put together when the last has come back. The headers and CRC arrays read along the way are checked; the payload is
 * not, its reader does that (G3). Of a hole that was made only the parts that share a block with older data are said, as
 * zeros laid over them; whole blocks of holes have no pieces. Possible failures are: the disk (EIO), a header that is not what the index says
 * (ECORRUPT; the chunk is marked), an answer over the limits of a message (ETOOBIG: ask for less). */
#include <stdlib.h>

#include "base/crc.h"
#include "store/impl.h"

#define PIECES_MAX 1024u
#define ZEROS (2 * DFS_BLOCK) /* both ends of a hole, where they meet */

struct io {                  /* one disk read */
    struct segment *segment; /* pinned */
    uint8_t phase;           /* of its readers */
    uint64_t off;
    uint32_t len;
    struct slice data;
};

struct piece { /* blocks [first, first + n) of a record, counted on the record's own blocks */
    struct extent record;
    uint32_t first, n;
    uint32_t offset, length; /* the bytes of the chunk these blocks hold */
    struct record_layout layout;
    uint32_t meta_io, data_io; /* not of a hole */
};

struct read {
    uint32_t slot;
    struct reply_to to;
    struct part *part; /* asked by us ourselves, for this; or NULL */
    uint64_t chunk;
    uint32_t length; /* of the chunk */
    uint8_t disk;
    bool writers; /* are told: it is to be copied */
    bool busy;    /* others than repair were here lately */
    int error;
    uint32_t waiting, bytes, budget;
    struct piece *pieces;
    uint32_t n_pieces;
    struct io *ios;
    uint32_t n_ios;
    struct slice zeros; /* for holes */
};

static void read_free(struct ss *ss, struct read *r)
{
    for (uint32_t i = 0; i < r->n_ios; i++) {
        slice_drop(&r->ios[i].data);
        r->ios[i].segment->readers[r->ios[i].phase]--;
        segment_unpin(ss, r->ios[i].segment);
    }
    slice_drop(&r->zeros);
    ss->read_bytes -= r->budget;
    ss->stores[r->disk].read_bytes -= r->budget;
    ss->n_reads--;
    slots_remove(&ss->reads, r->slot);
    free(r->pieces);
    free(r->ios);
    free(r);
}

/* --- planning --- */

/* The blocks of the extent's record that [from, to) needs. */
static struct piece piece_of(const struct ss *ss, const struct extent *e, uint32_t from, uint32_t to)
{
    struct piece p = {.record = *e};
    uint32_t start = (uint32_t)max_u64(e->off, from), end = (uint32_t)min_u64(e->off + e->len, to);
    uint32_t rec_end = e->rec_off + e->rec_len, grid = e->rec_off / DFS_BLOCK;
    p.first = start / DFS_BLOCK - grid;
    p.n = (end - 1) / DFS_BLOCK - grid - p.first + 1;
    p.offset = (uint32_t)max_u64(e->rec_off, (uint64_t)(grid + p.first) * DFS_BLOCK);
    p.length = (uint32_t)min_u64(rec_end, (uint64_t)(grid + p.first + p.n) * DFS_BLOCK) - p.offset;
    p.layout = record_layout(segment_at(ss, e->segment)->header.class, e->position, e->rec_off, e->rec_len);
    return p;
}

/* The parts of blocks at both ends of a hole. */
static void hole_pieces(struct read *r, const struct extent *e, uint32_t from, uint32_t to)
{
    uint32_t end = e->off + e->len, head = (uint32_t)min_u64(round_up(e->off, DFS_BLOCK), end);
    uint32_t tail = (uint32_t)max_u64(end / DFS_BLOCK * DFS_BLOCK, head);
    const uint32_t cut[2][2] = {{e->off, head}, {tail, end}};
    for (int i = 0; i < 2; i++) {
        struct piece p = {.record = *e, .offset = cut[i][0], .length = cut[i][1] - cut[i][0]};
        if (p.length == 0 || cut[i][1] <= from || cut[i][0] >= to)
            continue;
        p.first = p.offset / DFS_BLOCK - e->rec_off / DFS_BLOCK;
        p.n = blocks_touched(p.offset, p.length);
        r->pieces[r->n_pieces++] = p;
    }
}

/* One record may have been moved in parts: then they count as records of their own. */
static bool same_record(const struct piece *x, const struct piece *y)
{
    return x->record.order == y->record.order && x->record.segment == y->record.segment &&
           x->record.position == y->record.position;
}

/* In the order in which their bytes are to be laid over each other; runs of one record by offset. */
static int piece_order(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    if (x->record.order != y->record.order)
        return x->record.order < y->record.order ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Extents of one record that share a block, or touch, become one piece. */
static void pieces_join(struct read *r)
{
    uint32_t kept = 0;
    qsort(r->pieces, r->n_pieces, sizeof *r->pieces, piece_order);
    for (uint32_t i = 0; i < r->n_pieces; i++) {
        struct piece *p = &r->pieces[i], *last = kept ? &r->pieces[kept - 1] : NULL;
        if (!last || !same_record(last, p) || p->offset > last->offset + last->length) {
            r->pieces[kept++] = *p;
            continue;
        }
        uint32_t end = (uint32_t)max_u64(last->offset + last->length, p->offset + p->length);
        last->n = (uint32_t)max_u64(last->first + last->n, p->first + p->n) - last->first;
        last->length = end - last->offset;
    }
    r->n_pieces = kept;
}

/* A range of a segment, read together with the range before where they are near. */
static uint32_t io_add(struct read *r, struct segment *s, uint64_t off, uint32_t len)
{
    struct io *last = r->n_ios ? &r->ios[r->n_ios - 1] : NULL;
    if (last && last->segment == s && off >= last->off && off <= last->off + last->len + READ_GAP &&
        off + len - last->off <= READ_MAX) {
        last->len = (uint32_t)(max_u64(last->off + last->len, off + len) - last->off);
        return r->n_ios - 1;
    }
    r->ios[r->n_ios] = (struct io){.segment = s, .phase = s->phase, .off = off, .len = len};
    s->pins++;
    s->readers[s->phase]++;
    return r->n_ios++;
}

static bool zeros_make(struct read *r)
{
    struct buf *b = buf_new(ZEROS);
    if (!b)
        return false;
    memset(b->data, 0, ZEROS);
    r->zeros = slice_take(b, 0, ZEROS);
    return true;
}

static int plan(struct ss *ss, struct read *r, const struct chunk *c, uint32_t from, uint32_t to)
{
    uint32_t first = chunk_extent_at(c, from), end = first;
    for (; end < c->n && chunk_extent(c, end).off < to; end++)
        ;
    if (end - first > 16 * PIECES_MAX)
        return DFS_ETOOBIG;
    r->pieces = calloc(2 * (end - first) + 1, sizeof *r->pieces);
    if (!r->pieces)
        return DFS_ENOMEM;
    for (uint32_t i = first; i < end; i++) {
        struct extent e = chunk_extent(c, i);
        if (e.hole)
            hole_pieces(r, &e, from, to);
        else
            r->pieces[r->n_pieces++] = piece_of(ss, &e, from, to);
    }
    pieces_join(r);
    for (uint32_t i = 0; i < r->n_pieces; i++) {
        r->bytes += r->pieces[i].length;
        if (r->n_pieces > PIECES_MAX || r->bytes > WIRE_PAYLOAD_MAX)
            return DFS_ETOOBIG;
    }
    r->ios = calloc(2 * r->n_pieces + 1, sizeof *r->ios);
    if (!r->ios)
        return DFS_ENOMEM;
    for (uint32_t i = 0; i < r->n_pieces; i++) {
        struct piece *p = &r->pieces[i];
        struct segment *s = segment_at(ss, p->record.segment);
        if (p->record.hole) {
            if (!r->zeros.buf && !zeros_make(r))
                return DFS_ENOMEM;
            continue;
        }
        p->meta_io = io_add(r, s, p->record.position, RECORD_HEADER + 4 * p->layout.n_crcs);
        p->data_io = io_add(r, s, p->layout.payload + (p->offset - p->record.rec_off), p->length);
    }
    return 0;
}

/* --- answering --- */

static uint8_t *io_bytes(const struct read *r, uint32_t io, uint64_t off)
{
    return slice_data(r->ios[io].data) + (off - r->ios[io].off);
}

/* Whether header and CRC array read from the disk are those the index points to. */
static bool piece_good(const struct read *r, const struct piece *p, struct record *rec)
{
    const struct segment *s = r->ios[p->meta_io].segment;
    const uint8_t *meta = io_bytes(r, p->meta_io, p->record.position);
    return record_parse(meta, &s->header, s->seed, p->record.position, rec) && rec->chunk == r->chunk &&
           order_of(rec->version, rec->sequence) == p->record.order && rec->offset == p->record.rec_off &&
           rec->length == p->record.rec_len &&
           crc32c(0, meta + RECORD_HEADER, 4ULL * p->layout.n_crcs) == rec->crcs_crc;
}

static struct slice piece_slice(const struct read *r, const struct piece *p)
{
    if (p->record.hole)
        return slice_sub(r->zeros, 0, p->length);
    uint64_t off = p->layout.payload + (p->offset - p->record.rec_off);
    return slice_sub(r->ios[p->data_io].data, (uint32_t)(off - r->ios[p->data_io].off), p->length);
}

/* Up to two pieces go out as they were read; more are copied together, as a frame's payload has two parts. */
static int gather(const struct read *r, struct payload *out)
{
    *out = (struct payload){0};
    if (r->n_pieces <= PAYLOAD_PARTS) {
        for (uint32_t i = 0; i < r->n_pieces; i++)
            out->part[i] = piece_slice(r, &r->pieces[i]);
        return 0;
    }
    struct buf *b = buf_new(r->bytes);
    if (!b)
        return DFS_ENOMEM;
    uint32_t at = 0;
    for (uint32_t i = 0; i < r->n_pieces; i++) {
        struct slice s = piece_slice(r, &r->pieces[i]);
        memcpy(b->data + at, slice_data(s), s.len);
        at += s.len;
        slice_drop(&s);
    }
    out->part[0] = slice_take(b, 0, at);
    return 0;
}

static void zeros_crcs(const struct read *r, const struct piece *p, uint8_t *crcs)
{
    for (uint32_t i = 0, done = 0; i < p->n; i++) {
        uint32_t n = (uint32_t)min_u64(p->length - done, DFS_BLOCK - (p->offset + done) % DFS_BLOCK);
        put_u32(crcs + 4 * i, crc32c(0, slice_data(r->zeros), n));
        done += n;
    }
}

/* For a copy, whose server will know as much. An order whose sequence is 0 is told as all of the version before. */
static void tell_writers(struct ss *ss, uint64_t chunk, struct msg_chunk_read_reply *m, struct arena *a)
{
    uint64_t forgot;
    m->n_writers = open_writers(ss, chunk, &m->writers, &forgot, a);
    m->forgot_at = (uint32_t)forgot;
    m->forgot = (uint32_t)(forgot >> 32) - (forgot > 0 && m->forgot_at == 0);
}

static int reply_build(struct ss *ss, struct read *r, struct msg *reply, struct payload *payload, struct arena *a)
{
    struct msg_chunk_read_reply *m = &reply->chunk_read_reply;
    uint32_t n_crcs = 0;
    for (uint32_t i = 0; i < r->n_pieces; i++)
        n_crcs += r->pieces[i].n;
    uint8_t *crcs = arena_alloc(a, n_crcs, 4);
    m->length = r->length;
    m->pieces = arena_alloc(a, r->n_pieces, sizeof *m->pieces);
    m->n_pieces = r->n_pieces;
    if (!crcs || !m->pieces)
        return DFS_ENOMEM;
    m->crcs = (struct str){(char *)crcs, 4 * n_crcs};
    m->busy = r->busy;
    if (r->writers)
        tell_writers(ss, r->chunk, m, a);
    for (uint32_t i = 0; i < r->n_pieces; i++) {
        const struct piece *p = &r->pieces[i];
        struct record rec = {0};
        if (p->record.hole)
            zeros_crcs(r, p, crcs);
        else if (!piece_good(r, p, &rec))
            return DFS_ECORRUPT;
        else
            memcpy(crcs, io_bytes(r, p->meta_io, p->layout.crcs + 4ULL * p->first), 4ULL * p->n);
        m->file = rec.file ? rec.file : m->file;
        m->index = rec.file ? rec.index : m->index;
        m->size = rec.size ? rec.size : m->size;
        crcs += 4ULL * p->n;
        m->pieces[i].offset = p->offset;
        m->pieces[i].length = p->length;
    }
    return gather(r, payload);
}

static void answer(struct ss *ss, struct read *r, struct effects *fx)
{
    struct msg reply = {.type = MSG_TYPE_chunk_read_reply};
    struct payload payload = {0};
    int err = r->error ? r->error : reply_build(ss, r, &reply, &payload, &fx->arena);
    if (r->part) {
        part_answer(ss, r->part, err, &reply.chunk_read_reply, &payload, fx);
        payload_drop(&payload);
    } else if (!err) {
        fx_reply(fx, r->to, &reply, &payload);
    } else {
        struct chunk *c = index_find(&ss->index, r->chunk);
        if (err == DFS_ECORRUPT && c)
            chunk_damaged(ss, c, "record header or checksums", fx);
        else if (err == DFS_EIO && c && ss->n_damaged < DAMAGED_PAGE)
            damaged_note(ss, c); /* the NameServer has it read again: the next try may succeed */
        fx_fail(fx, r->to, err, "server=%u chunk %" PRIu64 ": %s", ss->identity.server, r->chunk, dfs_strerror(err));
    }
    read_free(ss, r);
}

void read_event(struct ss *ss, const struct event *ev, struct effects *fx)
{
    struct read *r = token_b(ev->token) < ss->reads.n ? ss->reads.v[token_b(ev->token)] : NULL;
    if (!r || token_a(ev->token) >= r->n_ios)
        return;
    struct io *io = &r->ios[token_a(ev->token)];
    if (ev->status) {
        r->error = ev->status;
        ss->stores[io->segment->disk].errors.read++;
        fx_log(fx, LOG_ERROR, "store.read_failed", "chunk=%" PRIu64 " folder=%u error=%s", r->chunk, io->segment->disk,
               dfs_errname(ev->status));
    } else if (ev->op->n_data != 1 || ev->op->data[0].len < io->len) {
        r->error = DFS_ECORRUPT; /* the file ends before it should */
    } else {
        io->data = ev->op->data[0];
        ev->op->data[0] = (struct slice){0};
    }
    if (--r->waiting == 0)
        answer(ss, r, fx);
}

static void submit(struct ss *ss, struct read *r, struct effects *fx)
{
    for (uint32_t i = 0; i < r->n_ios; i++) {
        struct io *io = &r->ios[i];
        char name[DISK_NAME_MAX + 1];
        segment_name(name, sizeof name, io->segment->header.id);
        struct disk_op *op =
            ss_disk_op(&ss->stores[io->segment->disk], DISK_READ, name, 1, token_make(TOKEN_READ, i, r->slot));
        op->offset = io->off;
        op->length = io->len;
        fx_disk(fx, op);
    }
    r->waiting = r->n_ios;
}

static struct read *read_new(struct ss *ss, const struct chunk *c, uint32_t offset, uint32_t length)
{
    struct read *r = xcalloc(1, sizeof *r);
    r->slot = slots_add(&ss->reads, r);
    r->chunk = c->id;
    r->length = chunk_length(c);
    ss->n_reads++;
    if (length)
        r->error = plan(ss, r, c, offset, offset + length);
    for (uint32_t i = 0; i < r->n_ios; i++)
        r->budget += r->ios[i].len;
    r->disk = c->disk;
    ss->read_bytes += r->budget;
    ss->stores[r->disk].read_bytes += r->budget;
    return r;
}

static void read_start(struct ss *ss, const struct event *ev, const struct chunk *c, struct effects *fx)
{
    struct read *r = read_new(ss, c, ev->msg->chunk_read.offset, ev->msg->chunk_read.length);
    r->to = ev->to;
    r->writers = ev->msg->chunk_read.flags & READ_REPAIR;
    r->busy = r->writers && lately(ss->foreground, ev->now.mono);
    uint64_t on_disk = ss->stores[r->disk].read_bytes;
    if (!r->error && ss->n_reads > 1 && ss->read_bytes > INFLIGHT_READ_BYTES)
        r->error = DFS_EAGAIN;
    else if (!r->error && on_disk > r->budget && on_disk > store_share(ss, INFLIGHT_READ_BYTES))
        r->error = DFS_EAGAIN; /* a disk that hangs must not have all there is */
    if (r->error || r->n_ios == 0)
        answer(ss, r, fx);
    else
        submit(ss, r, fx);
}

void read_own(struct ss *ss, const struct chunk *c, struct part *p, struct effects *fx)
{
    struct read *r = read_new(ss, c, p->offset, p->length);
    r->part = p;
    if (r->error || r->n_ios == 0)
        answer(ss, r, fx);
    else
        submit(ss, r, fx);
}

/* Where there is data, not the data itself: who asks whether there is a hole needs to know of two runs at most. */
static void map_answer(const struct event *ev, const struct chunk *c, struct effects *fx)
{
    const struct msg_chunk_read *m = &ev->msg->chunk_read;
    struct msg reply = {.type = MSG_TYPE_chunk_read_reply, .chunk_read_reply = {.length = chunk_length(c)}};
    struct wire_piece runs[2];
    uint32_t n = 0, to = m->offset + m->length;
    for (uint32_t i = chunk_extent_at(c, m->offset); i < c->n; i++) {
        struct extent e = chunk_extent(c, i);
        uint32_t from = (uint32_t)max_u64(e.off, m->offset), end = (uint32_t)min_u64(e.off + e.len, to);
        bool joins = n > 0 && runs[n - 1].offset + runs[n - 1].length == from;
        if (e.off >= to || (!e.hole && n == ARRAY_LEN(runs) && !joins))
            break;
        if (e.hole)
            continue;
        if (joins)
            runs[n - 1].length += end - from;
        else
            runs[n++] = (struct wire_piece){.offset = from, .length = end - from};
    }
    reply.chunk_read_reply.pieces = runs;
    reply.chunk_read_reply.n_pieces = n;
    fx_reply(fx, ev->to, &reply, NULL);
}

/* A chunk that takes writes is read only while all its writers are known, and not where one of them may have been shown by the
 * head, or not (CONSISTENCY B11, B13): who asks goes to the head then, as in CRAQ to the tail. False: answered. */
static bool open_served(struct ss *ss, const struct event *ev, const struct chunk *c, struct effects *fx)
{
    const struct msg_chunk_read *m = &ev->msg->chunk_read;
    const struct open_chunk *o = open_find(ss, c->id);
    bool older = m->version < c->version, inside = m->offset + m->length <= chunk_length(c);
    bool in_flight = open_in_flight(o, m->version, m->offset, m->offset + m->length);
    if (ss->cfg.any_version || (older && inside && !in_flight))
        return true; /* as it was sealed */
    if (older && in_flight) /* the version may never be logged, and others go on without what it settled */
        fx_fail(fx, ev->to, DFS_EINFLIGHT, "server=%u chunk %" PRIu64 " has a version that is not known to be the next",
                ss->identity.server, c->id);
    else if (older)
        fx_fail(fx, ev->to, DFS_ESTALE, "server=%u chunk %" PRIu64 " has been cut", ss->identity.server, c->id);
    else if ((c->flags & CHUNK_OPEN) && !open_readable(ss, o))
        fx_fail(fx, ev->to, DFS_EAGAIN, "server=%u chunk %" PRIu64 " waits for its next version", ss->identity.server,
                c->id);
    else if ((c->flags & CHUNK_OPEN) && in_flight)
        fx_fail(fx, ev->to, DFS_EINFLIGHT, "server=%u chunk %" PRIu64 " is being written there", ss->identity.server,
                c->id);
    else
        return true;
    if ((older && !in_flight) || (!older && o && o->broken)) /* its leader may never log it, its writer never ask for the next */
        open_newer(ss, c);
    return false;
}

void read_request(struct ss *ss, const struct event *ev, struct effects *fx)
{
    const struct msg_chunk_read *m = &ev->msg->chunk_read;
    const struct chunk *c = index_find(&ss->index, m->chunk);
    uint32_t self = ss->identity.server;
    if (!ss_serving(ss, ev->now.mono))
        fx_fail(fx, ev->to, DFS_EAGAIN, "server=%u has no current lease from the NameServer", self);
    else if (m->offset > CHUNK_LIMIT || m->length > CHUNK_LIMIT - m->offset)
        fx_fail(fx, ev->to, DFS_EINVAL, "no chunk is that long");
    else if (!c || c->flags & CHUNK_DELETING)
        fx_fail(fx, ev->to, DFS_ENOCHUNK, "server=%u has no chunk %" PRIu64, self, m->chunk);
    else if (!chunk_holds(ss, c, m->version) && !ss->cfg.any_version)
        fx_fail(fx, ev->to, DFS_ESTALE, "server=%u chunk %" PRIu64 " is at version %u here, not %u", self, m->chunk,
                c->version, m->version);
    else if (c->flags & CHUNK_DAMAGED)
        fx_fail(fx, ev->to, DFS_ECORRUPT, "server=%u chunk %" PRIu64 " is damaged here", self, m->chunk);
    else if (!open_served(ss, ev, c, fx))
        return;
    else if (m->flags & READ_MAP)
        map_answer(ev, c, fx);
    else
        read_start(ss, ev, c, fx);
}

void read_close(struct ss *ss)
{
    for (uint32_t i = 0; i < ss->reads.n; i++)
        if (ss->reads.v[i])
            read_free(ss, ss->reads.v[i]);
    slots_close(&ss->reads);
}
