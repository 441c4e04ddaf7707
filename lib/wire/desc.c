/* SPDX-License-Identifier: MIT */
/* table.h, expanded into tables for the codec to walk. */
#include "wire/codec.h"

#define MAX_later 0
#define MAX_u8 0
#define MAX_u16 0
#define MAX_u32 0
#define MAX_u64 0
#define MAX_i64 0
#define MAX_name WIRE_NAME_MAX
#define MAX_path WIRE_PATH_MAX
#define MAX_text WIRE_TEXT_MAX
#define MAX_addr WIRE_ADDR_MAX
#define MAX_token WIRE_TOKEN_MAX
#define MAX_blob WIRE_BLOB_MAX

/* The X-macros name a field without its struct: so each table stands in a function, where T is the struct. */
#define FIELD_F(k, f) {.name = #f, .kind = WIRE_KIND_##k, .offset = offsetof(T, f), .max = MAX_##k},
#define FIELD_R(rec, f) {.name = #f, .kind = WIRE_KIND_RECORD, .offset = offsetof(T, f), .record = &wire_rec_##rec},
#define FIELD_L(rec, f, limit)                                                                                         \
    {.name = #f,                                                                                                       \
     .kind = WIRE_KIND_LIST,                                                                                           \
     .offset = offsetof(T, f),                                                                                         \
     .n_offset = offsetof(T, n_##f),                                                                                   \
     .max = (limit),                                                                                                   \
     .record = &wire_rec_##rec},
#define COUNT_F(k, f) +1
#define COUNT_R(rec, f) +1
#define COUNT_L(rec, f, limit) +1

#define DESCRIBE(linkage, variable, c_struct, label, FIELDS)                                                           \
    static const struct wire_field *fields_of_##c_struct(void)                                                         \
    {                                                                                                                  \
        typedef struct c_struct T;                                                                                     \
        static const struct wire_field fields[] = {FIELDS(FIELD_F, FIELD_R, FIELD_L)};                                 \
        return fields;                                                                                                 \
    }                                                                                                                  \
    linkage const struct wire_desc variable = {                                                                        \
        .name = label,                                                                                                 \
        .size = sizeof(struct c_struct),                                                                               \
        .n_fields = 0 FIELDS(COUNT_F, COUNT_R, COUNT_L),                                                               \
        .fields = fields_of_##c_struct,                                                                                \
    };

#define DESCRIBE_RECORD(rec) DESCRIBE(, wire_rec_##rec, wire_##rec, #rec, REC_##rec)
DFS_RECORDS(DESCRIBE_RECORD)

#define DESCRIBE_MESSAGE(m, number, class)                                                                             \
    DESCRIBE(static, desc_##m, msg_##m, #m, MSG_##m)                                                                   \
    DESCRIBE(static, desc_##m##_reply, msg_##m##_reply, #m "_reply", MSG_##m##_reply)
DFS_MESSAGES(DESCRIBE_MESSAGE)

#define DESCRIBE_COMMAND(m, number) DESCRIBE(static, desc_##m, msg_##m, #m, MSG_##m)
DFS_COMMANDS(DESCRIBE_COMMAND)

DESCRIBE(static, desc_error, msg_error, "error", MSG_error)

const struct wire_desc *wire_desc_of(uint16_t type)
{
    switch (type) {
#define CASE(m, number, class)                                                                                         \
    case MSG_TYPE_##m:                                                                                                 \
        return &desc_##m;                                                                                              \
    case MSG_TYPE_##m##_reply:                                                                                         \
        return &desc_##m##_reply;
        DFS_MESSAGES(CASE)
#undef CASE
#define CASE(m, number)                                                                                                \
    case MSG_TYPE_##m:                                                                                                 \
        return &desc_##m;
        DFS_COMMANDS(CASE)
#undef CASE
    case MSG_TYPE_error:
        return &desc_error;
    default:
        return NULL;
    }
}

const char *wire_type_name(uint16_t type)
{
    const struct wire_desc *d = wire_desc_of(type);

    return d != NULL ? d->name : "unknown";
}

enum msg_class wire_class_of(uint16_t type)
{
    switch (type) {
#define CASE(m, number, class)                                                                                         \
    case MSG_TYPE_##m:                                                                                                 \
        return CLASS_##class;
        DFS_MESSAGES(CASE)
#undef CASE
#define CASE(m, number) case MSG_TYPE_##m:
        DFS_COMMANDS(CASE)
#undef CASE
        return CLASS_COMMAND;
    default:
        return CLASS_NONE;
    }
}

const struct wire_type *wire_types(size_t *n)
{
    static const struct wire_type types[] = {
#define ROW(m, number, class) {number, CLASS_##class, &desc_##m, &desc_##m##_reply},
        DFS_MESSAGES(ROW)
#undef ROW
#define ROW(m, number) {number, CLASS_COMMAND, &desc_##m, NULL},
            DFS_COMMANDS(ROW)
#undef ROW
    };

    *n = ARRAY_LEN(types);
    return types;
}

const struct wire_desc *const *wire_records(size_t *n)
{
    static const struct wire_desc *const records[] = {
#define ROW(rec) &wire_rec_##rec,
        DFS_RECORDS(ROW)
#undef ROW
    };

    *n = ARRAY_LEN(records);
    return records;
}

const char *wire_kind_name(uint8_t kind)
{
    static const char *const names[] = {"u8",   "u16",  "u32",   "u64",  "i64",    "name", "path",
                                        "text", "addr", "token", "blob", "record", "list", "later"};

    return kind < ARRAY_LEN(names) ? names[kind] : "unknown";
}

const char *wire_class_name(enum msg_class class)
{
    static const char *const names[] = {
        [CLASS_NONE] = "none",         [CLASS_LINK] = "link", [CLASS_READ] = "read",       [CLASS_LEADER] = "leader",
        [CLASS_MUTATION] = "mutation", [CLASS_DATA] = "data", [CLASS_COMMAND] = "command", [CLASS_PEER] = "peer",
    };

    return (size_t) class < ARRAY_LEN(names) ? names[class] : "unknown";
}

int wire_error_from(uint16_t code)
{
    switch (code) {
#define CASE(name, number, text, retry) case number:
        DFS_ERROR_MAP(CASE)
#undef CASE
        return -(int)code;
    default:
        return DFS_EIO;
    }
}
