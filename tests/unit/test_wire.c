/* SPDX-License-Identifier: MIT */
/* The codec, over every message of the table: what was encoded decodes to the same; what was cut or altered is an error
 * or another message, never an accident. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/rand.h"
#include "wire/codec.h"

/* --- messages with random content, built from their descriptions --- */

static void fill(const struct wire_desc *d, void *dst, struct rng *r, struct arena *a);

static struct str random_string(const struct wire_field *f, struct rng *r, struct arena *a)
{
    uint32_t len = (uint32_t)rng_below(r, min_u64(f->max, 40) + 1);
    char *p;

    if (f->kind == WIRE_KIND_name && len == 0)
        len = 1;
    p = arena_alloc(a, len, 1);
    for (uint32_t i = 0; i < len; i++)
        p[i] = (char)(1 + rng_below(r, 46)); /* neither NUL nor '/' */
    return (struct str){p, len};
}

static void fill_field(const struct wire_field *f, uint8_t *dst, struct rng *r, struct arena *a)
{
    uint64_t bits = rng_next(r);
    struct str s;
    uint32_t n;
    uint8_t *items;

    switch (f->kind) {
    case WIRE_KIND_later:
        break;
    case WIRE_KIND_u8:
        memcpy(dst + f->offset, &bits, 1);
        break;
    case WIRE_KIND_u16:
        memcpy(dst + f->offset, &bits, 2);
        break;
    case WIRE_KIND_u32:
        memcpy(dst + f->offset, &bits, 4);
        break;
    case WIRE_KIND_u64:
    case WIRE_KIND_i64:
        memcpy(dst + f->offset, &bits, 8);
        break;
    case WIRE_KIND_RECORD:
        fill(f->record, dst + f->offset, r, a);
        break;
    case WIRE_KIND_LIST:
        n = (uint32_t)rng_below(r, min_u64(f->max, 3) + 1);
        items = arena_alloc(a, n, f->record->size);
        for (uint32_t i = 0; i < n; i++)
            fill(f->record, items + (size_t)i * f->record->size, r, a);
        memcpy(dst + f->offset, &items, sizeof items);
        memcpy(dst + f->n_offset, &n, sizeof n);
        break;
    default:
        s = random_string(f, r, a);
        memcpy(dst + f->offset, &s, sizeof s);
    }
}

static void fill(const struct wire_desc *d, void *dst, struct rng *r, struct arena *a)
{
    const struct wire_field *f = d->fields();

    for (uint32_t i = 0; i < d->n_fields; i++)
        fill_field(&f[i], dst, r, a);
}

struct setup {
    struct rng rng;
    struct arena a, b;
    struct bytes one, two;
};

static void setup_init(struct setup *s)
{
    rng_seed(&s->rng, 2024);
    arena_init(&s->a, WIRE_ARENA_MAX);
    arena_init(&s->b, WIRE_ARENA_MAX);
    bytes_init(&s->one, WIRE_HEAD_MAX);
    bytes_init(&s->two, WIRE_HEAD_MAX);
}

static void setup_close(struct setup *s)
{
    arena_close(&s->a);
    arena_close(&s->b);
    bytes_close(&s->one);
    bytes_close(&s->two);
}

static void random_message(struct setup *s, uint16_t type)
{
    struct msg m = {.type = type};

    arena_reset(&s->a);
    bytes_clear(&s->one);
    fill(wire_desc_of(type), (uint8_t *)&m + MSG_BODY, &s->rng, &s->a);
    assert_int_equal(msg_encode(&m, &s->one), 0);
}

/* Decodes a copy that ends where its allocation ends, so that the sanitizer sees one byte too many. */
static int decode_tight(struct setup *s, uint16_t type, const uint8_t *p, size_t len, struct msg *m, uint8_t **copy)
{
    *copy = malloc(len > 0 ? len : 1);
    assert_non_null(*copy);
    memcpy(*copy, p, len);
    arena_reset(&s->b);
    return msg_decode(type, *copy, len, m, &s->b);
}

/* Calls each(s, type) for every message there is. */
static void for_each_type(struct setup *s, void (*each)(struct setup *s, uint16_t type))
{
    size_t n;
    const struct wire_type *types = wire_types(&n);

    for (size_t i = 0; i < n; i++) {
        each(s, types[i].type);
        if (types[i].reply != NULL)
            each(s, types[i].type | MSG_REPLY_BIT);
    }
    each(s, MSG_TYPE_error);
}

