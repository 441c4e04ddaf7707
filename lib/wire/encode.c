/* SPDX-License-Identifier: MIT */
/* Encoding: measure, which also checks every rule; then write without checks. */
#include "wire/codec.h"

/* Far above every limit of the table, far below where sums could overflow. */
#define MEASURE_MAX (1024LL * 1024 * 1024)

static const void *at(const void *src, uint16_t offset) { return (const uint8_t *)src + offset; }

static uint32_t list_count(const struct wire_field *f, const void *src)
{
    uint32_t n;

    memcpy(&n, at(src, f->n_offset), sizeof n);
    return n;
}

static const uint8_t *list_items(const struct wire_field *f, const void *src)
{
    const uint8_t *items;

    memcpy(&items, at(src, f->offset), sizeof items);
    return items;
}

static bool string_is_allowed(const struct wire_field *f, const struct str *s)
{
    if (s->len > f->max)
        return false;
    if (f->kind == WIRE_KIND_name)
        return s->len > 0 && memchr(s->p, '/', s->len) == NULL && memchr(s->p, 0, s->len) == NULL;
    if (f->kind == WIRE_KIND_path)
        return s->len == 0 || memchr(s->p, 0, s->len) == NULL;
    return true;
}

static int64_t measure_list(const struct wire_field *f, const void *src)
{
    uint32_t n = list_count(f, src);
    const uint8_t *items = list_items(f, src);
    int64_t sum = 4;

    if (n > f->max)
        return DFS_EINVAL;
    for (uint32_t i = 0; i < n; i++) {
        int64_t len = wire_measure(f->record, items + (size_t)i * f->record->size);

        if (len < 0)
            return len;
        sum += 4 + len;
        if (sum > MEASURE_MAX)
            return DFS_ETOOBIG;
    }
    return sum;
}

static int64_t measure_field(const struct wire_field *f, const void *src)
{
    const struct str *s;
    int64_t len;

    switch (f->kind) {
    case WIRE_KIND_u8:
        return 1;
    case WIRE_KIND_u16:
        return 2;
    case WIRE_KIND_u32:
        return 4;
    case WIRE_KIND_u64:
    case WIRE_KIND_i64:
        return 8;
    case WIRE_KIND_RECORD:
        len = wire_measure(f->record, at(src, f->offset));
        return len < 0 ? len : 4 + len;
    case WIRE_KIND_LIST:
        return measure_list(f, src);
    case WIRE_KIND_later:
        return 0;
    default:
        s = at(src, f->offset);
        return string_is_allowed(f, s) ? (f->kind == WIRE_KIND_blob ? 4 : 2) + (int64_t)s->len : DFS_EINVAL;
    }
}

int64_t wire_measure(const struct wire_desc *d, const void *src)
{
    const struct wire_field *f = d->fields();
    int64_t sum = 0;

    for (const struct wire_field *end = f + d->n_fields; f != end; f++) {
        int64_t len = measure_field(f, src);

        if (len < 0)
            return len;
        sum += len;
        if (sum > MEASURE_MAX)
            return DFS_ETOOBIG;
    }
    return sum;
}

/* A record with its length in front. */
static uint8_t *put_record(const struct wire_desc *d, const void *src, uint8_t *to)
{
    uint8_t *end = wire_put(d, src, to + 4);

    put_u32(to, (uint32_t)(end - to - 4));
    return end;
}

static uint8_t *put_list(const struct wire_field *f, const void *src, uint8_t *to)
{
    uint32_t n = list_count(f, src);
    const uint8_t *items = list_items(f, src);

    put_u32(to, n);
    to += 4;
    for (uint32_t i = 0; i < n; i++)
        to = put_record(f->record, items + (size_t)i * f->record->size, to);
    return to;
}

static uint8_t *put_string(const struct wire_field *f, const struct str *s, uint8_t *to)
{
    if (f->kind == WIRE_KIND_blob) {
        put_u32(to, s->len);
        to += 4;
    } else {
        put_u16(to, (uint16_t)s->len);
        to += 2;
    }
    if (s->len > 0)
        memcpy(to, s->p, s->len);
    return to + s->len;
}

static uint8_t *put_field(const struct wire_field *f, const void *src, uint8_t *to)
{
    const void *value = at(src, f->offset);

    switch (f->kind) {
    case WIRE_KIND_u8:
        *to = *(const uint8_t *)value;
        return to + 1;
    case WIRE_KIND_u16:
        memcpy(to, value, 2);
        return to + 2;
    case WIRE_KIND_u32:
        memcpy(to, value, 4);
        return to + 4;
    case WIRE_KIND_u64:
    case WIRE_KIND_i64:
        memcpy(to, value, 8);
        return to + 8;
    case WIRE_KIND_RECORD:
        return put_record(f->record, value, to);
    case WIRE_KIND_LIST:
        return put_list(f, src, to);
    case WIRE_KIND_later:
        return to;
    default:
        return put_string(f, value, to);
    }
}

uint8_t *wire_put(const struct wire_desc *d, const void *src, uint8_t *to)
{
    const struct wire_field *f = d->fields();

    for (const struct wire_field *end = f + d->n_fields; f != end; f++)
        to = put_field(f, src, to);
    return to;
}

int wire_encode(const struct wire_desc *d, const void *src, struct bytes *out)
{
    int64_t len = wire_measure(d, src);
    uint8_t *to;

    if (len < 0)
        return (int)len;
    to = bytes_reserve(out, (size_t)len);
    if (to == NULL)
        return out->len > out->max || (size_t)len > out->max - out->len ? DFS_ETOOBIG : DFS_ENOMEM;
    wire_put(d, src, to);
    out->len += (size_t)len;
    return 0;
}

int msg_encode(const struct msg *m, struct bytes *out)
{
    const struct wire_desc *d = wire_desc_of(m->type);

    return d != NULL ? wire_encode(d, msg_body(m), out) : DFS_ENOTSUP;
}
