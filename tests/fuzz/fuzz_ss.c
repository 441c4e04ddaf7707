/* SPDX-License-Identifier: MIT */
/* A StorageServer core under any sequence of requests and of answers to its own calls, while time passes, disk operations
 * complete in any order or fail, and the process restarts. Each request is answered at most once; a read's bytes fit the
 * checksums that come with them; what a client wrote, once acknowledged, is not refused as damaged after a restart. */
#include "base/crc.h"
#include "feed.h"
#include "store/ss.h"
#include "support/memdisk.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUESTS_MAX 256u
#define DISKS 2u
#define WRITE_MAX 20000u

struct run {
    struct feed feed;
    struct disk *disks[DISKS];
    struct ss *ss;
    struct now now;
    struct effects fx;
    bool answered[REQUESTS_MAX], map[REQUESTS_MAX], fatal, faults;
    uint32_t requests, incarnation;
    struct feed_calls calls;
};

static void give(struct run *r, struct event ev);

/* --- what it asks for --- */

/* Each piece of a read is covered by the checksums of its blocks; a map of them has neither bytes nor checksums. */
static void check_read(const struct msg_chunk_read_reply *m, const struct payload *p, bool map)
{
    if (map) {
        must(m->n_pieces <= 2 && m->crcs.len == 0 && payload_len(p) == 0, "a map is more than a map");
        return;
    }
    uint8_t *all = xcalloc(payload_len(p) + 1, 1);
    size_t at = 0, crc = 0;
    payload_copy_out(p, 0, all, payload_len(p));
    for (uint32_t i = 0; i < m->n_pieces; i++) {
        uint32_t off = m->pieces[i].offset, len = m->pieces[i].length;
        must(len <= payload_len(p) - at, "a read's pieces are more than its bytes");
        for (uint32_t done = 0; done < len; crc += 4) {
            uint32_t part = (uint32_t)min_u64(len - done, DFS_BLOCK - (off + done) % DFS_BLOCK);
            must(crc + 4 <= m->crcs.len, "a read has too few checksums");
            must(crc32c(0, all + at + done, part) == get_u32(m->crcs.p + crc), "a read does not fit its checksums");
            done += part;
        }
        at += len;
    }
    must(at == payload_len(p) && crc == m->crcs.len, "a read has more than it says");
    free(all);
}

static void on_reply(struct run *r, const struct effect *e)
{
    struct msg m;
    struct arena a;
    must(e->to.request < r->requests && !r->answered[e->to.request], "a request is answered twice");
    r->answered[e->to.request] = true;
    feed_answer(&r->feed, e, &m, &a);
    if (e->type == (MSG_TYPE_chunk_read | MSG_REPLY_BIT))
        check_read(&m.chunk_read_reply, &e->payload, r->map[e->to.request]);
    arena_close(&a);
}

static void carry_out(struct run *r)
{
    for (uint32_t i = 0; i < r->fx.n; i++) {
        struct effect *e = &r->fx.v[i];
        if (e->kind == EFF_REPLY) {
            on_reply(r, e);
        } else if (e->kind == EFF_CALL) {
            must(r->calls.n < FEED_CALLS, "it calls without an end");
            r->calls.v[r->calls.n++] = (struct feed_call){e->token, e->type};
        } else if (e->kind == EFF_DISK) {
            struct disk *d = r->disks[e->op->disk];
            d->ops->submit(d, e->op);
            e->op = NULL;
        } else if (e->kind == EFF_FATAL) {
            r->fatal = true;
        }
    }
    fx_reset(&r->fx);
}

static void give(struct run *r, struct event ev)
{
    ev.now = r->now;
    ss_event(r->ss, &ev, &r->fx);
    carry_out(r);
}

static void turn(struct run *r)
{
    ss_turn(r->ss, r->now, &r->fx);
    carry_out(r);
}

