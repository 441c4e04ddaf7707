/* SPDX-License-Identifier: MIT */
#include "support/ss_rig.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/crc.h"
#include "store/format.h"
#include "wire/frame.h"

#define CLIENT (-1)
#define NAMESERVER (-2)

void rig_init(struct rig *r, uint64_t seed, uint32_t servers, uint32_t disks, uint64_t capacity)
{
    memset(r, 0, offsetof(struct rig, answers));
    rng_seed(&r->rng, seed);
    r->n_servers = servers;
    r->n_disks = disks;
    r->now = (struct now){1000 * NS_PER_SEC, 1};
    r->cluster = 77;
    r->epoch = 5;
    r->segment_size = 1;
    r->version = 1;
    fx_init(&r->fx);
    for (uint32_t i = 0; i < servers; i++)
        for (uint32_t d = 0; d < disks; d++)
            r->disks[i][d] = memdisk_new(seed * 31 + i * 7 + d, capacity);
}

static void mail_drop(struct rig_mail *m)
{
    slice_drop(&m->head);
    payload_drop(&m->payload);
}

void rig_close(struct rig *r)
{
    for (uint32_t i = 0; i < r->n_servers; i++) {
        ss_close(r->ss[i]);
        for (uint32_t d = 0; d < r->n_disks; d++)
            memdisk_free(r->disks[i][d]);
    }
    for (uint32_t i = 0; i < r->n_mail; i++)
        mail_drop(&r->mail[i]);
    for (uint32_t i = 0; i < r->n_tasks; i++)
        free(r->tasks[i].sources);
    free(r->mail);
    free(r->calls);
    fx_close(&r->fx);
}

/* --- messages --- */

static void mail_add(struct rig *r, struct rig_mail m)
{
    if (r->n_mail == r->cap_mail) {
        r->cap_mail = r->cap_mail ? r->cap_mail * 2 : 64;
        r->mail = xrealloc(r->mail, r->cap_mail, sizeof *r->mail);
    }
    r->mail[r->n_mail++] = m;
}

static struct slice encoded(const struct msg *m)
{
    struct bytes b;
    bytes_init(&b, WIRE_HEAD_MAX);
    int err = msg_encode(m, &b);
    assert(!err);
    struct slice s = slice_copy(b.p, (uint32_t)b.len);
    bytes_close(&b);
    return s;
}

static struct slice head_of(const struct effect *e)
{
    return slice_sub(e->frame, FRAME_HEADER, e->frame.len - FRAME_HEADER);
}

static int status_of(uint16_t type, struct slice head)
{
    struct msg m;
    struct arena a;
    arena_init(&a, WIRE_ARENA_MAX);
    int err = msg_decode(type, slice_data(head), head.len, &m, &a);
    int status = err ? err : type == MSG_TYPE_error ? -(int)m.error.code : 0;
    arena_close(&a);
    return status;
}

/* The tasks of this server, taken out of the rig's list. */
static uint32_t tasks_take(struct rig *r, int server, struct wire_task *out)
{
    uint32_t n = 0, kept = 0;
    for (uint32_t i = 0; i < r->n_tasks; i++)
        if (r->task_server[i] == server) {
            out[n++] = r->tasks[i];
        } else {
            r->task_server[kept] = r->task_server[i];
            r->tasks[kept++] = r->tasks[i];
        }
    r->n_tasks = kept;
    return n;
}

static void tasks_answer(struct rig *r, int server, uint64_t token)
{
    struct wire_task given[RIG_TASKS];
    struct msg a = {.type = MSG_TYPE_tasks_reply};
    a.tasks_reply = (struct msg_tasks_reply){
        .epoch = r->epoch, .number = ++r->task_number, .tasks = given, .n_tasks = tasks_take(r, server, given)};
    mail_add(r,
             (struct rig_mail){.to = server, .from = NAMESERVER, .token = token, .type = a.type, .head = encoded(&a)});
    for (uint32_t i = 0; i < a.tasks_reply.n_tasks; i++)
        free(given[i].sources);
}

