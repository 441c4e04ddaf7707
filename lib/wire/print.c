/* SPDX-License-Identifier: MIT */
/* Messages as text: for logs and traces, and the generated part of docs/PROTOCOL.md. */
#include <stdarg.h>
#include <stdio.h>

#include "wire/codec.h"

/* Output that stops at the end of its buffer. */
struct page {
    char *p;
    size_t len, used;
};

static void put(struct page *out, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void put(struct page *out, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (out->used + 1 >= out->len)
        return;
    va_start(ap, fmt);
    n = vsnprintf(out->p + out->used, out->len - out->used, fmt, ap);
    va_end(ap);
    if (n > 0)
        out->used = (size_t)min_u64(out->used + (size_t)n, out->len - 1);
}

static void put_string(struct page *out, const struct wire_field *f, const struct str *s)
{
    if (f->kind == WIRE_KIND_blob || f->kind == WIRE_KIND_token) {
        put(out, "<%u bytes>", s->len);
        return;
    }
    put(out, "\"");
    for (uint32_t i = 0; i < s->len && out->used + 1 < out->len; i++) {
        unsigned char c = (unsigned char)s->p[i];

        put(out, c < 0x20 || c >= 0x7f || c == '"' || c == '\\' ? "\\x%02x" : "%c", c);
    }
    put(out, "\"");
}

static void put_fields(struct page *out, const struct wire_desc *d, const void *src);

static void put_list(struct page *out, const struct wire_field *f, const void *src)
{
    const uint8_t *items;
    uint32_t n;

    memcpy(&items, (const uint8_t *)src + f->offset, sizeof items);
    memcpy(&n, (const uint8_t *)src + f->n_offset, sizeof n);
    put(out, "[");
    for (uint32_t i = 0; i < n && out->used + 1 < out->len; i++) {
        put(out, i > 0 ? " {" : "{");
        put_fields(out, f->record, items + (size_t)i * f->record->size);
        put(out, "}");
    }
    put(out, "]");
}

static void put_value(struct page *out, const struct wire_field *f, const void *src)
{
    const void *value = (const uint8_t *)src + f->offset;

    switch (f->kind) {
    case WIRE_KIND_u8:
        put(out, "%u", *(const uint8_t *)value);
        break;
    case WIRE_KIND_u16:
        put(out, "%u", get_u16(value));
        break;
    case WIRE_KIND_u32:
        put(out, "%u", get_u32(value));
        break;
    case WIRE_KIND_u64:
        put(out, "%" PRIu64, get_u64(value));
        break;
    case WIRE_KIND_i64:
        put(out, "%" PRId64, (int64_t)get_u64(value));
        break;
    case WIRE_KIND_RECORD:
        put(out, "{");
        put_fields(out, f->record, value);
        put(out, "}");
        break;
    case WIRE_KIND_LIST:
        put_list(out, f, src);
        break;
    default:
        put_string(out, f, value);
    }
}

static void put_fields(struct page *out, const struct wire_desc *d, const void *src)
{
    const struct wire_field *f = d->fields();

    for (uint32_t i = 0; i < d->n_fields && out->used + 1 < out->len; i++) {
        if (f[i].kind == WIRE_KIND_later)
            continue;
        put(out, "%s%s=", i > 0 ? " " : "", f[i].name);
        put_value(out, &f[i], src);
    }
}

const char *wire_print(const struct wire_desc *d, const void *src, char *dst, size_t len)
{
    struct page out = {.p = dst, .len = len};

    if (len == 0)
        return dst;
    dst[0] = '\0';
    put_fields(&out, d, src);
    return dst;
}

/* --- the protocol page --- */

static int document_fields(struct bytes *out, const struct wire_desc *d)
{
    const struct wire_field *f = d->fields();
    int rc = 0;

    for (uint32_t i = 0; i < d->n_fields && rc == 0; i++) {
        const char *comma = i > 0 ? ", " : "";

        if (f[i].kind == WIRE_KIND_later)
            rc = bytes_printf(out, "%ssince `%s`", comma, f[i].name);
        else if (f[i].kind == WIRE_KIND_LIST)
            rc = bytes_printf(out, "%s`%s`: %s[≤ %u]", comma, f[i].name, f[i].record->name, f[i].max);
        else if (f[i].kind == WIRE_KIND_RECORD)
            rc = bytes_printf(out, "%s`%s`: %s", comma, f[i].name, f[i].record->name);
        else
            rc = bytes_printf(out, "%s`%s`: %s", comma, f[i].name, wire_kind_name(f[i].kind));
    }
    return rc != 0 ? rc : bytes_printf(out, " |\n");
}

static int document_records(struct bytes *out)
{
    size_t n;
    const struct wire_desc *const *records = wire_records(&n);
    int rc = bytes_printf(out, "### Records\n\n| record | fields, in order |\n|---|---|\n");

    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = bytes_printf(out, "| `%s` | ", records[i]->name);
        if (rc == 0)
            rc = document_fields(out, records[i]);
    }
    return rc;
}

static int document_message(struct bytes *out, uint16_t type, const char *class, const struct wire_desc *d)
{
    int rc = bytes_printf(out, "| 0x%04x | `%s` | %s | ", type, d->name, class);

    return rc != 0 ? rc : document_fields(out, d);
}

static int document_messages(struct bytes *out)
{
    size_t n;
    const struct wire_type *types = wire_types(&n);
    int rc = bytes_printf(out, "\n### Messages\n\n| type | message | class | fields, in order |\n|---|---|---|---|\n");

    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = document_message(out, types[i].type, wire_class_name(types[i].class), types[i].desc);
        if (rc == 0 && types[i].reply != NULL)
            rc = document_message(out, types[i].type | MSG_REPLY_BIT, "reply", types[i].reply);
    }
    return rc != 0 ? rc : document_message(out, MSG_TYPE_error, "reply", wire_desc_of(MSG_TYPE_error));
}

static int document_errors(struct bytes *out)
{
    int rc = bytes_printf(out, "\n### Errors\n\n| code | name | text | retry may help |\n|---|---|---|---|\n");

#define ROW(name, number, text, retry)                                                                                 \
    if (rc == 0)                                                                                                       \
        rc = bytes_printf(out, "| %d | `%s` | %s | %s |\n", number, #name, text, (retry) ? "yes" : "no");
    DFS_ERROR_MAP(ROW)
#undef ROW
    return rc;
}

int wire_document(struct bytes *out)
{
    int rc = document_records(out);

    if (rc == 0)
        rc = document_messages(out);
    return rc != 0 ? rc : document_errors(out);
}
