/* SPDX-License-Identifier: MIT */
/* chunk_write, here and down the chain: data, or a hole made by truncating or punching. The happy path is: checked, ordered, forwarded to the next server while it
 * waits for this turn's batch, flushed, acknowledged from below, shown to readers, acknowledged upward. Possible
 * failures are:
 *   - the payload does not fit its checksums, a gap in the sequence, another version, too much in flight: refused
 *     before anything happened;
 *   - this disk or a server further down fails: an error that names the server goes up, and the chunk is broken: it
 *     takes no further writes in this version, because its copies may differ. Whoever writes it takes another chunk. */
#include <stdio.h>
#include <stdlib.h>

#include "base/crc.h"
#include "store/impl.h"
#include "wire/pieces.h"

#define ABOUT 16u /* so much of the most free space makes no difference */

struct write *write_new(struct ss *ss, uint8_t disk, enum segment_class class)
{
    struct write *w = xcalloc(1, sizeof *w);
    list_init(&w->link);
    w->disk = disk;
    w->class = (uint8_t) class;
    w->slot = slots_add(&ss->writes, w);
    ss->n_writes++;
    return w;
}

void write_free(struct ss *ss, struct write *w)
{
    if (w->segment) {
        w->segment->unsettled--;
        segment_unpin(ss, w->segment);
    }
    if (w->open) {
        w->open->inflight--;
        w->open->pending -= !w->local_done;
    }
    for (uint32_t i = 0; w->open && i < w->open->n_recent; i++)
        if (w->open->recent[i].write == w)
            w->open->recent[i].write = NULL;
    if (!w->part) {
        ss->write_bytes -= record_payload(&w->record);
        ss->stores[w->disk].write_bytes -= record_payload(&w->record);
    }
    ss->n_writes--;
    list_remove(&w->link);
    slots_remove(&ss->writes, w->slot);
    payload_drop(&w->payload);
    free(w->crcs);
    free(w);
}

/* --- checking --- */

static bool shape_good(const struct msg_chunk_write *m, const struct payload *p)
{
    bool append = m->kind == WRITE_APPEND;
    uint32_t payload = m->kind == WRITE_DATA || append ? m->length : 0;
    if (append && (m->offset != 0 || m->sequence != 0 || m->limit > CHUNK_LIMIT || m->floor > m->limit))
        return false;
    return (m->length > 0) == (m->kind != WRITE_TRUNCATE) && m->kind <= WRITE_APPEND && payload_len(p) == payload &&
           m->offset <= CHUNK_LIMIT && m->length <= CHUNK_LIMIT - m->offset &&
           m->crcs.len == 4ULL * blocks_touched(m->offset, payload);
}

static struct record record_of(const struct msg_chunk_write *m)
{
    static const uint8_t kinds[] = {[WRITE_DATA] = RECORD_DATA,
                                    [WRITE_TRUNCATE] = RECORD_TRUNCATE,
                                    [WRITE_PUNCH] = RECORD_PUNCH,
                                    [WRITE_APPEND] = RECORD_DATA};
    return (struct record){
        .kind = kinds[m->kind],
        .flags = m->flags & WRITE_MAPPED ? RECORD_OPEN : 0,
        .version = m->version,
        .chunk = m->chunk,
        .sequence = m->sequence,
        .session = m->session,
        .number = m->number,
        .file = m->file,
        .index = m->index,
        .size = m->size,
        .offset = m->offset,
        .length = m->length,
    };
}

/* No client's writes: what is left is for deleting and compacting. */
static bool store_full(const struct ss *ss, const struct store *st, uint64_t now)
{
    return st->full_until > now || st->free < store_reserve(ss);
}

static bool store_takes(const struct ss *ss, const struct store *st, uint64_t now)
{
    return !st->failed && !store_full(ss, st, now);
}

static bool store_has_more(const struct store *a, const struct store *b)
{
    return a->slow != b->slow ? b->slow : a->free > b->free;
}

static bool store_has_about(const struct store *a, const struct store *most)
{
    return a->slow == most->slow && a->free >= most->free - most->free / ABOUT;
}

/* By what is to be written to them now, so that all disks are at work; where that is the same, by what they hold. */
static bool store_is_idler(const struct store *a, const struct store *b)
{
    return a->write_bytes != b->write_bytes ? a->write_bytes < b->write_bytes : a->chunks < b->chunks;
}

