/* SPDX-License-Identifier: MIT */
/* A NameServer core that began alone, under any sequence of requests, from any mixture of clients and servers, and of answers
 * to its own calls, while time passes, disk operations complete in any order or fail, and the process restarts. Each request is answered at most once; at the end the tables
 * hold together, and a start from the disk gives the same state to the byte. */
#include "base/crc.h"
#include "feed.h"
#include "group/nm.h"
#include "meta/meta.h"
#include "support/memdisk.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define REQUESTS_MAX 256u
#define STARTS_MAX 6u /* most of the time goes into them, */
#define PASSES_MAX 8u /* and into these */
#define STATE_MAX (8u * 1024 * 1024)

struct run {
    struct feed feed;
    struct disk *disk;
    struct nm_config cfg;
    struct nm *nm;
    struct now now;
    struct effects fx;
    bool answered[REQUESTS_MAX], snapshot_due, fatal;
    uint32_t requests, starts, passes;
    struct feed_calls calls;
    int snapshot_status;
};

static void on_reply(struct run *r, const struct effect *e)
{
    struct msg m;
    struct arena a;
    must(e->to.request < r->requests && !r->answered[e->to.request], "a request is answered twice");
    r->answered[e->to.request] = true;
    feed_answer(&r->feed, e, &m, &a);
    arena_close(&a);
}

static void carry_out(struct run *r)
{
    for (uint32_t i = 0; i < r->fx.n; i++) {
        struct effect *e = &r->fx.v[i];
        if (e->kind == EFF_REPLY) {
            on_reply(r, e);
        } else if (e->kind == EFF_DISK) {
            r->disk->ops->submit(r->disk, e->op);
            e->op = NULL;
        } else if (e->kind == EFF_SNAPSHOT) {
            r->snapshot_status = nm_write_snapshot(r->nm, r->disk);
            r->snapshot_due = true;
        } else if (e->kind == EFF_CALL) {
            if (r->calls.n < FEED_CALLS)
                r->calls.v[r->calls.n++] = (struct feed_call){e->token, e->type};
        } else if (e->kind == EFF_FATAL) {
            r->fatal = true;
        }
    }
    fx_reset(&r->fx);
}

static void turn(struct run *r)
{
    nm_turn(r->nm, r->now, &r->fx);
    carry_out(r);
}

static void give(struct run *r, struct event ev)
{
    ev.now = r->now;
    nm_event(r->nm, &ev, &r->fx);
    carry_out(r);
}

/* One thing that is pending happens; false: nothing is. */
static bool complete(struct run *r, uint32_t which)
{
    uint32_t n = memdisk_pending(r->disk);
    if (n > 0) {
        struct disk_op *op = memdisk_complete(r->disk, which % n);
        give(r, (struct event){.kind = EV_DISK, .token = op->token, .status = op->status, .op = op});
        disk_op_free(op);
    } else if (r->snapshot_due) {
        r->snapshot_due = false;
        give(r, (struct event){.kind = EV_SNAPSHOT, .token = 1, .status = r->snapshot_status});
    } else {
        return false;
    }
    return true;
}

static void settle(struct run *r)
{
    do
        turn(r);
    while (!r->fatal && complete(r, 0));
}

static void pass(struct run *r, uint64_t ns)
{
    for (uint32_t i = 0; i < 3 && !r->fatal; i++) {
        r->now.mono += ns / 3;
        r->now.wall += (int64_t)(ns / 3);
        settle(r);
    }
}

static void open_nm(struct run *r, bool init)
{
    char why[512] = "";
    r->cfg.init = init;
    r->fatal = r->snapshot_due = false;
    r->starts++;
    r->calls.n = 0;
    if (nm_open(&r->cfg, r->disk, r->now, &r->nm, why, sizeof why) != 0)
        must(false, why);
    for (uint32_t i = 0; i < 20 && !nm_serving(r->nm) && !r->fatal; i++)
        pass(r, NS_PER_SEC);
}

static void restart(struct run *r, bool crash)
{
    nm_close(r->nm);
    fx_reset(&r->fx);
    if (crash)
        memdisk_crash(r->disk, CRASH_RANDOM);
    else
        memdisk_kill(r->disk);
    open_nm(r, false);
}

