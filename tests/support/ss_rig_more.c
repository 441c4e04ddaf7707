/* SPDX-License-Identifier: MIT */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/ss_rig.h"

void rig_start(struct rig *r)
{
    char why[256];
    for (uint32_t i = 0; i < r->n_servers; i++) {
        int err = r->ss[i] ? 0 : rig_open(r, i, why, sizeof why);
        if (err)
            fprintf(stderr, "server %u: %s\n", i, why);
        assert(!err);
    }
}

struct stamping {
    struct rig *r;
    struct wire_task *v;
    uint32_t n, cap;
};

static void stamp_chunk(void *arg, uint64_t chunk, uint32_t version, uint32_t length)
{
    struct stamping *s = arg;
    if (s->n == s->cap) {
        s->cap = s->cap ? s->cap * 2 : 64;
        s->v = xrealloc(s->v, s->cap, sizeof *s->v);
    }
    s->v[s->n++] = (struct wire_task){.kind = TASK_STAMP,
                                      .chunk = chunk,
                                      .version = version,
                                      .sequence = UINT64_MAX,
                                      .length = length,
                                      .to = s->r->version + 1,
                                      .flags = TASK_OPEN};
}

void rig_next_version(struct rig *r)
{
    for (uint32_t i = 0; i < r->n_servers; i++) {
        struct stamping s = {.r = r};
        if (!r->ss[i])
            continue;
        ss_each_chunk(r->ss[i], stamp_chunk, &s);
        for (uint32_t k = 0; k < s.n; k++) {
            rig_agree(r, i, &s.v[k]);
            if (k % 256 == 255 || k + 1 == s.n) {
                r->n_done = 0;
                rig_run(r);
                rig_pass(r, 10 * NS_PER_MS);
            }
        }
        free(s.v);
    }
    r->n_done = 0;
    r->version++;
}

static int cut_and_wait(struct rig *r, uint32_t request)
{
    rig_run(r);
    assert(r->answers[request].done);
    return r->answers[request].status;
}

int rig_truncate(struct rig *r, uint32_t first, uint32_t n, uint64_t chunk, uint32_t length)
{
    return cut_and_wait(r, rig_send_cut(r, first, n, chunk, WRITE_TRUNCATE, length, 0, 0, 0));
}

int rig_punch(struct rig *r, uint32_t first, uint32_t n, uint64_t chunk, uint32_t offset, uint32_t len)
{
    return cut_and_wait(r, rig_send_cut(r, first, n, chunk, WRITE_PUNCH, offset, len, 0, 0));
}

void rig_fill(uint8_t *p, uint32_t len, uint64_t seed)
{
    for (uint32_t i = 0; i < len; i++)
        p[i] = (uint8_t)(mix64(seed + i / 8) >> i % 8 * 8);
}

int rig_write(struct rig *r, uint32_t first, uint32_t n, uint64_t chunk, uint32_t offset, const void *data,
              uint32_t len)
{
    uint32_t request = rig_send_write(r, first, n, chunk, offset, data, len, 0, 0);
    rig_run(r);
    assert(r->answers[request].done);
    return r->answers[request].status;
}

int rig_read(struct rig *r, uint32_t server, uint64_t chunk, uint32_t offset, uint32_t len, uint8_t *buf,
             uint32_t *length)
{
    uint32_t request = rig_send_read(r, server, chunk, offset, len, buf);
    rig_run(r);
    assert(r->answers[request].done);
    if (length)
        *length = r->answers[request].length;
    return r->answers[request].status;
}

int rig_take_runs(struct rig_answer *a, const struct msg_chunk_read_reply *m, const struct payload *p)
{
    a->n_runs = m->n_pieces;
    assert(a->n_runs <= 2 && payload_len(p) == 0 && m->crcs.len == 0);
    memcpy(a->runs, m->pieces, a->n_runs * sizeof a->runs[0]);
    return 0;
}

const struct rig_answer *rig_map(struct rig *r, uint32_t server, uint64_t chunk, uint32_t offset, uint32_t len)
{
    uint32_t request = rig_send_read(r, server, chunk, offset, len, NULL);
    rig_run(r);
    assert(r->answers[request].done);
    return &r->answers[request];
}

static void on_chunk(void *arg, uint64_t chunk, uint32_t version, uint32_t length)
{
    (void)chunk, (void)version, (void)length;
    ++*(uint32_t *)arg;
}

uint32_t rig_chunks(struct rig *r, uint32_t server)
{
    uint32_t n = 0;
    ss_each_chunk(r->ss[server], on_chunk, &n);
    return n;
}
