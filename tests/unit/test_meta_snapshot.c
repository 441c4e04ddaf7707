/* SPDX-License-Identifier: MIT */
/* Snapshots: equal states give equal bytes, and bytes that are not a state are refused, whatever they are. */
#include "meta_forge_util.h"

/* A bit of everything. */
/* A file open though its name is gone, locked, and waited for. */
static void furnish_files(struct world *w)
{
    uint64_t handles[2];
    assert_int_equal(w_publish(w, "/open", 100, 10, 0), 0);
    for (int i = 0; i < 2; i++) {
        struct msg c = {.type = MSG_TYPE_open};
        c.open = (struct msg_open){.id = world_next_id(w), .dir = ROOT_INO, .path = STR("/open"), .flags = OPEN_READ};
        assert_int_equal(world_apply(w, &c), 0);
        handles[i] = w->reply.open_reply.handle;
    }
    assert_int_equal(w_unlink(w, "/open"), 0);
    for (uint64_t i = 0; i < 6; i++) {
        struct msg c = {.type = MSG_TYPE_lock};
        c.lock = (struct msg_lock){.id = world_next_id(w), .handle = handles[i % 2], .owner = i % 2, .space = LOCK_RANGE,
                                   .type = LOCK_EXCLUSIVE, .flags = LOCK_WAIT, .start = 10 * (i / 2), .end = 10 * i + 3};
        world_apply(w, &c); /* some are held, some waited for, some refused */
    }
}

static void furnish_delegations(struct world *w)
{
    static const char *const dirs[] = {"/d/e", "/d"};
    for (uint32_t i = 0; i < ARRAY_LEN(dirs); i++) {
        struct msg c = {.type = MSG_TYPE_delegate};
        c.delegate = (struct msg_delegate){.id = world_next_id(w), .dir = w_attr(w, dirs[i])->ino, .inodes = 10};
        assert_int_equal(world_apply(w, &c), 0);
    }
}

static void furnish(struct world *w)
{
    static const uint32_t many[] = {1, 2, 3, 4, 5, 6};
    uint8_t room[2][TOKEN_ROOM];
    world_start(w, 0);
    for (uint32_t i = 1; i <= 6; i++)
        world_add_server(w, i);
    assert_int_equal(w_mkdir(w, "/d/e", MKDIR_PARENTS), 0);
    assert_int_equal(w_create(w, "/d/empty", 0), 0);
    assert_int_equal(w_publish(w, "/d/one", 100, 5, 0), 0);
    struct wire_published p[2] = {piece(room[0], 0, META_CHUNK_SIZE, 6, many, 6), piece(room[1], 2, 7, 7, many, 6)};
    assert_int_equal(w_publish_pieces(w, "/d/e/many", 2ULL * META_CHUNK_SIZE + 7, 0, p, 2), 0);
    assert_int_equal(w_symlink(w, "../one", "/d/e/link"), 0);
    assert_int_equal(w_hardlink(w, "/d/one", "/d/e/uno"), 0);
    assert_int_equal(w_hardlink(w, "/d/one", "/eins"), 0);
    assert_int_equal(w_hardlink(w, "/d/e/link", "/lien"), 0);
    assert_int_equal(w_chmod(w, "/d/e", 01777), 0);
    assert_int_equal(w_publish(w, "/gone", 100, 8, 0), 0);
    assert_int_equal(w_unlink(w, "/gone"), 0);
    assert_int_equal(w_setxattr(w, "/d", "user.b", STR("two"), 0), 0);
    assert_int_equal(w_setxattr(w, "/d", "user.a", STR(""), 0), 0);
    assert_int_equal(w_setxattr(w, "/d/one", "user.one", STR("1"), 0), 0);
    assert_int_equal(w_publish(w, "/trashed", 100, 9, 0), 0);
    assert_int_equal(w_remove(w, "/trashed", REMOVE_KEEP), 0);
    assert_int_equal(w_mkdir(w, "/t/u/v", MKDIR_PARENTS), 0);
    assert_int_equal(w_remove(w, "/t/u", REMOVE_KEEP | REMOVE_TREE), 0);
    assert_int_equal(w_remove(w, "/t", REMOVE_TREE), 0);
    assert_int_equal(w_mkdir(w, "/t/u/v", MKDIR_PARENTS), 0);
    assert_int_equal(w_remove(w, "/t", REMOVE_TREE), 0);
    furnish_files(w);
    furnish_delegations(w);
    world_open_session(w, 99);
    struct msg c = {.type = MSG_TYPE_mkdir}; /* some remembered results, with a gap */
    for (uint64_t n = 2; n < 6; n++) {
        c.mkdir = (struct msg_mkdir){.id = {2, n, 1}, .dir = ROOT_INO, .path = STR("/x")};
        world_apply(w, &c);
    }
}

