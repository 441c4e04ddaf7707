/* SPDX-License-Identifier: MIT */
/* StorageServers as a NameServer sees them: each holds a list of chunks, says so, and does what it is told. */
#ifndef DFS_TEST_REPAIR_RIG_H
#define DFS_TEST_REPAIR_RIG_H

#include "base/crc.h"
#include "group/group.h"
#include "nm_rig.h"

#define FAKES 6u
#define FAKE_CHUNKS 256u
#define FAKE_LENGTH 5u

struct fake_copy {
    uint64_t chunk;
    uint32_t version, length;
    bool damaged;
};

struct fake {
    bool up, silent; /* silent: takes part in nothing, but is not down */
    struct fake_copy held[FAKE_CHUNKS];
    uint32_t n;
    struct wire_task_result done[1024];
    uint32_t n_done;
    uint64_t used;
    uint64_t report_at;
    bool asking;
    uint32_t ask;
    uint32_t copies, verifies, drops; /* done */
    int copy_error;                   /* what it says of every copy */
    bool late;                        /* of copies it says only what it did for an earlier leader */
};

struct cluster {
    struct rig *r;
    struct fake fakes[FAKES + 1]; /* by id */
    const char *domains[FAKES + 1];
    uint32_t n, files;
    uint64_t chunks[FAKE_CHUNKS]; /* by file */
    uint8_t goal;                 /* of new files; 0: the default */
};

static inline struct fake_copy *fake_find(struct fake *f, uint64_t chunk)
{
    for (uint32_t i = 0; i < f->n; i++)
        if (f->held[i].chunk == chunk)
            return &f->held[i];
    return NULL;
}

static inline int by_chunk(const void *a, const void *b)
{
    const struct fake_copy *x = a, *y = b;
    return x->chunk < y->chunk ? -1 : x->chunk > y->chunk;
}

static inline void fake_put(struct fake *f, uint64_t chunk, uint32_t version, uint32_t length)
{
    struct fake_copy *c = fake_find(f, chunk);

    if (c == NULL) {
        assert_true(f->n < FAKE_CHUNKS);
        c = &f->held[f->n++];
    }
    *c = (struct fake_copy){.chunk = chunk, .version = version, .length = length};
    qsort(f->held, f->n, sizeof *f->held, by_chunk);
}

static inline void fake_lose(struct fake *f, uint64_t chunk)
{
    struct fake_copy *c = fake_find(f, chunk);

    if (c == NULL)
        return;
    memmove(c, c + 1, (size_t)(&f->held[--f->n] - c) * sizeof *c);
}

static inline int fake_verify(struct fake *f, const struct wire_task *t)
{
    const struct fake_copy *c = fake_find(f, t->chunk);

    f->verifies++;
    return c == NULL                              ? DFS_ENOCHUNK
           : c->version < t->version              ? DFS_ESTALE
           : c->damaged || c->length != t->length ? DFS_ECORRUPT
                                                  : 0;
}

static inline int fake_copy(struct cluster *k, struct fake *f, const struct wire_task *t)
{
    f->copies++;
    if (f->copy_error != 0)
        return f->copy_error;
    for (uint32_t i = 0; i < t->n_sources; i++) {
        struct fake *from = &k->fakes[t->sources[i].server];
        const struct fake_copy *c = fake_find(from, t->chunk);

        if (!from->up || from->silent || c == NULL || c->damaged || c->version != t->version)
            continue;
        fake_put(f, t->chunk, t->version, t->length);
        return 0;
    }
    return DFS_EUNREACH;
}

/* Begins a version, or says what it has. */
static inline struct wire_task_result fake_agree(struct fake *f, const struct wire_task *t)
{
    struct fake_copy *c = fake_find(f, t->chunk);
    struct wire_task_result r = {.kind = t->kind, .chunk = t->chunk, .flags = RESULT_STEADY};

    if (c == NULL && t->version > 0) {
        r.error = (uint16_t)-DFS_ENOCHUNK;
        return r;
    }
    if (t->kind == TASK_STAMP)
        fake_put(f, t->chunk, t->to, c != NULL ? c->length : 0);
    c = fake_find(f, t->chunk);
    r.version = c->version;
    r.length = c->length;
    r.crc = c->length > 0 ? crc32c(0, "hello", FAKE_LENGTH) : 0;
    return r;
}

