/* SPDX-License-Identifier: MIT */
/* Truncating in the state machine. */
#include "test_meta_util.h"

struct client { /* a session of its own in the world */
    uint64_t session, number;
};

static struct wire_request_id next_id(struct client *c)
{
    ++c->number;
    return (struct wire_request_id){.session = c->session, .number = c->number, .seen = c->number};
}

static int f_open(struct world *w, struct client *c, uint64_t dir, const char *path, uint32_t flags, uint64_t *handle)
{
    struct msg m = {.type = MSG_TYPE_open};
    m.open = (struct msg_open){.id = next_id(c), .dir = dir, .path = str_of(path), .flags = flags, .mode = 0600};
    int rv = world_apply(w, &m);
    if (rv == 0)
        *handle = w->reply.open_reply.handle;
    return rv;
}

static int f_extend(struct world *w, struct client *c, uint64_t handle, uint64_t size)
{
    struct msg m = {.type = MSG_TYPE_extend, .extend = {.id = next_id(c), .handle = handle, .size = size}};
    return world_apply(w, &m);
}

static void with_servers(struct world *w)
{
    world_start(w, 0);
    world_add_server(w, 1);
    world_add_server(w, 2);
}

static void verify(struct world *w)
{
    char why[200] = "";
    if (meta_verify(w->m, why, sizeof why) != 0)
        fail_msg("meta_verify: %s", why);
    assert_survives_restart(w->m);
}

static int f_truncate(struct world *w, struct client *c, uint64_t handle, const char *path, uint64_t size)
{
    struct msg m = {.type = MSG_TYPE_truncate};
    m.truncate =
        (struct msg_truncate){.id = next_id(c), .handle = handle, .dir = ROOT_INO, .path = str_of(path), .size = size};
    return world_apply(w, &m);
}

static void begin_chunk(struct world *w, uint64_t ino, uint32_t index, uint64_t chunk)
{
    struct wire_server_id on[] = {{.id = 1}};
    struct msg m = {.type = MSG_TYPE_chunk_begin};
    m.chunk_begin = (struct msg_chunk_begin){
        .ino = ino, .index = index, .chunk = chunk, .version = 1, .servers = on, .n_servers = 1};
    world_apply(w, &m);
}

static void seal_chunk(struct world *w, uint64_t ino, uint64_t chunk, uint32_t from, uint32_t length)
{
    struct wire_server_id on[] = {{.id = 1}};
    struct msg m = {.type = MSG_TYPE_chunk_seal};
    m.chunk_seal = (struct msg_chunk_seal){
        .ino = ino, .chunk = chunk, .from = from, .version = from + 1, .length = length, .servers = on, .n_servers = 1};
    world_apply(w, &m);
}

static void what_is_cut_off_does_not_come_back(void **state)
{
    struct world w;
    struct meta_chunk_info c;
    uint64_t h = 0, ino;
    (void)state;
    with_servers(&w);
    struct client a = {.session = world_open_session(&w, 77)};
    assert_int_equal(f_open(&w, &a, ROOT_INO, "/f", OPEN_WRITE | OPEN_CREATE, &h), 0);
    ino = w.reply.open_reply.attr.ino;
    uint64_t generation = w.reply.open_reply.attr.generation, first = meta_first_grantable(w.m);

    /* two chunks that take writes: they are sealed before anything of them is cut */
    begin_chunk(&w, ino, 0, first);
    begin_chunk(&w, ino, 1, first + 1);
    assert_int_equal(f_extend(&w, &a, h, META_CHUNK_SIZE + 5000), 0);
    assert_int_equal(f_truncate(&w, &a, h, "", 3000), DFS_EAGAIN);
    a.number--; /* nothing was decided: the same request comes again */
    assert_int_equal(meta_truncate_waits(w.m, ino, 3000), first);
    seal_chunk(&w, ino, first, 1, META_CHUNK_SIZE);
    seal_chunk(&w, ino, first + 1, 1, 5000);
    assert_int_equal(f_truncate(&w, &a, h, "", 3000), 0);
    assert_int_equal(w.reply.truncate_reply.attr.size, 3000);
    assert_true(w.reply.truncate_reply.attr.generation > generation);
    assert_int_equal(w.reply.truncate_reply.attr.chunks, 1);
    assert_true(meta_chunk_get(w.m, first, &c) && c.open && c.cut && c.length == 3000);
    assert_true(meta_chunk_get(w.m, first + 1, &c) && c.removed);
    verify(&w);

    /* until its servers know, the file does not grow, and no seal keeps more */
    struct msg late = {.type = MSG_TYPE_extend};
    late.extend = (struct msg_extend){.id = next_id(&a), .handle = h, .size = 9000, .generation = generation};
    assert_int_equal(world_apply(&w, &late), 0); /* from before: it came before */
    assert_int_equal(w.reply.extend_reply.attr.size, 3000);
    assert_int_equal(f_extend(&w, &a, h, 9000), DFS_EAGAIN);
    assert_int_equal(f_truncate(&w, &a, 0, "/f", 9000), DFS_EAGAIN);
    seal_chunk(&w, ino, first, 2, META_CHUNK_SIZE);
    assert_true(meta_chunk_get(w.m, first, &c) && c.cut);
    seal_chunk(&w, ino, first, 2, 3000);
    assert_true(meta_chunk_get(w.m, first, &c) && !c.open && !c.cut && c.length == 3000 && c.version == 3);
    assert_int_equal(f_truncate(&w, &a, 0, "/f", 9000), 0);
    assert_int_equal(w.reply.truncate_reply.attr.size, 9000);
    assert_int_equal(f_truncate(&w, &a, 0, "/f", 0), 0);
    assert_int_equal(w.reply.truncate_reply.attr.chunks, 0);
    assert_int_equal(f_truncate(&w, &a, 0, "/g", 0), DFS_ENOENT);
    assert_int_equal(f_truncate(&w, &a, h + 7, "", 0), DFS_EBADF);
    assert_int_equal(f_truncate(&w, &a, h, "", UINT64_MAX), DFS_EFBIG);
    verify(&w);
    world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_cut_off_does_not_come_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