/* The one with the most space, or about as much: what is free changes with each segment, and is looked at now and then only, so
 * that without this all would go to one disk for seconds, and then to another. */
int store_pick(struct ss *ss, uint64_t now, struct store **out)
{
    const struct store *most = NULL;
    bool any = false;
    *out = NULL;
    for (uint32_t i = 0; i < ss->n_stores; i++) {
        const struct store *st = &ss->stores[i];
        any |= !st->failed;
        if (store_takes(ss, st, now) && (!most || store_has_more(st, most)))
            most = st;
    }
    for (uint32_t i = 0; i < ss->n_stores && most; i++) {
        struct store *st = &ss->stores[i];
        if (store_takes(ss, st, now) && store_has_about(st, most) && (!*out || store_is_idler(st, *out)))
            *out = st;
    }
    return *out ? 0 : any ? DFS_ENOSPC : DFS_EIO;
}

/* The chunk to write to, made if it is new. NULL: refused and answered. */
static struct open_chunk *open_for_write(struct ss *ss, const struct event *ev, struct effects *fx)
{
    const struct msg_chunk_write *m = &ev->msg->chunk_write;
    struct chunk *c = index_find(&ss->index, m->chunk);
    struct open_chunk *o = open_find(ss, m->chunk);
    uint32_t version = o ? o->version : c ? c->version : m->version;
    if (version != m->version) {
        fx_fail(fx, ev->to, DFS_ESTALE, "server=%u chunk %" PRIu64 " is at version %u here, not %u",
                ss->identity.server, m->chunk, version, m->version);
        return NULL;
    }
    if (m->flags & WRITE_MAPPED && !c) { /* those are made by a stamp, never by a write that comes late */
        fx_fail(fx, ev->to, DFS_ENOCHUNK, "server=%u has no chunk %" PRIu64, ss->identity.server, m->chunk);
        return NULL;
    }
    if ((o ? o->broken || !open_current(ss, o) : c != NULL) ||
        (c && c->flags & (CHUNK_BROKEN | CHUNK_DAMAGED | CHUNK_DELETING))) {
        fx_fail(fx, ev->to, DFS_ESTALE, "server=%u chunk %" PRIu64 " takes no more writes in version %u",
                ss->identity.server, m->chunk, version);
        return NULL;
    }
    if (ss_task_find(ss, m->chunk)) {
        fx_fail(fx, ev->to, DFS_EAGAIN, "server=%u chunk %" PRIu64 " is being repaired", ss->identity.server, m->chunk);
        return NULL;
    }
    if (c && c->n >= INDEX_MAX_EXTENTS) {
        fx_fail(fx, ev->to, DFS_EFBIG, "chunk %" PRIu64 " is in too many pieces", m->chunk);
        return NULL;
    }
    if (o && o->n_flights == FLIGHTS_MAX && m->sequence == 0) {
        fx_fail(fx, ev->to, DFS_EAGAIN, "server=%u too many writes of that chunk are under way", ss->identity.server);
        return NULL;
    }
    struct store *st = o ? &ss->stores[o->disk] : c ? &ss->stores[c->disk] : NULL;
    uint32_t bytes = m->kind == WRITE_DATA ? m->length : 0;
    if (st && st->write_bytes + bytes > store_share(ss, INFLIGHT_WRITE_BYTES)) {
        fx_fail(fx, ev->to, DFS_EAGAIN, "server=%u too many bytes are being written to that disk", ss->identity.server);
        return NULL;
    }
    int err = st ? (st->failed                         ? DFS_EIO
                    : store_full(ss, st, ev->now.mono) ? DFS_ENOSPC
                                                       : 0)
                 : store_pick(ss, ev->now.mono, &st);
    if (err) {
        fx_fail(fx, ev->to, err, "server=%u %s", ss->identity.server,
                err == DFS_ENOSPC ? "no space left" : "no working disk");
        return NULL;
    }
    if (!o) {
        o = open_add(ss, m->chunk);
        if (!o) {
            fx_fail(fx, ev->to, DFS_EAGAIN, "server=%u too many chunks are being written", ss->identity.server);
            return NULL;
        }
        o->version = m->version;
        o->copy = ss->next_copy++;
        o->disk = st->number;
        o->lapse = ss->lapses;
        o->steady = true;
    }
    return o;
}