static void on_tasks(struct rig *r, const struct rig_mail *q, const struct msg_tasks *m)
{
    for (uint32_t i = 0; i < m->n_done && r->n_done < RIG_TASKS; i++)
        r->done[r->n_done++] = m->done[i];
    r->tasks_lost += m->lost;
    if (m->n_done) {
        tasks_answer(r, q->from, q->token);
        return;
    }
    r->ask[q->from].waits = true;
    r->ask[q->from].token = q->token;
}

static void task_give(struct rig *r, uint32_t server, const struct wire_task *t)
{
    assert(r->n_tasks < RIG_TASKS);
    r->tasks[r->n_tasks] = *t;
    r->task_server[r->n_tasks++] = (int)server;
    if (r->ask[server].waits) {
        r->ask[server].waits = false;
        tasks_answer(r, (int)server, r->ask[server].token);
    }
}

void rig_task(struct rig *r, uint32_t server, uint8_t kind, uint64_t chunk, const void *bytes, uint32_t len,
              const char *sources)
{
    static const char *const names[RIG_SERVERS] = {"ss0", "ss1", "ss2"};
    uint32_t n = (uint32_t)strlen(sources);
    struct wire_task t = {.kind = kind,
                          .chunk = chunk,
                          .version = r->version,
                          .length = len,
                          .crc = crc32c(0, bytes, len),
                          .n_sources = n};
    t.sources = xcalloc(n + 1, sizeof *t.sources);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t from = (uint32_t)(sources[i] - '0');
        t.sources[i] = (struct wire_replica){.server = from + 1, .addr = str_of(names[from])};
    }
    task_give(r, server, &t);
}

void rig_agree(struct rig *r, uint32_t server, const struct wire_task *t)
{
    struct wire_task own = *t;
    own.sources = xcalloc(1, sizeof *own.sources);
    task_give(r, server, &own);
}

/* What the scripted NameServer says. */
static void nm_answer(struct rig *r, const struct rig_mail *q)
{
    struct msg m, a = {0};
    struct arena arena;
    struct wire_chunk_id remove[16];
    bool by_report = r->report_epoch != 0;
    arena_init(&arena, WIRE_ARENA_MAX);
    int err = msg_decode(q->type, slice_data(q->head), q->head.len, &m, &arena);
    assert(!err);
    if (q->type == MSG_TYPE_tasks && !r->nm_error) {
        on_tasks(r, q, &m.tasks);
        arena_close(&arena);
        return;
    }
    for (uint32_t i = 0; i < r->n_remove; i++)
        remove[i] = (struct wire_chunk_id){r->remove[i], r->remove_version ? r->remove_version : UINT32_MAX};
    if (r->nm_error) {
        a.type = MSG_TYPE_error;
        a.error.code = (uint16_t)-r->nm_error;
    } else if (q->type == MSG_TYPE_ss_register) {
        a.type = MSG_TYPE_ss_register_reply;
        a.ss_register_reply = (struct msg_ss_register_reply){.server = 1 + (uint32_t)q->from,
                                                             .epoch = r->epoch,
                                                             .cluster_hi = r->cluster,
                                                             .cluster_lo = 1,
                                                             .heartbeat_ms = 250,
                                                             .lease_ms = r->lease_ms};
        r->registers++;
    } else if (q->type == MSG_TYPE_heartbeat) {
        a.type = MSG_TYPE_heartbeat_reply;
        a.heartbeat_reply = (struct msg_heartbeat_reply){
            .epoch = r->epoch, .lease_ms = r->lease_ms, .remove = remove, .n_remove = by_report ? 0 : r->n_remove};
        a.heartbeat_reply.inventory = r->inventory;
        a.heartbeat_reply.inventory_below = r->inventory_below;
        r->disks_failed = m.heartbeat.disks_failed;
        r->damaged += m.heartbeat.n_damaged;
        r->unsettled += m.heartbeat.n_unsettled;
        if (m.heartbeat.n_unsettled)
            r->last_unsettled = m.heartbeat.unsettled[0];
        r->heartbeats++;
    } else if (q->type == MSG_TYPE_inventory) {
        a.type = MSG_TYPE_inventory_reply;
        for (uint32_t i = 0; i < m.inventory.n_chunks && r->n_found < RIG_FOUND; i++)
            r->found[r->n_found++] = m.inventory.chunks[i];
        r->told += m.inventory.eof && m.inventory.run == r->inventory;
    } else {
        a.type = MSG_TYPE_report_reply;
        a.report_reply = (struct msg_report_reply){
            .epoch = by_report ? r->report_epoch : r->epoch, .remove = remove, .n_remove = by_report ? r->n_remove : 0};
        r->reported = m.report.n_chunks;
        for (uint32_t i = 0; i < m.report.n_chunks && i < ARRAY_LEN(r->held); i++)
            r->held[i] = m.report.chunks[i];
    }
    mail_add(r, (struct rig_mail){.to = q->from,
                                  .from = NAMESERVER,
                                  .token = q->token,
                                  .type = a.type,
                                  .status = r->nm_error,
                                  .head = encoded(&a)});
    arena_close(&arena);
}

