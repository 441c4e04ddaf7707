/* SPDX-License-Identifier: MIT */
/* The NameServer's state, story by story. (Which error wins on odd paths: test_meta_kernel.c.) */
#include "test_meta_util.h"

static int start(void **state)
{
    struct world *w = test_calloc(1, sizeof *w);
    world_start(w, 0);
    world_add_server(w, 1);
    world_add_server(w, 2);
    world_add_server(w, 3);
    *state = w;
    return 0;
}

static int stop(void **state)
{
    struct world *w = *state;
    assert_survives_restart(w->m);
    world_stop(w);
    test_free(w);
    return 0;
}

/* --- names and attributes --- */

static void a_directory_counts_and_stamps_what_happens_in_it(void **state)
{
    struct world *w = *state;
    assert_int_equal(w_mkdir(w, "/d", 0), 0);
    assert_int_equal(w->reply.mkdir_reply.attr.mode, 0755);
    assert_int_equal(w->reply.mkdir_reply.attr.uid, 10);
    assert_int_equal(w_attr(w, "/d")->nlink, 2);
    int64_t made = w_attr(w, "/d")->mtime_ns;
    assert_int_equal(w_create(w, "/d/f", CREATE_EXCL), 0);
    assert_int_equal(w_mkdir(w, "/d/e", 0), 0);
    assert_int_equal(w_attr(w, "/d")->nlink, 3);
    assert_int_equal(w_attr(w, "/d")->size, 2);
    assert_true(w_attr(w, "/d")->mtime_ns > made);
    assert_int_equal(w_attr(w, "/d")->mtime_ns, w_attr(w, "/d/e")->mtime_ns);
    int64_t filed = w_attr(w, "/d/f")->mtime_ns;
    assert_int_equal(w_rename(w, "/d/f", "/d/e/g", 0), 0);
    assert_int_equal(w_attr(w, "/d/e/g")->mtime_ns, filed);
    assert_true(w_attr(w, "/d/e/g")->ctime_ns > filed);
    assert_int_equal(w_attr(w, "/d")->size, 1);
    assert_int_equal(w_rename(w, "/d/e", "/e", 0), 0);
    assert_int_equal(w_attr(w, "/d")->nlink, 2);
    assert_int_equal(w_attr(w, "/")->nlink, 4);
    assert_int_equal(w_lookup(w, "/e/../d", 0), 0);
    assert_int_equal(w_rmdir(w, "/d"), 0);
    assert_int_equal(w_lookup(w, "/d", 0), DFS_ENOENT);
}

static void mkdir_with_parents_makes_what_is_missing(void **state)
{
    struct world *w = *state;
    assert_int_equal(w_mkdir(w, "/a/b/c", 0), DFS_ENOENT);
    assert_int_equal(w_mkdir(w, "/a//b/./c/../x/", MKDIR_PARENTS), 0);
    assert_int_equal(w_attr(w, "/a/b")->nlink, 4); /* c and x */
    uint64_t ino = w_attr(w, "/a/b/x")->ino;
    assert_int_equal(w_mkdir(w, "a/b/x", MKDIR_PARENTS), 0);
    assert_int_equal(w->reply.mkdir_reply.attr.ino, ino);
    assert_int_equal(w_mkdir(w, "/", MKDIR_PARENTS), 0);
    assert_int_equal(w_symlink(w, "a/b", "/link"), 0);
    assert_int_equal(w_mkdir(w, "/link/new", MKDIR_PARENTS), 0);
    assert_int_equal(w_attr(w, "/a/b/new")->type, INODE_DIRECTORY);
    assert_int_equal(w_create(w, "/a/f", 0), 0);
    assert_int_equal(w_mkdir(w, "/a/f", MKDIR_PARENTS), DFS_EEXIST);
    assert_int_equal(w_mkdir(w, "/a/f/g", MKDIR_PARENTS), DFS_ENOTDIR);
    assert_int_equal(w_symlink(w, "nowhere", "/dangling"), 0);
    assert_int_equal(w_mkdir(w, "/dangling/x", MKDIR_PARENTS), DFS_EEXIST);
    assert_int_equal(w_lookup(w, "/nowhere", 0), DFS_ENOENT);
}

