/* SPDX-License-Identifier: MIT */
/* A fuzzer's bytes as a source of decisions, and of whole messages: any bytes make a message that encodes, so that a core
 * behind the decoder is reached. Numbers that the core gave out (sessions, inodes, chunks, versions) are remembered, and
 * drawn again. */
#ifndef DFS_TESTS_FUZZ_FEED_H
#define DFS_TESTS_FUZZ_FEED_H

#include <stdio.h>
#include <stdlib.h>

#include "base/slice.h"
#include "wire/codec.h"
#include "wire/core.h"
#include "wire/frame.h"

#define FEED_NUMBERS 64u
#define FEED_TOKENS 8u
#define FEED_CALLS 64u

struct feed {
    const uint8_t *p;
    size_t len;
    uint64_t numbers[FEED_NUMBERS];
    uint32_t n_numbers;
    struct {
        uint8_t p[WIRE_TOKEN_MAX];
        uint32_t len;
    } tokens[FEED_TOKENS];
    uint32_t n_tokens;
};

/* Calls of the core that were not answered yet. */
struct feed_calls {
    struct feed_call {
        uint64_t token;
        uint16_t type;
    } v[FEED_CALLS];
    uint32_t n;
};

static inline void must(bool fine, const char *what)
{
    if (fine)
        return;
    fprintf(stderr, "fuzz: %s\n", what);
    abort();
}

/* 0 once nothing is left. */
static inline uint8_t feed_u8(struct feed *f)
{
    if (f->len == 0)
        return 0;
    f->len--;
    return *f->p++;
}

static inline uint64_t feed_raw(struct feed *f, uint32_t bytes)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < bytes; i++)
        n = n << 8 | feed_u8(f);
    return n;
}

/* A small number, one that was given out, one near it, a large one, any. */
static inline uint64_t feed_number(struct feed *f)
{
    uint8_t c = feed_u8(f);
    if (c < 96)
        return c;
    if (c < 224)
        return f->n_numbers ? f->numbers[c % f->n_numbers] + (c >= 208) : c;
    return c < 240 ? 1ULL << c % 16 * 4 : c < 248 ? UINT64_MAX - c % 8 : feed_raw(f, 8);
}

static inline struct str feed_string(struct feed *f, const struct wire_field *field, struct arena *a)
{
    static const char *const names[] = {"a", "b",  "d", "d/a", "d/b",    "a/b/c",
                                        "",  "..", ".", "/",   "user.x", "trusted.y"};
    static const char *const addresses[] = {"ss0", "ss1", "127.0.0.1:9", "h:1", ""};
    uint8_t c = feed_u8(f);
    if (field->kind == WIRE_KIND_token && c < 200 && f->n_tokens)
        return (struct str){(const char *)f->tokens[c % f->n_tokens].p, f->tokens[c % f->n_tokens].len};
    if (field->kind == WIRE_KIND_addr && c < 200)
        return str_of(addresses[c % ARRAY_LEN(addresses)]);
    if (field->kind != WIRE_KIND_blob && field->kind != WIRE_KIND_token && c < 200)
        return str_of(names[c % ARRAY_LEN(names)]);
    uint32_t len = (uint32_t)min_u64(feed_u8(f), field->max);
    uint8_t *p = arena_alloc(a, len + 1, 1);
    for (uint32_t i = 0; i < len; i++)
        p[i] = feed_u8(f);
    return (struct str){(const char *)p, len};
}

static inline void feed_fill(struct feed *f, const struct wire_desc *d, uint8_t *out, struct arena *a)
{
    const struct wire_field *field = d->fields();
    for (uint32_t i = 0; i < d->n_fields; i++, field++) {
        void *to = out + field->offset;
        switch (field->kind) {
        case WIRE_KIND_later:
            break;
        case WIRE_KIND_u8:
            *(uint8_t *)to = feed_u8(f) % 8;
            break;
        case WIRE_KIND_u16:
            *(uint16_t *)to = (uint16_t)feed_number(f);
            break;
        case WIRE_KIND_u32:
            *(uint32_t *)to = (uint32_t)feed_number(f);
            break;
        case WIRE_KIND_u64:
        case WIRE_KIND_i64:
            *(uint64_t *)to = feed_number(f);
            break;
        case WIRE_KIND_RECORD:
            feed_fill(f, field->record, to, a);
            break;
        case WIRE_KIND_LIST: {
            uint32_t n = (uint32_t)min_u64(feed_u8(f) % 5, field->max);
            uint8_t *items = arena_alloc(a, n + 1, field->record->size);
            memset(items, 0, (size_t)n * field->record->size);
            for (uint32_t k = 0; k < n; k++)
                feed_fill(f, field->record, items + (size_t)k * field->record->size, a);
            *(void **)to = items;
            *(uint32_t *)(out + field->n_offset) = n;
            break;
        }
        default:
            *(struct str *)to = feed_string(f, field, a);
        }
    }
}