static void on_call(struct rig *r, int from, struct effect *e)
{
    struct rig_mail m = {.request = true,
                         .from = from,
                         .to = NAMESERVER,
                         .token = e->token,
                         .type = e->type,
                         .head = head_of(e),
                         .payload = payload_ref(&e->payload)};
    if (e->addr.len > 2 && memcmp(e->addr.p, "ss", 2) == 0) {
        m.to = e->addr.p[2] - '0';
        r->calls = xrealloc(r->calls, r->n_calls + 1, sizeof *r->calls);
        r->calls[r->n_calls].token = e->token;
        r->calls[r->n_calls].from = from;
        m.token = r->n_calls++;
    }
    mail_add(r, m);
}

/* Verifies and lays out what a read brought, as a client must. */
static int verify_read(struct rig_answer *a, const struct msg_chunk_read_reply *m, const struct payload *p)
{
    uint8_t *all = calloc(1, payload_len(p) + 1);
    uint32_t at = 0, crc_at = 0;
    int err = 0;
    payload_copy_out(p, 0, all, payload_len(p));
    memset(a->read_buf, 0, a->read_len);
    for (uint32_t i = 0; i < m->n_pieces && !err; i++) {
        uint32_t off = m->pieces[i].offset, len = m->pieces[i].length;
        uint32_t n = blocks_touched(off, len);
        if (len > payload_len(p) - at || crc_at + n > m->crcs.len / 4) {
            err = DFS_EPROTO;
            break;
        }
        for (uint32_t done = 0, b = 0; b < n && !err; b++) {
            uint32_t part = (uint32_t)min_u64(len - done, DFS_BLOCK - (off + done) % DFS_BLOCK);
            if (crc32c(0, all + at + done, part) != get_u32(m->crcs.p + 4 * (crc_at + b)))
                err = DFS_ECORRUPT;
            done += part;
        }
        for (uint32_t k = 0; k < len; k++)
            if (off + k >= a->read_off && off + k < a->read_off + a->read_len)
                a->read_buf[off + k - a->read_off] = all[at + k];
        at += len;
        crc_at += n;
    }
    free(all);
    return err ? err : at == payload_len(p) && 4 * crc_at == m->crcs.len ? 0 : DFS_EPROTO;
}