static void a_path_is_relative_to_the_directory_given(void **state)
{
    struct world *w = *state;
    struct msg c = {.type = MSG_TYPE_lookup};
    assert_int_equal(w_mkdir(w, "/d/e", MKDIR_PARENTS), 0);
    assert_int_equal(w_create(w, "/d/e/f", 0), 0);
    uint64_t dir = w_attr(w, "/d/e")->ino, file = w_attr(w, "/d/e/f")->ino;
    const struct { uint64_t dir; const char *path; int err; uint64_t ino; } cases[] = {
        {dir, "f", 0, file},       {dir, "", 0, dir},           {file, "", 0, file},
        {dir, "../e/f", 0, file},  {dir, "/d/e", 0, dir},       {file, "f", DFS_ENOTDIR, 0},
        {999, "f", DFS_ENOENT, 0}, {999, "", DFS_ENOENT, 0},    {1ULL << 50 | dir, "f", DFS_ENOENT, 0},
        {0, "f", DFS_ENOENT, 0},   {dir, "../../..", 0, ROOT_INO},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        c.lookup = (struct msg_lookup){.dir = cases[i].dir, .path = str_of(cases[i].path)};
        assert_int_equal(meta_read(w->m, &c, &w->reply, &w->arena), cases[i].err);
        if (cases[i].err == 0)
            assert_int_equal(w->reply.lookup_reply.attr.ino, cases[i].ino);
    }
}

static void symlinks_are_followed_forty_deep_and_no_further(void **state)
{
    struct world *w = *state;
    char name[16], target[16];
    assert_int_equal(w_create(w, "/l0", 0), 0);
    for (int i = 1; i <= META_SYMLINK_DEPTH + 1; i++) {
        snprintf(name, sizeof name, "/l%d", i);
        snprintf(target, sizeof target, "l%d", i - 1);
        assert_int_equal(w_symlink(w, target, name), 0);
    }
    assert_int_equal(w_lookup(w, "/l40", 0), 0);
    assert_int_equal(w->reply.lookup_reply.attr.type, INODE_FILE);
    assert_int_equal(w_lookup(w, "/l41", 0), DFS_ELOOP);
    assert_int_equal(w_lookup(w, "/l41", LOOKUP_NOFOLLOW), 0);
    assert_true(str_eq(w->reply.lookup_reply.target, STR("l40")));
}

static void names_are_bytes_up_to_255(void **state)
{
    struct world *w = *state;
    char name[300];
    memset(name, 'x', sizeof name);
    name[0] = '/';
    name[257] = '\0';
    assert_int_equal(w_create(w, name, 0), DFS_ENAMETOOLONG);
    name[256] = '\0';
    assert_int_equal(w_create(w, name, 0), 0);
    assert_int_equal(w_attr(w, name)->type, INODE_FILE);
    assert_int_equal(w_create(w, "/\xff\xfe \n\x01", 0), 0);
    assert_int_equal(w_attr(w, "/\xff\xfe \n\x01")->type, INODE_FILE);
}

static void a_listing_goes_on_after_any_name_while_names_come_and_go(void **state)
{
    struct world *w = *state;
    char path[40], last[32] = "";
    uint32_t seen = 0;
    assert_int_equal(w_mkdir(w, "/a", 0), 0);
    assert_int_equal(w_mkdir(w, "/b", 0), 0);
    for (int i = 0; i < 500; i++) {
        snprintf(path, sizeof path, "/a/%03d", i);
        assert_int_equal(w_create(w, path, 0), 0);
    }
    assert_int_equal(w_create(w, "/b/zzz", 0), 0);
    for (bool eof = false; !eof;) {
        assert_int_equal(w_readdir(w, "/a", str_of(last), 7), 0);
        const struct msg_readdir_reply *r = &w->reply.readdir_reply;
        assert_true(r->n_entries > 0 && r->n_entries <= 7);
        for (uint32_t i = 0; i < r->n_entries; i++) {
            assert_true(str_cmp(r->entries[i].name, str_of(last)) > 0);
            snprintf(last, sizeof last, "%.*s", STR_ARG(r->entries[i].name));
            assert_int_equal(r->entries[i].attr.type, INODE_FILE);
        }
        seen += r->n_entries;
        eof = r->eof;
        snprintf(path, sizeof path, "/a/%s", last); /* the cursor's own name goes */
        assert_int_equal(w_unlink(w, path), 0);
    }
    assert_int_equal(seen, 500);
    assert_int_equal(w_readdir(w, "/b/zzz", STR(""), 7), DFS_ENOTDIR);
}