static inline struct wire_task_result fake_do(struct cluster *k, struct fake *f, const struct wire_task *t)
{
    int err = 0;

    if (t->kind == TASK_STAMP || t->kind == TASK_FENCE)
        return fake_agree(f, t);
    if (t->kind == TASK_COPY)
        err = f->late ? 0 : fake_copy(k, f, t);
    else if (t->kind == TASK_VERIFY)
        err = fake_verify(f, t);
    else
        fake_lose(f, t->chunk);
    f->drops += t->kind == TASK_DROP;
    return (struct wire_task_result){
        .kind = t->kind, .chunk = t->chunk, .version = t->version, .error = (uint16_t)-err, .length = t->length};
}

static inline void fake_answer(struct cluster *k, struct fake *f, const struct wire_task *t, uint64_t epoch)
{
    struct wire_task_result r = fake_do(k, f, t);

    r.epoch = epoch - (f->late && t->kind == TASK_COPY);
    r.id = t->id;
    assert_true(f->n_done < ARRAY_LEN(f->done));
    f->done[f->n_done++] = r;
}

static inline void fake_tasks(struct cluster *k, uint32_t id)
{
    struct fake *f = &k->fakes[id];
    struct rig *r = k->r;
    struct msg m = {.type = MSG_TYPE_tasks};

    if (f->asking && r->answers[f->ask].times == 1) {
        const struct msg *a = &r->answers[f->ask].msg;

        f->asking = false;
        if (r->answers[f->ask].err == 0)
            for (uint32_t i = 0; i < a->tasks_reply.n_tasks; i++)
                fake_answer(k, f, &a->tasks_reply.tasks[i], a->tasks_reply.epoch);
    }
    if (f->asking)
        return;
    m.tasks = (struct msg_tasks){.server = id,
                                 .incarnation = id * 10,
                                 .done = f->done,
                                 .n_done = f->n_done,
                                 .room_chunks = 64,
                                 .room_bytes = GIB};
    f->ask = rig_send(r, &m);
    f->n_done = 0;
    f->asking = true;
}

static inline void fake_report(struct cluster *k, uint32_t id)
{
    struct fake *f = &k->fakes[id];
    struct wire_held held[FAKE_CHUNKS];
    struct msg m = {.type = MSG_TYPE_report};
    const struct msg *reply;

    for (uint32_t i = 0; i < f->n; i++)
        held[i] = (struct wire_held){.chunk = f->held[i].chunk,
                                     .version = f->held[i].version,
                                     .length = f->held[i].length,
                                     .flags = f->held[i].damaged ? HELD_DAMAGED : 0};
    m.report = (struct msg_report){
        .server = id, .incarnation = id * 10, .chunks = held, .n_chunks = f->n, .first = 1, .eof = 1};
    uint32_t id_sent = rig_send(k->r, &m);
    for (uint32_t i = 0; i < 1000 && k->r->answers[id_sent].times == 0; i++)
        rig_settle(k->r); /* comparing takes some turns */
    assert_int_equal(k->r->answers[id_sent].err, 0);
    reply = &k->r->answers[id_sent].msg;
    for (uint32_t i = 0; i < reply->report_reply.n_remove; i++)
        fake_lose(f, reply->report_reply.remove[i].chunk);
    f->report_at = reply->report_reply.again ? k->r->now.mono + reply->report_reply.again * NS_PER_SEC : UINT64_MAX;
}

static inline void fake_beat(struct cluster *k, uint32_t id)
{
    struct msg m = {.type = MSG_TYPE_heartbeat};

    m.heartbeat =
        (struct msg_heartbeat){.server = id, .incarnation = id * 10, .capacity = 100 * GIB, .used = k->fakes[id].used};
    assert_int_equal(rig_call(k->r, &m, NULL), 0);
}

/* Time passes; those that are up do what they do. */
static inline void cluster_pass(struct cluster *k, uint64_t ns)
{
    struct rig *r = k->r;

    for (uint64_t end = r->now.mono + ns; r->now.mono < end;) {
        rig_pass(r, NS_PER_SEC / 20);
        for (uint32_t id = 1; id <= k->n; id++) {
            struct fake *f = &k->fakes[id];

            if (!f->up)
                continue;
            if (r->now.mono / (NS_PER_SEC / 4) != (r->now.mono - NS_PER_SEC / 20) / (NS_PER_SEC / 4))
                fake_beat(k, id);
            if (f->silent)
                continue;
            if (r->now.mono >= f->report_at)
                fake_report(k, id);
            fake_tasks(k, id);
        }
        bool waits = false;
        for (uint32_t id = 1; id <= k->n; id++)
            waits |= k->fakes[id].asking && r->answers[k->fakes[id].ask].times == 0;
        if (r->requests > ANSWERS - 200) { /* room for more: those that wait are asked anew */
            rig_pass(r, waits ? 2 * NS_PER_SEC : 0);
            for (uint32_t id = 1; id <= k->n; id++)
                if (k->fakes[id].asking && r->answers[k->fakes[id].ask].times == 1)
                    fake_tasks(k, id);
            for (uint32_t id = 1; id <= k->n; id++)
                k->fakes[id].asking = false;
            rig_pass(r, 2 * NS_PER_SEC);
            rig_forget_answers(r);
        }
    }
}