static void client_answer(struct rig *r, uint64_t request, const struct effect *e)
{
    struct rig_answer *a = &r->answers[request];
    struct slice head = head_of(e);
    struct msg m;
    struct arena arena;
    assert(request < r->n_answers && !a->done); /* exactly one answer */
    arena_init(&arena, WIRE_ARENA_MAX);
    int err = msg_decode(e->type, slice_data(head), head.len, &m, &arena);
    assert(!err);
    a->done = true;
    if (e->type == MSG_TYPE_error) {
        a->status = -(int)m.error.code;
        snprintf(a->text, sizeof a->text, "%.*s", STR_ARG(m.error.text));
    } else if (e->type == MSG_TYPE_chunk_write_reply) {
        a->sequence = m.chunk_write_reply.sequence;
    } else {
        a->length = m.chunk_read_reply.length;
        a->status = (a->read_buf ? verify_read : rig_take_runs)(a, &m.chunk_read_reply, &e->payload);
    }
    arena_close(&arena);
    slice_drop(&head);
}

static void on_reply(struct rig *r, struct effect *e, int from)
{
    if (e->to.conn == 0) {
        client_answer(r, e->to.request, e);
        return;
    }
    struct slice head = head_of(e);
    mail_add(r, (struct rig_mail){.to = r->calls[e->to.request].from,
                                  .from = from,
                                  .token = r->calls[e->to.request].token,
                                  .type = e->type,
                                  .status = status_of(e->type, head),
                                  .head = head,
                                  .payload = payload_ref(&e->payload)});
}

static void carry_out(struct rig *r, uint32_t i)
{
    for (uint32_t k = 0; k < r->fx.n; k++) {
        struct effect *e = &r->fx.v[k];
        if (e->kind == EFF_REPLY) {
            on_reply(r, e, (int)i);
        } else if (e->kind == EFF_CALL) {
            on_call(r, (int)i, e);
        } else if (e->kind == EFF_DISK) {
            struct disk *d = r->disks[i][e->op->disk];
            r->writes += e->op->kind == DISK_WRITE;
            r->flushes += e->op->kind == DISK_WRITE && e->op->flush;
            r->punches += e->op->kind == DISK_PUNCH;
            r->unlinks += e->op->kind == DISK_UNLINK;
            d->ops->submit(d, e->op);
            e->op = NULL;
        } else if (e->kind == EFF_FATAL) {
            r->fatal++;
        } else if (e->kind == EFF_LOG) {
            r->logs += e->level >= 2; /* warnings and errors */
            snprintf(r->last_log, sizeof r->last_log, "%.*s", STR_ARG(e->text));
        }
    }
    fx_reset(&r->fx);
}

void rig_turn(struct rig *r, uint32_t i)
{
    if (!r->ss[i])
        return;
    ss_turn(r->ss[i], r->now, &r->fx);
    carry_out(r, i);
}

static void deliver(struct rig *r, struct rig_mail *m)
{
    if (m->to == NAMESERVER) {
        nm_answer(r, m);
        return;
    }
    if (!r->ss[m->to] || (m->request && r->cut[m->to])) {
        if (m->request && m->from >= 0)
            mail_add(r, (struct rig_mail){
                            .to = m->from, .from = m->to, .token = r->calls[m->token].token, .status = DFS_EUNREACH});
        else if (m->request) {
            r->answers[m->token].done = true;
            r->answers[m->token].status = DFS_EUNREACH;
        }
        return;
    }
    struct msg msg;
    struct arena a;
    arena_init(&a, WIRE_ARENA_MAX);
    bool has = m->type != 0;
    int err = has ? msg_decode(m->type, slice_data(m->head), m->head.len, &msg, &a) : 0;
    assert(!err);
    struct event ev = {.kind = m->request ? EV_REQUEST : EV_REPLY,
                       .now = r->now,
                       .token = m->token,
                       .status = m->status,
                       .to = {m->from == CLIENT ? 0 : 1, m->token},
                       .peer = "test",
                       .msg = has ? &msg : NULL,
                       .head = m->head,
                       .payload = &m->payload};
    ss_event(r->ss[m->to], &ev, &r->fx);
    carry_out(r, (uint32_t)m->to);
    arena_close(&a);
}

