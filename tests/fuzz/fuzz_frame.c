/* SPDX-License-Identifier: MIT */
/* The frame parser on any bytes, whole and in pieces of a size that the input chooses: it must find the same frames in
 * both. On request of the input, what stands where headers should be is made to look like one, since no fuzzer guesses a
 * CRC. */
#include <stdlib.h>

#include "base/crc.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size);

struct outcome {
    uint32_t frames, crc;
    int end;
};

static void take(struct frame_parser *p, struct outcome *o)
{
    struct frame f;
    int rc;

    while ((rc = frame_parser_next(p, &f)) == 1) {
        o->frames++;
        o->crc = crc32c(o->crc, &f.request, sizeof f.request);
        o->crc = crc32c(o->crc, slice_data(f.head), f.head.len);
        for (size_t i = 0; i < PAYLOAD_PARTS; i++)
            o->crc = crc32c(o->crc, slice_data(f.payload.part[i]), f.payload.part[i].len);
        frame_drop(&f);
    }
    o->end = rc;
}

static struct outcome parse(const uint8_t *data, size_t size, size_t step, uint32_t hint)
{
    struct frame_parser p;
    struct outcome o = {0};

    frame_parser_init(&p, 65536, 65536);
    while (size > 0 && o.end == 0) {
        uint32_t space;
        uint8_t *to = frame_parser_space(&p, hint, &space);
        size_t n;

        if (to == NULL)
            break;
        n = min_u64(min_u64(space, step), size);
        memcpy(to, data, n);
        frame_parser_fed(&p, (uint32_t)n);
        data += n;
        size -= n;
        take(&p, &o);
    }
    frame_parser_close(&p);
    return o;
}

/* Gives each header in the stream its magic, version and checksums, and lengths that fit. */
static void make_valid(uint8_t *p, size_t size)
{
    while (size >= FRAME_HEADER) {
        size_t left = size - FRAME_HEADER;
        uint32_t head_len = (uint32_t)min_u64(get_u32(p + 16) % 65537, left);
        uint32_t data_len = get_u32(p + 20) % 65537;
        size_t all = FRAME_HEADER + head_len + data_len;

        frame_put_header(p, get_u16(p + 6), get_u64(p + 8), p + FRAME_HEADER, head_len, data_len);
        if (all > size)
            return;
        p += all;
        size -= all;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t input_size)
{
    struct outcome whole, pieces;
    size_t step, size = input_size - 2;
    uint8_t *data;

    if (input_size < 2)
        return 0;
    data = malloc(size > 0 ? size : 1);
    if (data == NULL)
        return 0;
    memcpy(data, input + 2, size);
    step = 1 + get_u16(input) / 2;
    if (get_u16(input) & 1)
        make_valid(data, size);
    whole = parse(data, size, SIZE_MAX, 65536);
    pieces = parse(data, size, step, 1);
    if (whole.frames != pieces.frames || whole.crc != pieces.crc || whole.end != pieces.end)
        abort();
    free(data);
    return 0;
}