static void a_page_of_a_listing_fits_a_frame(void **state)
{
    struct world *w = *state;
    char path[260];
    memset(path, 'n', sizeof path);
    path[0] = '/';
    for (int i = 0; i < 4000; i++) {
        snprintf(path + 240, 16, "%08d", i);
        assert_int_equal(w_create(w, path, 0), 0);
    }
    assert_int_equal(w_readdir(w, "/", STR(""), 1000000), 0);
    assert_int_equal(w->reply.readdir_reply.eof, 0);
    struct bytes b;
    bytes_init(&b, WIRE_HEAD_MAX);
    assert_int_equal(msg_encode(&w->reply, &b), 0);
    assert_in_range(b.len, 700 * KIB, META_CHUNK_SIZE);
    assert_true(b.len <= 1100 * KIB);
    bytes_close(&b);
}

/* --- publish --- */

static void publish_creates_then_replaces_a_file(void **state)
{
    struct world *w = *state;
    assert_int_equal(w_publish(w, "/f", 1000, 5, 0), 0);
    struct wire_attr first = w->reply.publish_reply.attr;
    assert_int_equal(first.size, 1000);
    assert_int_equal(first.mode, 0640);
    assert_int_equal(first.chunks, 1);
    assert_int_equal(first.goal, 2);
    assert_true(meta_knows_chunk(w->m, 5));
    assert_int_equal(meta_server_by_id(w->m, 1)->chunks, 1);
    assert_int_equal(meta_server_by_id(w->m, 2)->bytes, 1000);
    assert_int_equal(w_publish(w, "/f", 300, 6, CREATE_EXCL), DFS_EEXIST);
    assert_false(meta_knows_chunk(w->m, 6));
    assert_int_equal(w_publish(w, "/f", 300, 6, 0), 0);
    assert_int_equal(w->reply.publish_reply.attr.ino, first.ino);
    assert_true(w->reply.publish_reply.attr.generation > first.generation);
    assert_int_equal(meta_server_by_id(w->m, 2)->bytes, 300);
    assert_int_equal(w_locate(w, "/f", first.generation, 0, 10), DFS_EREPLACED);
    assert_int_equal(w_locate(w, "/f", 0, 0, 10), 0);
    const struct msg_locate_reply *l = &w->reply.locate_reply;
    assert_int_equal(l->n_chunks, 1);
    assert_int_equal(l->eof, 1);
    assert_int_equal(l->chunks[0].chunk, 6);
    assert_int_equal(l->chunks[0].crc, 0xc0ffee);
    assert_int_equal(l->chunks[0].n_replicas, 2);
    assert_true(str_eq(l->chunks[0].replicas[1].addr, STR("10.0.0.2:4620")));
    assert_int_equal(w_mkdir(w, "/d", 0), 0);
    assert_int_equal(w_publish(w, "/d", 300, 7, 0), DFS_EISDIR);
    assert_int_equal(w_symlink(w, "new", "/link"), 0);
    assert_int_equal(w_publish(w, "/link", 300, 7, 0), 0);
    assert_int_equal(w_attr(w, "/new")->size, 300);
    assert_int_equal(w_locate(w, "/d", 0, 0, 10), DFS_EISDIR);
}

/* A name removed and made again is another content to a reader that comes back with the generation it knew. */
static void a_recreated_file_never_repeats_a_generation(void **state)
{
    struct world *w = *state;
    assert_int_equal(w_publish(w, "/f", 1000, 5, 0), 0);
    uint64_t generation = w->reply.publish_reply.attr.generation;
    assert_int_equal(w_unlink(w, "/f"), 0);
    assert_int_equal(w_publish(w, "/f", 1000, 6, 0), 0);
    assert_int_equal(w_locate(w, "/f", generation, 0, 10), DFS_EREPLACED);
}

