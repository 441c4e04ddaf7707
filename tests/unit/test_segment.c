/* SPDX-License-Identifier: MIT */
/* The bytes of segments and identities, and what a scan makes of broken ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/crc.h"
#include "store/scan.h"
#include "support/memdisk.h"

#define NAME "seg-0000000000000007.log"

/* A segment built by hand: one record per call, batches as told. */
struct builder {
    struct disk *disk;
    struct segment_header h;
    uint32_t end, last, durable;
    uint64_t last_chunk;
};

static void build_start(struct builder *b, uint8_t class)
{
    uint8_t page[SEGMENT_HEADER];
    *b = (struct builder){.disk = memdisk_new(1, 64 * MIB), .end = SEGMENT_HEADER, .durable = SEGMENT_HEADER};
    b->h = (struct segment_header){.cluster_hi = 1,
                                   .cluster_lo = 2,
                                   .uuid_hi = 3,
                                   .uuid_lo = 4,
                                   .id = 7,
                                   .generation = 1,
                                   .class = class,
                                   .size = 256 * 1024};
    segment_put_header(page, &b->h);
    assert_int_equal(b->disk->ops->write(b->disk, NAME, 0, page, sizeof page), 0);
    assert_int_equal(b->disk->ops->truncate(b->disk, NAME, b->h.size), 0);
}

static uint32_t build_record(struct builder *b, uint64_t chunk, uint32_t length, bool new_batch)
{
    static uint8_t payload[64 * 1024], crcs[4 * 32];
    uint8_t head[RECORD_HEADER];
    struct record_layout l = record_layout(b->h.class, b->end, 0, length);
    memset(payload, (int)chunk, length);
    for (uint32_t i = 0; i < l.n_crcs; i++)
        put_u32(crcs + 4 * i, crc32c(0, payload + i * DFS_BLOCK, min_u64(DFS_BLOCK, length - i * DFS_BLOCK)));
    if (new_batch)
        b->durable = b->end;
    struct record r = {.position = b->end,
                       .durable = b->durable,
                       .prev = b->last,
                       .prev_chunk = b->last_chunk,
                       .kind = RECORD_DATA,
                       .version = 1,
                       .chunk = chunk,
                       .copy = 1,
                       .sequence = 1,
                       .length = length,
                       .crcs_crc = crc32c(0, crcs, 4ULL * l.n_crcs)};
    record_put(head, &r, b->h.id, b->h.generation, segment_seed(&b->h));
    assert_int_equal(b->disk->ops->write(b->disk, NAME, b->end, head, sizeof head), 0);
    assert_int_equal(b->disk->ops->write(b->disk, NAME, l.crcs, crcs, 4ULL * l.n_crcs), 0);
    assert_int_equal(b->disk->ops->write(b->disk, NAME, l.payload, payload, length), 0);
    b->last = b->end;
    b->last_chunk = chunk;
    b->end = (uint32_t)l.end;
    return b->last;
}

static struct scan scan_of(struct builder *b)
{
    struct scan s = {.header = {.cluster_hi = 1, .cluster_lo = 2, .uuid_hi = 3, .uuid_lo = 4}};
    uint64_t size;
    assert_non_null(memdisk_peek(b->disk, NAME, &size));
    assert_int_equal(segment_scan(b->disk, NAME, 7, size, &s), 0);
    return s;
}

static void build_end(struct builder *b, struct scan *s)
{
    scan_free(s);
    memdisk_free(b->disk);
}

static void records_are_found_in_order(void **state)
{
    (void)state;
    for (uint8_t class = 0; class < SEGMENT_CLASSES; class ++) {
        struct builder b;
        build_start(&b, class);
        for (uint32_t i = 0; i < 5; i++) {
            uint32_t at = build_record(&b, 10 + i, 1 + 3000 * i, i % 2 == 0);
            assert_int_equal(record_layout(class, at, 0, 1).payload % (class == CLASS_LARGE ? DFS_BLOCK : 8), 0);
        }
        struct scan s = scan_of(&b);
        assert_int_equal(s.n_records, 5);
        assert_int_equal(s.end, b.end);
        assert_int_equal(s.torn + s.n_damage, 0);
        for (uint32_t i = 0; i < 5; i++)
            assert_int_equal(s.records[i].chunk, 10 + i);
        build_end(&b, &s);
    }
}