static void a_saved_state_loads_as_it_was(void **state)
{
    (void)state;
    struct world w, again;
    furnish(&w);
    assert_survives_restart(w.m);
    struct bytes b = saved(w.m);
    again = w;
    again.m = meta_new();
    assert_int_equal(load_bytes(again.m, b.p, b.len), 0);
    /* and goes on as it would have */
    assert_int_equal(w_publish(&w, "/d/one", 50, 19, 0), 0);
    assert_int_equal(w_publish(&again, "/d/one", 50, 19, 0), 0);
    assert_int_equal(w_rename(&w, "/d/e", "/z", 0), 0);
    assert_int_equal(w_rename(&again, "/d/e", "/z", 0), 0);
    assert_same_state(w.m, again.m);
    assert_int_equal(meta_memory(w.m) > 0, 1);
    meta_free(again.m);
    bytes_close(&b);
    world_stop(&w);
}

static void the_bytes_tell_nothing_of_the_history(void **state)
{
    (void)state;
    struct world a, b;
    char path[32];
    world_start(&a, 0);
    world_start(&b, 0);
    for (int i = 0; i < 300; i++) {
        snprintf(path, sizeof path, "/f%d", i);
        w_create(&a, path, 0);
        w_create(&b, path, 0);
    }
    /* b empties its tables by way of the index's merges, a does the same in another order */
    for (int i = 0; i < 290; i++) {
        snprintf(path, sizeof path, "/f%d", i);
        a.now = 500;
        w_unlink(&a, path);
    }
    for (int i = 289; i >= 0; i--) {
        snprintf(path, sizeof path, "/f%d", i);
        b.now = 500;
        w_unlink(&b, path);
    }
    assert_same_state(a.m, b.m);
    world_stop(&a);
    world_stop(&b);
}

static void every_truncation_and_every_flipped_bit_is_refused(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    struct bytes b = saved(w.m);
    for (size_t len = 0; len < b.len; len++) {
        struct meta *m = meta_new();
        assert_int_not_equal(load_bytes(m, b.p, len), 0);
        meta_free(m);
    }
    for (size_t bit = 0; bit < b.len * 8; bit++) {
        struct meta *m = meta_new();
        b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_not_equal(load_bytes(m, b.p, b.len), 0);
        b.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        meta_free(m);
    }
    bytes_close(&b);
    world_stop(&w);
}

/* Behind a right CRC too: the load is refused, or gives a state that holds together. */
static void no_forged_snapshot_gets_past_the_checks(void **state)
{
    (void)state;
    struct world w;
    struct rng r;
    uint32_t loaded = 0, refused = 0;
    furnish(&w);
    struct bytes b = saved(w.m);
    assert_int_equal(get_u32(b.p) + 2 * SNAPSHOT_BLOCK_HEAD, b.len);
    rng_seed(&r, 5);
    for (int i = 0; i < 30000; i++) {
        struct bytes f;
        bytes_init(&f, b.len);
        assert_int_equal(bytes_add(&f, b.p, b.len), 0);
        for (uint64_t k = 1 + rng_below(&r, 3); k > 0; k--) {
            uint64_t at = SNAPSHOT_BLOCK_HEAD + rng_below(&r, get_u32(b.p));
            f.p[at] = rng_chance(&r, 500) ? (uint8_t)rng_next(&r) : (uint8_t)(f.p[at] + 1 - 2 * (i & 1));
        }
        fix_crc(&f);
        struct meta *m = meta_new();
        if (load_bytes(m, f.p, f.len) == 0) { /* which verifies */
            loaded++;
            struct meta_result res;
            struct msg c = {.type = MSG_TYPE_rename};
            c.rename = (struct msg_rename){.id = {w.session, w.number + 1, w.number + 1},
                                           .dir = ROOT_INO,
                                           .path = STR("/d"),
                                           .to_dir = ROOT_INO,
                                           .to_path = STR("/d/e/q")};
            meta_apply(m, &(struct stamp){w.index + 1, w.epoch, 1}, &c, &res);
        } else {
            refused++;
        }
        meta_free(m);
        bytes_close(&f);
    }
    assert_true(loaded > 1000 && refused > 1000); /* the test reaches both sides */
    bytes_close(&b);
    world_stop(&w);
}