/* --- what is checked for each --- */

static void check_round_trip(struct setup *s, uint16_t type)
{
    for (int i = 0; i < 50; i++) {
        struct msg m;
        uint8_t *copy;
        char one[2000], two[2000];

        random_message(s, type);
        assert_int_equal(decode_tight(s, type, s->one.p, s->one.len, &m, &copy), 0);
        assert_int_equal(m.type, type);
        bytes_clear(&s->two);
        assert_int_equal(msg_encode(&m, &s->two), 0);
        assert_int_equal(s->one.len, s->two.len);
        assert_memory_equal(s->one.p, s->two.p, s->one.len);
        assert_ptr_equal(wire_print(wire_desc_of(type), msg_body(&m), one, sizeof one), one);
        wire_print(wire_desc_of(type), msg_body(&m), two, 10);
        assert_true(strlen(two) < 10);
        assert_memory_equal(one, two, strlen(two));
        free(copy);
    }
}

static bool has_mark(const struct wire_desc *d)
{
    for (uint32_t i = 0; i < d->n_fields; i++)
        if (d->fields()[i].kind == WIRE_KIND_later)
            return true;
    return false;
}

static void check_truncations(struct setup *s, uint16_t type)
{
    size_t ends_early = SIZE_MAX; /* where an older release's message would end */

    random_message(s, type);
    for (size_t len = 0; len < s->one.len; len++) {
        struct msg m;
        uint8_t *copy;
        int rc = decode_tight(s, type, s->one.p, len, &m, &copy);

        if (rc == 0 && has_mark(wire_desc_of(type)) && ends_early == SIZE_MAX)
            ends_early = len;
        else
            assert_int_equal(rc, DFS_EPROTO);
        free(copy);
    }
    assert_int_equal(ends_early != SIZE_MAX, has_mark(wire_desc_of(type)));
}

static void check_mutations(struct setup *s, uint16_t type)
{
    for (int i = 0; i < 300; i++) {
        struct msg m;
        uint8_t *copy;
        int rc;

        random_message(s, type);
        for (uint64_t n = 1 + rng_below(&s->rng, 4); n > 0 && s->one.len > 0; n--)
            s->one.p[rng_below(&s->rng, s->one.len)] = (uint8_t)rng_next(&s->rng);
        rc = decode_tight(s, type, s->one.p, s->one.len, &m, &copy);
        assert_true(rc == 0 || rc == DFS_EPROTO || rc == DFS_ENOMEM);
        bytes_clear(&s->two);
        if (rc == 0)
            assert_int_equal(msg_encode(&m, &s->two), 0);
        free(copy);
    }
}

/* A later release's fields behind the ones we know. */
static void check_longer_message(struct setup *s, uint16_t type)
{
    struct msg m;
    uint8_t *copy;

    random_message(s, type);
    assert_int_equal(bytes_add(&s->one, "later", 5), 0);
    assert_int_equal(decode_tight(s, type, s->one.p, s->one.len, &m, &copy), 0);
    bytes_clear(&s->two);
    assert_int_equal(msg_encode(&m, &s->two), 0);
    assert_int_equal(s->two.len, s->one.len - 5);
    free(copy);
}

static void run_for_each(void (*each)(struct setup *s, uint16_t type))
{
    struct setup s;

    setup_init(&s);
    for_each_type(&s, each);
    setup_close(&s);
}

static void test_every_message_survives_the_wire(void **state)
{
    (void)state;
    run_for_each(check_round_trip);
}

static void test_every_truncation_is_refused(void **state)
{
    (void)state;
    run_for_each(check_truncations);
}

static void test_altered_bytes_are_no_accident(void **state)
{
    (void)state;
    run_for_each(check_mutations);
}

static void test_newer_messages_are_understood(void **state)
{
    (void)state;
    run_for_each(check_longer_message);
}

/* Two releases of one record: the newer has two fields more, each behind its mark. */
struct grown {
    uint32_t id;
    struct wire_later minor_1;
    uint32_t weight;
    struct str note;
    struct wire_later minor_2;
    uint64_t since;
};

#define GROWN(kind_of, field, most)                                                                                    \
    {                                                                                                                  \
        .name = #field, .kind = kind_of, .offset = offsetof(struct grown, field), .max = most                          \
    }

