/* SPDX-License-Identifier: MIT */
/* Goals that are chosen and inherited, storage servers that are drained and removed, what fsck says of files. */
#include "test_meta_util.h"

static void start_with(struct world *w, uint32_t servers)
{
    world_start(w, 0);
    for (uint32_t i = 1; i <= servers; i++)
        world_add_server(w, i);
}

static int w_setgoal(struct world *w, const char *path, uint8_t goal)
{
    return w_setattr(w, path, (struct msg_setattr){.flags = SETATTR_GOAL, .goal = goal});
}

static int w_server(struct world *w, uint32_t server, uint8_t action)
{
    struct msg c = {.type = MSG_TYPE_server_set};
    c.server_set = (struct msg_server_set){.id = world_next_id(w), .server = server, .action = action};
    return world_apply(w, &c);
}

static uint8_t state_of(const struct world *w, uint32_t server) { return meta_server_by_id(w->m, server)->state; }

static void move(struct world *w, uint64_t chunk, uint32_t add, uint32_t remove)
{
    struct wire_chunk_move r = {.chunk = chunk, .version = 1, .add = add, .remove = remove};
    struct msg c = {.type = MSG_TYPE_chunk_servers};
    c.chunk_servers = (struct msg_chunk_servers){.moves = &r, .n_moves = 1};
    assert_int_equal(world_apply(w, &c), 0);
}

static struct meta_health health_of(const struct world *w)
{
    struct meta_health h;
    meta_health(w->m, &h);
    return h;
}

static void assert_goal(struct world *w, const char *path, uint8_t goal, bool chosen)
{
    const struct wire_attr *a = w_attr(w, path);
    if (a->goal != goal || a->goal_chosen != chosen)
        fail_msg("%s has goal %u, %s", path, a->goal, a->goal_chosen ? "chosen" : "the default");
}

static void what_is_made_in_a_directory_has_its_goal(void **state)
{
    (void)state;
    struct world w;
    start_with(&w, 4);
    assert_int_equal(w_mkdir(&w, "/d", 0), 0);
    assert_int_equal(w_publish(&w, "/d/before", 100, 5, 0), 0);
    assert_goal(&w, "/d", 2, false);
    assert_int_equal(w_setgoal(&w, "/d", 3), 0);
    assert_int_equal(w.reply.setattr_reply.attr.goal, 3);
    assert_int_equal(w_publish(&w, "/d/f", 100, 6, 0), 0);
    assert_int_equal(w_create(&w, "/d/empty", 0), 0);
    assert_int_equal(w_mkdir(&w, "/d/e/g", MKDIR_PARENTS), 0);
    assert_int_equal(w_publish(&w, "/d/e/g/f", 100, 7, 0), 0);
    assert_goal(&w, "/d/before", 2, false);
    assert_goal(&w, "/d/f", 3, true);
    assert_goal(&w, "/d/empty", 3, true);
    assert_goal(&w, "/d/e/g", 3, true);
    assert_goal(&w, "/d/e/g/f", 3, true);
    /* a goal of its own wins, and stays through replacement and rename */
    assert_int_equal(w_setgoal(&w, "/d/f", 1), 0);
    assert_int_equal(w_publish(&w, "/d/f", 100, 8, 0), 0);
    assert_int_equal(w_rename(&w, "/d/f", "/f", 0), 0);
    assert_goal(&w, "/f", 1, true);
    assert_int_equal(w_setgoal(&w, "/d", 0), 0);
    assert_int_equal(w_create(&w, "/d/later", 0), 0);
    assert_goal(&w, "/d/later", 2, false);
    assert_int_equal(w_setgoal(&w, "/d", 17), DFS_EINVAL);
    assert_int_equal(w_symlink(&w, "f", "/s"), 0);
    assert_int_equal(w_setgoal(&w, "/s", 4), 0); /* what it leads to */
    assert_goal(&w, "/f", 4, true);
    assert_int_equal(w_setattr(&w, "/s", (struct msg_setattr){.flags = SETATTR_GOAL | SETATTR_NOFOLLOW, .goal = 2}),
                     DFS_ENOTSUP);
    assert_survives_restart(w.m);
    world_stop(&w);
}

