/* SPDX-License-Identifier: MIT */
/* Where chunks are: placements, moves between servers, what is wrong with them and how that is found. */
#include "test_meta_util.h"

#include "meta/placement.h"

static void start_with(struct world *w, uint32_t servers)
{
    world_start(w, 0);
    for (uint32_t i = 1; i <= servers; i++)
        world_add_server(w, i);
}

static int publish_on(struct world *w, const char *path, uint64_t chunk, uint8_t goal, const uint32_t *servers,
                      uint32_t n)
{
    uint8_t room[TOKEN_ROOM];
    struct wire_published p = piece(room, 0, 100, chunk, servers, n);
    struct msg c = {.type = MSG_TYPE_publish};
    c.publish = (struct msg_publish){.id = world_next_id(w),
                                     .dir = ROOT_INO,
                                     .path = str_of(path),
                                     .mode = 0640,
                                     .size = 100,
                                     .goal = goal,
                                     .chunks = &p,
                                     .n_chunks = 1};
    return world_apply(w, &c);
}

#define PUBLISH(w, path, chunk, goal, ...)                                                                             \
    do {                                                                                                               \
        const uint32_t on[] = {__VA_ARGS__};                                                                           \
        assert_int_equal(publish_on((w), (path), (chunk), (goal), on, ARRAY_LEN(on)), 0);                              \
    } while (0)

static void move(struct world *w, uint64_t chunk, uint32_t version, uint32_t add, uint32_t remove)
{
    struct wire_chunk_move r = {.chunk = chunk, .version = version, .add = add, .remove = remove};
    struct msg c = {.type = MSG_TYPE_chunk_servers};
    c.chunk_servers = (struct msg_chunk_servers){.moves = &r, .n_moves = 1};
    assert_int_equal(world_apply(w, &c), 0);
    assert_int_equal(w->res.type, 0);
}

static struct meta_placement placement_of(const struct world *w, uint64_t chunk)
{
    struct meta_chunk_info c;
    struct meta_placement p;
    assert_true(meta_chunk_get(w->m, chunk, &c));
    assert_true(c.placement < meta_n_placements(w->m));
    assert_true(meta_placement_get(w->m, c.placement, &p));
    return p;
}

