/* SPDX-License-Identifier: MIT */
/* Decoding. Everything that arrives is suspect: no length is used before it was held against what is left and against
 * its field's limit. */
#include "wire/codec.h"

struct reader {
    const uint8_t *p, *end;
    struct arena *arena;
};

static size_t left(const struct reader *r) { return (size_t)(r->end - r->p); }

static int read_fixed(struct reader *r, void *dst, size_t len)
{
    if (left(r) < len)
        return DFS_EPROTO;
    memcpy(dst, r->p, len);
    r->p += len;
    return 0;
}

static int read_string(struct reader *r, const struct wire_field *f, struct str *dst)
{
    uint32_t len = 0;
    int rc = read_fixed(r, &len, f->kind == WIRE_KIND_blob ? 4 : 2);

    if (rc != 0)
        return rc;
    if (len > f->max || len > left(r))
        return DFS_EPROTO;
    if (f->kind == WIRE_KIND_name && (len == 0 || memchr(r->p, '/', len) != NULL))
        return DFS_EPROTO;
    if ((f->kind == WIRE_KIND_name || f->kind == WIRE_KIND_path) && len > 0 && memchr(r->p, 0, len) != NULL)
        return DFS_EPROTO;
    *dst = (struct str){(const char *)r->p, len};
    r->p += len;
    return 0;
}

static int read_fields(struct reader *r, const struct wire_desc *d, void *dst);

/* A record with its length in front; what a newer version added behind the fields we know is skipped. */
static int read_record(struct reader *r, const struct wire_desc *d, void *dst)
{
    struct reader inner = {.arena = r->arena};
    uint32_t len;
    int rc = read_fixed(r, &len, sizeof len);

    if (rc != 0)
        return rc;
    if (len > left(r))
        return DFS_EPROTO;
    inner.p = r->p;
    inner.end = r->p + len;
    r->p += len;
    return read_fields(&inner, d, dst);
}

static int read_list(struct reader *r, const struct wire_field *f, void *dst)
{
    uint32_t n;
    uint8_t *items;
    int rc = read_fixed(r, &n, sizeof n);

    if (rc != 0)
        return rc;
    /* Each item takes at least its own length on the wire: memory is never more than a small multiple of that. */
    if (n > f->max || n > left(r) / 4)
        return DFS_EPROTO;
    items = arena_alloc(r->arena, n, f->record->size);
    if (items == NULL)
        return DFS_ENOMEM;
    for (uint32_t i = 0; i < n; i++) {
        rc = read_record(r, f->record, items + (size_t)i * f->record->size);
        if (rc != 0)
            return rc;
    }
    memcpy((uint8_t *)dst + f->offset, &items, sizeof items);
    memcpy((uint8_t *)dst + f->n_offset, &n, sizeof n);
    return 0;
}

static int read_field(struct reader *r, const struct wire_field *f, void *dst)
{
    void *value = (uint8_t *)dst + f->offset;

    switch (f->kind) {
    case WIRE_KIND_u8:
        return read_fixed(r, value, 1);
    case WIRE_KIND_u16:
        return read_fixed(r, value, 2);
    case WIRE_KIND_u32:
        return read_fixed(r, value, 4);
    case WIRE_KIND_u64:
    case WIRE_KIND_i64:
        return read_fixed(r, value, 8);
    case WIRE_KIND_RECORD:
        return read_record(r, f->record, value);
    case WIRE_KIND_LIST:
        return read_list(r, f, dst);
    default:
        return read_string(r, f, value);
    }
}

static int read_fields(struct reader *r, const struct wire_desc *d, void *dst)
{
    const struct wire_field *f = d->fields();

    for (const struct wire_field *end = f + d->n_fields; f != end; f++) {
        int rc;

        if (f->kind == WIRE_KIND_later) { /* an older release's record may end here */
            if (left(r) == 0)
                return 0;
            continue;
        }
        rc = read_field(r, f, dst);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int wire_decode(const struct wire_desc *d, const void *p, size_t len, void *dst, struct arena *a)
{
    struct reader r = {.p = p, .arena = a};

    r.end = len > 0 ? r.p + len : r.p;
    memset(dst, 0, d->size);
    return read_fields(&r, d, dst);
}

int msg_decode(uint16_t type, const void *p, size_t len, struct msg *m, struct arena *a)
{
    const struct wire_desc *d = wire_desc_of(type);

    m->type = type;
    return d != NULL ? wire_decode(d, p, len, (uint8_t *)m + MSG_BODY, a) : DFS_ENOTSUP;
}
