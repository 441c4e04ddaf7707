/* SPDX-License-Identifier: MIT */
/* Descriptions of records, derived from table.h, that the codec walks; and encoding in two steps, for those who bring
 * their own memory (effects.c). */
#ifndef DFS_WIRE_CODEC_H
#define DFS_WIRE_CODEC_H

#include "wire/msg.h"

enum wire_kind {
    WIRE_KIND_u8,
    WIRE_KIND_u16,
    WIRE_KIND_u32,
    WIRE_KIND_u64,
    WIRE_KIND_i64,
    WIRE_KIND_name, /* from here to token: u16 length and bytes */
    WIRE_KIND_path,
    WIRE_KIND_text,
    WIRE_KIND_addr,
    WIRE_KIND_token,
    WIRE_KIND_blob,   /* u32 length and bytes */
    WIRE_KIND_RECORD, /* u32 length and the record's fields */
    WIRE_KIND_LIST,   /* u32 count, and per item u32 length and the record's fields */
    WIRE_KIND_later,  /* no bytes: what follows may be missing */
};

struct wire_field {
    const char *name;
    uint8_t kind;                   /* enum wire_kind */
    uint16_t offset;                /* of the value, or of a list's pointer, in the C struct */
    uint16_t n_offset;              /* of a list's count */
    uint32_t max;                   /* items of a list, bytes of a string */
    const struct wire_desc *record; /* of a RECORD or LIST */
};

struct wire_desc {
    const char *name;
    uint32_t size; /* of the C struct */
    uint32_t n_fields;
    const struct wire_field *(*fields)(void);
};

/* One message type: how it is called, who may send it, what it holds. */
struct wire_type {
    uint16_t type;
    enum msg_class class;
    const struct wire_desc *desc, *reply; /* reply: NULL for a command */
};

/* All requests and commands in table order; *n gets their number. */
const struct wire_type *wire_types(size_t *n);
/* All records, in table order. */
const struct wire_desc *const *wire_records(size_t *n);
const char *wire_kind_name(uint8_t kind);
const char *wire_class_name(enum msg_class class);

/* Bytes that src takes, or DFS_EINVAL if a value breaks its field's rule, DFS_ETOOBIG beyond 1 GiB. */
int64_t wire_measure(const struct wire_desc *d, const void *src) MUST_USE;
/* Writes exactly that many bytes. src has been measured, and has not changed since. Returns the end. */
uint8_t *wire_put(const struct wire_desc *d, const void *src, uint8_t *to);

/* Where the union of a struct msg starts: every member begins there. */
#define MSG_BODY offsetof(struct msg, error)
static inline const void *msg_body(const struct msg *m) { return (const uint8_t *)m + MSG_BODY; }

/* A DFS_E… from a number on the wire; DFS_EIO if it is none of ours. */
int wire_error_from(uint16_t code);

#endif
