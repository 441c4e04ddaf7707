/* SPDX-License-Identifier: MIT */
/* What a StorageServer believes of those who lead it: how long a lease lasts, whose orders count, and in which order the member
 * above writes (CONSISTENCY B12, B13, B16). */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "support/ss_rig.h"

#define CHUNK 5
#define SIZE 4096

static struct rig *rig; /* one test at a time */
static uint8_t data[2 * SIZE], back[2 * SIZE];

static int setup(void **state)
{
    (void)state;
    rig = calloc(1, sizeof *rig);
    rig_init(rig, 1, 1, 1, 1024 * MIB);
    rig_fill(data, sizeof data, 42);
    rig->lease_ms = 2000;
    rig->epoch = 9;
    rig_start(rig);
    assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, data, SIZE), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    rig_close(rig);
    free(rig);
    return 0;
}

static int read_it(void) { return rig_read(rig, 0, CHUNK, 0, SIZE, back, NULL); }

/* An answer that was long on its way proves nothing about the time since it was sent (B12). */
static void a_lease_counts_from_when_the_heartbeat_was_sent(void **state)
{
    (void)state;
    rig_pass(rig, NS_PER_SEC);
    rig->now.mono += 300 * NS_PER_MS;
    uint32_t heartbeats = rig->heartbeats;
    rig_turn(rig, 0);
    while (rig->heartbeats == heartbeats)
        assert_true(rig_step(rig));
    rig->now.mono += 1500 * NS_PER_MS; /* the answer is on its way; it is the last good one */
    rig->nm_error = DFS_EAGAIN;
    rig_run(rig);
    assert_int_equal(rig->heartbeats, heartbeats + 1);
    assert_int_equal(read_it(), 0);
    rig_pass(rig, 700 * NS_PER_MS);
    assert_int_equal(read_it(), DFS_EAGAIN);
}

/* A NameServer that was deposed, and does not know it, still answers heartbeats (B12). */
static void a_deposed_leader_renews_no_lease(void **state)
{
    (void)state;
    rig_pass(rig, NS_PER_SEC);
    assert_int_equal(read_it(), 0);
    rig->epoch = 8;
    rig_pass(rig, 3 * NS_PER_SEC);
    assert_int_equal(read_it(), DFS_EAGAIN);
    rig->epoch = 10;
    rig_pass(rig, 3 * NS_PER_SEC);
    assert_int_equal(read_it(), 0);
}

/* One that leads now renews the lease; another, deposed, answers the report (B16). */
static void a_deposed_leader_orders_nothing_away(void **state)
{
    (void)state;
    rig_pass(rig, NS_PER_SEC);
    rig_crash(rig, 0, CRASH_DROP_ALL); /* it reports when it is back */
    rig->report_epoch = 8;
    rig->remove[0] = CHUNK;
    rig->n_remove = 1;
    rig->reported = 0;
    rig_start(rig);
    rig_pass(rig, 3 * NS_PER_SEC);
    assert_int_equal(rig->reported, 1);
    assert_int_equal(rig_chunks(rig, 0), 1);
    rig->report_epoch = 9;
    rig_crash(rig, 0, CRASH_DROP_ALL);
    rig_start(rig);
    rig_pass(rig, 3 * NS_PER_SEC);
    assert_int_equal(rig_chunks(rig, 0), 0);
}

/* It was given before the chunk was written again elsewhere, and came late (B16). */
static void an_order_means_the_versions_it_names(void **state)
{
    (void)state;
    rig->version = 3;
    assert_int_equal(rig_write(rig, 0, 1, CHUNK + 1, 0, data, SIZE), 0);
    rig->remove[rig->n_remove++] = CHUNK + 1;
    rig->remove_version = 2;
    rig_pass(rig, 3 * NS_PER_SEC);
    assert_int_equal(rig_chunks(rig, 0), 2);
    rig->remove_version = 3;
    rig_pass(rig, 3 * NS_PER_SEC);
    assert_int_equal(rig_chunks(rig, 0), 1);
}

/* What comes from the member above without what was before it is not taken, and not lost either: it comes again (B13). */
static void a_gap_in_the_sequence_is_refused(void **state)
{
    (void)state;
    rig->sequence = 3;
    assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, data + 1, SIZE), DFS_EAGAIN);
    assert_int_equal(rig_write(rig, 0, 1, CHUNK + 1, 0, data + 1, SIZE), DFS_EAGAIN);
    assert_int_equal(rig_chunks(rig, 0), 1);
    rig->sequence = 2;
    assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, data + 2, SIZE), 0);
    rig->sequence = 3;
    assert_int_equal(rig_write(rig, 0, 1, CHUNK, 0, data + 3, SIZE), 0);
    assert_int_equal(read_it(), 0);
    assert_memory_equal(back, data + 3, SIZE);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_lease_counts_from_when_the_heartbeat_was_sent), T(a_deposed_leader_renews_no_lease),
        T(a_deposed_leader_orders_nothing_away),            T(an_order_means_the_versions_it_names),
        T(a_gap_in_the_sequence_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