static void a_new_goal_moves_the_chunks_to_other_placements(void **state)
{
    (void)state;
    static const uint32_t two[] = {1, 2};
    struct world w;
    uint8_t room[2][TOKEN_ROOM];
    start_with(&w, 3);
    struct wire_published p[2] = {piece(room[0], 0, META_CHUNK_SIZE, 5, two, 2), piece(room[1], 1, 7, 6, two, 2)};
    assert_int_equal(w_publish_pieces(&w, "/f", META_CHUNK_SIZE + 7ULL, 0, p, 2), 0);
    assert_int_equal(w_publish(&w, "/other", 100, 7, 0), 0);
    assert_int_equal(health_of(&w).under_replicated, 0);
    assert_int_equal(w_setgoal(&w, "/f", 3), 0);
    assert_int_equal(health_of(&w).under_replicated, 2);
    assert_survives_restart(w.m);
    move(&w, 5, 3, 0);
    assert_int_equal(health_of(&w).under_replicated, 1);
    assert_int_equal(w_setgoal(&w, "/f", 2), 0);
    assert_int_equal(health_of(&w).over_replicated, 1);
    assert_int_equal(w_setgoal(&w, "/f", 5), 0);
    assert_int_equal(health_of(&w).goal_too_high, 2);
    assert_survives_restart(w.m);
    world_stop(&w);
}

static void files_of_one_server_want_a_second_copy_when_another_joins(void **state)
{
    (void)state;
    static const uint32_t one[] = {1};
    struct world w;
    uint8_t room[2][TOKEN_ROOM];
    start_with(&w, 1);
    struct wire_published p = piece(room[0], 0, 10, 5, one, 1), q = piece(room[1], 0, 10, 6, one, 1);
    assert_int_equal(w_publish_pieces(&w, "/f", 10, 0, &p, 1), 0);
    assert_int_equal(w_publish_pieces(&w, "/one", 10, 0, &q, 1), 0);
    assert_int_equal(w_setgoal(&w, "/one", 1), 0);
    assert_int_equal(health_of(&w).under_replicated, 0);
    uint64_t shape = meta_shape(w.m);
    world_add_server(&w, 2);
    assert_true(meta_shape(w.m) != shape);
    assert_int_equal(health_of(&w).under_replicated, 1);
    assert_goal(&w, "/f", 2, false);
    world_stop(&w);
}

