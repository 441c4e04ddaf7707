/* SPDX-License-Identifier: MIT */
/* What a file costs in memory, and a million of them in one directory. Prints figures; asserts those of memory. (RSS
 * and times mean something in a release build only; under the sanitizers the numbers of files are smaller.) */
#include "test_meta_util.h"

#include <malloc.h>
#include <time.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifdef SANITIZED
#define SMALL 10000u
#define LARGE 100000u
#else
#define SMALL 200000u
#define LARGE 1000000u
#endif
#define BYTES_PER_FILE 128

static uint64_t now_ns(void) /* of this process: others may be busy */
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * NS_PER_SEC + (uint64_t)t.tv_nsec;
}

static size_t rss(void)
{
    unsigned long pages = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f == NULL || fscanf(f, "%lu %lu", &pages, &resident) != 2)
        resident = 0;
    if (f != NULL)
        fclose(f);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* The i-th of n names in some order. */
enum order { ASCENDING, INTERLEAVED, SHUFFLED };
static uint64_t nth(enum order o, uint64_t i, uint64_t n)
{
    if (o == ASCENDING)
        return i;
    if (o == INTERLEAVED)
        return i % 50 * (n / 50) + i / 50; /* fifty writers, each counting up */
    return i * 7919 % n;                   /* a permutation: 7919 is prime to n */
}

static void publish_nth(struct world *w, uint64_t number, uint64_t chunk)
{
    char path[40];
    snprintf(path, sizeof path, "/d%u/%016" PRIu64, (unsigned)(number % 2), number);
    assert_int_equal(w_publish(w, path, 4096, chunk, 0), 0);
}

static void measure(enum order order, const char *what)
{
    struct world w;
    size_t bytes = 0, resident = 0;
    malloc_trim(0);
    world_start(&w, 0);
    world_add_server(&w, 1);
    world_add_server(&w, 2);
    w_mkdir(&w, "/d0", 0);
    w_mkdir(&w, "/d1", 0);
    for (uint64_t i = 0; i < LARGE; i++) {
        if (i == SMALL) {
            bytes = meta_memory(w.m);
            resident = rss();
        }
        if (i + 1 == meta_reserved(w.m))
            world_open_epoch(&w);
        publish_nth(&w, nth(order, i, LARGE), i + 1);
    }
    double own = (double)(meta_memory(w.m) - bytes) / (LARGE - SMALL);
    double real = (double)(rss() - resident) / (LARGE - SMALL);
    print_message("%-12s %.1f bytes per file by own count, %.1f by RSS\n", what, own, real);
    assert_true(own <= BYTES_PER_FILE);
    meta_free(w.m);
    arena_close(&w.arena);
}

static void a_file_of_one_chunk_costs_at_most_128_bytes(void **state)
{
    (void)state;
    measure(ASCENDING, "ascending");
    measure(INTERLEAVED, "interleaved");
    measure(SHUFFLED, "shuffled");
}

static void idle_sessions_are_cheap(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, 0);
    size_t bytes = meta_memory(w.m);
    for (uint64_t i = 0; i < 100000; i++)
        world_open_session(&w, 1000 + i);
    double each = (double)(meta_memory(w.m) - bytes) / 100000;
    print_message("%.1f bytes per idle session\n", each);
    assert_true(each <= 150);
    meta_free(w.m);
    arena_close(&w.arena);
}

static void sessions_without_end_are_refused(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, 0);
    for (uint64_t i = 1; i < META_SESSIONS_MAX; i++)
        world_open_session(&w, 1000 + i);
    struct msg c = {.type = MSG_TYPE_session_open};
    c.session_open = (struct msg_session_open){.nonce = 1, .who = STR("test")};
    assert_int_equal(world_apply(&w, &c), DFS_EMFILE);
    assert_true(w.reply.error.text.len > 0);
    c.session_open.nonce = 1001; /* one that is there */
    assert_int_equal(world_apply(&w, &c), 0);
    meta_free(w.m);
    arena_close(&w.arena);
}

