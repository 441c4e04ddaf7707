/* SPDX-License-Identifier: MIT */
/* What the records tell of the chunks held: to which content they belong, at which place, how long it is, and the checksum
 * of the whole chunk, put together from those of its blocks. For a NameServer that does not know them any more.
 *
 * The happy path is: a heartbeat's answer wants an inventory -> the chunks, in the order of their places on the disks ->
 * some at a time, each extent's header and block checksums are read, not the data -> a page is full -> sent, answered ->
 * the next, until all are told. Possible failures: a chunk moves meanwhile (each extent is looked up when its turn
 * comes), goes (it is left out), is damaged or has holes (it is told without a checksum); the answer is lost (the same
 * page again); the NameServer is another, or wants another run (from the start). */
#include <stdlib.h>

#include "base/crc.h"
#include "store/impl.h"

#define SLOTS 16u
#define PAGE 1024u
#define RETRY NS_PER_SEC
#define CALL_TIMEOUT (10 * NS_PER_SEC)

struct place {
    uint64_t chunk;
    uint32_t segment, position; /* of its first extent, when the inventory began */
};

struct look { /* one chunk being looked at */
    bool used;
    struct wire_found held;
    uint32_t at;             /* bytes seen */
    struct extent extent;    /* whose header is being read … */
    struct segment *segment; /* … from here: pinned; NULL: no read is under way */
    uint8_t phase;
};

struct inventory {
    uint64_t run;
    struct place *places;
    uint32_t n, next;
    struct look slots[SLOTS];
    uint32_t looking;
    struct wire_found page[PAGE];
    uint32_t n_page;
    bool calling, eof;
    uint64_t retry; /* mono ns: not before */
};

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->segment != y->segment)
        return x->segment < y->segment ? -1 : 1;
    return x->position < y->position ? -1 : x->position > y->position;
}

/* --- one chunk --- */

static void look_unpin(struct ss *ss, struct look *l)
{
    if (!l->segment)
        return;
    l->segment->readers[l->phase]--;
    segment_unpin(ss, l->segment);
    l->segment = NULL;
}

static void look_end(struct inventory *v, struct look *l, bool tell)
{
    if (tell)
        v->page[v->n_page++] = l->held;
    l->used = false;
    v->looking--;
}

/* Reads the header of the extent that comes next, or ends the look. */
static void look_on(struct ss *ss, struct inventory *v, struct look *l, struct effects *fx)
{
    const struct chunk *c = index_find(&ss->index, l->held.chunk);
    uint32_t i;
    if (!c || c->flags & CHUNK_DELETING || ss->stores[c->disk].failed) {
        look_end(v, l, false);
        return;
    }
    l->held.version = c->version;
    l->held.length = chunk_length(c);
    i = chunk_extent_at(c, l->at);
    if (c->flags & (CHUNK_DAMAGED | CHUNK_OPEN) || (i < c->n && chunk_extent(c, i).off != l->at))
        l->held.whole = 0;
    for (; i < c->n && chunk_extent(c, i).hole; i++) {
        struct extent e = chunk_extent(c, i);
        uint32_t len =
            (uint32_t)min_u64(e.len, l->held.length - min_u64(e.off, l->held.length)); /* the last is endless */
        l->held.crc = crc32c_combine(l->held.crc, crc_of_zeros(len), len);
        l->at = e.off + e.len;
    }
    if (i == c->n) {
        look_end(v, l, true);
        return;
    }
    l->extent = chunk_extent(c, i);
    l->segment = segment_at(ss, l->extent.segment);
    l->phase = l->segment->phase;
    l->segment->pins++;
    l->segment->readers[l->phase]++;
    char name[DISK_NAME_MAX + 1];
    segment_name(name, sizeof name, l->segment->header.id);
    struct disk_op *op = ss_disk_op(&ss->stores[l->segment->disk], DISK_READ, name, 1,
                                    token_make(TOKEN_INVENTORY, (uint32_t)(l - v->slots), (uint32_t)v->run));
    op->offset = l->extent.position;
    op->length = RECORD_HEADER + 4ULL * blocks_touched(l->extent.rec_off, l->extent.rec_len);
    fx_disk(fx, op);
}

/* The checksum goes on over the extent's blocks. False: its edges lie within blocks, so nobody has it. */
static bool crc_add(struct look *l, const uint8_t *crcs)
{
    const struct extent *e = &l->extent;
    uint32_t end = e->off + e->len;
    if (e->off % DFS_BLOCK != 0 || (end % DFS_BLOCK != 0 && end != e->rec_off + e->rec_len))
        return false;
    crcs += 4ULL * (e->off / DFS_BLOCK - e->rec_off / DFS_BLOCK);
    for (uint32_t at = e->off; at < end; at += DFS_BLOCK, crcs += 4) {
        uint32_t n = (uint32_t)min_u64(end - at, DFS_BLOCK);
        l->held.crc = at ? crc32c_combine(l->held.crc, get_u32(crcs), n) : get_u32(crcs);
    }
    return true;
}