/* Batches {10, 11}, {12, 13}. What is bad in the last batch is a torn tail, whatever of it follows. */
static void a_bad_record_in_the_last_batch_is_a_torn_tail(void **state)
{
    (void)state;
    const uint32_t places[] = {4, 60, RECORD_HEADER + 1,
                               RECORD_HEADER + 4 + 100}; /* magic side, fields, CRCs, payload */
    for (uint32_t p = 0; p < ARRAY_LEN(places); p++) {
        struct builder b;
        build_start(&b, CLASS_SMALL);
        build_record(&b, 10, 4000, true);
        build_record(&b, 11, 4000, false);
        uint32_t bad = build_record(&b, 12, 4000, true);
        build_record(&b, 13, 4000, false);
        assert_true(memdisk_flip(b.disk, NAME, bad + places[p], 1));
        struct scan s = scan_of(&b);
        assert_int_equal(s.n_records, 2);
        assert_int_equal(s.end, bad);
        assert_int_equal(s.n_damage, 0);
        assert_int_equal(s.torn, 1);
        build_end(&b, &s);
    }
}

/* In an earlier batch it is damage: a later flush proves that it had been whole. */
static void a_bad_record_before_the_last_batch_is_damage(void **state)
{
    (void)state;
    const uint32_t places[] = {4, 60, RECORD_HEADER + 1};
    for (uint32_t p = 0; p < ARRAY_LEN(places); p++) {
        struct builder b;
        build_start(&b, CLASS_SMALL);
        uint32_t bad = build_record(&b, 10, 4000, true);
        build_record(&b, 11, 4000, false);
        build_record(&b, 12, 4000, true);
        assert_true(memdisk_flip(b.disk, NAME, bad + places[p], 1));
        struct scan s = scan_of(&b);
        assert_int_equal(s.n_records, 2);
        assert_int_equal(s.end, b.end);
        assert_int_equal(s.n_damage, 1);
        assert_true(s.damage[0].known && s.damage[0].chunk == 10 && s.damage[0].position == bad);
        build_end(&b, &s);
    }
}

/* A recycled segment holds valid records of its former life behind the tail. */
static void records_of_an_older_generation_are_not_found(void **state)
{
    (void)state;
    struct builder b;
    build_start(&b, CLASS_SMALL);
    build_record(&b, 10, 4000, true);
    build_record(&b, 11, 4000, true);
    build_record(&b, 12, 4000, true);
    uint8_t page[SEGMENT_HEADER];
    b.h.generation = 2;
    b.end = b.durable = SEGMENT_HEADER;
    b.last = 0;
    segment_put_header(page, &b.h);
    assert_int_equal(b.disk->ops->write(b.disk, NAME, 0, page, sizeof page), 0);
    build_record(&b, 20, 4000, true);
    struct scan s = scan_of(&b);
    assert_int_equal(s.n_records, 1);
    assert_int_equal(s.records[0].chunk, 20);
    assert_int_equal(s.n_damage, 0);
    build_end(&b, &s);
}

/* A whole record, checksums and all, that stands where it was not written: a block of the disk that was written in the wrong
 * place, say (D21). */
static void a_record_in_another_place_is_none(void **state)
{
    (void)state;
    static uint8_t copy[RECORD_HEADER + 4 + 4 + 1000];
    struct builder b;
    build_start(&b, CLASS_SMALL);
    uint32_t first = build_record(&b, 10, 1000, true);
    uint64_t size;
    memcpy(copy, memdisk_peek(b.disk, NAME, &size) + first, sizeof copy);
    assert_int_equal(b.disk->ops->write(b.disk, NAME, b.end, copy, sizeof copy), 0);
    struct scan s = scan_of(&b);
    assert_int_equal(s.n_records, 1);
    assert_int_equal(s.end, b.end);
    build_end(&b, &s);
}