/* A request seen before: answered, or attached to the write under way. */
static bool answered_before(struct ss *ss, const struct event *ev, struct effects *fx)
{
    const struct msg_chunk_write *m = &ev->msg->chunk_write;
    struct open_chunk *o = open_find(ss, m->chunk);
    struct record same = record_of(m);
    bool usable = open_current(ss, o) && o->version == m->version && !o->broken;
    struct recent *known = !o || (ss->cfg.forget_appends && m->kind == WRITE_APPEND) ? NULL
                           : m->kind == WRITE_APPEND ? open_request(o, m->session, m->number)
                                                     : open_recent(o, &same);
    struct recent *r = usable ? known : NULL;
    if (known && !usable && m->sequence == 0 && m->flags & WRITE_MAPPED) {
        fx_fail(fx, ev->to, DFS_EUNKNOWN, "server=%u took this write in a version that has ended", ss->identity.server);
        return true;
    }
    if (!r)
        return false;
    if (!r->write) {
        struct msg reply = {.type = MSG_TYPE_chunk_write_reply,
                            .chunk_write_reply = {.sequence = r->sequence, .offset = r->offset}};
        fx_reply(fx, ev->to, &reply, NULL);
    } else if (r->write->n_to < WRITE_WAITERS) {
        r->write->to[r->write->n_to++] = ev->to;
    } else {
        fx_fail(fx, ev->to, DFS_EAGAIN, "this write is under way");
    }
    return true;
}

/* --- accepting --- */

static void forward(const struct open_chunk *o, struct write *w, const struct msg_chunk_write *m, struct effects *fx)
{
    char addr[WIRE_ADDR_MAX + 1];
    struct msg next = {.type = MSG_TYPE_chunk_write, .chunk_write = *m};
    struct payload p = payload_ref(&w->payload);
    if (m->kind == WRITE_APPEND) { /* from here on it is a write like others */
        next.chunk_write.kind = WRITE_DATA;
        next.chunk_write.offset = w->record.offset;
        next.chunk_write.crcs = (struct str){(const char *)w->crcs, 4 * blocks_touched(w->record.offset, m->length)};
    }
    if (o->head)
        next.chunk_write.settled = open_settled_below(o);
    next.chunk_write.sequence = w->record.sequence;
    next.chunk_write.length = w->record.length;
    next.chunk_write.chain = m->chain + 1;
    next.chunk_write.n_chain = m->n_chain - 1;
    snprintf(addr, sizeof addr, "%.*s", STR_ARG(m->chain[0].addr));
    w->next_server = m->chain[0].server;
    fx_call(fx, addr, &next, &p, token_make(TOKEN_FORWARD, 0, w->slot), FORWARD_TIMEOUT);
}

/* What the chunk's length will be. The head lets a punch end there: so the length can be told from what is left of its
 * records. */
static void settle_length(struct open_chunk *o, struct record *r, bool head)
{
    uint32_t end = r->offset + r->length;
    if (r->kind == RECORD_TRUNCATE)
        o->length = r->offset;
    else if (r->kind == RECORD_DATA)
        o->length = end > o->length ? end : o->length;
    else if (head && end > o->length)
        r->length = o->length - r->offset;
}

/* The checksums of the blocks of the payload as it lies at this offset. Together they have to say the same as those that came
 * with it, which were checked, so that what is stored is what its writer had. NULL: they do not, or there is no memory. */
static uint8_t *crcs_at(const struct payload *p, uint32_t offset, struct str crcs)
{
    uint32_t length = payload_len(p), n = blocks_touched(offset, length), at = 0, all = 0, said = 0;
    uint8_t *out = malloc(4ULL * n + 1);
    for (uint32_t i = 0; out && i < n; i++) {
        uint32_t part = (uint32_t)min_u64(length - at, DFS_BLOCK - (offset + at) % DFS_BLOCK);
        uint32_t crc = payload_crc(p, at, part);
        put_u32(out + 4ULL * i, crc);
        all = crc32c_combine(all, crc, part);
        at += part;
    }
    for (uint32_t i = 0; i < blocks_touched(0, length); i++)
        said = crc32c_combine(said, get_u32(crcs.p + 4ULL * i), min_u64(length - i * DFS_BLOCK, DFS_BLOCK));
    if (out && all == said)
        return out;
    free(out);
    return NULL;
}