/* "1 2 3": the servers a chunk is on. */
static void assert_on(const struct world *w, uint64_t chunk, const char *servers)
{
    struct meta_placement p = placement_of(w, chunk);
    char text[100] = "";
    for (uint32_t i = 0; i < p.n; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%u", i ? " " : "", p.servers[i]);
    assert_string_equal(text, servers);
}

static struct meta_health health_of(const struct world *w)
{
    struct meta_health h;
    meta_health(w->m, &h);
    return h;
}

static void placements_are_found_by_goal_and_servers(void **state)
{
    (void)state;
    struct placements t;
    struct rng r;
    uint32_t counts[4000] = {0}, in_use = 0;
    char why[100] = "";
    placements_init(&t);
    rng_seed(&r, 3);
    for (uint32_t i = 0; i < 20000; i++) {
        uint16_t servers[META_MAX_REPLICAS];
        uint32_t n = 1 + (uint32_t)rng_below(&r, META_MAX_REPLICAS);
        uint16_t first = (uint16_t)(1 + rng_below(&r, 20));
        for (uint32_t k = 0; k < n; k++) /* in some order */
            servers[k] = (uint16_t)(first + (k + i) % n);
        uint32_t number = placements_take(&t, (uint8_t)rng_below(&r, 3), servers, n);
        struct placement *p = placements_at(&t, number);
        assert_true(number < ARRAY_LEN(counts));
        assert_int_equal(p->mapped, counts[number]);
        in_use += counts[number]++ == 0;
        p->mapped++;
        assert_int_equal(p->n, n);
        for (uint32_t k = 0; k < n; k++)
            assert_int_equal(placement_servers(p)[k], first + k);
        number = (uint32_t)rng_below(&r, t.n); /* and some go away altogether */
        if (t.v[number].used && rng_chance(&r, 300)) {
            t.v[number].mapped = counts[number] = 0;
            placements_drop(&t, number);
            in_use--;
        }
        if (i % 1000 == 0 && placements_verify(&t, why, sizeof why) != 0)
            fail_msg("%s", why);
    }
    assert_int_equal(t.map.count, in_use);
    for (uint32_t i = 0; i < t.n; i++)
        if (t.v[i].used)
            placements_drop(&t, i);
    assert_int_equal(t.map.count, 0);
    assert_int_equal(t.heap_bytes, 0);
    placements_close(&t);
}

static void chunks_of_one_goal_on_the_same_servers_share_a_placement(void **state)
{
    (void)state;
    struct world w;
    struct meta_chunk_info a, b;
    start_with(&w, 3);
    PUBLISH(&w, "/a", 5, 0, 1, 2);
    PUBLISH(&w, "/b", 6, 0, 2, 1);
    PUBLISH(&w, "/c", 7, 2, 1, 2);
    assert_int_equal(meta_n_placements(w.m), 2);
    assert_true(meta_chunk_get(w.m, 5, &a) && meta_chunk_get(w.m, 6, &b));
    assert_int_equal(a.placement, b.placement);
    assert_int_equal(a.length, 100);
    assert_false(a.removed);
    assert_int_equal(placement_of(&w, 5).chunks, 2);
    assert_int_equal(placement_of(&w, 5).bytes, 200);
    assert_int_equal(placement_of(&w, 5).goal, 2);
    assert_false(placement_of(&w, 5).chosen);
    assert_true(placement_of(&w, 7).chosen);
    /* the chain begins at another server for every other chunk */
    assert_int_equal(w_locate(&w, "/a", 0, 0, 1), 0);
    assert_int_equal(w.reply.locate_reply.chunks[0].replicas[0].server, 2);
    assert_int_equal(w_locate(&w, "/b", 0, 0, 1), 0);
    assert_int_equal(w.reply.locate_reply.chunks[0].replicas[0].server, 1);
    /* what was removed is known, and counts no longer */
    assert_int_equal(w_unlink(&w, "/a"), 0);
    assert_int_equal(placement_of(&w, 5).chunks, 1);
    assert_true(meta_chunk_get(w.m, 5, &a) && a.removed);
    assert_survives_restart(w.m);
    assert_int_equal(w_unlink(&w, "/b"), 0);
    assert_int_equal(w_unlink(&w, "/c"), 0);
    struct msg reap = {.type = MSG_TYPE_reap};
    reap.reap = (struct msg_reap){.before_ns = INT64_MAX, .limit = 100};
    world_apply(&w, &reap);
    for (uint32_t i = 0; i < meta_n_placements(w.m); i++) {
        struct meta_placement p;
        assert_false(meta_placement_get(w.m, i, &p));
    }
    world_stop(&w);
}

static void a_move_is_applied_if_it_fits_and_left_out_if_not(void **state)
{
    (void)state;
    struct world w;
    start_with(&w, 4);
    PUBLISH(&w, "/a", 5, 0, 1, 2);
    PUBLISH(&w, "/one", 6, 1, 3);
    PUBLISH(&w, "/gone", 7, 0, 1, 2);
    assert_int_equal(w_unlink(&w, "/gone"), 0);
    move(&w, 5, 1, 3, 2); /* a copy moves */
    assert_on(&w, 5, "1 3");
    assert_int_equal(meta_server_by_id(w.m, 2)->chunks, 0);
    assert_int_equal(meta_server_by_id(w.m, 3)->chunks, 2);
    assert_int_equal(meta_server_by_id(w.m, 3)->bytes, 200);
    move(&w, 5, 1, 4, 0); /* one comes */
    assert_on(&w, 5, "1 3 4");
    move(&w, 5, 1, 0, 1); /* one goes */
    assert_on(&w, 5, "3 4");
    struct bytes before = saved(w.m);
    move(&w, 5, 2, 1, 0); /* another version */
    move(&w, 5, 1, 4, 3); /* there already */
    move(&w, 5, 1, 1, 2); /* not there */
    move(&w, 5, 1, 9, 0); /* an unknown server */
    move(&w, 5, 1, 3, 3);
    move(&w, 5, 1, 0, 0);
    move(&w, 6, 1, 0, 3);  /* the last one */
    move(&w, 7, 1, 3, 0);  /* removed */
    move(&w, 99, 1, 1, 0); /* unknown */
    struct bytes after = saved(w.m);
    put_u64(before.p + 8 + 16, get_u64(after.p + 8 + 16)); /* the index */
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.p + 8, after.p + 8, after.len - 16);
    bytes_close(&before);
    bytes_close(&after);
    move(&w, 6, 1, 1, 3); /* the last one, replaced */
    assert_on(&w, 6, "1");
    assert_survives_restart(w.m);
    world_stop(&w);
}

