/* SPDX-License-Identifier: MIT */
/* Fill: an open, empty file gets its content in one change. */
#include "test_meta_util.h"

static const uint32_t servers[] = {1, 2};

static int start(void **state)
{
    struct world *w = test_calloc(1, sizeof *w);
    world_start(w, 0);
    for (uint32_t i = 1; i <= 3; i++)
        world_add_server(w, i);
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

static uint64_t open_file(struct world *w, const char *path, uint32_t flags)
{
    struct msg m = {.type = MSG_TYPE_open};
    m.open = (struct msg_open){
        .id = world_next_id(w), .dir = ROOT_INO, .path = str_of(path), .flags = flags, .mode = 0600};
    assert_int_equal(world_apply(w, &m), 0);
    return w->reply.open_reply.handle;
}

static int fill(struct world *w, uint64_t handle, uint64_t size, uint32_t length, uint64_t chunk, const uint32_t *on)
{
    uint8_t room[TOKEN_ROOM];
    struct wire_published p = piece(room, 0, length, chunk, on, 2);
    struct msg m = {.type = MSG_TYPE_fill};
    m.fill = (struct msg_fill){.id = world_next_id(w), .handle = handle, .size = size, .chunks = &p, .n_chunks = 1};
    return world_apply(w, &m);
}

static void an_empty_file_is_filled_once(void **state)
{
    struct world *w = *state;
    uint64_t h = open_file(w, "/f", OPEN_READ | OPEN_WRITE | OPEN_CREATE);
    assert_int_equal(fill(w, h, 100, 100, 1, servers), 0);
    assert_int_equal(w->reply.fill_reply.attr.size, 100);
    assert_int_equal(w->reply.fill_reply.attr.chunks, 1);
    assert_int_equal(w_locate(w, "/f", 0, 0, 10), 0);
    assert_int_equal(w->reply.locate_reply.n_chunks, 1);
    assert_int_equal(w->reply.locate_reply.chunks[0].length, 100);
    assert_int_equal(w->reply.locate_reply.chunks[0].crc, 0xc0ffee);
    assert_int_equal(w->reply.locate_reply.chunks[0].open, 0);
    assert_int_equal(fill(w, h, 100, 100, 2, servers), DFS_EEXIST);
    assert_int_equal(w_attr(w, "/f")->size, 100);
}

static void what_has_a_size_is_not_empty(void **state)
{
    struct world *w = *state;
    uint64_t h = open_file(w, "/f", OPEN_WRITE | OPEN_CREATE);
    struct msg m = {.type = MSG_TYPE_extend};
    m.extend = (struct msg_extend){.id = world_next_id(w), .handle = h, .size = 5};
    assert_int_equal(world_apply(w, &m), 0);
    assert_int_equal(fill(w, h, 100, 100, 1, servers), DFS_EEXIST);
}

static void only_who_may_write_fills(void **state)
{
    struct world *w = *state;
    uint64_t h = open_file(w, "/f", OPEN_READ | OPEN_CREATE);
    assert_int_equal(fill(w, h, 100, 100, 1, servers), DFS_EBADF);
    assert_int_equal(fill(w, h + 1, 100, 100, 1, servers), DFS_EBADF);
    assert_int_equal(w_attr(w, "/f")->size, 0);
}

static void what_does_not_fit_changes_nothing(void **state)
{
    struct world *w = *state;
    static const uint32_t unknown[] = {1, 99};
    uint64_t h = open_file(w, "/f", OPEN_WRITE | OPEN_CREATE);
    assert_int_equal(fill(w, h, 101, 100, 1, servers), DFS_EINVAL);
    assert_int_equal(fill(w, h, 0, 0, 1, servers), DFS_EINVAL);
    assert_int_equal(fill(w, h, 100, 100, 1, unknown), DFS_EINVAL);
    assert_int_equal(fill(w, h, 100, 100, UINT64_MAX >> 1, servers), DFS_ESTALE);
    assert_int_equal(w_attr(w, "/f")->size, 0);
    assert_int_equal(w_publish(w, "/g", 100, 1, 0), 0);
    assert_int_equal(fill(w, h, 100, 100, 1, servers), DFS_EINVAL); /* another file's */
    assert_int_equal(fill(w, h, 100, 100, 2, servers), 0);
}

static void a_file_without_a_name_is_filled_too(void **state)
{
    struct world *w = *state;
    uint64_t h = open_file(w, "/f", OPEN_WRITE | OPEN_CREATE);
    struct msg m = {.type = MSG_TYPE_unlink};
    m.unlink = (struct msg_unlink){.id = world_next_id(w), .dir = ROOT_INO, .path = STR("/f")};
    assert_int_equal(world_apply(w, &m), 0);
    assert_int_equal(fill(w, h, 100, 100, 1, servers), 0);
}

#define STORY(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORY(an_empty_file_is_filled_once),   STORY(what_has_a_size_is_not_empty),
        STORY(only_who_may_write_fills),       STORY(what_does_not_fit_changes_nothing),
        STORY(a_file_without_a_name_is_filled_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