static void request(struct run *r, uint16_t type)
{
    static const char *const peers[] = {"127.0.0.1:9", "10.0.0.2:4620", "10.0.0.3:1"};
    struct msg m, copy;
    struct arena a, b;
    arena_init(&a, WIRE_ARENA_MAX);
    arena_init(&b, WIRE_ARENA_MAX);
    if (r->requests < REQUESTS_MAX && feed_message(&r->feed, type, &m, &a)) {
        struct slice head = feed_encode(&m);
        must(msg_decode(type, slice_data(head), head.len, &copy, &b) == 0, "an encoded message does not decode");
        give(r, (struct event){.kind = EV_REQUEST,
                               .to = {.conn = 1 + type % 3, .request = r->requests++},
                               .peer = peers[type % 3],
                               .msg = &copy,
                               .head = head});
        slice_drop(&head);
    }
    arena_close(&a);
    arena_close(&b);
}

static void answer(struct run *r, uint32_t which)
{
    struct msg m;
    struct arena a;
    struct payload payload = {0};
    if (r->calls.n == 0)
        return;
    arena_init(&a, WIRE_ARENA_MAX);
    struct event ev = feed_outcome(&r->feed, feed_take_call(&r->calls, which), &m, &a);
    if (ev.msg && m.type == MSG_TYPE_snapshot_fetch_reply) { /* its checksum is right more often than not */
        uint32_t len = (uint32_t)min_u64(feed_u8(&r->feed), r->feed.len);
        payload = payload_of(slice_copy(r->feed.p, len));
        if (len % 4 != 0)
            m.snapshot_fetch_reply.crc = crc32c(0, r->feed.p, len);
        ev.payload = &payload;
    }
    give(r, ev);
    payload_drop(&payload);
    arena_close(&a);
}

static void one_step(struct run *r)
{
    size_t n;
    const struct wire_type *types = wire_types(&n);
    uint8_t c = feed_u8(&r->feed);
    if (c < 190)
        request(r, types[c % n].type);
    else if (c < 210)
        settle(r);
    else if (c < 220)
        (void)complete(r, c);
    else if (c < 230)
        turn(r);
    else if (c < 240)
        r->passes++ < PASSES_MAX ? pass(r, NS_PER_SEC << (c % 10)) : turn(r);
    else if (c < 245)
        answer(r, c);
    else if (c < 250)
        memdisk_fail(r->disk, DISK_WRITE + c % 3, 1 + c % 4, DFS_EIO, false);
    else
        restart(r, c % 2);
}

static int add_bytes(void *arg, const void *p, size_t n) { return bytes_add(arg, p, n); }

static struct bytes state(const struct run *r)
{
    struct bytes b;
    char why[200] = "";
    bytes_init(&b, STATE_MAX);
    must(meta_verify(nm_meta(r->nm), why, sizeof why) == 0, why);
    must(meta_save(nm_meta(r->nm), add_bytes, &b) == 0, "the state cannot be saved");
    return b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct run *r = xcalloc(1, sizeof *r);
    r->feed = (struct feed){.p = data, .len = size};
    r->disk = memdisk_new(1, 64 * MIB);
    r->now = (struct now){.mono = 1000 * NS_PER_SEC, .wall = 1700000000LL * (int64_t)NS_PER_SEC};
    r->cfg = (struct nm_config){.address = "127.0.0.1:4610",
                                .cluster_hi = 1,
                                .cluster_lo = 2,
                                .uuid_hi = 3,
                                .uuid_lo = 4,
                                .seed = 5,
                                .snapshot_log_bytes = 16 * KIB,
                                .log_segment_bytes = 4 * KIB};
    fx_init(&r->fx);
    open_nm(r, true);
    while (r->feed.len > 0 && r->starts < STARTS_MAX) {
        one_step(r);
        if (r->fatal)
            restart(r, true);
    }
    memdisk_fail(r->disk, DISK_WRITE, 1000000000, DFS_EIO, false);
    settle(r);
    if (!r->fatal && nm_serving(r->nm)) {
        struct bytes before = state(r), after;
        uint64_t applied = nm_applied(r->nm);
        char why[512] = "";
        nm_close(r->nm);
        fx_reset(&r->fx);
        memdisk_crash(r->disk, CRASH_DROP_ALL);
        r->cfg.init = false;
        if (nm_open(&r->cfg, r->disk, r->now, &r->nm, why, sizeof why) != 0)
            must(false, why);
        after = state(r);
        must(nm_applied(r->nm) != applied || (before.len == after.len && memcmp(before.p, after.p, after.len) == 0),
             "a start gives another state");
        bytes_close(&before);
        bytes_close(&after);
    }
    nm_close(r->nm);
    fx_close(&r->fx);
    memdisk_free(r->disk);
    free(r);
    return 0;
}
