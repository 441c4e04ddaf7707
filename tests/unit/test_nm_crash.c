/* SPDX-License-Identifier: MIT */
/* Crashes at every disk operation of a NameServer's life, by seed: what was acknowledged is there afterwards, a restart
 * always succeeds, and what had no answer takes effect once when it is retried. */
#include "nm_rig.h"

#include "base/rand.h"

#define NAMES 1500u

struct life {
    struct rig r;
    struct rng rng;
    struct {
        uint32_t request;
        uint64_t number;
        bool sent, acked;
    } name[NAMES];
    uint32_t n;
    uint32_t acked_below; /* the session's `seen` */
};

static struct msg mkdir_of(struct life *l, uint32_t i, char path[32])
{
    struct msg m = {.type = MSG_TYPE_mkdir};

    snprintf(path, 32, "/n%u", i);
    m.mkdir.id = (struct wire_request_id){.session = l->r.session, .number = i + 1, .seen = l->acked_below + 1};
    m.mkdir.dir = ROOT_INO;
    m.mkdir.path = str_of(path);
    return m;
}

static void send_some(struct life *l, uint32_t n)
{
    char path[32];

    for (; n > 0 && l->n < NAMES && l->n - l->acked_below < 500; n--, l->n++) {
        struct msg m = mkdir_of(l, l->n, path);

        l->name[l->n].request = rig_send(&l->r, &m);
        l->name[l->n].sent = true;
    }
}

/* Notes the answers; they must be successes: every name is new. */
static void collect(struct life *l)
{
    for (uint32_t i = l->acked_below; i < l->n; i++) {
        const struct answer *a = &l->r.answers[l->name[i].request];

        if (l->name[i].acked || !l->name[i].sent || a->times == 0)
            continue;
        assert_int_equal(a->times, 1);
        assert_int_equal(a->err, 0);
        l->name[i].acked = true;
    }
    while (l->acked_below < l->n && l->name[l->acked_below].acked)
        l->acked_below++;
}

static void live_until_crash(struct life *l, uint32_t disk_ops)
{
    while (disk_ops > 0) {
        uint32_t pending;

        send_some(l, (uint32_t)rng_below(&l->rng, 30));
        l->r.now.mono += rng_below(&l->rng, 30 * NS_PER_MS);
        rig_turn(&l->r);
        collect(l);
        pending = memdisk_pending(l->r.disk);
        if (pending == 0 && l->r.snapshot_due) {
            struct event ev = {.kind = EV_SNAPSHOT, .now = l->r.now, .status = l->r.snapshot_status, .token = 1};

            l->r.snapshot_due = 0;
            nm_event(l->r.nm, &ev, &l->r.fx);
            rig_effects(&l->r);
        } else if (pending > 0 && rng_chance(&l->rng, 700)) {
            rig_complete(&l->r, (uint32_t)rng_below(&l->rng, pending));
            disk_ops--;
        }
        if (l->n == NAMES && pending == 0)
            return;
    }
    assert_string_equal(l->r.fatal, "");
}

static void crash(struct life *l)
{
    collect(l);
    rig_stop(&l->r);
    if (rng_chance(&l->rng, 600))
        memdisk_crash(l->r.disk, CRASH_RANDOM);
    else
        memdisk_kill(l->r.disk);
    l->r.snapshot_due = 0;
}

/* What was acknowledged is there; the rest is there or not, and its retry succeeds. */
static bool check(struct life *l)
{
    char path[32], why[160];

    rig_forget_answers(&l->r);
    assert_int_equal(meta_verify(nm_meta(l->r.nm), why, sizeof why), 0);
    for (uint32_t i = 0; i < l->n; i++) {
        if (!l->name[i].acked)
            continue;
        snprintf(path, sizeof path, "/n%u", i);
        if (i % 7 != 0 && i + 300 < l->n)
            continue; /* all of the recent ones, a sample of the old */
        if (rig_lookup(&l->r, path) != 0) {
            print_message("%s was acknowledged and is lost\n", path);
            return false;
        }
    }
    for (uint32_t i = l->acked_below; i < l->n; i++) {
        struct msg m = mkdir_of(l, i, path);

        if (l->name[i].acked)
            continue;
        if (rig_call(&l->r, &m, NULL) != 0) {
            print_message("the retry of %s failed\n", path);
            return false;
        }
        l->name[i].acked = true;
    }
    l->acked_below = l->n;
    rig_forget_answers(&l->r);
    return true;
}

/* False: a promise was broken. */
static bool run_seed(uint64_t seed, bool lying_disk)
{
    struct life *l = calloc(1, sizeof *l);
    bool good = true;

    rng_seed(&l->rng, seed);
    rig_init(&l->r, seed, 64 * MIB);
    l->r.cfg.snapshot_log_bytes = 40000;
    l->r.cfg.log_segment_bytes = rng_chance(&l->rng, 500) ? 8192 : SEGMENT;
    rig_start(&l->r, true);
    rig_session(&l->r);
    rig_settle(&l->r);
    memdisk_skip_flush(l->r.disk, lying_disk);
    for (uint32_t round = 0; round < 6 && good; round++) {
        live_until_crash(l, 1 + (uint32_t)rng_below(&l->rng, 60));
        crash(l);
        good = rig_open(&l->r, false) == 0;
        if (!good) {
            print_message("seed %llu: restart %u: %s\n", (unsigned long long)seed, round, l->r.why);
            break;
        }
        rig_settle(&l->r);
        assert_true(nm_serving(l->r.nm));
        good = check(l);
    }
    rig_free(&l->r);
    free(l);
    return good;
}

static void test_nothing_acknowledged_is_lost(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++)
        if (!run_seed(seed, false))
            fail_msg("seed %llu", (unsigned long long)seed);
}

static void test_a_disk_that_lies_about_flushes_is_noticed(void **state)
{
    uint32_t broken = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++)
        broken += !run_seed(seed, true);
    assert_true(broken > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_acknowledged_is_lost),
        cmocka_unit_test(test_a_disk_that_lies_about_flushes_is_noticed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