static void a_server_is_drained_and_removed_when_nothing_is_on_it(void **state)
{
    (void)state;
    struct world w;
    start_with(&w, 3);
    assert_int_equal(w_publish(&w, "/f", 100, 5, 0), 0);
    assert_int_equal(w_server(&w, 2, SERVER_REMOVE), DFS_EBUSY);
    assert_non_null(memmem(w.reply.error.text.p, w.reply.error.text.len, "drain 2", 7));
    assert_int_equal(w_server(&w, 2, SERVER_DRAIN), 0);
    assert_int_equal(w.reply.server_set_reply.chunks, 1);
    assert_int_equal(state_of(&w, 2), SERVER_DRAINING);
    assert_int_equal(health_of(&w).under_replicated, 1); /* at once */
    assert_int_equal(health_of(&w).draining, 1);
    assert_int_equal(world_server_state(&w, 2, SERVER_DRAINED), 0);
    assert_int_equal(state_of(&w, 2), SERVER_DRAINING); /* it is not */
    assert_int_equal(w_server(&w, 2, SERVER_REMOVE), DFS_EBUSY);
    world_server_state(&w, 2, SERVER_DOWN); /* a restart does not end it */
    assert_int_equal(state_of(&w, 2), SERVER_DRAINING);
    assert_false(meta_server_by_id(w.m, 2)->up);
    world_add_server(&w, 2);
    assert_int_equal(state_of(&w, 2), SERVER_DRAINING);
    assert_int_equal(w_server(&w, 2, SERVER_UNDRAIN), 0);
    assert_int_equal(state_of(&w, 2), SERVER_UP);
    assert_int_equal(w_server(&w, 2, SERVER_DRAIN), 0);
    move(&w, 5, 3, 2);
    assert_int_equal(world_server_state(&w, 2, SERVER_DRAINED), 0);
    assert_int_equal(state_of(&w, 2), SERVER_DRAINED);
    assert_int_equal(w_publish(&w, "/late", 100, 6, 0), 0); /* by a grant from before */
    assert_int_equal(state_of(&w, 2), SERVER_DRAINING);
    assert_survives_restart(w.m);
    move(&w, 6, 3, 2);
    assert_int_equal(w_server(&w, 2, SERVER_REMOVE), 0);
    assert_int_equal(state_of(&w, 2), SERVER_REMOVED);
    assert_int_equal(w_server(&w, 2, SERVER_REMOVE), 0);
    assert_int_equal(w_server(&w, 2, SERVER_UNDRAIN), DFS_ENOENT);
    assert_int_equal(w_server(&w, 9, SERVER_DRAIN), DFS_ENOENT);
    assert_int_equal(w_server(&w, 1, 77), DFS_EINVAL);
    assert_survives_restart(w.m);
    world_stop(&w);
}

/* What was removed and waits for its readers' grace is not on it any more, whatever its placement says. */
static void one_that_is_drained_and_was_to_delete_something_loads(void **state)
{
    (void)state;
    struct world w;
    start_with(&w, 3);
    assert_int_equal(w_publish(&w, "/f", 100, 5, 0), 0);
    assert_int_equal(w_server(&w, 2, SERVER_DRAIN), 0);
    assert_int_equal(w_unlink(&w, "/f"), 0);
    assert_int_equal(meta_server_by_id(w.m, 2)->chunks, 0);
    assert_int_equal(world_server_state(&w, 2, SERVER_DRAINED), 0);
    assert_int_equal(state_of(&w, 2), SERVER_DRAINED);
    assert_survives_restart(w.m);
    assert_int_equal(w_server(&w, 2, SERVER_REMOVE), 0);
    assert_survives_restart(w.m);
    world_stop(&w);
}

static void a_removed_server_is_gone_for_good(void **state)
{
    (void)state;
    static const uint32_t gone[] = {2, 3};
    struct world w;
    uint8_t room[TOKEN_ROOM];
    struct msg_status_reply s = {0};
    start_with(&w, 3);
    assert_int_equal(w_server(&w, 2, SERVER_REMOVE), 0);
    world_server_state(&w, 2, SERVER_UP);
    assert_int_equal(state_of(&w, 2), SERVER_REMOVED);
    struct msg c = {.type = MSG_TYPE_ss_register};
    c.ss_register = (struct msg_ss_register){
        .uuid_hi = 1, .uuid_lo = 2, .incarnation = 5, .addr = STR("10.0.0.2:4620"), .domain = STR("")};
    assert_int_equal(world_apply(&w, &c), DFS_EIDENTITY);
    assert_non_null(memmem(w.reply.error.text.p, w.reply.error.text.len, "removed", 7));
    meta_fill_status(w.m, &s, &w.arena);
    assert_int_equal(s.n_servers, 2);
    assert_int_equal(s.servers[1].id, 3);
    /* its share of a grant is worth nothing, and nothing is mapped there */
    struct wire_published p = piece(room, 0, 10, 5, gone, 2);
    assert_int_equal(w_publish_pieces(&w, "/f", 10, 0, &p, 1), DFS_ENOSERVERS);
    assert_int_equal(w_mkdir(&w, "/one", 0), 0);
    assert_int_equal(w_setgoal(&w, "/one", 1), 0);
    assert_int_equal(w_publish_pieces(&w, "/one/f", 10, 0, &p, 1), 0);
    assert_int_equal(meta_server_by_id(w.m, 2)->chunks, 0);
    assert_int_equal(meta_server_by_id(w.m, 3)->chunks, 1);
    assert_int_equal(meta_default_goal(w.m), 2);
    world_add_server(&w, 4); /* at another address, under another id */
    assert_int_equal(w.reply.ss_register_reply.server, 4);
    assert_survives_restart(w.m);
    world_stop(&w);
}