static void a_damaged_header_does_not_lose_the_records(void **state)
{
    (void)state;
    struct builder b;
    build_start(&b, CLASS_LARGE);
    build_record(&b, 10, 4000, true);
    build_record(&b, 11, 9000, true);
    assert_true(memdisk_flip(b.disk, NAME, 20, 1));
    struct scan s = scan_of(&b);
    assert_true(s.header_damaged);
    assert_int_equal(s.n_records, 2);
    build_end(&b, &s);
    for (int gone = 0; gone < 2; gone++) { /* the first one's bytes were punched; or its header is damaged as well */
        build_start(&b, CLASS_LARGE);
        uint32_t first = build_record(&b, 10, 4000, true);
        build_record(&b, 11, 9000, true);
        build_record(&b, 12, 9000, true);
        assert_true(memdisk_flip(b.disk, NAME, 20, 1));
        assert_true(
            memdisk_flip(b.disk, NAME, gone ? first + 40 : record_layout(CLASS_LARGE, first, 0, 4000).payload, 1));
        s = scan_of(&b);
        assert_true(s.header_damaged);
        assert_int_equal(s.header.class, CLASS_LARGE);
        assert_int_equal(s.n_records, 3 - gone); /* what was punched is not missed */
        assert_int_equal(s.n_damage, gone);
        assert_true(!gone || s.damage[0].chunk == 10);
        build_end(&b, &s);
    }
    build_start(&b, CLASS_SMALL); /* torn at birth: nothing was in it */
    assert_true(memdisk_flip(b.disk, NAME, 20, 1));
    s = scan_of(&b);
    assert_true(s.empty);
    build_end(&b, &s);
}

static void any_truncation_gives_a_prefix(void **state)
{
    (void)state;
    struct builder b;
    build_start(&b, CLASS_SMALL);
    uint32_t ends[4];
    for (uint32_t i = 0; i < 4; i++) {
        build_record(&b, 10 + i, 700, true);
        ends[i] = b.end;
    }
    for (uint32_t size = b.end; size > 0; size -= size > 4096 ? 1 : 512) {
        assert_true(memdisk_cut(b.disk, NAME, size));
        struct scan s = scan_of(&b);
        uint32_t whole = 0;
        while (whole < 4 && ends[whole] <= round_up(size, 8))
            whole++;
        assert_true(s.n_records <= whole && s.n_records + 1 >= whole);
        for (uint32_t i = 0; i < s.n_records; i++)
            assert_int_equal(s.records[i].chunk, 10 + i);
        scan_free(&s);
    }
    memdisk_free(b.disk);
}

static void an_identity_survives_the_loss_of_either_slot(void **state)
{
    (void)state;
    uint8_t p[2 * IDENTITY_SLOT];
    struct identity old = {.writes = 4, .epoch = 3, .server = 9, .uuid_lo = 5}, new = old, got;
    new.writes = 5;
    new.epoch = 8;
    identity_put(p, &new);
    identity_put(p + IDENTITY_SLOT, &old);
    assert_int_equal(identity_parse(p, &got), 0);
    assert_memory_equal(&got, &new, sizeof got);
    for (uint32_t at = 0; at < sizeof p; at++) {
        p[at] ^= (uint8_t)(1u << at % 8);
        assert_int_equal(identity_parse(p, &got), 0);
        assert_memory_equal(&got, at < IDENTITY_SLOT ? &old : &new, sizeof got);
        p[at] ^= (uint8_t)(1u << at % 8);
    }
    p[100] ^= 1;
    p[IDENTITY_SLOT + 4000] ^= 1;
    assert_int_equal(identity_parse(p, &got), DFS_ECORRUPT);
}

static void names_are_strict(void **state)
{
    (void)state;
    char name[64];
    uint64_t id = 0;
    segment_name(name, sizeof name, 0xabc0000000000012ULL);
    assert_string_equal(name, "seg-abc0000000000012.log");
    assert_true(segment_parse_name(name, &id) && id == 0xabc0000000000012ULL);
    assert_false(segment_parse_name("seg-abc000000000001G.log", &id));
    assert_false(segment_parse_name("seg-abc000000000001.log", &id));
    assert_false(segment_parse_name("identity", &id));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_found_in_order),
        cmocka_unit_test(a_bad_record_in_the_last_batch_is_a_torn_tail),
        cmocka_unit_test(a_bad_record_before_the_last_batch_is_damage),
        cmocka_unit_test(records_of_an_older_generation_are_not_found),
        cmocka_unit_test(a_record_in_another_place_is_none),
        cmocka_unit_test(a_damaged_header_does_not_lose_the_records),
        cmocka_unit_test(any_truncation_gives_a_prefix),
        cmocka_unit_test(an_identity_survives_the_loss_of_either_slot),
        cmocka_unit_test(names_are_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
