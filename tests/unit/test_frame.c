/* SPDX-License-Identifier: MIT */
/* The parser: whatever the split, the same frames; whatever the bytes, no accident. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/crc.h"
#include "base/rand.h"
#include "wire/frame.h"

#define STREAM_MAX (4u * 1024 * 1024)

static void add_frame(struct bytes *out, uint16_t type, uint64_t request, uint32_t head_len, uint32_t payload_len)
{
    uint8_t *p = bytes_reserve(out, FRAME_HEADER + head_len + payload_len);

    assert_non_null(p);
    for (uint32_t i = 0; i < head_len + payload_len; i++)
        p[FRAME_HEADER + i] = (uint8_t)mix64(request * 1000003 + i);
    frame_put_header(p, type, request, p + FRAME_HEADER, head_len, payload_len);
    out->len += FRAME_HEADER + head_len + payload_len;
}

/* Checks one parsed frame against the stream it came from, and moves *at behind it. */
static void check_frame(const struct bytes *stream, size_t *at, struct frame *f)
{
    const uint8_t *p = stream->p + *at;
    uint32_t head_len = get_u32(p + 16), payload_bytes = get_u32(p + 20);
    uint8_t *copy = malloc(payload_bytes + 1);

    assert_non_null(copy);
    assert_int_equal(f->type, get_u16(p + 6));
    assert_int_equal(f->request, get_u64(p + 8));
    assert_int_equal(f->head.len, head_len);
    assert_int_equal(payload_len(&f->payload), payload_bytes);
    if (head_len > 0)
        assert_memory_equal(slice_data(f->head), p + FRAME_HEADER, head_len);
    payload_copy_out(&f->payload, 0, copy, payload_bytes);
    assert_memory_equal(copy, p + FRAME_HEADER + head_len, payload_bytes);
    free(copy);
    frame_drop(f);
    *at += FRAME_HEADER + head_len + payload_bytes;
}