static uint8_t *crcs_of(const struct msg_chunk_write *m, const struct payload *p, const struct record *r)
{
    if (m->kind == WRITE_APPEND)
        return crcs_at(p, r->offset, m->crcs);
    uint8_t *crcs = malloc(m->crcs.len);
    if (crcs)
        memcpy(crcs, m->crcs.p, m->crcs.len);
    return crcs;
}

static void accept_write(struct ss *ss, const struct event *ev, struct open_chunk *o, struct effects *fx)
{
    const struct msg_chunk_write *m = &ev->msg->chunk_write;
    struct record r = record_of(m);
    if (m->kind == WRITE_APPEND)
        r.offset = (uint32_t)max_u64(o->length, m->floor);
    uint8_t *crcs = m->crcs.len ? crcs_of(m, ev->payload, &r) : NULL;
    if (!crcs && m->crcs.len) {
        fx_fail(fx, ev->to, DFS_ENOMEM, "server=%u out of memory", ss->identity.server);
        return;
    }
    o->seen = m->seen;
    r.copy = o->copy;
    r.sequence = o->sequence + 1ULL;
    o->head = m->sequence == 0;
    settle_length(o, &r, o->head);
    struct write *w = write_new(ss, o->disk, record_class(&r));
    w->crcs = crcs;
    w->payload = payload_ref(ev->payload);
    w->open = o;
    w->to[w->n_to++] = ev->to;
    w->record = r;
    o->inflight++;
    o->pending++;
    ss->write_bytes += record_payload(&r);
    ss->stores[w->disk].write_bytes += record_payload(&r);
    open_note(ss, o, &w->record, w);
    w->down_done = m->n_chain == 0;
    if (!o->head)
        open_settled(o, m->settled);
    if (r.flags & RECORD_OPEN && !(o->head && w->down_done))
        open_flight(o, &r);
    if (!w->down_done)
        forward(o, w, m, fx);
    append_queue(ss, w);
}

/* Nothing of the chunk was ever accepted: its version is not settled. */
static void open_forget_new(struct ss *ss, struct open_chunk *o)
{
    if (o->sequence == 0 && !index_find(&ss->index, o->id))
        open_forget(ss, o);
}

/* A punch behind the chunk's end changes nothing. */
static bool punches_nothing(struct ss *ss, const struct event *ev, struct open_chunk *o, struct effects *fx)
{
    const struct msg_chunk_write *m = &ev->msg->chunk_write;
    struct msg reply = {.type = MSG_TYPE_chunk_write_reply, .chunk_write_reply = {.sequence = o->sequence}};
    if (m->kind != WRITE_PUNCH || m->sequence != 0 || m->offset < o->length)
        return false;
    fx_reply(fx, ev->to, &reply, NULL);
    open_forget_new(ss, o);
    return true;
}

/* If this request was taken when it was first sent, or later, it came behind this. */
static uint64_t order_behind(const struct msg_chunk_write *m) { return order_of(m->first, m->after); }

/* Whether that extent may have come over what the request wrote: not if it is older, or the writer's own before it. */
static bool may_hide(const struct open_chunk *o, const struct extent *e, const struct msg_chunk_write *m)
{
    if (e->order <= order_behind(m))
        return false;
    for (uint32_t i = 0; i < o->n_recent; i++) {
        const struct recent *r = &o->recent[i];
        if (r->session == m->session && r->number < m->number && order_of(r->version, r->sequence) == e->order)
            return false;
    }
    return true;
}

/* One that may be here already, though nobody would know: a copy remembers less than those it was made of. What was first sent
 * after what was copied is known, if it came here. Otherwise it is either to be seen, or something else is in
 * its place; with neither it is not here. */
static bool may_be_here(struct ss *ss, const struct event *ev, struct effects *fx)
{
    const struct msg_chunk_write *m = &ev->msg->chunk_write;
    if (m->sequence != 0 || !m->first)
        return false;
    const struct open_chunk *o = open_find(ss, m->chunk);
    if (!o || order_behind(m) >= o->forgot)
        return false;
    const struct chunk *c = index_find(&ss->index, m->chunk);
    bool hidden = m->kind == WRITE_APPEND || !c;
    for (uint32_t i = c ? chunk_extent_at(c, m->offset) : 0; !hidden && i < c->n; i++) {
        struct extent e = chunk_extent(c, i);
        if (e.off >= (uint64_t)m->offset + m->length)
            break;
        hidden = may_hide(o, &e, m);
    }
    if (!hidden)
        return false;
    fx_fail(fx, ev->to, DFS_ENODATA, "server=%u whether this was written before is not known here",
            ss->identity.server);
    return true;
}

