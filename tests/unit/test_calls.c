/* SPDX-License-Identifier: MIT */
/* The two tables under a link: its own outstanding calls, and the peer's unanswered requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rand.h"
#include "wire/calls.h"
#include "wire/pending.h"

static void check_tables(const struct calls *c, const bool *in, const uint64_t *deadline, uint64_t n)
{
    uint64_t least = UINT64_MAX;
    uint32_t count = 0;

    for (uint64_t id = 1; id < n; id++) {
        assert_int_equal(calls_find(c, id) != NULL, in[id]);
        count += in[id];
        least = in[id] && deadline[id] < least ? deadline[id] : least;
    }
    assert_int_equal(c->n, count);
    assert_int_equal(calls_first(c) != NULL ? calls_first(c)->deadline : UINT64_MAX, least);
}

static void test_calls_are_found_and_ordered(void **state)
{
    enum { IDS = 300 };
    struct calls c = {0};
    bool in[IDS] = {false};
    uint64_t deadline[IDS] = {0};
    struct rng r;

    (void)state;
    rng_seed(&r, 3);
    for (int i = 0; i < 20000; i++) {
        uint64_t id = 1 + rng_below(&r, IDS - 1);

        if (in[id]) {
            assert_int_equal(calls_find(&c, id)->token, id * 3);
            calls_remove(&c, id);
        } else if (rng_chance(&r, i / 5000 % 2 ? 200 : 900)) {
            deadline[id] = rng_below(&r, 1000);
            calls_add(&c, &(struct call){.id = id, .token = id * 3, .deadline = deadline[id]});
        } else {
            continue;
        }
        in[id] = !in[id];
        if (i % 50 == 0)
            check_tables(&c, in, deadline, IDS);
    }
    calls_close(&c);
}

static void test_handles_serve_once(void **state)
{
    struct pending p = {0};
    uint64_t h[100], id;

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < 100; i++)
            h[i] = pending_add(&p, 5, i);
        assert_int_equal(p.n, 100);
        assert_int_equal(p.bytes, 4950);
        for (unsigned i = 0; i < 100; i++) {
            assert_true(pending_take(&p, h[i], &id));
            assert_false(pending_take(&p, h[i], &id));
            assert_int_equal(id, 5);
        }
        assert_int_equal(p.bytes, 0);
    }
    pending_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_are_found_and_ordered),
        cmocka_unit_test(test_handles_serve_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