static void removed_chunks_wait_and_are_reaped_in_order(void **state)
{
    struct world *w = *state;
    struct msg reap = {.type = MSG_TYPE_reap};
    assert_int_equal(meta_oldest_removed(w->m), INT64_MAX);
    assert_int_equal(w_publish(w, "/f", 1000, 5, 0), 0);
    assert_int_equal(w_publish(w, "/g", 1000, 6, 0), 0);
    int64_t before = w->now;
    assert_int_equal(w_publish(w, "/f", 0, 0, 0), 0);
    int64_t between = w->now;
    assert_int_equal(w_unlink(w, "/g"), 0);
    assert_int_equal(meta_oldest_removed(w->m), before);
    assert_true(meta_knows_chunk(w->m, 5) && meta_knows_chunk(w->m, 6));
    assert_int_equal(meta_server_by_id(w->m, 1)->chunks, 0);
    struct meta_removed about;
    bool removed = false;
    assert_true(meta_find_chunk(w->m, 5, &about, &removed) && removed && about.n_servers == 2);
    assert_int_equal(w_publish(w, "/h", 1000, 5, 0), DFS_EINVAL); /* its grant is used up */
    assert_survives_restart(w->m);
    reap.reap = (struct msg_reap){.before_ns = between, .limit = 100};
    world_apply(w, &reap);
    assert_int_equal(w->res.type, 0);
    assert_int_equal(w->res.n_removed, 1);
    assert_int_equal(w->res.removed[0].chunk, 5);
    assert_int_equal(w->res.removed[0].servers[1], 2);
    assert_false(meta_knows_chunk(w->m, 5));
    reap.reap = (struct msg_reap){.before_ns = INT64_MAX, .limit = 100};
    world_apply(w, &reap);
    assert_int_equal(w->res.n_removed, 1);
    assert_int_equal(w->res.removed[0].chunk, 6);
    assert_int_equal(meta_oldest_removed(w->m), INT64_MAX);
}

static void a_sparse_file_of_many_chunks_is_located_by_page(void **state)
{
    struct world *w = *state;
    enum { N = 100 };
    static uint8_t room[N][TOKEN_ROOM];
    struct wire_published pieces[N];
    const uint32_t servers[] = {3, 1};
    for (uint32_t i = 0; i < N; i++)
        pieces[i] = piece(room[i], i * 2, 10 + i, 1000 - i, servers, 2);
    uint64_t size = (N - 1) * 2ULL * META_CHUNK_SIZE + 10 + N - 1;
    assert_int_equal(w_publish_pieces(w, "/big", size, 0, pieces, N), 0);
    assert_int_equal(w_locate(w, "/big", 0, 51, 10), 0);
    assert_int_equal(w->reply.locate_reply.n_chunks, 10);
    assert_int_equal(w->reply.locate_reply.eof, 0);
    assert_int_equal(w->reply.locate_reply.chunks[0].index, 52);
    assert_int_equal(w->reply.locate_reply.chunks[0].length, 36);
    assert_int_equal(w_locate(w, "/big", 0, 190, 10), 0);
    assert_int_equal(w->reply.locate_reply.n_chunks, 5);
    assert_int_equal(w->reply.locate_reply.eof, 1);
    assert_int_equal(w_locate(w, "/big", 0, 1000, 10), 0);
    assert_int_equal(w->reply.locate_reply.n_chunks, 0);
    assert_int_equal(w->reply.locate_reply.eof, 1);
    assert_survives_restart(w->m);
    assert_int_equal(w_unlink(w, "/big"), 0);
    assert_int_equal(meta_server_by_id(w->m, 3)->bytes, 0);
}