/* A record that does not fit into what is left of the chunk goes to the next one, whole. */
static bool does_not_fit(struct ss *ss, const struct event *ev, const struct open_chunk *o, struct effects *fx)
{
    const struct msg_chunk_write *m = &ev->msg->chunk_write;
    if (m->kind != WRITE_APPEND || max_u64(o->length, m->floor) + m->length <= m->limit)
        return false;
    fx_fail(fx, ev->to, DFS_EFBIG, "server=%u chunk %" PRIu64 " has no room for %u bytes", ss->identity.server,
            m->chunk, m->length);
    return true;
}

void chain_request(struct ss *ss, const struct event *ev, struct effects *fx)
{
    static const struct payload nothing;
    const struct msg_chunk_write *m = &ev->msg->chunk_write;
    const struct payload *p = ev->payload ? ev->payload : &nothing;
    uint32_t self = ss->identity.server;
    if (!ss_serving(ss, ev->now.mono)) {
        fx_fail(fx, ev->to, DFS_EAGAIN, "server=%u has no current lease from the NameServer", self);
    } else if (!shape_good(m, p)) {
        fx_fail(fx, ev->to, DFS_EINVAL, "server=%u the write's range, payload and checksums do not fit together", self);
    } else if (!crcs_match(p, m->offset, m->crcs.p)) {
        fx_fail(fx, ev->to, DFS_ECORRUPT, "server=%u the payload was damaged on its way here", self);
    } else if (answered_before(ss, ev, fx)) {
        return;
    } else if (ss->write_bytes + payload_len(p) > INFLIGHT_WRITE_BYTES) {
        fx_fail(fx, ev->to, DFS_EAGAIN, "server=%u too many bytes are being written", self);
    } else {
        struct open_chunk *o = open_for_write(ss, ev, fx);
        if (!o || punches_nothing(ss, ev, o, fx) || may_be_here(ss, ev, fx) || does_not_fit(ss, ev, o, fx))
            return;
        if ((m->sequence == 0 || m->sequence == o->sequence + 1ULL) && o->sequence < UINT32_MAX) {
            accept_write(ss, ev, o, fx);
            return;
        }
        fx_fail(fx, ev->to, DFS_EAGAIN, "server=%u expects write %" PRIu64 " of chunk %" PRIu64 ", not %" PRIu64, self,
                (uint64_t)o->sequence + 1, m->chunk, m->sequence);
        open_forget_new(ss, o);
    }
}

/* --- finishing --- */

static void fail_up(struct ss *ss, struct write *w, int err, struct str text, struct effects *fx)
{
    struct open_chunk *o = w->open && w->open->version == w->record.version ? w->open : NULL;
    if (o && !o->broken) {
        struct chunk *c = index_find(&ss->index, w->record.chunk);
        o->broken = true;
        if (c)
            c->flags |= CHUNK_BROKEN;
    }
    if (o)
        open_failed(o, &w->record);
    for (uint32_t i = 0; i < w->n_to; i++)
        fx_fail(fx, w->to[i], err, "%.*s", STR_ARG(text));
    w->n_to = 0;
    w->answered = true;
}

void write_show(struct ss *ss, struct write *w)
{
    struct chunk *c = index_find(&ss->index, w->record.chunk);
    struct extent e;
    if (!w->durable || w->shown)
        return;
    w->shown = true;
    e = record_extent(&w->record, w->segment->slot);
    if (c && c->copy == w->record.copy)
        index_insert(&ss->index, c, &e);
}

/* Durable here and everywhere below: visible, then acknowledged (CONSISTENCY B13, D24). */
static void acknowledge(struct ss *ss, struct write *w, struct effects *fx)
{
    const struct record *r = &w->record;
    struct msg reply = {.type = MSG_TYPE_chunk_write_reply,
                        .chunk_write_reply = {.sequence = r->sequence, .offset = r->offset}};
    write_show(ss, w);
    if (w->open && w->open->head)
        open_landed(w->open, r);
    for (uint32_t i = 0; i < w->n_to; i++)
        fx_reply(fx, w->to[i], &reply, NULL);
    w->n_to = 0;
    w->answered = true;
}