static void a_chunk_takes_sixteen_copies_and_no_more(void **state)
{
    (void)state;
    struct world w;
    start_with(&w, 18);
    PUBLISH(&w, "/a", 5, 16, 1, 2);
    for (uint32_t i = 3; i <= 18; i++)
        move(&w, 5, 1, i, 0);
    assert_int_equal(placement_of(&w, 5).n, 16);
    move(&w, 5, 1, 17, 3);
    assert_int_equal(placement_of(&w, 5).n, 16);
    assert_int_equal(placement_of(&w, 5).servers[15], 17);
    assert_survives_restart(w.m);
    world_stop(&w);
}

static void health_follows_the_servers_and_what_was_removed(void **state)
{
    (void)state;
    struct world w;
    start_with(&w, 4);
    PUBLISH(&w, "/a", 5, 0, 1, 2);
    PUBLISH(&w, "/b", 6, 0, 2, 3);
    PUBLISH(&w, "/c", 7, 3, 1, 2);
    PUBLISH(&w, "/d", 8, 1, 2, 3);
    PUBLISH(&w, "/gone", 9, 3, 1, 2);
    assert_int_equal(w_unlink(&w, "/gone"), 0);
    struct meta_health h = health_of(&w);
    assert_true(h.under_replicated == 1 && h.missing == 0 && h.over_replicated == 1 && h.endangered == 0);
    uint64_t shape = meta_shape(w.m);
    assert_int_equal(world_server_state(&w, 2, SERVER_UP), 0); /* numbers only */
    PUBLISH(&w, "/e", 10, 0, 1, 2);
    assert_int_equal(meta_shape(w.m), shape);
    assert_int_equal(world_server_state(&w, 2, SERVER_DOWN), 0);
    assert_true(meta_shape(w.m) != shape);
    h = health_of(&w);
    assert_int_equal(h.under_replicated, 4);
    assert_int_equal(h.endangered, 4);
    assert_int_equal(h.over_replicated, 0);
    assert_int_equal(world_server_state(&w, 1, SERVER_DOWN), 0);
    h = health_of(&w);
    assert_int_equal(h.missing, 3);
    assert_int_equal(h.under_replicated, 4);
    assert_int_equal(h.goal_too_high, 0); /* they may come back */
    shape = meta_shape(w.m);
    move(&w, 6, 1, 4, 2);
    assert_true(meta_shape(w.m) != shape);
    assert_int_equal(health_of(&w).under_replicated, 3);
    assert_survives_restart(w.m);
    world_stop(&w);
}

static void register_in(struct world *w, uint32_t n, const char *domain)
{
    char addr[32];
    snprintf(addr, sizeof addr, "10.0.0.%u:4620", n);
    struct msg c = {.type = MSG_TYPE_ss_register};
    c.ss_register = (struct msg_ss_register){
        .uuid_hi = 1, .uuid_lo = n, .incarnation = 1, .addr = str_of(addr), .domain = str_of(domain), .capacity = 1000};
    assert_int_equal(world_apply(w, &c), 0);
}

