/* SPDX-License-Identifier: MIT */
/* The tables under the state machine, each against a plain array. */
#include "test_meta_util.h"

#include "meta/idmap.h"
#include "meta/names.h"

static void a_u64map_forgets_and_finds_like_an_array(void **state)
{
    (void)state;
    struct u64map m;
    struct rng r;
    uint64_t model[512] = {0};
    size_t count = 0;
    rng_seed(&r, 1);
    u64map_init(&m);
    for (int i = 0; i < 50000; i++) {
        /* waves: it fills up, then empties */
        uint64_t key = rng_below(&r, 512), value = rng_next(&r) | 1;
        bool put = rng_chance(&r, i / 5000 % 2 ? 200 : 800);
        count += put ? model[key] == 0 : 0;
        count -= !put && model[key] != 0;
        model[key] = put ? value : 0;
        if (put)
            u64map_put(&m, key << 40, value);
        else
            u64map_remove(&m, key << 40);
        assert_int_equal(m.count, count);
        key = rng_below(&r, 512);
        assert_int_equal(u64map_get(&m, key << 40), model[key]);
    }
    u64map_close(&m);
}

static void an_idmap_keeps_records_by_id_and_walks_them_in_order(void **state)
{
    (void)state;
    struct idmap m;
    struct rng r;
    uint32_t model[1000] = {0};
    rng_seed(&r, 2);
    idmap_init(&m, 12);
    for (int i = 0; i < 60000; i++) {
        uint32_t id = (uint32_t)rng_below(&r, 1000);
        uint32_t *rec = idmap_find(&m, id);
        assert_int_equal(rec != NULL, model[id] != 0);
        if (rec != NULL)
            assert_int_equal(rec[2], model[id]);
        bool want = rng_chance(&r, i / 6000 % 2 ? 200 : 800);
        if (want && rec == NULL) {
            rec = idmap_add(&m, id);
            assert_int_equal(rec[0] | rec[1] | rec[2], 0);
            rec[2] = model[id] = (uint32_t)i + 1;
        } else if (!want && rec != NULL) {
            idmap_remove(&m, id);
            model[id] = 0;
        }
    }
    struct idmap_iter it;
    uint64_t id, from = 0;
    const uint32_t *rec;
    assert_int_equal(idmap_iter_init(&it, &m), 0);
    while ((rec = idmap_iter_next(&it, &id)) != NULL) {
        for (; from < id; from++)
            assert_int_equal(model[from], 0);
        assert_int_equal(rec[2], model[from++]);
    }
    for (; from < 1000; from++)
        assert_int_equal(model[from], 0);
    idmap_iter_close(&it);
    idmap_close(&m);
}

static void an_idmap_that_lost_most_records_lost_most_bytes(void **state)
{
    (void)state;
    struct idmap m;
    idmap_init(&m, 56);
    for (uint64_t id = 0; id < 100000; id++)
        idmap_add(&m, id);
    size_t full = idmap_bytes(&m);
    assert_true(full < 100000 * 58);
    for (uint64_t id = 0; id < 100000; id++)
        if (id % 64 != 5)
            idmap_remove(&m, id);
    assert_true(idmap_bytes(&m) < full / 20);
    idmap_close(&m);
}

#define MODEL_NAMES 3000
struct model_name {
    uint64_t dir, ino;
    char name[256];
    uint32_t len;
};

static int model_order(const void *a, const void *b)
{
    const struct model_name *x = a, *y = b;
    if (x->dir != y->dir)
        return x->dir < y->dir ? -1 : 1;
    return str_cmp((struct str){x->name, x->len}, (struct str){y->name, y->len});
}

static void check_names(const struct names *t, const struct model_name *model)
{
    char why[200];
    struct names_cursor c;
    struct str name;
    uint64_t dir, ino;
    if (names_verify(t, why, sizeof why) != 0)
        fail_msg("%s", why);
    names_seek(t, &c, 0, STR(""));
    for (uint32_t i = 0; i < MODEL_NAMES; i++) {
        if (model[i].ino == 0)
            continue;
        assert_true(names_next(&c, &dir, &name, &ino));
        assert_int_equal(dir, model[i].dir);
        assert_int_equal(ino, model[i].ino);
        assert_true(str_eq(name, (struct str){model[i].name, model[i].len}));
    }
    assert_false(names_next(&c, &dir, &name, &ino));
}