static bool look_take(struct look *l, const struct event *ev)
{
    const struct extent *e = &l->extent;
    const struct slice *data = ev->op->data;
    struct record r;
    if (ev->status || ev->op->n_data != 1 || data->len < ev->op->length)
        return false;
    const uint8_t *p = slice_data(*data);
    uint32_t n = blocks_touched(e->rec_off, e->rec_len);
    if (!record_parse(p, &l->segment->header, l->segment->seed, e->position, &r) || r.chunk != l->held.chunk ||
        r.offset != e->rec_off || r.length != e->rec_len || order_of(r.version, r.sequence) != e->order ||
        crc32c(0, p + RECORD_HEADER, 4ULL * n) != r.crcs_crc)
        return false;
    l->held.file = r.file;
    l->held.index = r.index;
    l->held.size = r.size ? r.size : l->held.size;
    return crc_add(l, p + RECORD_HEADER);
}

/* --- the page --- */

static void page_send(struct ss *ss, struct inventory *v, struct effects *fx)
{
    struct msg m = {.type = MSG_TYPE_inventory};
    m.inventory = (struct msg_inventory){.server = ss->identity.server,
                                         .incarnation = ss->cfg.incarnation,
                                         .run = v->run,
                                         .chunks = v->page,
                                         .n_chunks = v->n_page,
                                         .eof = v->eof};
    v->calling = true;
    fx_call(fx, register_address(ss), &m, NULL, token_make(TOKEN_INVENTORY_SEND, 0, (uint32_t)v->run), CALL_TIMEOUT);
}

/* Looks at as many chunks as there are slots and places on the page. */
static void fill(struct ss *ss, struct inventory *v, struct effects *fx)
{
    for (uint32_t i = 0; i < SLOTS && v->next < v->n && v->n_page + v->looking < PAGE; i++) {
        struct look *l = &v->slots[i];
        while (!l->used && v->next < v->n && v->n_page + v->looking < PAGE) {
            *l = (struct look){.used = true, .held = {.chunk = v->places[v->next++].chunk, .whole = 1}};
            v->looking++;
            look_on(ss, v, l, fx); /* may end at once: then the slot takes the next */
        }
    }
}

void inventory_turn(struct ss *ss, struct now now, struct effects *fx)
{
    struct inventory *v = ss->inventory;
    if (!v || v->calling || now.mono < v->retry || ss->nm_state != NM_REGISTERED)
        return;
    fill(ss, v, fx);
    v->eof = v->next == v->n && v->looking == 0;
    if (v->looking == 0 && (v->n_page == PAGE || v->eof))
        page_send(ss, v, fx);
}

static void sent(struct ss *ss, struct inventory *v, const struct event *ev, struct effects *fx)
{
    v->calling = false;
    if (ev->status == DFS_ENOENT) { /* another leader, or another run */
        fx_log(fx, LOG_WARN, "store.inventory_ended", "run=%" PRIu64, v->run);
        inventory_close(ss);
    } else if (ev->status || ev->msg->type != MSG_TYPE_inventory_reply) {
        v->retry = ev->now.mono + RETRY;
    } else if (v->eof) {
        fx_log(fx, LOG_INFO, "store.inventory_told", "run=%" PRIu64 " chunks=%u", v->run, v->n);
        inventory_close(ss);
    } else {
        v->n_page = 0;
    }
}

void inventory_event(struct ss *ss, const struct event *ev, struct effects *fx)
{
    struct inventory *v = ss->inventory;
    if (!v || token_b(ev->token) != (uint32_t)v->run)
        return; /* of one that was given up */
    if (ev->token >> 56 == TOKEN_INVENTORY_SEND) {
        sent(ss, v, ev, fx);
        return;
    }
    struct look *l = &v->slots[token_a(ev->token) % SLOTS];
    if (!l->used || !l->segment)
        return;
    if (!look_take(l, ev))
        l->held.whole = 0;
    look_unpin(ss, l);
    l->at = l->extent.off + l->extent.len;
    look_on(ss, v, l, fx);
}

/* --- its life --- */

static bool busy_reading(const struct inventory *v)
{
    for (uint32_t i = 0; i < SLOTS; i++)
        if (v->slots[i].segment)
            return true;
    return false;
}

void inventory_wanted(struct ss *ss, uint64_t run, uint64_t below, struct effects *fx)
{
    struct inventory *v = ss->inventory;
    uint32_t at = 0;
    if (run == 0 || run == ss->inventory_run || (v && (busy_reading(v) || v->calling)))
        return; /* an older one ends first; it is asked for again */
    inventory_close(ss);
    v = xcalloc(1, sizeof *v);
    v->run = run;
    v->places = malloc(((size_t)ss->index.n + 1) * sizeof *v->places);
    if (!v->places) {
        free(v);
        return;
    }
    for (const struct chunk *c; (c = index_next(&ss->index, &at));) {
        if (c->id >= below || c->n == 0)
            continue;
        struct extent e = chunk_extent(c, 0);
        v->places[v->n++] = (struct place){c->id, e.segment, e.position};
    }
    qsort(v->places, v->n, sizeof *v->places, by_place);
    ss->inventory = v;
    ss->inventory_run = run;
    fx_log(fx, LOG_INFO, "store.inventory", "run=%" PRIu64 " chunks=%u", run, v->n);
}

uint64_t inventory_deadline(const struct ss *ss)
{
    const struct inventory *v = ss->inventory;
    return v && !v->calling && ss->nm_state == NM_REGISTERED && v->looking == 0 ? v->retry : UINT64_MAX;
}

void inventory_close(struct ss *ss)
{
    struct inventory *v = ss->inventory;
    if (!v)
        return;
    for (uint32_t i = 0; i < SLOTS; i++)
        look_unpin(ss, &v->slots[i]);
    free(v->places);
    free(v);
    ss->inventory = NULL;
}