static void publish_refuses_what_does_not_fit_together(void **state)
{
    struct world *w = *state;
    uint8_t r[2][TOKEN_ROOM];
    const uint32_t one[] = {1}, two[] = {1, 2}, twice[] = {1, 1}, foreign[] = {1, 9};
    const uint64_t reserved = meta_reserved(w->m);
    struct wire_published p[2];
#define TRY(size, n) w_publish_pieces(w, "/f", size, 0, p, n)
    p[0] = piece(r[0], 0, 100, 5, two, 2);
    p[1] = piece(r[1], 1, 100, 5, two, 2);
    assert_int_equal(TRY(META_CHUNK_SIZE + 100ULL, 2), DFS_EINVAL); /* one chunk twice */
    p[1] = piece(r[1], 0, 100, 6, two, 2);
    assert_int_equal(TRY(100, 2), DFS_EINVAL); /* one index twice */
    assert_int_equal(TRY(101, 1), DFS_EINVAL); /* more size than chunks */
    assert_int_equal(TRY(100, 0), DFS_EINVAL);
    p[0] = piece(r[0], 0, 0, 5, two, 2);
    assert_int_equal(TRY(0, 1), DFS_EINVAL);
    p[0] = piece(r[0], 0, META_CHUNK_SIZE + 1, 5, two, 2);
    assert_int_equal(TRY(META_CHUNK_SIZE + 1, 1), DFS_EINVAL);
    p[0] = piece(r[0], 0, 100, 5, twice, 2);
    assert_int_equal(TRY(100, 1), DFS_EINVAL);
    p[0] = piece(r[0], 0, 100, 5, foreign, 2);
    assert_int_equal(TRY(100, 1), DFS_EINVAL);
    p[0] = piece(r[0], 0, 100, 5, one, 1);
    assert_int_equal(TRY(100, 1), DFS_ENOSERVERS);
    p[0] = piece(r[0], 0, 100, reserved, two, 2);
    assert_int_equal(TRY(100, 1), DFS_ESTALE);
    assert_true(str_eq(w->reply.error.text, STR("grant expired")));
    p[0] = piece(r[0], 0, 100, 0, two, 2);
    assert_int_equal(TRY(100, 1), DFS_ESTALE);
    p[0] = piece(r[0], 0, 100, 5, two, 2);
    p[0].grant.len = 11;
    assert_int_equal(TRY(100, 1), DFS_EINVAL);
    p[0].grant = STR("");
    assert_int_equal(TRY(100, 1), DFS_EINVAL);
#undef TRY
    assert_int_equal(w_lookup(w, "/f", 0), DFS_ENOENT);
    assert_false(meta_knows_chunk(w->m, 5));
}

/* An empty path means the inode given, and that may be anything. */
static void content_goes_into_files_alone(void **state)
{
    struct world *w = *state;
    static const uint32_t servers[] = {1, 2};
    uint8_t room[TOKEN_ROOM];
    struct wire_published p = piece(room, 0, 100, 5, servers, 2);
    struct msg c = {.type = MSG_TYPE_publish};
    assert_int_equal(w_symlink(w, "target", "/link"), 0);
    uint64_t link = w->reply.symlink_reply.attr.ino;
    assert_int_equal(w_create(w, "/file", 0), 0);
    uint64_t file = w->reply.create_reply.attr.ino;
    c.publish = (struct msg_publish){.dir = link, .path = STR(""), .size = 100, .chunks = &p, .n_chunks = 1};
    c.publish.id = world_next_id(w);
    assert_int_equal(world_apply(w, &c), DFS_ELOOP);
    c.publish.id = world_next_id(w);
    c.publish.dir = file;
    assert_int_equal(world_apply(w, &c), 0);
    assert_int_equal(w_attr(w, "/file")->size, 100);
    assert_int_equal(w_lookup(w, "/link", LOOKUP_NOFOLLOW), 0);
    assert_int_equal(w->reply.lookup_reply.target.len, 6);
}

static void publish_counts_servers_that_are_not_up_as_missing(void **state)
{
    struct world *w = *state;
    world_server_state(w, 2, SERVER_DOWN);
    assert_int_equal(w_publish(w, "/f", 100, 5, 0), DFS_ENOSERVERS);
    world_server_state(w, 2, SERVER_UP);
    assert_int_equal(w_publish(w, "/f", 100, 5, 0), 0);
}

static void grants_below_the_horizon_are_dead(void **state)
{
    struct world *w = *state;
    struct msg c = {.type = MSG_TYPE_horizon};
    c.horizon.chunks_below = 10;
    world_apply(w, &c);
    assert_int_equal(meta_horizon(w->m), 10);
    assert_int_equal(w_publish(w, "/f", 100, 9, 0), DFS_ESTALE);
    assert_int_equal(w_publish(w, "/f", 100, 10, 0), 0);
    c.horizon.chunks_below = 5;
    world_apply(w, &c);
    assert_int_equal(meta_horizon(w->m), 10); /* never falls */
    c.horizon.chunks_below = UINT64_MAX;
    world_apply(w, &c);
    assert_int_equal(meta_horizon(w->m), meta_reserved(w->m)); /* nor passes what may be granted */
}

