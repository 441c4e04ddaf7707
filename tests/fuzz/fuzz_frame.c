/* SPDX-License-Identifier: MIT */
/* The frame parser on any bytes, in two splits that the input chooses: it must find the same frames in both. */
#include <stdlib.h>

#include "base/crc.h"
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome whole, pieces;
    size_t step;

    if (size < 2)
        return 0;
    step = 1 + get_u16(data);
    data += 2;
    size -= 2;
    whole = parse(data, size, SIZE_MAX, 65536);
    pieces = parse(data, size, step, 1);
    if (whole.frames != pieces.frames || whole.crc != pieces.crc || whole.end != pieces.end)
        abort();
    return 0;
}