static void copies_share_a_domain_only_where_they_must(void **state)
{
    (void)state;
    struct world w;
    world_start(&w, 0);
    register_in(&w, 1, "r1/h1");
    register_in(&w, 2, "r1/h1");
    register_in(&w, 3, "r1/h2");
    PUBLISH(&w, "/host", 5, 0, 1, 2);
    PUBLISH(&w, "/hosts", 6, 0, 1, 3);
    assert_int_equal(health_of(&w).misplaced, 1);
    register_in(&w, 4, "r2/h1"); /* now racks could differ, and hosts of a name in two racks do */
    PUBLISH(&w, "/racks", 7, 0, 1, 4);
    PUBLISH(&w, "/all", 8, 3, 1, 3, 4);
    PUBLISH(&w, "/bad", 9, 3, 1, 2, 4);
    assert_int_equal(health_of(&w).misplaced, 3);
    assert_int_equal(world_server_state(&w, 4, SERVER_DOWN), 0);
    assert_int_equal(health_of(&w).misplaced, 2); /* /host and the two copies of /bad that are left */
    register_in(&w, 4, "r1/h2");
    assert_int_equal(health_of(&w).misplaced, 1); /* /host: the others have a copy on each host there is */
    register_in(&w, 1, "");                       /* nowhere is nobody's neighbour */
    assert_int_equal(health_of(&w).misplaced, 1); /* /all: 3 and 4 are on one host, and 1 is alone */
    assert_int_equal(meta_domains_shared(meta_server_by_id(w.m, 3), meta_server_by_id(w.m, 4)), 2);
    assert_int_equal(meta_domains_shared(meta_server_by_id(w.m, 2), meta_server_by_id(w.m, 4)), 1);
    assert_int_equal(meta_domains_shared(meta_server_by_id(w.m, 1), meta_server_by_id(w.m, 1)), 0);
    world_stop(&w);
}

struct seen {
    uint64_t ids[200];
    uint32_t n, stop_at;
};

static bool note(void *arg, const struct meta_chunk_info *c)
{
    struct seen *s = arg;
    s->ids[s->n++] = c->chunk;
    return s->n != s->stop_at;
}

static void a_scan_meets_every_chunk_in_order_whatever_its_slices(void **state)
{
    (void)state;
    struct world w;
    char path[20];
    start_with(&w, 2);
    for (uint32_t i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "/%u", i);
        PUBLISH(&w, path, 5 + (i * 37) % 100 * 1000, 0, 1, 2);
    }
    for (uint32_t limit = 1; limit < 5000; limit = limit * 3 + 1) {
        struct seen s = {.n = 0};
        uint64_t cursor = 0;
        uint32_t slices = 1;
        while (meta_chunk_scan(w.m, &cursor, limit, note, &s))
            slices++;
        assert_int_equal(cursor, 0);
        assert_int_equal(s.n, 100);
        for (uint32_t i = 0; i < 100; i++)
            assert_int_equal(s.ids[i], 5 + i * 1000);
        assert_true(slices >= 100 / limit);
    }
    struct seen s = {.stop_at = 3};
    uint64_t cursor = 0;
    assert_true(meta_chunk_scan(w.m, &cursor, 10000, note, &s));
    assert_int_equal(s.n, 3);
    assert_true(meta_chunk_scan(w.m, &cursor, 50, note, &s));
    assert_int_equal(s.ids[3], 3005);
    world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(placements_are_found_by_goal_and_servers),
        cmocka_unit_test(chunks_of_one_goal_on_the_same_servers_share_a_placement),
        cmocka_unit_test(a_move_is_applied_if_it_fits_and_left_out_if_not),
        cmocka_unit_test(a_chunk_takes_sixteen_copies_and_no_more),
        cmocka_unit_test(health_follows_the_servers_and_what_was_removed),
        cmocka_unit_test(copies_share_a_domain_only_where_they_must),
        cmocka_unit_test(a_scan_meets_every_chunk_in_order_whatever_its_slices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
