/* SPDX-License-Identifier: MIT */
/* A leader, a file, and StorageServers that are played: what they are told to do for its first chunk, and what they say. */
#ifndef DFS_TEST_NM_VERSIONS_H
#define DFS_TEST_NM_VERSIONS_H

#include "nm_rig.h"

#define SERVERS 3u
#define LENGTH 5000u
#define CRC 0x1234u

struct fixture {
    struct rig r;
    uint64_t handle, ino;
    bool silent[SERVERS + 1]; /* sends no heartbeats */
    uint32_t chain[SERVERS];
    uint32_t n_chain, version;
    struct wire_task next[SERVERS + 1]; /* given with an answer already */
    struct {
        uint64_t epoch, id;
    } task[SERVERS + 1]; /* it was given last */
    bool waits[SERVERS + 1];            /* for the answer to its last question */
    uint32_t asked[SERVERS + 1];
    uint64_t chunk;
};

static inline struct wire_request_id next_id(struct rig *r)
{
    ++r->number;
    return (struct wire_request_id){.session = r->session, .number = r->number, .seen = r->number};
}

static inline void heartbeats(struct fixture *f)
{
    for (uint32_t s = 1; s <= SERVERS; s++)
        if (!f->silent[s])
            assert_int_equal(rig_heartbeat(&f->r, s, s * 10, NULL), 0);
}

static inline void open_file(struct fixture *f, uint8_t goal)
{
    struct msg m = {.type = MSG_TYPE_open};
    const struct msg *reply;

    m.open = (struct msg_open){
        .id = next_id(&f->r), .dir = ROOT_INO, .path = STR("f"), .flags = OPEN_WRITE | OPEN_CREATE, .goal = goal};
    assert_int_equal(rig_call(&f->r, &m, &reply), 0);
    f->handle = reply->open_reply.handle;
    f->ino = reply->open_reply.attr.ino;
}

static inline void start(struct fixture **out, uint8_t goal)
{
    struct fixture *f = calloc(1, sizeof *f);

    rig_init(&f->r, 1, 64 * MIB);
    rig_start(&f->r, true);
    rig_session(&f->r);
    f->r.number = 1;
    for (uint32_t s = 1; s <= SERVERS; s++) {
        char addr[32];

        snprintf(addr, sizeof addr, "10.0.0.%u:4620", s);
        rig_register(&f->r, s, addr);
    }
    heartbeats(f);
    open_file(f, goal);
    *out = f;
}

static inline void stop(struct fixture *f)
{
    char why[200] = "";

    if (meta_verify(nm_meta(f->r.nm), why, sizeof why) != 0)
        fail_msg("meta_verify: %s", why);
    rig_free(&f->r);
    free(f);
}

/* A moment in which those that are there are heard. */
static inline void moment(struct fixture *f)
{
    rig_pass(&f->r, 250 * NS_PER_MS);
    heartbeats(f);
}

static inline uint32_t ask_open(struct fixture *f, uint32_t failed)
{
    struct msg m = {.type = MSG_TYPE_chunk_open};
    uint32_t id;

    m.chunk_open = (struct msg_chunk_open){.session = f->r.session, .handle = f->handle, .failed = failed};
    id = rig_send(&f->r, &m);
    rig_settle(&f->r);
    return id;
}

/* The request is answered well. */
static inline void opened(struct fixture *f, uint32_t id)
{
    const struct answer *a = &f->r.answers[id];

    assert_int_equal(a->times, 1);
    assert_int_equal(a->err, 0);
    f->chunk = a->msg.chunk_open_reply.chunk;
    f->version = a->msg.chunk_open_reply.version;
    f->n_chain = a->msg.chunk_open_reply.n_replicas;
    for (uint32_t i = 0; i < f->n_chain; i++)
        f->chain[i] = a->msg.chunk_open_reply.replicas[i].server;
}

/* It asks for tasks, unless it still waits for an answer. */
static inline const struct answer *asks(struct fixture *f, uint32_t server)
{
    struct msg m = {.type = MSG_TYPE_tasks};

    m.tasks = (struct msg_tasks){.server = server, .incarnation = server * 10, .room_chunks = 10, .room_bytes = GIB};
    if (!f->waits[server])
        f->asked[server] = rig_send(&f->r, &m);
    rig_settle(&f->r);
    f->waits[server] = f->r.answers[f->asked[server]].times == 0;
    return &f->r.answers[f->asked[server]];
}

static inline struct wire_task given(struct fixture *f, uint32_t server, const struct msg *reply)
{
    const struct wire_task *t = &reply->tasks_reply.tasks[0];

    f->task[server].epoch = reply->tasks_reply.epoch;
    f->task[server].id = t->id;
    return *t;
}

/* Whether it is told something now. */
static inline bool told_now(struct fixture *f, uint32_t server)
{
    const struct answer *a = asks(f, server);

    if (a->times > 0 && a->msg.tasks_reply.n_tasks > 0)
        f->next[server] = given(f, server, &a->msg);
    return f->next[server].kind != 0;
}

/* What this server is told to do; kind 0: nothing. */
static inline struct wire_task told(struct fixture *f, uint32_t server)
{
    struct wire_task next = f->next[server];
    const struct answer *a;

    f->next[server].kind = 0;
    if (next.kind != 0)
        return next;
    a = asks(f, server);
    if (a->times > 0 && a->msg.tasks_reply.n_tasks == 0) /* to an old question */
        a = asks(f, server);
    for (int i = 0; i < 10 && a->times == 0; i++)
        moment(f);
    f->waits[server] = false;
    assert_int_equal(a->times, 1);
    if (a->msg.tasks_reply.n_tasks == 0)
        return (struct wire_task){.kind = 0};
    assert_int_equal(a->msg.tasks_reply.n_tasks, 1);
    return given(f, server, &a->msg);
}