static void put_entry(uint8_t *p, uint64_t dir, uint64_t ino, char name)
{
    put_u64(p, dir);
    put_u64(p + 8, ino);
    p[16] = 1;
    p[17] = (uint8_t)name;
}

/* Directories that hold each other would send a walk to the root round for ever. */
static void directories_that_hold_each_other_are_refused(void **state)
{
    (void)state;
    struct world w;
    uint8_t honest[36];
    world_start(&w, 0);
    assert_int_equal(w_mkdir(&w, "/a/b", MKDIR_PARENTS), 0);
    struct bytes b = saved(w.m);
    assert_int_equal(w_attr(&w, "/a")->ino, 16);
    put_entry(honest, ROOT_INO, 16, 'a');
    put_entry(honest + 18, 16, 17, 'b');
    uint8_t *at = memmem(b.p, b.len, honest, sizeof honest);
    assert_non_null(at);
    put_entry(at, 16, 17, 'b');
    put_entry(at + 18, 17, 16, 'a');
    fix_crc(&b);
    struct meta *m = meta_new();
    assert_int_equal(load_bytes(m, b.p, b.len), DFS_ECORRUPT);
    meta_free(m);
    bytes_close(&b);
    world_stop(&w);
}

/* A directory under another number passes for a root in every count. */
static void a_missing_root_is_noticed(void **state)
{
    (void)state;
    struct world w;
    uint8_t root[10], other[8];
    world_start(&w, 0);
    struct bytes b = saved(w.m);
    put_u64(root, PURGE_INO);
    put_u16(root + 8, INODE_DIRECTORY << 12 | 0755);
    put_u64(other, PURGE_INO + 1);
    uint8_t *at = memmem(b.p, b.len, root, sizeof root);
    assert_non_null(at);
    memcpy(at, other, sizeof other);
    fix_crc(&b);
    struct meta *m = meta_new();
    assert_int_equal(load_bytes(m, b.p, b.len), DFS_ECORRUPT);
    meta_free(m);
    bytes_close(&b);
    world_stop(&w);
}

static int refuse_after(void *arg, const void *p, size_t len)
{
    (void)p;
    int *left = arg;
    *left -= (int)len;
    return *left < 0 ? DFS_ENOSPC : 0;
}

static void a_write_that_fails_ends_the_save(void **state)
{
    (void)state;
    struct world w;
    int left = 100;
    furnish(&w);
    assert_int_equal(meta_save(w.m, refuse_after, &left), DFS_ENOSPC);
    world_stop(&w);
}

static void a_newer_version_is_told_apart_from_damage(void **state)
{
    (void)state;
    struct world w;
    furnish(&w);
    struct bytes b = saved(w.m);
    put_u32(b.p + SNAPSHOT_BLOCK_HEAD + 8, SNAPSHOT_VERSION + 1);
    fix_crc(&b);
    struct meta *m = meta_new();
    assert_int_equal(load_bytes(m, b.p, b.len), DFS_EVERSION);
    meta_free(m);
    bytes_close(&b);
    world_stop(&w);
}

/* Writes the seeds of the fuzzer when told where to; the blocks are taken off. */
static void write_seeds(const char *folder)
{
    struct world w;
    furnish(&w);
    struct meta *none = meta_new();
    const struct {
        const char *name;
        struct meta *m;
    } seeds[] = {{"furnished", w.m}, {"empty", none}};
    for (size_t i = 0; i < ARRAY_LEN(seeds); i++) {
        char path[4200];
        struct bytes b = saved(seeds[i].m);
        snprintf(path, sizeof path, "%s/%s", folder, seeds[i].name);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fwrite(b.p + SNAPSHOT_BLOCK_HEAD, 1, get_u32(b.p), f);
        fclose(f);
        bytes_close(&b);
    }
    meta_free(none);
    world_stop(&w);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--seeds") == 0) {
        write_seeds(argv[2]);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_saved_state_loads_as_it_was),
        cmocka_unit_test(the_bytes_tell_nothing_of_the_history),
        cmocka_unit_test(every_truncation_and_every_flipped_bit_is_refused),
        cmocka_unit_test(no_forged_snapshot_gets_past_the_checks),
        cmocka_unit_test(directories_that_hold_each_other_are_refused),
        cmocka_unit_test(a_missing_root_is_noticed),
        cmocka_unit_test(a_write_that_fails_ends_the_save),
        cmocka_unit_test(a_newer_version_is_told_apart_from_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
