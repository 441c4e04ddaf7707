/* SPDX-License-Identifier: MIT */
/* Three StorageServers with a chunk that takes writes. */
#ifndef DFS_UNIT_SS_OPEN_H
#define DFS_UNIT_SS_OPEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/ss_rig.h"

#define SIZE 100000u
#define CHUNK 5u

static struct rig *rig;
static uint8_t data[SIZE], other[SIZE], back[SIZE];

static inline struct wire_task_result result_of(uint32_t server, const struct wire_task *t)
{
    uint32_t before = rig->n_done;
    rig_agree(rig, server, t);
    rig_run(rig);
    rig_pass(rig, 100 * NS_PER_MS);
    assert_int_equal(rig->n_done, before + 1);
    assert_int_equal(rig->done[before].kind, t->kind);
    return rig->done[before];
}

static inline int setup(void **state)
{
    (void)state;
    rig = calloc(1, sizeof *rig);
    rig_init(rig, 1, 3, 1, 1024 * MIB);
    rig_fill(data, sizeof data, 42);
    rig_fill(other, sizeof other, 43);
    rig->segment_size = 4 * MIB;
    rig->mapped = true;
    rig_start(rig);
    for (uint32_t s = 0; s < 3; s++) {
        struct wire_task make = {.kind = TASK_STAMP, .chunk = CHUNK, .to = 1, .flags = TASK_OPEN};
        assert_int_equal(result_of(s, &make).error, 0);
    }
    rig->n_done = 0;
    return 0;
}

static inline int teardown(void **state)
{
    (void)state;
    rig_close(rig);
    free(rig);
    return 0;
}

static inline struct wire_task_result fence(uint32_t server)
{
    return result_of(server, &(struct wire_task){.kind = TASK_FENCE, .chunk = CHUNK, .version = rig->version});
}

static inline int stamp(uint32_t server, uint64_t sequence, uint32_t length, bool open)
{
    struct wire_task t = {.kind = TASK_STAMP,
                          .chunk = CHUNK,
                          .version = rig->version,
                          .sequence = sequence,
                          .length = length,
                          .to = rig->version + 1,
                          .flags = open ? TASK_OPEN : 0};
    return -(int)result_of(server, &t).error;
}

static inline int read_all(uint32_t server) { return rig_read(rig, server, CHUNK, 0, SIZE, back, NULL); }

#endif