static bool complete(struct run *r, uint32_t which)
{
    for (uint32_t k = 0; k < DISKS; k++) {
        struct disk *d = r->disks[(which + k) % DISKS];
        uint32_t n = memdisk_pending(d);
        if (n == 0)
            continue;
        struct disk_op *op = memdisk_complete(d, which % n);
        give(r, (struct event){.kind = EV_DISK, .token = op->token, .status = op->status, .op = op});
        disk_op_free(op);
        return true;
    }
    return false;
}

/* --- what it is told --- */

static void answer(struct run *r, struct event ev)
{
    ev.head = ev.msg ? feed_encode(ev.msg) : (struct slice){0};
    give(r, ev);
    slice_drop(&ev.head);
}

static void answer_any(struct run *r, uint32_t which)
{
    struct msg m;
    struct arena a;
    if (r->calls.n == 0)
        return;
    arena_init(&a, WIRE_ARENA_MAX);
    answer(r, feed_outcome(&r->feed, feed_take_call(&r->calls, which), &m, &a));
    arena_close(&a);
}

/* As a NameServer that means well does. */
static void answer_well(struct run *r)
{
    for (uint32_t i = r->calls.n; i-- > 0;) {
        struct msg m = {.type = r->calls.v[i].type | MSG_REPLY_BIT};
        if (r->calls.v[i].type == MSG_TYPE_ss_register)
            m.ss_register_reply = (struct msg_ss_register_reply){
                .server = 1, .epoch = 5, .cluster_hi = 7, .cluster_lo = 8, .heartbeat_ms = 250, .lease_ms = 60000};
        else if (r->calls.v[i].type == MSG_TYPE_heartbeat)
            m.heartbeat_reply = (struct msg_heartbeat_reply){.epoch = 5, .lease_ms = 60000};
        else if (r->calls.v[i].type == MSG_TYPE_report)
            m.report_reply.epoch = 5;
        else
            continue;
        answer(r, (struct event){.kind = EV_REPLY, .token = feed_take_call(&r->calls, i).token, .msg = &m});
    }
}

static void settle(struct run *r)
{
    do
        turn(r);
    while (!r->fatal && complete(r, 0));
}

static void open_ss(struct run *r)
{
    char why[512] = "";
    struct ss_config cfg = {.address = "ss0",
                            .domain = "",
                            .nameservers = {"nm"},
                            .n_nameservers = 1,
                            .uuid_hi = 9,
                            .uuid_lo = 10,
                            .incarnation = ++r->incarnation,
                            .seed = r->incarnation,
                            .segment_size = 1};
    r->calls.n = 0;
    r->fatal = false;
    int err = ss_open(&cfg, r->disks, DISKS, r->now, &r->ss, why, sizeof why);
    must(err == 0 || r->faults, why);
    must(err == 0 || why[0] != '\0', "it does not start, and says nothing");
    if (err != 0)
        r->ss = NULL;
}

static void restart(struct run *r, bool crash)
{
    ss_close(r->ss);
    fx_reset(&r->fx);
    for (uint32_t i = 0; i < DISKS; i++)
        if (crash)
            memdisk_crash(r->disks[i], CRASH_RANDOM);
        else
            memdisk_kill(r->disks[i]);
    open_ss(r);
}

/* Most writes and reads are about a few chunks, and make sense. */
static void make_sense(struct run *r, struct msg *m)
{
    if (feed_u8(&r->feed) % 8 == 0)
        return;
    if (m->type == MSG_TYPE_chunk_write) {
        struct msg_chunk_write *w = &m->chunk_write;
        w->chunk = 1 + w->chunk % 4;
        w->version = 1;
        w->sequence = 0;
        w->offset %= 100000;
        w->kind %= 4;
        w->flags &= (uint8_t)~WRITE_MAPPED;
        w->n_chain = 0;
    } else if (m->type == MSG_TYPE_chunk_read) {
        m->chunk_read.chunk = 1 + m->chunk_read.chunk % 4;
        m->chunk_read.version = 1;
        m->chunk_read.offset %= 100000;
        m->chunk_read.length %= 70000;
    }
}