/* --- sessions --- */

static void a_request_repeated_takes_effect_once(void **state)
{
    struct world *w = *state;
    struct msg c = {.type = MSG_TYPE_mkdir};
    c.mkdir = (struct msg_mkdir){.id = {w->session, 1, 1}, .dir = ROOT_INO, .path = STR("/d"), .mode = 0700};
    assert_int_equal(world_apply(w, &c), 0);
    uint64_t ino = w->reply.mkdir_reply.attr.ino;
    assert_int_equal(world_apply(w, &c), 0); /* not EEXIST */
    assert_int_equal(w->reply.mkdir_reply.attr.ino, ino);
    assert_int_equal(w->res.type, MSG_TYPE_mkdir_reply);
    c.mkdir.id.number = 2; /* another request: refused, and the refusal is remembered */
    assert_int_equal(world_apply(w, &c), DFS_EEXIST);
    w->number = 2;
    w->seen = 1;
    struct msg rm = {.type = MSG_TYPE_rmdir};
    rm.rmdir = (struct msg_rmdir){.id = {w->session, 3, 1}, .dir = ROOT_INO, .path = STR("/d")};
    assert_int_equal(world_apply(w, &rm), 0);
    assert_int_equal(world_apply(w, &c), DFS_EEXIST);
    assert_survives_restart(w->m);
    rm.rmdir = (struct msg_rmdir){.id = {w->session, 4, 3}, .dir = ROOT_INO, .path = STR("/d")};
    assert_int_equal(world_apply(w, &rm), DFS_ENOENT);
    assert_int_equal(world_apply(w, &c), DFS_ESESSION); /* number 2 is below what was seen */
    rm.rmdir.id = (struct wire_request_id){w->session, 3, 1};
    assert_int_equal(world_apply(w, &rm), 0); /* number 3 is not */
    rm.rmdir.id = (struct wire_request_id){w->session + 1, 1, 1};
    assert_int_equal(world_apply(w, &rm), DFS_ESESSION);
    rm.rmdir.id = (struct wire_request_id){w->session, 0, 0};
    assert_int_equal(world_apply(w, &rm), DFS_EINVAL);
    w->number = 10;
}

static void results_are_kept_for_a_window_in_any_order(void **state)
{
    struct world *w = *state;
    struct msg c = {.type = MSG_TYPE_mkdir};
    char path[16];
    for (uint64_t i = 0; i < META_SESSION_WINDOW; i++) {
        uint64_t number = 1 + (i * 7) % META_SESSION_WINDOW;
        snprintf(path, sizeof path, "/%u", (unsigned)number);
        c.mkdir = (struct msg_mkdir){.id = {w->session, number, 1}, .dir = ROOT_INO, .path = str_of(path)};
        assert_int_equal(world_apply(w, &c), 0);
    }
    c.mkdir.path = STR("/more");
    c.mkdir.id.number = META_SESSION_WINDOW + 1;
    assert_int_equal(world_apply(w, &c), DFS_EAGAIN);
    assert_int_equal(w_lookup(w, "/more", 0), DFS_ENOENT);
    assert_survives_restart(w->m);
    c.mkdir.id.number = 500;
    assert_int_equal(world_apply(w, &c), 0); /* the old answer */
    c.mkdir.id = (struct wire_request_id){w->session, META_SESSION_WINDOW + 1, 2};
    assert_int_equal(world_apply(w, &c), 0);
    c.mkdir.path = STR("/far");
    c.mkdir.id = (struct wire_request_id){w->session, 1ULL << 60, 1ULL << 60};
    assert_int_equal(world_apply(w, &c), 0);
    c.mkdir.id.seen = 1;
    assert_int_equal(world_apply(w, &c), 0);
    w->number = 1ULL << 60;
}