static void nothing_that_would_be_lost_is_removed(void **state)
{
    (void)state;
    struct world w;
    start_with(&w, 2);
    assert_int_equal(w_publish(&w, "/f", 100, 5, 0), 0);
    world_server_state(&w, 2, SERVER_DOWN);
    assert_int_equal(w_server(&w, 1, SERVER_REMOVE), DFS_EBUSY);
    assert_non_null(memmem(w.reply.error.text.p, w.reply.error.text.len, "lost", 4));
    assert_int_equal(w_server(&w, 1, SERVER_DRAIN), 0); /* it is only marked, and goes on serving */
    assert_int_equal(health_of(&w).missing, 0);
    assert_int_equal(w_server(&w, 2, SERVER_DRAIN), DFS_ENOSERVERS); /* the last one */
    assert_int_equal(w_server(&w, 1, SERVER_REMOVE), DFS_EBUSY);
    assert_int_equal(meta_default_goal(w.m), 1);
    assert_int_equal(w_server(&w, 1, SERVER_UNDRAIN), 0);
    /* the dead one, once its copies are given up: the goal is one copy while it is drained */
    assert_int_equal(w_server(&w, 2, SERVER_DRAIN), 0);
    assert_int_equal(w.reply.server_set_reply.goal, 1);
    assert_int_equal(health_of(&w).under_replicated, 0);
    move(&w, 5, 0, 2);
    world_server_state(&w, 2, SERVER_DRAINED);
    assert_int_equal(w_server(&w, 2, SERVER_REMOVE), 0);
    assert_survives_restart(w.m);
    world_stop(&w);
}

/* --- fsck --- */

static bool is_chunk(void *arg, uint64_t chunk) { return chunk == *(uint64_t *)arg; }

static bool no_chunk(void *arg, uint64_t chunk)
{
    (void)arg;
    (void)chunk;
    return false;
}

static int w_fsck(struct world *w, uint64_t dir, const char *path, struct str after, uint32_t limit, uint64_t corrupt)
{
    struct msg_fsck r = {.dir = dir, .path = str_of(path), .after = after, .limit = limit};
    arena_reset(&w->arena);
    const struct meta_fsck_known known = {.corrupt = is_chunk, .waits = no_chunk, .arg = &corrupt};
    return meta_read_fsck(w->m, &r, &w->reply, &w->arena, &known);
}