static bool complete_disk(struct rig *r)
{
    uint32_t first = r->shuffle ? (uint32_t)rng_below(&r->rng, r->n_servers) : 0;
    for (uint32_t k = 0; k < r->n_servers; k++) {
        uint32_t i = (first + k) % r->n_servers;
        for (uint32_t d = 0; d < r->n_disks; d++) {
            uint32_t n = memdisk_pending(r->disks[i][d]);
            if (n <= r->stuck || !r->ss[i])
                continue;
            r->disk_ops++;
            uint32_t which = r->stuck + (r->shuffle ? (uint32_t)rng_below(&r->rng, n - r->stuck) : 0);
            struct disk_op *op = memdisk_complete(r->disks[i][d], which);
            struct event ev = {.kind = EV_DISK, .now = r->now, .token = op->token, .status = op->status, .op = op};
            ss_event(r->ss[i], &ev, &r->fx);
            carry_out(r, i);
            disk_op_free(op);
            rig_turn(r, i);
            return true;
        }
    }
    return false;
}

bool rig_step(struct rig *r)
{
    if (r->cut_at && r->disk_ops >= r->cut_at)
        return false;
    if (r->shuffle && rng_below(&r->rng, 2) && complete_disk(r))
        return true;
    if (!r->n_mail)
        return complete_disk(r);
    struct rig_mail m = r->mail[0];
    memmove(r->mail, r->mail + 1, --r->n_mail * sizeof *r->mail);
    deliver(r, &m);
    mail_drop(&m);
    /* Whatever else is waiting comes in the same turn of the loop, unless shuffled. */
    if (m.to >= 0 && (r->shuffle || !r->n_mail))
        for (uint32_t i = 0; i < r->n_servers; i++)
            rig_turn(r, i);
    return true;
}

void rig_run(struct rig *r)
{
    for (uint32_t i = 0; i < r->n_servers; i++)
        rig_turn(r, i);
    while (rig_step(r))
        ;
}

void rig_pass(struct rig *r, uint64_t ns)
{
    for (uint64_t end = r->now.mono + ns; r->now.mono < end;) {
        r->now.mono = min_u64(end, r->now.mono + 50 * NS_PER_MS);
        rig_run(r);
    }
}

/* --- servers --- */

int rig_open(struct rig *r, uint32_t i, char *why, size_t len)
{
    char address[16];
    snprintf(address, sizeof address, "ss%u", i);
    struct ss_config cfg = {.address = address,
                            .domain = "",
                            .nameservers = {"nm"},
                            .n_nameservers = 1,
                            .uuid_hi = 9,
                            .uuid_lo = 100 + i,
                            .incarnation = rng_next(&r->rng),
                            .seed = rng_next(&r->rng),
                            .segment_size = r->segment_size,
                            .rebuild = r->rebuild};
    int err = ss_open(&cfg, r->disks[i], r->n_disks, r->now, &r->ss[i], why, len);
    if (!err)
        rig_run(r);
    return err;
}

static void lose_mail(struct rig *r, int server)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < r->n_mail; i++) {
        struct rig_mail m = r->mail[i];
        if (m.to != server && m.from != server) {
            r->mail[kept++] = m;
            continue;
        }
        mail_drop(&m);
    }
    r->n_mail = kept;
    for (uint32_t i = 0; i < r->n_calls; i++) /* answers to the old process find nobody */
        if (r->calls[i].from == server)
            r->calls[i].from = NAMESERVER;
}

static void server_end(struct rig *r, uint32_t i)
{
    ss_close(r->ss[i]);
    r->ss[i] = NULL;
    lose_mail(r, (int)i);
    r->ask[i].waits = false;
}

void rig_crash(struct rig *r, uint32_t i, enum crash_mode mode)
{
    server_end(r, i);
    for (uint32_t d = 0; d < r->n_disks; d++)
        memdisk_crash(r->disks[i][d], mode);
}

void rig_kill(struct rig *r, uint32_t i)
{
    server_end(r, i);
    for (uint32_t d = 0; d < r->n_disks; d++)
        memdisk_kill(r->disks[i][d]);
}

/* --- the client --- */