/* A payload for a write, and checksums that are right unless the input wants others. */
static void fit_payload(struct run *r, struct msg_chunk_write *w, struct arena *a, struct payload *out)
{
    uint8_t c = feed_u8(&r->feed);
    if (w->kind != WRITE_DATA && w->kind != WRITE_APPEND)
        return;
    uint32_t len = c < 100 ? c : c < 200 ? c * 41u : WRITE_MAX - c, n = 0;
    uint32_t from = w->kind == WRITE_APPEND ? 0 : w->offset % DFS_BLOCK;
    uint8_t *p = arena_alloc(a, len + 1, 1), *crcs = arena_alloc(a, len / DFS_BLOCK + 3, 4);
    memset(p, c, len);
    for (uint32_t done = 0; done < len; n++) {
        uint32_t part = (uint32_t)min_u64(len - done, DFS_BLOCK - (from + done) % DFS_BLOCK);
        put_u32(crcs + 4 * (size_t)n, crc32c(0, p + done, part));
        done += part;
    }
    if (c % 16 != 15) {
        w->length = len;
        w->crcs = (struct str){(const char *)crcs, 4 * n};
    }
    out->part[0] = slice_copy(p, len);
}

static void request(struct run *r, uint16_t type)
{
    struct msg m, copy;
    struct arena a, b;
    struct payload payload = {0};
    arena_init(&a, WIRE_ARENA_MAX);
    arena_init(&b, WIRE_ARENA_MAX);
    if (r->requests < REQUESTS_MAX && feed_message(&r->feed, type, &m, &a)) {
        make_sense(r, &m);
        if (type == MSG_TYPE_chunk_write)
            fit_payload(r, &m.chunk_write, &a, &payload);
        struct slice head = feed_encode(&m);
        must(msg_decode(type, slice_data(head), head.len, &copy, &b) == 0, "an encoded message does not decode");
        r->map[r->requests] = type == MSG_TYPE_chunk_read && copy.chunk_read.flags & READ_MAP;
        give(r, (struct event){.kind = EV_REQUEST,
                               .to = {.conn = 1, .request = r->requests++},
                               .peer = "127.0.0.1:9",
                               .msg = &copy,
                               .head = head,
                               .payload = &payload});
        slice_drop(&head);
    }
    payload_drop(&payload);
    arena_close(&a);
    arena_close(&b);
}

static void one_step(struct run *r)
{
    static const uint16_t often[] = {MSG_TYPE_chunk_write, MSG_TYPE_chunk_read, MSG_TYPE_chunk_write,
                                     MSG_TYPE_chunk_read};
    size_t n;
    const struct wire_type *types = wire_types(&n);
    uint8_t c = feed_u8(&r->feed);
    if (c < 120)
        request(r, often[c % ARRAY_LEN(often)]);
    else if (c < 150)
        request(r, types[(c + feed_u8(&r->feed)) % n].type);
    else if (c < 175)
        settle(r);
    else if (c < 195)
        answer_well(r);
    else if (c < 220)
        answer_any(r, c);
    else if (c < 230)
        (void)complete(r, c);
    else if (c < 242)
        r->now.mono += NS_PER_MS << (c % 16);
    else if (c < 248)
        memdisk_fail(r->disks[c % DISKS], DISK_WRITE + c % 3, 1 + c % 4, c % 5 ? DFS_EIO : DFS_ENOSPC, c % 7 == 0),
            r->faults = true;
    else
        restart(r, c % 2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run *r = xcalloc(1, sizeof *r);
    r->feed = (struct feed){.p = data, .len = size};
    r->now = (struct now){1000 * NS_PER_SEC, 1};
    for (uint32_t i = 0; i < DISKS; i++)
        r->disks[i] = memdisk_new(i, 64 * MIB);
    fx_init(&r->fx);
    open_ss(r);
    settle(r);
    answer_well(r);
    settle(r);
    while (r->feed.len > 0 && r->ss && r->calls.n < FEED_CALLS / 2) {
        one_step(r);
        if (r->fatal)
            restart(r, true);
    }
    ss_close(r->ss);
    fx_close(&r->fx);
    for (uint32_t i = 0; i < DISKS; i++)
        memdisk_free(r->disks[i]);
    free(r);
    return 0;
}