/* Of the task it was given last; what done says of epoch and id is how far it is beside that. */
static inline void tell(struct fixture *f, uint32_t server, struct wire_task_result done)
{
    struct msg m = {.type = MSG_TYPE_tasks};
    const struct msg *reply;

    done.chunk = f->chunk;
    done.epoch += f->task[server].epoch;
    done.id += f->task[server].id;
    m.tasks = (struct msg_tasks){
        .server = server, .incarnation = server * 10, .done = &done, .n_done = 1, .room_chunks = 10, .room_bytes = GIB};
    assert_int_equal(rig_call(&f->r, &m, &reply), 0);
    if (reply->tasks_reply.n_tasks > 0)
        f->next[server] = given(f, server, reply);
}

static inline void fenced(struct fixture *f, uint32_t server, uint64_t sequence, uint8_t flags)
{
    struct wire_task t = told(f, server);

    assert_int_equal(t.kind, TASK_FENCE);
    assert_int_equal(t.version, f->version);
    assert_int_equal(t.flags, 0);
    tell(f, server,
         (struct wire_task_result){.kind = TASK_FENCE,
                                   .version = f->version,
                                   .sequence = sequence,
                                   .length = LENGTH,
                                   .crc = CRC,
                                   .flags = flags});
}

/* Others go on without it: it says that it is not read any more. */
static inline void cut_off(struct fixture *f, uint32_t server)
{
    struct wire_task t = told(f, server);

    assert_int_equal(t.kind, TASK_FENCE);
    assert_int_equal(t.flags, TASK_CUT_OFF);
    tell(f, server, (struct wire_task_result){.kind = TASK_FENCE, .version = f->version, .flags = RESULT_CUT_OFF});
}

static inline void stamped(struct fixture *f, uint32_t server, uint64_t sequence, uint32_t to, uint8_t flags)
{
    struct wire_task t = told(f, server);

    assert_int_equal(t.kind, TASK_STAMP);
    assert_int_equal(t.sequence, sequence);
    assert_int_equal(t.length, LENGTH);
    assert_int_equal(t.to, to);
    assert_int_equal(t.flags, flags);
    tell(f, server, (struct wire_task_result){.kind = TASK_STAMP, .version = to, .length = LENGTH});
}

/* All of its servers have the same, and close it in version 2. */
static inline void sealed_by_all(struct fixture *f)
{
    for (uint32_t i = 0; i < f->n_chain; i++)
        fenced(f, f->chain[i], 7, RESULT_STEADY);
    for (uint32_t i = 0; i < f->n_chain; i++)
        stamped(f, f->chain[i], 7, 2, 0);
}

/* A chunk that is not there yet: its servers make it before anybody hears of it. */
static inline void open_new(struct fixture *f)
{
    uint32_t id = ask_open(f, 0), made = 0;

    for (uint32_t s = 1; s <= SERVERS; s++) {
        struct wire_task t = told(f, s);

        if (t.kind == 0)
            continue;
        assert_int_equal(t.kind, TASK_STAMP);
        assert_true(t.version == 0 && t.length == 0 && t.to == 1 && t.flags == TASK_OPEN);
        assert_int_equal(f->r.answers[id].times, 0);
        f->chunk = t.chunk;
        tell(f, s, (struct wire_task_result){.kind = TASK_STAMP, .version = 1});
        made++;
    }
    opened(f, id);
    assert_int_equal(f->version, 1);
    assert_int_equal(f->n_chain, made);
}

static inline struct meta_chunk_info chunk_info(struct fixture *f)
{
    struct meta_chunk_info c;

    assert_true(meta_chunk_get(nm_meta(f->r.nm), f->chunk, &c));
    return c;
}

static inline uint32_t copies(struct fixture *f)
{
    uint16_t servers[META_MAX_REPLICAS];

    return meta_chunk_chain(nm_meta(f->r.nm), f->chunk, servers);
}

static inline void close_file(struct fixture *f)
{
    struct msg m = {.type = MSG_TYPE_close, .close = {.id = next_id(&f->r), .handle = f->handle}};

    assert_int_equal(rig_call(&f->r, &m, NULL), 0);
}

/* A new file with one chunk that was written to, and closed: its chunk is about to be sealed. */
static inline void start_closed(struct fixture **out, uint8_t goal)
{
    start(out, goal);
    open_new(*out);
    close_file(*out);
    moment(*out);
}

static inline uint32_t give_up(struct fixture *f)
{
    struct msg m = {.type = MSG_TYPE_give_up, .give_up = {.ino = f->ino}};
    const struct msg *reply;

    assert_int_equal(rig_call(&f->r, &m, &reply), 0);
    return reply->give_up_reply.chunks;
}

static inline uint64_t waiting(struct fixture *f)
{
    struct msg m = {.type = MSG_TYPE_health};
    const struct msg *reply;

    assert_int_equal(rig_call(&f->r, &m, &reply), 0);
    return reply->health_reply.waiting;
}

static inline uint32_t fsck_waiting(struct fixture *f)
{
    struct msg m = {.type = MSG_TYPE_fsck, .fsck = {.dir = ROOT_INO, .path = STR("f"), .after = STR("")}};
    const struct msg *reply;

    assert_int_equal(rig_call(&f->r, &m, &reply), 0);
    return reply->fsck_reply.n_entries == 0 ? 0 : reply->fsck_reply.entries[0].waiting;
}

#endif