/* A message of this type. False: it breaks a rule of its fields. */
static inline bool feed_message(struct feed *f, uint16_t type, struct msg *m, struct arena *a)
{
    memset(m, 0, sizeof *m);
    m->type = type;
    feed_fill(f, wire_desc_of(type), (uint8_t *)m + MSG_BODY, a);
    return wire_measure(wire_desc_of(type), msg_body(m)) >= 0;
}

/* Remembers what the core gave out. */
static inline void feed_learn(struct feed *f, const struct wire_desc *d, const uint8_t *in)
{
    const struct wire_field *field = d->fields();
    for (uint32_t i = 0; i < d->n_fields; i++, field++) {
        const void *at = in + field->offset;
        if (field->kind == WIRE_KIND_u64 && *(const uint64_t *)at > 95) {
            f->numbers[f->n_numbers < FEED_NUMBERS ? f->n_numbers++ : *(const uint64_t *)at % FEED_NUMBERS] =
                *(const uint64_t *)at;
        } else if (field->kind == WIRE_KIND_token && ((const struct str *)at)->len > 0 && f->n_tokens < FEED_TOKENS) {
            const struct str *t = at;
            memcpy(f->tokens[f->n_tokens].p, t->p, t->len);
            f->tokens[f->n_tokens++].len = (uint32_t)t->len;
        } else if (field->kind == WIRE_KIND_RECORD) {
            feed_learn(f, field->record, at);
        } else if (field->kind == WIRE_KIND_LIST) {
            for (uint32_t k = 0; k < *(const uint32_t *)(in + field->n_offset) && k < 8; k++)
                feed_learn(f, field->record, *(uint8_t *const *)at + (size_t)k * field->record->size);
        }
    }
}

/* What a message was encoded to; the caller drops it. */
static inline struct slice feed_encode(const struct msg *m)
{
    struct bytes b;
    bytes_init(&b, WIRE_HEAD_MAX);
    must(msg_encode(m, &b) == 0, "a measured message does not encode");
    struct slice s = slice_copy(b.p, (uint32_t)b.len);
    bytes_close(&b);
    return s;
}

/* An answer of the core: it decodes, and what it gives out is remembered. The caller closes the arena, on which m stands. */
static inline void feed_answer(struct feed *f, const struct effect *e, struct msg *m, struct arena *a)
{
    arena_init(a, WIRE_ARENA_MAX);
    must(msg_decode(e->type, slice_data(e->frame) + FRAME_HEADER, e->frame.len - FRAME_HEADER, m, a) == 0,
         "an answer does not decode");
    feed_learn(f, wire_desc_of(e->type), msg_body(m));
}

static inline struct feed_call feed_take_call(struct feed_calls *calls, uint32_t which)
{
    struct feed_call c = calls->v[which % calls->n];
    calls->n--;
    calls->v[which % (calls->n + 1)] = calls->v[calls->n];
    return c;
}

/* What comes of a call: an answer or an error with any content, or nothing. m and a are to live as long as the event. */
static inline struct event feed_outcome(struct feed *f, struct feed_call c, struct msg *m, struct arena *a)
{
    uint8_t how = feed_u8(f);
    struct event ev = {.kind = EV_REPLY, .token = c.token};
    if (how % 4 == 0 || !feed_message(f, how < 240 ? c.type | MSG_REPLY_BIT : MSG_TYPE_error, m, a)) {
        ev.status = how < 128 ? DFS_ETIMEDOUT : DFS_EUNREACH;
        return ev;
    }
    ev.status = m->type == MSG_TYPE_error ? wire_error_from(m->error.code) : 0;
    ev.msg = m;
    return ev;
}

#endif