static uint32_t answer_new(struct rig *r)
{
    assert(r->n_answers < RIG_REQUESTS);
    r->answers[r->n_answers] = (struct rig_answer){0};
    return r->n_answers++;
}

static uint32_t send_write(struct rig *r, uint32_t first, uint32_t n, struct msg_chunk_write w, struct payload payload)
{
    struct msg m = {.type = MSG_TYPE_chunk_write, .chunk_write = w};
    struct wire_replica chain[RIG_SERVERS];
    char addrs[RIG_SERVERS][8];
    for (uint32_t i = 1; i < n; i++) {
        snprintf(addrs[i], sizeof addrs[i], "ss%u", (first + i) % RIG_SERVERS);
        chain[i - 1] = (struct wire_replica){.server = (first + i) % RIG_SERVERS + 1, .addr = str_of(addrs[i])};
    }
    m.chunk_write.version = r->version;
    m.chunk_write.sequence = r->sequence;
    m.chunk_write.flags = r->mapped ? WRITE_MAPPED : 0;
    m.chunk_write.chain = chain;
    m.chunk_write.n_chain = n - 1;
    mail_add(r, (struct rig_mail){.request = true,
                                  .from = CLIENT,
                                  .to = (int)first,
                                  .token = r->n_answers,
                                  .type = m.type,
                                  .head = encoded(&m),
                                  .payload = payload});
    return answer_new(r);
}

uint32_t rig_send_cut(struct rig *r, uint32_t first, uint32_t n, uint64_t chunk, uint8_t kind, uint32_t offset,
                      uint32_t len, uint64_t session, uint64_t number)
{
    struct msg_chunk_write w = {
        .chunk = chunk, .session = session, .number = number, .offset = offset, .length = len, .kind = kind};
    return send_write(r, first, n, w, (struct payload){0});
}

uint32_t rig_send_write(struct rig *r, uint32_t first, uint32_t n, uint64_t chunk, uint32_t offset, const void *data,
                        uint32_t len, uint64_t session, uint64_t number)
{
    uint8_t crcs[4 * 1024];
    uint32_t n_crcs = 0;
    for (uint32_t done = 0; done < len; n_crcs++) {
        uint32_t part = (uint32_t)min_u64(len - done, DFS_BLOCK - (offset + done) % DFS_BLOCK);
        put_u32(crcs + 4 * n_crcs, crc32c(0, (const uint8_t *)data + done, part));
        done += part;
    }
    struct msg_chunk_write w = {.chunk = chunk,
                                .session = session,
                                .number = number,
                                .file = r->file,
                                .index = r->index,
                                .size = r->size,
                                .offset = offset,
                                .length = len,
                                .kind = r->append ? WRITE_APPEND : WRITE_DATA,
                                .limit = r->append,
                                .first = r->first,
                                .after = r->after,
                                .seen = r->seen,
                                .crcs = {(char *)crcs, 4 * n_crcs}};
    uint32_t cut = len / 3; /* two parts, as a real frame may have */
    struct payload p = {{slice_copy(data, cut), slice_copy((const uint8_t *)data + cut, len - cut)}};
    return send_write(r, first, n, w, p);
}

uint32_t rig_send_read(struct rig *r, uint32_t server, uint64_t chunk, uint32_t offset, uint32_t len, uint8_t *buf)
{
    struct msg m = {.type = MSG_TYPE_chunk_read};
    m.chunk_read = (struct msg_chunk_read){.chunk = chunk, .version = r->version, .offset = offset, .length = len};
    m.chunk_read.flags = buf ? 0 : READ_MAP;
    mail_add(r, (struct rig_mail){.request = true,
                                  .from = CLIENT,
                                  .to = (int)server,
                                  .token = r->n_answers,
                                  .type = m.type,
                                  .head = encoded(&m)});
    uint32_t request = answer_new(r);
    r->answers[request].read_buf = buf;
    r->answers[request].read_off = offset;
    r->answers[request].read_len = len;
    return request;
}