static void fsck_lists_directories_and_what_is_wrong_in_them(void **state)
{
    (void)state;
    static const uint32_t two[] = {2, 3};
    struct world w;
    uint8_t room[TOKEN_ROOM];
    const struct msg_fsck_reply *r = &w.reply.fsck_reply;
    start_with(&w, 3);
    assert_int_equal(w_mkdir(&w, "/d/sub", MKDIR_PARENTS), 0);
    assert_int_equal(w_publish(&w, "/d/a", 100, 5, 0), 0);
    struct wire_published p = piece(room, 0, 10, 6, two, 2);
    assert_int_equal(w_publish_pieces(&w, "/d/b", 10, 0, &p, 1), 0);
    assert_int_equal(w_publish(&w, "/d/c", 100, 7, 0), 0);
    assert_int_equal(w_setgoal(&w, "/d/c", 1), 0);
    assert_int_equal(w_symlink(&w, "a", "/d/link"), 0);
    assert_int_equal(w_fsck(&w, ROOT_INO, "/d", STR(""), 0, 0), 0);
    assert_int_equal(r->eof, 1);
    assert_int_equal(r->files, 3);
    assert_int_equal(r->n_entries, 2); /* c has more than it asks for; sub is to be walked */
    assert_true(str_eq(r->entries[0].name, STR("c")) && r->entries[0].over_replicated == 1);
    assert_true(str_eq(r->entries[1].name, STR("sub")) && r->entries[1].type == INODE_DIRECTORY);
    world_server_state(&w, 2, SERVER_DOWN);
    world_server_state(&w, 3, SERVER_DOWN);
    assert_int_equal(w_fsck(&w, ROOT_INO, "/d", STR(""), 0, 5), 0);
    assert_int_equal(r->n_entries, 3);
    assert_int_equal(r->entries[0].corrupt, 1);
    assert_int_equal(r->entries[0].missing, 0);
    assert_int_equal(r->entries[0].under_replicated, 1);
    assert_int_equal(r->entries[1].missing, 1);
    assert_int_equal(r->entries[1].under_replicated, 1);
    /* by the directory's number, a page at a time, and of a file */
    uint64_t dir = r->attr.ino;
    char after[8] = "";
    uint32_t seen = 0, pages = 0;
    for (bool eof = false; !eof; pages++) {
        assert_int_equal(w_fsck(&w, dir, "", str_of(after), 1, 5), 0);
        seen += r->n_entries;
        eof = r->eof;
        snprintf(after, sizeof after, "%.*s", STR_ARG(r->next));
    }
    assert_int_equal(seen, 3);
    assert_int_equal(pages, 3);
    assert_int_equal(w_fsck(&w, ROOT_INO, "/d/b", STR(""), 0, 0), 0);
    assert_int_equal(r->n_entries, 1);
    assert_int_equal(r->entries[0].name.len, 0);
    assert_int_equal(r->entries[0].chunks, 1);
    assert_int_equal(w_fsck(&w, ROOT_INO, "/none", STR(""), 0, 0), DFS_ENOENT);
    world_stop(&w);
}

static void fsck_looks_at_a_bounded_number_of_names_a_page(void **state)
{
    (void)state;
    struct world w;
    char path[20], after[20] = "";
    uint32_t files = 0, pages = 0;
    start_with(&w, 2);
    for (uint32_t i = 0; i < 10000; i++) {
        snprintf(path, sizeof path, "/%u", i);
        assert_int_equal(w_create(&w, path, 0), 0);
    }
    for (bool eof = false; !eof; pages++) {
        assert_int_equal(w_fsck(&w, ROOT_INO, "/", str_of(after), 0, 0), 0);
        const struct msg_fsck_reply *r = &w.reply.fsck_reply;
        assert_int_equal(r->n_entries, 0);
        files += r->files;
        eof = r->eof;
        snprintf(after, sizeof after, "%.*s", STR_ARG(r->next));
    }
    assert_int_equal(files, 10000);
    assert_int_equal(pages, 3);
    world_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_made_in_a_directory_has_its_goal),
        cmocka_unit_test(a_new_goal_moves_the_chunks_to_other_placements),
        cmocka_unit_test(files_of_one_server_want_a_second_copy_when_another_joins),
        cmocka_unit_test(a_server_is_drained_and_removed_when_nothing_is_on_it),
        cmocka_unit_test(one_that_is_drained_and_was_to_delete_something_loads),
        cmocka_unit_test(a_removed_server_is_gone_for_good),
        cmocka_unit_test(nothing_that_would_be_lost_is_removed),
        cmocka_unit_test(fsck_lists_directories_and_what_is_wrong_in_them),
        cmocka_unit_test(fsck_looks_at_a_bounded_number_of_names_a_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