static const struct wire_field *grown_fields(void)
{
    static const struct wire_field fields[] = {GROWN(WIRE_KIND_u32, id, 0),        GROWN(WIRE_KIND_later, minor_1, 0),
                                               GROWN(WIRE_KIND_u32, weight, 0),    GROWN(WIRE_KIND_text, note, 100),
                                               GROWN(WIRE_KIND_later, minor_2, 0), GROWN(WIRE_KIND_u64, since, 0)};
    return fields;
}

static const struct wire_desc grown_desc[] = {{"release 0", sizeof(struct grown), 1, grown_fields},
                                              {"release 1", sizeof(struct grown), 4, grown_fields},
                                              {"release 2", sizeof(struct grown), 6, grown_fields}};

/* Every release reads what every other wrote: what it does not know is skipped, what is missing is zero. */
static void test_releases_read_each_others_records(void **state)
{
    const struct grown full = {.id = 1, .weight = 2, .note = STR("x"), .since = 3};
    struct bytes b;
    struct arena a;

    (void)state;
    bytes_init(&b, 4096);
    arena_init(&a, 4096);
    for (int writer = 0; writer < 3; writer++) {
        bytes_clear(&b);
        assert_int_equal(wire_encode(&grown_desc[writer], &full, &b), 0);
        for (int reader = 0; reader < 3; reader++) {
            int both = writer < reader ? writer : reader;
            struct grown g;

            assert_int_equal(wire_decode(&grown_desc[reader], b.p, b.len, &g, &a), 0);
            assert_int_equal(g.id, 1);
            assert_int_equal(g.weight, both > 0 ? 2 : 0);
            assert_int_equal(g.note.len, both > 0 ? 1 : 0);
            assert_int_equal(g.since, both > 1 ? 3 : 0);
        }
    }
    /* within what came with one mark nothing may be missing */
    bytes_clear(&b);
    assert_int_equal(wire_encode(&grown_desc[1], &full, &b), 0);
    for (size_t len = 5; len < b.len; len++) {
        struct grown g;

        assert_int_equal(wire_decode(&grown_desc[2], b.p, len, &g, &a), DFS_EPROTO);
    }
    bytes_close(&b);
    arena_close(&a);
}

/* --- the rules of the kinds --- */

static int encode_name(struct str name)
{
    struct wire_dirent d = {.name = name};
    struct bytes out;
    int rc;

    bytes_init(&out, 4096);
    rc = wire_encode(&wire_rec_dirent, &d, &out);
    assert_true(rc == 0 || out.len == 0);
    bytes_close(&out);
    return rc;
}

static void test_names_are_held_to_their_rule(void **state)
{
    char longest[256];

    (void)state;
    memset(longest, 'x', sizeof longest);
    assert_int_equal(encode_name(STR("a")), 0);
    assert_int_equal(encode_name((struct str){longest, 255}), 0);
    assert_int_equal(encode_name((struct str){longest, 256}), DFS_EINVAL);
    assert_int_equal(encode_name(STR("")), DFS_EINVAL);
    assert_int_equal(encode_name(STR("a/b")), DFS_EINVAL);
    assert_int_equal(encode_name(STR("a\0b")), DFS_EINVAL);
    assert_int_equal(encode_name(STR("\xff\xfe")), 0);
}

/* The bytes themselves, so that a change of the format cannot pass unseen. */
static void test_bytes_of_a_lookup(void **state)
{
    static const uint8_t expected[] = {1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 'a', '/', 'b', 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0};
    struct msg m = {.type = MSG_TYPE_lookup,
                    .lookup = {.dir = 1, .path = STR("a/b"), .flags = LOOKUP_NOFOLLOW, .session = 9}};
    char text[64];
    struct bytes out;

    (void)state;
    bytes_init(&out, 100);
    assert_int_equal(msg_encode(&m, &out), 0);
    assert_int_equal(out.len, sizeof expected);
    assert_memory_equal(out.p, expected, sizeof expected);
    assert_string_equal(wire_print(wire_desc_of(m.type), &m.lookup, text, sizeof text), "dir=1 path=\"a/b\" flags=1 session=9");
    out.max = 28;
    assert_int_equal(msg_encode(&m, &out), DFS_ETOOBIG);
    assert_int_equal(out.len, sizeof expected);
    bytes_close(&out);
}

