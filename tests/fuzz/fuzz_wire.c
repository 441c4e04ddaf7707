/* SPDX-License-Identifier: MIT */
/* Decoders on any bytes: the first two choose the message. What decodes must encode, and that encoding must decode to
 * itself. */
#include <stdlib.h>

#include "wire/codec.h"

/* An older release's message grows by the fields it lacks. */
#define LATER_MAX 16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint16_t choose_type(uint16_t n)
{
    size_t count;
    const struct wire_type *types = wire_types(&count);
    const struct wire_type *t = &types[n / 2 % count];

    if (n == UINT16_MAX)
        return MSG_TYPE_ERROR;
    return n % 2 && t->reply != NULL ? t->type | MSG_REPLY_BIT : t->type;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct msg m;
    struct bytes one, two;
    struct arena a;
    char text[300];
    uint16_t type;

    if (size < 2)
        return 0;
    type = choose_type(get_u16(data));
    arena_init(&a, WIRE_ARENA_MAX);
    bytes_init(&one, WIRE_HEAD_MAX);
    bytes_init(&two, WIRE_HEAD_MAX);
    if (msg_decode(type, data + 2, size - 2, &m, &a) == 0) {
        if (msg_encode(&m, &one) != 0 || one.len > size - 2 + LATER_MAX)
            abort();
        wire_print(wire_desc_of(type), msg_body(&m), text, sizeof text);
        if (msg_decode(type, one.p, one.len, &m, &a) != 0 || msg_encode(&m, &two) != 0)
            abort();
        if (one.len != two.len || (one.len > 0 && memcmp(one.p, two.p, one.len) != 0))
            abort();
    }
    bytes_close(&one);
    bytes_close(&two);
    arena_close(&a);
    return 0;
}