static void a_session_opens_once_per_nonce_and_expires_if_idle(void **state)
{
    struct world *w = *state;
    struct wire_session idle[10];
    uint64_t a = world_open_session(w, 100), b = world_open_session(w, 101);
    assert_int_not_equal(a, b);
    assert_int_equal(world_open_session(w, 100), a);
    assert_int_equal(meta_idle_sessions(w->m, 0, w->now, idle, 10), 3);
    assert_int_equal(meta_idle_sessions(w->m, 0, w->now, idle, 2), 2);
    assert_int_equal(meta_idle_sessions(w->m, 0, 0, idle, 10), 0);
    assert_int_equal(meta_idle_sessions(w->m, 0, w->now, idle, 10), 3);
    w->session = b; /* b stirs between the question and the command */
    assert_int_equal(w_mkdir(w, "/d", 0), 0);
    struct msg c = {.type = MSG_TYPE_expire};
    c.expire = (struct msg_expire){.sessions = idle, .n_sessions = 3};
    world_apply(w, &c);
    assert_false(meta_session_exists(w->m, a));
    assert_true(meta_session_exists(w->m, b));
    w->session = a;
    assert_int_equal(w_mkdir(w, "/e", 0), DFS_ESESSION);
    assert_int_not_equal(world_open_session(w, 100), a); /* ids are not used again */
    struct msg close = {.type = MSG_TYPE_session_close};
    close.session_close.id = (struct wire_request_id){b, 50, 50};
    assert_int_equal(world_apply(w, &close), 0);
    assert_false(meta_session_exists(w->m, b));
    assert_int_equal(world_apply(w, &close), 0); /* its reply was lost */
}

static void check_sees_what_cannot_work(void **state)
{
    struct world *w = *state;
    struct msg c = {.type = MSG_TYPE_mkdir};
    c.mkdir = (struct msg_mkdir){.id = {w->session, 1, 1}, .dir = ROOT_INO, .path = STR("/d")};
    assert_int_equal(meta_check(w->m, &c), 0);
    c.mkdir.id.session = 99;
    assert_int_equal(meta_check(w->m, &c), DFS_ESESSION);
    c.mkdir.id = (struct wire_request_id){w->session, 0, 0};
    assert_int_equal(meta_check(w->m, &c), DFS_EINVAL);
    c.type = MSG_TYPE_reap;
    assert_int_equal(meta_check(w->m, &c), DFS_ENOTSUP); /* a client may not send it */
}

/* --- epochs and servers --- */

static void a_deposed_leaders_batch_changes_nothing(void **state)
{
    struct world *w = *state;
    uint64_t old = w->epoch, reserved = meta_reserved(w->m), hi, lo;
    world_open_epoch(w);
    assert_int_equal(meta_epoch(w->m), w->index);
    assert_int_equal(meta_first_grantable(w->m), reserved);
    assert_int_equal(meta_reserved(w->m), reserved + (1u << 20));
    meta_cluster(w->m, &hi, &lo);
    assert_int_equal(lo, CLUSTER);
    uint64_t now = w->epoch;
    w->epoch = old;
    assert_int_equal(w_mkdir(w, "/d", 0), DFS_ESTALE);
    struct msg c = {.type = MSG_TYPE_horizon};
    c.horizon.chunks_below = 10;
    world_apply(w, &c);
    assert_int_equal(meta_horizon(w->m), 0);
    w->epoch = now;
    w->number--; /* the number is free: nothing was remembered */
    assert_int_equal(w_mkdir(w, "/d", 0), 0);
}

static void a_server_keeps_its_id_and_shares_no_address(void **state)
{
    struct world *w = *state;
    struct msg c = {.type = MSG_TYPE_ss_register};
    c.ss_register = (struct msg_ss_register){
        .uuid_hi = 1, .uuid_lo = 2, .incarnation = 77, .addr = STR("10.0.0.9:1"), .domain = STR("r9")};
    assert_int_equal(world_apply(w, &c), 0);
    assert_int_equal(w->reply.ss_register_reply.server, 2);
    assert_int_equal(w->reply.ss_register_reply.cluster_lo, CLUSTER);
    assert_string_equal(meta_server_by_id(w->m, 2)->addr, "10.0.0.9:1");
    assert_int_equal(meta_server_by_id(w->m, 2)->incarnation, 77);
    c.ss_register.addr = STR("10.0.0.3:4620");
    assert_int_equal(world_apply(w, &c), DFS_EIDENTITY);
    assert_non_null(memmem(w->reply.error.text.p, w->reply.error.text.len, "server 3", 8));
    world_server_state(w, 3, SERVER_DOWN);
    assert_int_equal(world_apply(w, &c), 0);
    c.ss_register.addr = STR("no port");
    assert_int_equal(world_apply(w, &c), DFS_EINVAL);
    assert_null(meta_server_by_id(w->m, 0));
    assert_null(meta_server_by_id(w->m, 4));
    assert_int_equal(meta_n_servers(w->m), 3);
    world_server_state(w, 9, SERVER_DOWN); /* unknown: ignored */
    world_server_state(w, 3, 200);
    assert_int_equal(meta_server_at(w->m, 2)->state, SERVER_DOWN);
}