static void time_lookups(struct world *w, uint32_t n)
{
    char path[40];
    const uint32_t rounds = 500000;
    struct msg c = {.type = MSG_TYPE_lookup};
    c.lookup.dir = ROOT_INO;
    uint64_t t = now_ns();
    for (uint64_t i = 0; i < rounds; i++) {
        uint32_t len = (uint32_t)sprintf(path, "/dir/%016" PRIu64, i * 7919 % n);
        c.lookup.path = (struct str){path, len};
        assert_true(meta_read(w->m, &c, &w->reply, &w->arena) == 0);
    }
    uint64_t all = now_ns() - t;
    t = now_ns();
    int sink = 0;
    for (uint64_t i = 0; i < rounds; i++)
        sink += sprintf(path, "/dir/%016" PRIu64, i * 7919 % n);
    all -= now_ns() - t;
    assert_true(sink > 0); /* the formatting was not optimised away */
    print_message("lookup of two components among %u files: %.0f ns\n", n, (double)all / rounds);
}

static void one_directory_holds_a_million_names(void **state)
{
    (void)state;
    struct world w;
    char path[40];
    world_start(&w, 0);
    w_mkdir(&w, "/dir", 0);
    uint64_t t = now_ns();
    for (uint32_t i = 0; i < LARGE; i++) {
        sprintf(path, "/dir/%016u", (uint32_t)(i * 7919ULL % LARGE));
        assert_true(w_create(&w, path, CREATE_EXCL) == 0);
        if (i + 1 == LARGE / 10)
            print_message("create: %.0f ns each\n", (double)(now_ns() - t) / (i + 1));
    }
    print_message("create, up to a million: %.0f ns each\n", (double)(now_ns() - t) / LARGE);
    time_lookups(&w, LARGE);
    uint32_t seen = 0;
    char last[20] = "";
    t = now_ns();
    for (bool eof = false; !eof;) {
        assert_int_equal(w_readdir(&w, "/dir", str_of(last), 4096), 0);
        const struct msg_readdir_reply *r = &w.reply.readdir_reply;
        seen += r->n_entries;
        eof = r->eof;
        memcpy(last, r->entries[r->n_entries - 1].name.p, 16);
    }
    assert_int_equal(seen, LARGE);
    print_message("listing: %.0f ns an entry\n", (double)(now_ns() - t) / LARGE);
    t = now_ns();
    struct bytes b = saved(w.m);
    print_message("save: %.0f ms, %.1f MiB\n", (double)(now_ns() - t) / 1e6, (double)b.len / (1024 * 1024));
    struct meta *again = meta_new();
    t = now_ns();
    assert_int_equal(load_bytes(again, b.p, b.len), 0);
    print_message("load and verify: %.0f ms\n", (double)(now_ns() - t) / 1e6);
    meta_free(again);
    bytes_close(&b);
    t = now_ns();
    for (uint32_t i = 0; i < LARGE; i++) {
        sprintf(path, "/dir/%016u", (uint32_t)(i * 7919ULL % LARGE));
        assert_true(w_unlink(&w, path) == 0);
    }
    print_message("unlink: %.0f ns each\n", (double)(now_ns() - t) / LARGE);
    assert_int_equal(w_rmdir(&w, "/dir"), 0);
    assert_true(meta_memory(w.m) < 100000);
    world_stop(&w);
}

static void a_lookup_among_a_hundred_thousand_files_is_timed(void **state)
{
    (void)state;
    struct world w;
    char path[40];
    world_start(&w, 0);
    w_mkdir(&w, "/dir", 0);
    for (uint32_t i = 0; i < 100000; i++) {
        sprintf(path, "/dir/%016u", (uint32_t)(i * 7919ULL % 100000));
        assert_true(w_create(&w, path, CREATE_EXCL) == 0);
    }
    time_lookups(&w, 100000);
    world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_one_chunk_costs_at_most_128_bytes),
        cmocka_unit_test(idle_sessions_are_cheap),
        cmocka_unit_test(sessions_without_end_are_refused),
        cmocka_unit_test(one_directory_holds_a_million_names),
        cmocka_unit_test(a_lookup_among_a_hundred_thousand_files_is_timed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