static void write_settle(struct ss *ss, struct write *w, struct effects *fx)
{
    if (ss->cfg.ack_alone && w->durable && !w->answered)
        acknowledge(ss, w, fx);
    if (!w->local_done || !w->down_done)
        return;
    if (!w->answered)
        acknowledge(ss, w, fx);
    write_show(ss, w); /* one that failed below is here all the same, and a start would find it */
    write_free(ss, w);
}

/* The chunk is held from the moment a record of it is durable, visible or not: it is then reported and collected. */
static void hold_chunk(struct ss *ss, struct write *w)
{
    struct chunk *c = index_find(&ss->index, w->record.chunk);
    if (!c) {
        c = index_add(&ss->index, w->record.chunk, w->record.copy, w->record.version, w->disk);
        ss->stores[w->disk].chunks++;
        if (w->open->broken)
            c->flags |= CHUNK_BROKEN;
        if (w->record.flags & RECORD_OPEN)
            c->flags |= CHUNK_OPEN;
    }
    index_touch(&ss->index, c, w->segment->slot);
}

void chain_local(struct ss *ss, struct write *w, int err, struct effects *fx)
{
    if (w->moved_from) {
        clean_moved(ss, w, err);
        write_free(ss, w);
        return;
    }
    if (w->record.kind == RECORD_WRITER) { /* missed if need be */
        write_free(ss, w);
        return;
    }
    if (w->record.kind == RECORD_DELETE) {
        orders_done(ss, w, err);
        write_free(ss, w);
        return;
    }
    if (w->part) {
        fetch_written(ss, w, err, fx);
        return;
    }
    if (w->stamp) {
        stamp_written(ss, w, err);
        return;
    }
    struct open_chunk *o = w->open;
    w->local_done = true;
    w->durable = !err;
    o->pending--;
    o->unsure = o->unsure || (err && o->version == w->record.version);
    if (err == DFS_ENOSPC)
        open_unnote(o, w);
    if (!err) {
        hold_chunk(ss, w);
    } else if (!w->answered) {
        char text[64];
        snprintf(text, sizeof text, "server=%u %s", ss->identity.server,
                 err == DFS_ENOSPC ? "no space left" : "the disk failed");
        fail_up(ss, w, err, str_of(text), fx);
    }
    uint64_t chunk = w->record.chunk;
    write_settle(ss, w, fx);
    if (o->fenced && o->pending == 0)
        fence_settled(ss, chunk);
}

/* A server below has refused what is here: whoever asked must not take it for refused everywhere. */
static int refusal_below(const struct write *w, int status)
{
    bool refused = status == DFS_ESTALE || status == DFS_EAGAIN || status == DFS_ENOCHUNK;
    refused = refused || status == DFS_EUNREACH || status == DFS_EFBIG || status == DFS_ECORRUPT;
    return refused && w->record.flags & RECORD_OPEN ? DFS_EUNKNOWN : status;
}

void chain_forwarded(struct ss *ss, const struct event *ev, struct effects *fx)
{
    uint32_t slot = token_b(ev->token);
    struct write *w = slot < ss->writes.n ? ss->writes.v[slot] : NULL;
    if (!w)
        return;
    w->down_done = true;
    bool wrong = ev->status == 0 && (ev->msg->type != MSG_TYPE_chunk_write_reply ||
                                     ev->msg->chunk_write_reply.sequence != w->record.sequence);
    if ((ev->status || wrong) && !w->answered) {
        char text[WIRE_TEXT_MAX];
        struct str why = ev->status && ev->msg ? ev->msg->error.text : STR("");
        if (why.len > 7 && memcmp(why.p, "server=", 7) == 0)
            snprintf(text, sizeof text, "%.*s", STR_ARG(why));
        else
            snprintf(text, sizeof text, "server=%u %s %.*s", w->next_server,
                     wrong ? "gave a wrong answer" : dfs_strerror(ev->status), STR_ARG(why));
        fail_up(ss, w, wrong ? DFS_EPROTO : refusal_below(w, ev->status), str_of(text), fx);
    }
    write_settle(ss, w, fx);
}