/* Three servers to avoid: a count, then each with its own length; the first is a byte longer than we know. */
static void test_lists_and_longer_items(void **state)
{
    static const uint8_t in[] = {9, 0, 0, 0, 0, 0, 0, 0, 2,  5, 0, 0, 0, 2, 0, 0, 0,
                                 5, 0, 0, 0, 7, 0, 0, 0, 99, 4, 0, 0, 0, 8, 0, 0, 0};
    struct arena a;
    struct msg m;

    (void)state;
    arena_init(&a, 1000);
    assert_int_equal(msg_decode(MSG_TYPE_grant, in, sizeof in, &m, &a), 0);
    assert_int_equal(m.grant.session, 9);
    assert_int_equal(m.grant.n_avoid, 2);
    assert_int_equal(m.grant.avoid[0].id, 7);
    assert_int_equal(m.grant.avoid[1].id, 8);
    arena_close(&a);
}

static void test_a_count_is_not_believed(void **state)
{
    uint8_t in[17] = {0};
    struct arena a;
    struct msg m;

    (void)state;
    arena_init(&a, WIRE_ARENA_MAX);
    put_u32(in + 13, 16); /* within the limit, but nothing follows */
    assert_int_equal(msg_decode(MSG_TYPE_grant, in, sizeof in, &m, &a), DFS_EPROTO);
    put_u32(in + 13, UINT32_MAX);
    assert_int_equal(msg_decode(MSG_TYPE_grant, in, sizeof in, &m, &a), DFS_EPROTO);
    assert_int_equal(a.used, 0);
    arena_close(&a);
}

static void test_a_full_arena_is_an_error(void **state)
{
    uint8_t in[9 + 4 + 8 + 8] = {0};
    struct arena a;
    struct msg m;

    (void)state;
    put_u32(in + 13, 1);
    put_u32(in + 17, 4);
    arena_init(&a, 1);
    assert_int_equal(msg_decode(MSG_TYPE_grant, in, sizeof in, &m, &a), DFS_ENOMEM);
    arena_close(&a);
}

static void test_unknown_types(void **state)
{
    struct msg m = {.type = 0x7abc};
    struct bytes out;
    struct arena a;

    (void)state;
    bytes_init(&out, 100);
    arena_init(&a, 100);
    assert_int_equal(msg_encode(&m, &out), DFS_ENOTSUP);
    assert_int_equal(msg_decode(0x7abc, "", 0, &m, &a), DFS_ENOTSUP);
    assert_string_equal(wire_type_name(0x7abc), "unknown");
    assert_int_equal(wire_class_of(0x7abc), CLASS_NONE);
    assert_int_equal(wire_class_of(MSG_TYPE_publish), CLASS_MUTATION);
    assert_int_equal(wire_class_of(MSG_TYPE_publish_reply), CLASS_NONE);
    assert_int_equal(wire_class_of(MSG_TYPE_reap), CLASS_COMMAND);
    assert_string_equal(wire_type_name(MSG_TYPE_publish_reply), "publish_reply");
}

/* --- the protocol page --- */

static void test_the_protocol_page_shows_this_table(void **state)
{
    struct bytes page;
    char *text, *begin, *end;
    long size;
    FILE *f = fopen(DFS_SOURCE_DIR "/docs/PROTOCOL.md", "r");

    (void)state;
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    size = ftell(f);
    rewind(f);
    text = calloc(1, (size_t)size + 1);
    assert_int_equal(fread(text, 1, (size_t)size, f), size);
    fclose(f);
    begin = strstr(text, "<!-- table: begin -->\n");
    end = strstr(text, "<!-- table: end -->");
    assert_non_null(begin);
    assert_non_null(end);
    begin = strchr(begin, '\n') + 1;
    bytes_init(&page, 1u << 20);
    assert_int_equal(wire_document(&page), 0);
    /* If this fails: ninja protocol-doc */
    assert_int_equal(page.len, end - begin);
    assert_memory_equal(page.p, begin, page.len);
    bytes_close(&page);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_message_survives_the_wire),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_altered_bytes_are_no_accident),
        cmocka_unit_test(test_newer_messages_are_understood),
        cmocka_unit_test(test_releases_read_each_others_records),
        cmocka_unit_test(test_names_are_held_to_their_rule),
        cmocka_unit_test(test_bytes_of_a_lookup),
        cmocka_unit_test(test_lists_and_longer_items),
        cmocka_unit_test(test_a_count_is_not_believed),
        cmocka_unit_test(test_a_full_arena_is_an_error),
        cmocka_unit_test(test_unknown_types),
        cmocka_unit_test(test_the_protocol_page_shows_this_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