/* Names of very different lengths in few directories, with long common prefixes, come and go in waves. */
/* Ids of many leaderships: few of them, far apart. Finding them takes about as many looks as there are. */
static void wide_gaps_are_crossed_at_once(void **state)
{
    (void)state;
    struct idmap m;
    uint64_t ids[40], id = 0;
    uint32_t pages = 40 * 140, n = 0;
    idmap_init(&m, 4);
    assert_null(idmap_seek(&m, &id, &pages));
    assert_true(id == UINT64_MAX && pages > 40 * 138);
    for (uint32_t i = 0; i < 40; i++) {
        ids[i] = 1000000ULL * i * i + 7 * i;
        idmap_add(&m, ids[i]);
    }
    for (id = 0; idmap_seek(&m, &id, &pages) != NULL; id++, n++)
        assert_true(id == ids[n]);
    assert_true(n == 40 && pages > 0 && id == UINT64_MAX);
    pages = 3; /* and no further than allowed */
    id = 64;
    assert_null(idmap_seek(&m, &id, &pages));
    assert_true(id == 4 * 64ULL && pages == 0);
    idmap_close(&m);
}

static void the_name_index_is_a_sorted_array(void **state)
{
    (void)state;
    struct rng r;
    rng_seed(&r, 3);
    struct model_name *model = test_calloc(MODEL_NAMES, sizeof *model);
    for (uint32_t i = 0; i < MODEL_NAMES; i++) {
        struct model_name *n = &model[i];
        n->dir = 1 + rng_below(&r, 5);
        uint32_t prefix = rng_chance(&r, 100) ? 240 : (uint32_t)rng_below(&r, 12);
        memset(n->name, 'p', prefix);
        n->len = prefix + (uint32_t)snprintf(n->name + prefix, 16, "%u", i);
        n->name[n->len - 1] = (char)(rng_chance(&r, 50) ? 0xff : n->name[n->len - 1]);
    }
    qsort(model, MODEL_NAMES, sizeof *model, model_order);
    for (uint32_t i = 1; i < MODEL_NAMES; i++)
        if (model_order(&model[i - 1], &model[i]) == 0)
            model[i].name[0] = '\x01', model[i].len = 1, model[i].dir = 100 + i;
    qsort(model, MODEL_NAMES, sizeof *model, model_order);
    struct names t;
    names_init(&t);
    for (uint32_t i = 0; i < 60000; i++) {
        struct model_name *n = &model[rng_below(&r, MODEL_NAMES)];
        struct str name = {n->name, n->len};
        assert_int_equal(names_find(&t, n->dir, name), n->ino);
        if (rng_chance(&r, i / 10000 % 2 ? 100 : 900)) {
            assert_int_equal(names_add(&t, n->dir, name, i + 1), n->ino == 0);
            n->ino = n->ino ? n->ino : i + 1;
        } else {
            assert_int_equal(names_remove(&t, n->dir, name), n->ino);
            n->ino = 0;
        }
        if (i % 2500 == 0)
            check_names(&t, model);
    }
    for (uint32_t i = 0; i < MODEL_NAMES; i++)
        if (model[i].ino != 0)
            assert_int_equal(names_remove(&t, model[i].dir, (struct str){model[i].name, model[i].len}), model[i].ino);
    assert_null(t.root);
    assert_int_equal(t.bytes, 0);
    names_close(&t);
    test_free(model);
}

/* Appending gives the tree that adding gives, and refuses what is not above the last. */
static void names_in_order_can_be_appended(void **state)
{
    (void)state;
    struct names added, appended;
    struct names_cursor c;
    struct str name;
    char text[40], why[128];
    uint64_t dir, ino, n = 0;
    names_init(&added);
    names_init(&appended);
    for (uint64_t i = 0; i < 20000; i++) {
        snprintf(text, sizeof text, "%08u%.*s", (unsigned)i, (int)(i % 20), "twenty more letters.");
        assert_true(names_add(&added, 1 + i / 700, str_of(text), i + 1));
        assert_true(names_append(&appended, 1 + i / 700, str_of(text), i + 1));
        assert_false(names_append(&appended, 1 + i / 700, str_of(text), i + 1));
        assert_false(names_append(&appended, i / 700, str_of("x"), i + 1));
    }
    assert_int_equal(names_verify(&appended, why, sizeof why), 0);
    assert_int_equal(appended.count, added.count);
    assert_int_equal(appended.bytes, added.bytes);
    names_seek(&appended, &c, 0, STR(""));
    while (names_next(&c, &dir, &name, &ino))
        assert_int_equal(ino, ++n);
    assert_int_equal(n, 20000);
    names_close(&added);
    names_close(&appended);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_u64map_forgets_and_finds_like_an_array),
        cmocka_unit_test(an_idmap_keeps_records_by_id_and_walks_them_in_order),
        cmocka_unit_test(an_idmap_that_lost_most_records_lost_most_bytes),
        cmocka_unit_test(wide_gaps_are_crossed_at_once),
        cmocka_unit_test(the_name_index_is_a_sorted_array),
        cmocka_unit_test(names_in_order_can_be_appended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