static inline void fake_start(struct cluster *k, uint32_t id)
{
    struct msg m = {.type = MSG_TYPE_ss_register};
    struct fake *f = &k->fakes[id];
    char addr[32];

    snprintf(addr, sizeof addr, "10.0.0.%u:4620", id);
    m.ss_register = (struct msg_ss_register){.uuid_hi = 1,
                                             .uuid_lo = id,
                                             .incarnation = id * 10,
                                             .addr = str_of(addr),
                                             .domain = str_of(k->domains[id] ? k->domains[id] : ""),
                                             .capacity = 100 * GIB};
    assert_int_equal(rig_call(k->r, &m, NULL), 0);
    f->up = true;
    f->asking = false;
    f->n_done = 0;
    f->report_at = 0;
}

static inline void cluster_open(struct cluster *k, struct rig *r, uint32_t n)
{
    k->r = r;
    k->n = n;
    rig_start(r, true);
    rig_session(r);
    for (uint32_t id = 1; id <= n; id++)
        fake_start(k, id);
    cluster_pass(k, NS_PER_SEC);
}

/* One more file of one chunk, with copies where the NameServer says. */
static inline uint64_t cluster_file(struct cluster *k)
{
    struct rig *r = k->r;
    struct msg m = {.type = MSG_TYPE_publish};
    const struct msg *reply;
    struct wire_published p;
    char path[32];

    for (uint32_t id = 1; id <= k->n; id++)
        if (k->fakes[id].up)
            fake_beat(k, id);
    struct msg ask = {.type = MSG_TYPE_grant};
    ask.grant = (struct msg_grant){.session = r->session, .count = 1, .goal = k->goal};
    assert_int_equal(rig_call(r, &ask, &reply), 0);
    const struct wire_granted *g = &reply->grant_reply.chunks[0];
    uint64_t chunk = g->chunk;
    p = (struct wire_published){.length = FAKE_LENGTH, .crc = crc32c(0, "hello", FAKE_LENGTH), .grant = g->grant};
    snprintf(path, sizeof path, "/f%u", k->files);
    m.publish.id = (struct wire_request_id){.session = r->session, .number = ++r->number, .seen = r->number};
    m.publish.dir = ROOT_INO;
    m.publish.path = str_of(path);
    m.publish.size = FAKE_LENGTH;
    m.publish.goal = k->goal;
    m.publish.chunks = &p;
    m.publish.n_chunks = 1;
    for (uint32_t i = 0; i < g->n_replicas; i++)
        fake_put(&k->fakes[g->replicas[i].server], g->chunk, 1, FAKE_LENGTH);
    assert_int_equal(rig_call(r, &m, NULL), 0);
    k->chunks[k->files++] = chunk;
    return chunk;
}

static inline struct meta_placement placement_of(struct cluster *k, uint64_t chunk)
{
    struct meta_chunk_info c;
    struct meta_placement p;

    assert_true(meta_chunk_get(nm_meta(k->r->nm), chunk, &c));
    assert_true(meta_placement_get(nm_meta(k->r->nm), c.placement, &p));
    return p;
}

static inline bool on_server(struct cluster *k, uint64_t chunk, uint32_t server)
{
    struct meta_placement p = placement_of(k, chunk);

    for (uint32_t i = 0; i < p.n; i++)
        if (p.servers[i] == server)
            return true;
    return false;
}

/* Every chunk is where the map says, good, as often as its goal says, and nowhere else. */
static inline void cluster_expect_whole(struct cluster *k)
{
    uint32_t copies = 0, held = 0;

    for (uint32_t i = 0; i < k->files; i++) {
        struct meta_placement p = placement_of(k, k->chunks[i]);

        assert_int_equal(p.live, p.goal);
        assert_int_equal(p.n, p.goal);
        copies += p.n;
        for (uint32_t m = 0; m < p.n; m++) {
            const struct fake_copy *c = fake_find(&k->fakes[p.servers[m]], k->chunks[i]);

            assert_non_null(c);
            assert_false(c->damaged);
            assert_int_equal(c->length, FAKE_LENGTH);
            assert_true(c->version > 0);
        }
    }
    for (uint32_t id = 1; id <= k->n; id++)
        held += k->fakes[id].up ? k->fakes[id].n : 0;
    assert_int_equal(held, copies);
}

#endif