static void the_default_goal_follows_the_servers_there_are(void **state)
{
    (void)state;
    struct world w;
    const uint32_t one[] = {1};
    uint8_t room[TOKEN_ROOM];
    world_start(&w, 0);
    assert_int_equal(meta_default_goal(w.m), 1);
    world_add_server(&w, 1);
    assert_int_equal(meta_default_goal(w.m), 1);
    struct wire_published p = piece(room, 0, 10, 5, one, 1);
    assert_int_equal(w_publish_pieces(&w, "/f", 10, 0, &p, 1), 0);
    assert_int_equal(w.reply.publish_reply.attr.goal, 1);
    world_add_server(&w, 2);
    world_add_server(&w, 3);
    assert_int_equal(meta_default_goal(w.m), 2);
    world_stop(&w);
}

static void totals_follow(void **state)
{
    struct world *w = *state;
    struct msg_status_reply s = {0};
    struct msg c = {.type = MSG_TYPE_statfs};
    w_mkdir(w, "/d", 0);
    w_publish(w, "/d/f", 1000, 5, 0);
    w_publish(w, "/d/g", 500, 6, 0);
    w_symlink(w, "x", "/d/s");
    w_unlink(w, "/d/g");
    meta_fill_status(w->m, &s, &w->arena);
    assert_int_equal(s.files, 1);
    assert_int_equal(s.directories, 1);
    assert_int_equal(s.symlinks, 1);
    assert_int_equal(s.chunks, 1);
    assert_int_equal(s.bytes, 1000);
    assert_int_equal(s.sessions, 1);
    assert_int_equal(s.goal, 2);
    assert_int_equal(s.n_servers, 3);
    assert_int_equal(meta_read(w->m, &c, &w->reply, &w->arena), 0);
    assert_int_equal(w->reply.statfs_reply.capacity, 3000);
    assert_int_equal(w->reply.statfs_reply.chunks, 1);
}

int main(void)
{
#define STORY(f) cmocka_unit_test_setup_teardown(f, start, stop)
    const struct CMUnitTest tests[] = {
        STORY(a_directory_counts_and_stamps_what_happens_in_it),
        STORY(mkdir_with_parents_makes_what_is_missing),
        STORY(a_path_is_relative_to_the_directory_given),
        STORY(symlinks_are_followed_forty_deep_and_no_further),
        STORY(names_are_bytes_up_to_255),
        STORY(a_listing_goes_on_after_any_name_while_names_come_and_go),
        STORY(a_page_of_a_listing_fits_a_frame),
        STORY(publish_creates_then_replaces_a_file),
        STORY(a_recreated_file_never_repeats_a_generation),
        STORY(removed_chunks_wait_and_are_reaped_in_order),
        STORY(a_sparse_file_of_many_chunks_is_located_by_page),
        STORY(publish_refuses_what_does_not_fit_together),
        STORY(content_goes_into_files_alone),
        STORY(publish_counts_servers_that_are_not_up_as_missing),
        STORY(grants_below_the_horizon_are_dead),
        STORY(a_request_repeated_takes_effect_once),
        STORY(results_are_kept_for_a_window_in_any_order),
        STORY(a_session_opens_once_per_nonce_and_expires_if_idle),
        STORY(check_sees_what_cannot_work),
        STORY(a_deposed_leaders_batch_changes_nothing),
        STORY(a_server_keeps_its_id_and_shares_no_address),
        cmocka_unit_test(the_default_goal_follows_the_servers_there_are),
        STORY(totals_follow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