/* Feeds n bytes as a socket would: in as many reads as the offered space makes of them. */
static int feed(struct frame_parser *p, const uint8_t *bytes, size_t n, uint32_t hint, const struct bytes *stream,
                size_t *at)
{
    while (n > 0) {
        struct frame f;
        uint32_t space, len;
        uint8_t *to = frame_parser_space(p, hint, &space);
        int rc;

        assert_non_null(to);
        assert_true(space > 0);
        len = (uint32_t)min_u64(space, n);
        memcpy(to, bytes, len);
        frame_parser_fed(p, len);
        bytes += len;
        n -= len;
        while ((rc = frame_parser_next(p, &f)) == 1)
            check_frame(stream, at, &f);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static void sample_stream(struct bytes *out)
{
    bytes_init(out, STREAM_MAX);
    add_frame(out, 0x110, 1, 17, 0);
    add_frame(out, 0x401, 2, 60, 300);
    add_frame(out, 0x002, 3, 0, 0);
    add_frame(out, 0x402, UINT64_MAX, 0, 5);
    add_frame(out, 0x110, 4, 40, 0);
}

static void test_every_split_gives_the_same_frames(void **state)
{
    struct bytes s;

    (void)state;
    sample_stream(&s);
    for (size_t split = 0; split <= s.len; split++) {
        struct frame_parser p;
        size_t at = 0;

        frame_parser_init(&p, WIRE_HEAD_MAX, WIRE_PAYLOAD_MAX);
        assert_int_equal(feed(&p, s.p, split, 1, &s, &at), 0);
        assert_int_equal(feed(&p, s.p + split, s.len - split, 1, &s, &at), 0);
        assert_int_equal(at, s.len);
        assert_null(p.in.buf);
        frame_parser_close(&p);
    }
    bytes_close(&s);
}

static void test_byte_by_byte(void **state)
{
    struct bytes s;
    struct frame_parser p;
    size_t at = 0;

    (void)state;
    sample_stream(&s);
    frame_parser_init(&p, WIRE_HEAD_MAX, WIRE_PAYLOAD_MAX);
    for (size_t i = 0; i < s.len; i++)
        assert_int_equal(feed(&p, s.p + i, 1, 4096, &s, &at), 0);
    assert_int_equal(at, s.len);
    frame_parser_close(&p);
    bytes_close(&s);
}

/* Sizes around every boundary: the receive buffer's, heads that straddle it, payloads with buffers of their own. */
static void test_random_frames_in_random_pieces(void **state)
{
    static const uint32_t sizes[] = {0, 1, 31, 32, 33, 4000, 4064, 4096, 8192, 65000, 65536, 70000, 200000};
    struct rng r;

    (void)state;
    rng_seed(&r, 99);
    for (int round = 0; round < 40; round++) {
        struct bytes s;
        struct frame_parser p;
        size_t at = 0;

        bytes_init(&s, STREAM_MAX);
        for (uint64_t n = 1 + rng_below(&r, 12), i = 0; i < n; i++)
            add_frame(&s, (uint16_t)i, i, sizes[rng_below(&r, ARRAY_LEN(sizes))],
                      sizes[rng_below(&r, ARRAY_LEN(sizes))]);
        frame_parser_init(&p, WIRE_HEAD_MAX, WIRE_PAYLOAD_MAX);
        for (size_t done = 0; done < s.len;) {
            size_t n = 1 + rng_below(&r, rng_chance(&r, 500) ? 100 : 100000);

            n = min_u64(n, s.len - done);
            assert_int_equal(feed(&p, s.p + done, n, (uint32_t)rng_below(&r, 100000), &s, &at), 0);
            done += n;
        }
        assert_int_equal(at, s.len);
        frame_parser_close(&p);
        bytes_close(&s);
    }
}

/* A parser that is dropped in the middle of anything leaks nothing (the leak checker watches). */
static void test_closing_midway(void **state)
{
    struct bytes s;

    (void)state;
    bytes_init(&s, STREAM_MAX);
    add_frame(&s, 1, 1, 100, 70000);
    for (size_t cut = 0; cut < s.len; cut += 997) {
        struct frame_parser p;
        size_t at = 0;

        frame_parser_init(&p, WIRE_HEAD_MAX, WIRE_PAYLOAD_MAX);
        assert_int_equal(feed(&p, s.p, cut, 65536, &s, &at), 0);
        assert_int_equal(at, 0);
        frame_parser_close(&p);
    }
    bytes_close(&s);
}

static void test_payload_is_not_copied(void **state)
{
    struct bytes s;
    struct frame_parser p;
    struct frame f;
    uint32_t space;
    uint8_t *first, *second;

    (void)state;
    bytes_init(&s, STREAM_MAX);
    add_frame(&s, 1, 1, 10, 100000);
    frame_parser_init(&p, WIRE_HEAD_MAX, WIRE_PAYLOAD_MAX);
    first = frame_parser_space(&p, 4096, &space);
    assert_int_equal(space, 4096);
    memcpy(first, s.p, 4096);
    frame_parser_fed(&p, 4096);
    assert_int_equal(frame_parser_next(&p, &f), 0);
    second = frame_parser_space(&p, 4096, &space);
    assert_int_equal(space, s.len - 4096);
    memcpy(second, s.p + 4096, space);
    frame_parser_fed(&p, space);
    assert_int_equal(frame_parser_next(&p, &f), 1);
    assert_ptr_equal(slice_data(f.payload.part[0]), first + FRAME_HEADER + 10);
    assert_ptr_equal(slice_data(f.payload.part[1]), second);
    frame_drop(&f);
    frame_parser_close(&p);
    bytes_close(&s);
}

static void test_an_idle_parser_holds_no_buffer(void **state)
{
    struct bytes s;
    struct frame_parser p;
    struct frame f;
    uint32_t space;

    (void)state;
    sample_stream(&s);
    frame_parser_init(&p, WIRE_HEAD_MAX, WIRE_PAYLOAD_MAX);
    assert_non_null(frame_parser_space(&p, 100, &space));
    frame_parser_fed(&p, 0);
    assert_null(p.in.buf);
    memcpy(frame_parser_space(&p, 100, &space), s.p, 49);
    frame_parser_fed(&p, 49);
    assert_int_equal(frame_parser_next(&p, &f), 1);
    assert_int_equal(frame_parser_next(&p, &f), 0);
    assert_null(p.in.buf);
    frame_drop(&f);
    frame_parser_close(&p);
    bytes_close(&s);
}

/* --- bytes that are wrong --- */

static int parse_altered(void (*alter)(uint8_t *p), uint32_t head_len, uint32_t payload_bytes)
{
    struct bytes s;
    struct frame_parser p;
    struct frame f;
    size_t at = 0;
    int rc;

    bytes_init(&s, STREAM_MAX);
    add_frame(&s, 7, 7, head_len, payload_bytes);
    alter(s.p);
    frame_parser_init(&p, 100, 50);
    rc = feed(&p, s.p, s.len, 4096, &s, &at);
    if (rc < 0)
        assert_int_equal(frame_parser_next(&p, &f), rc);
    frame_parser_close(&p);
    bytes_close(&s);
    return rc;
}

static void leave(uint8_t *p) { (void)p; }
static void break_magic(uint8_t *p) { p[0] ^= 1; }
static void break_version(uint8_t *p) { p[4] = 2; }
static void break_length(uint8_t *p) { p[16] ^= 1; }
static void break_head(uint8_t *p) { p[FRAME_HEADER + 3] ^= 0x80; }
static void set_flag(uint8_t *p)
{
    p[5] = 1;
    put_u32(p + 28, crc32c(0, p, 28));
}

static void test_wrong_bytes_are_named_and_final(void **state)
{
    (void)state;
    assert_int_equal(parse_altered(leave, 100, 50), 0);
    assert_int_equal(parse_altered(leave, 101, 0), DFS_ETOOBIG);
    assert_int_equal(parse_altered(leave, 0, 51), DFS_ETOOBIG);
    assert_int_equal(parse_altered(break_magic, 10, 0), DFS_EPROTO);
    assert_int_equal(parse_altered(break_version, 10, 0), DFS_EVERSION);
    assert_int_equal(parse_altered(break_length, 10, 0), DFS_EPROTO);
    assert_int_equal(parse_altered(break_head, 10, 0), DFS_EPROTO);
    assert_int_equal(parse_altered(set_flag, 10, 0), DFS_EPROTO);
}

/* Of each frame the header and the head are covered: the frame with the changed byte, and what is behind it, is not
 * believed. A payload has its checksums in its message. */
static void test_any_flipped_byte_ends_the_stream_there(void **state)
{
    struct bytes s;
    size_t starts[4], n = 0;

    (void)state;
    sample_stream(&s);
    for (size_t at = 0; n < 4; at += FRAME_HEADER + get_u32(s.p + at + 16) + get_u32(s.p + at + 20))
        starts[n++] = at;
    for (size_t i = 0; i < n; i++) {
        size_t covered = starts[i] + FRAME_HEADER + get_u32(s.p + starts[i] + 16);

        for (size_t bit = starts[i] * 8; bit < covered * 8; bit++) {
            struct frame_parser p;
            size_t at = 0;
            int rc;

            s.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
            frame_parser_init(&p, WIRE_HEAD_MAX, WIRE_PAYLOAD_MAX);
            rc = feed(&p, s.p, s.len, 4096, &s, &at);
            assert_true(rc == DFS_EPROTO || rc == DFS_EVERSION || rc == DFS_ETOOBIG);
            assert_int_equal(at, starts[i]); /* all before it was whole */
            frame_parser_close(&p);
            s.p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
    bytes_close(&s);
}

/* The limit counts, not what the peer announces: no memory is taken for a length that is refused. */
static void test_a_giant_length_takes_no_memory(void **state)
{
    uint8_t header[FRAME_HEADER];
    struct frame_parser p;
    struct frame f;
    uint32_t space;

    (void)state;
    frame_put_header(header, 1, 1, "", 0, UINT32_MAX);
    frame_parser_init(&p, UINT32_MAX, UINT32_MAX);
    assert_int_equal(p.max_payload, WIRE_PAYLOAD_MAX);
    memcpy(frame_parser_space(&p, 100, &space), header, sizeof header);
    frame_parser_fed(&p, sizeof header);
    assert_int_equal(frame_parser_next(&p, &f), DFS_ETOOBIG);
    assert_string_equal(frame_error_text(&p), "frame announces a length over its limit");
    assert_null(p.in.buf);
    assert_null(frame_parser_space(&p, 100, &space));
    frame_parser_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_split_gives_the_same_frames),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_random_frames_in_random_pieces),
        cmocka_unit_test(test_closing_midway),
        cmocka_unit_test(test_payload_is_not_copied),
        cmocka_unit_test(test_an_idle_parser_holds_no_buffer),
        cmocka_unit_test(test_wrong_bytes_are_named_and_final),
        cmocka_unit_test(test_any_flipped_byte_ends_the_stream_there),
        cmocka_unit_test(test_a_giant_length_takes_no_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
