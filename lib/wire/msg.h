/* SPDX-License-Identifier: MIT */
/* Messages as C structs, derived from table.h, and the codec that moves them to and from bytes.
 *
 * Each field kind has one C type; strings (name, path, text, addr, token, blob) are struct str and are borrowed: a
 * decoded string points into the bytes it was decoded from. Arrays are `struct wire_<record> *<name>; uint32_t n_<name>`
 * and live in the arena given to the decoder. */
#ifndef DFS_WIRE_MSG_H
#define DFS_WIRE_MSG_H

#include "base/arena.h"
#include "base/bytes.h"
#include "wire/table.h"

#define WIRE_NAME_MAX 255u
#define WIRE_PATH_MAX 4096u
#define WIRE_TEXT_MAX 1024u
#define WIRE_ADDR_MAX 255u
#define WIRE_TOKEN_MAX 512u
#define WIRE_BLOB_MAX (1024u * 1024)

/* Limits of a frame (frame.h): the encoded message, and the payload behind it. */
#define WIRE_HEAD_MAX (2u * 1024 * 1024)
#define WIRE_PAYLOAD_MAX (1024u * 1024)
/* What the arrays of one decoded message may occupy in memory. */
#define WIRE_ARENA_MAX (16u * 1024 * 1024)

enum inode_type {
    INODE_FILE = 1,
    INODE_DIRECTORY = 2,
    INODE_SYMLINK = 3,
    INODE_FIFO = 4,
    INODE_SOCKET = 5,
    INODE_CHAR_DEVICE = 6,
    INODE_BLOCK_DEVICE = 7,
};
enum node_role { ROLE_CLIENT = 1, ROLE_STORAGE = 2, ROLE_NAME = 3 };
enum server_state {
    SERVER_UP = 1,
    SERVER_SUSPECT = 2, /* the leader's alone */
    SERVER_DOWN = 3,
    SERVER_DRAINING = 4,
    SERVER_DRAINED = 5,
    SERVER_REMOVED = 6, /* for good; its id is never used again */
};
enum task_kind { TASK_COPY = 1, TASK_VERIFY = 2, TASK_DROP = 3, TASK_FENCE = 4, TASK_STAMP = 5 };
#define TASK_OPEN 1u      /* STAMP: the version takes writes */
#define TASK_CUT_OFF 2u   /* FENCE: nor is it read, as others go on without this copy; tells nothing of it */
#define RESULT_STEADY 1u  /* FENCE: was served without a break since its version began */
#define RESULT_CUT_OFF 2u /* FENCE with TASK_CUT_OFF: it is */
#define RESULT_DOUBT 4u   /* FENCE: at the start something was cut off a log here: as a rule what was never acknowledged */
#define WRITE_MAPPED 1u   /* the chunk belongs to a file already */
enum replica_rank { REPLICA_FINE = 0, REPLICA_BUSY = 1, REPLICA_SILENT = 2 };
enum server_action { SERVER_DRAIN = 1, SERVER_UNDRAIN = 2, SERVER_REMOVE = 3 };
enum health_status { HEALTH_GREEN = 0, HEALTH_YELLOW = 1, HEALTH_RED = 2 };
/* What became of the chunk that a place of a file was: removed, with all that was written to it; or not known any more. */
enum chunk_cut { CHUNK_CUT = 1, CHUNK_CUT_LONG_AGO = 2 };
/* TRUNCATE: the chunk ends at offset, shorter or longer; length is 0. PUNCH: the range reads as zeros; nothing grows. */
/* WRITE_APPEND: where the chunk ends, which its head says; its crcs are those of the payload at offset 0. */
enum write_kind { WRITE_DATA = 0, WRITE_TRUNCATE = 1, WRITE_PUNCH = 2, WRITE_APPEND = 3 };
#define CHUNK_LAST UINT32_MAX /* chunk_open: the one the file ends in */
enum nm_state { NM_LEADER = 1, NM_FOLLOWER = 2, NM_JOINING = 3, NM_DOWN = 4 };

/* Of a recover: how it stands; begin with files that are whole, or with the others as well. */
enum recover_what { RECOVER_LOOK = 0, RECOVER_WHOLE = 1, RECOVER_ALL = 2 };
enum recover_state { RECOVER_IDLE = 0, RECOVER_GATHERING = 1, RECOVER_BUILDING = 2, RECOVER_DONE = 3 };

#define ROOT_INO 1u
#define HELD_DAMAGED 1u
#define READ_REPAIR 1u
#define READ_MAP 2u
#define LOOKUP_NOFOLLOW 1u
#define MKDIR_PARENTS 1u
#define CREATE_EXCL 1u
#define RENAME_EXCL 1u
#define RENAME_SWAP 2u
#define XATTR_MUST_BE_NEW 1u
#define XATTR_MUST_EXIST 2u
#define XATTR_NOFOLLOW 4u
#define XATTR_DROP_SETGID 8u /* setxattr of an access ACL: the setgid bit goes */
#define REMOVE_TREE 1u  /* a directory, with all it holds */
#define REMOVE_KEEP 2u  /* in the trash, if there is one */
#define SETATTR_MODE 1u /* which fields of setattr count */
#define SETATTR_UID 2u
#define SETATTR_GID 4u
#define SETATTR_MTIME 8u
#define SETATTR_MTIME_NOW 16u
#define SETATTR_NOFOLLOW 32u /* a final symlink is meant itself */
#define OPEN_READ 1u
#define OPEN_WRITE 2u
#define OPEN_CREATE 4u /* if there is none */
#define OPEN_EXCL 8u   /* with OPEN_CREATE: and there must be none */
#define LOCK_WAIT 1u
enum lock_space { LOCK_FILE = 1, LOCK_RANGE = 2 };
enum lock_type { LOCK_SHARED = 1, LOCK_EXCLUSIVE = 2 };
#define SETATTR_GOAL 64u
#define SETATTR_ATIME 128u
#define SETATTR_ATIME_NOW 256u
#define SETATTR_KILL_SETID 512u /* as a change of the owner does */

/* The minor version of the protocol, said in HELLO. */
#define WIRE_MINOR 1u

/* --- structs --- */
struct wire_later { /* a mark in the table: takes no room */
    char none[0];
};
#define WIRE_CTYPE_later struct wire_later
#define WIRE_CTYPE_u8 uint8_t
#define WIRE_CTYPE_u16 uint16_t
#define WIRE_CTYPE_u32 uint32_t
#define WIRE_CTYPE_u64 uint64_t
#define WIRE_CTYPE_i64 int64_t
#define WIRE_CTYPE_name struct str
#define WIRE_CTYPE_path struct str
#define WIRE_CTYPE_text struct str
#define WIRE_CTYPE_addr struct str
#define WIRE_CTYPE_token struct str
#define WIRE_CTYPE_blob struct str

#define WIRE_DECL_F(kind, name) WIRE_CTYPE_##kind name;
#define WIRE_DECL_R(rec, name) struct wire_##rec name;
#define WIRE_DECL_L(rec, name, max)                                                                                    \
    struct wire_##rec *name;                                                                                           \
    uint32_t n_##name;

#define WIRE_RECORD(rec)                                                                                               \
    struct wire_##rec {                                                                                                \
        REC_##rec(WIRE_DECL_F, WIRE_DECL_R, WIRE_DECL_L)                                                               \
    };
DFS_RECORDS(WIRE_RECORD)

#define WIRE_MESSAGE(name, number, class)                                                                              \
    struct msg_##name {                                                                                                \
        MSG_##name(WIRE_DECL_F, WIRE_DECL_R, WIRE_DECL_L)                                                              \
    };                                                                                                                 \
    struct msg_##name##_reply {                                                                                        \
        MSG_##name##_reply(WIRE_DECL_F, WIRE_DECL_R, WIRE_DECL_L)                                                      \
    };
DFS_MESSAGES(WIRE_MESSAGE)
#define WIRE_COMMAND(name, number)                                                                                     \
    struct msg_##name {                                                                                                \
        MSG_##name(WIRE_DECL_F, WIRE_DECL_R, WIRE_DECL_L)                                                              \
    };
DFS_COMMANDS(WIRE_COMMAND)
struct msg_error {
    MSG_error(WIRE_DECL_F, WIRE_DECL_R, WIRE_DECL_L)
};

enum msg_type {
    MSG_TYPE_error = MSG_TYPE_ERROR,
#define WIRE_TYPE(name, number, class) MSG_TYPE_##name = (number), MSG_TYPE_##name##_reply = (number) | MSG_REPLY_BIT,
    DFS_MESSAGES(WIRE_TYPE)
#undef WIRE_TYPE
#define WIRE_TYPE(name, number) MSG_TYPE_##name = (number),
        DFS_COMMANDS(WIRE_TYPE)
#undef WIRE_TYPE
};

enum msg_class {
    CLASS_NONE,
    CLASS_LINK,
    CLASS_READ,
    CLASS_LEADER,
    CLASS_MUTATION,
    CLASS_DATA,
    CLASS_COMMAND,
    CLASS_PEER
};

/* Any message. */
struct msg {
    uint16_t type; /* enum msg_type: says which member holds */
    union {
        struct msg_error error;
#define WIRE_MEMBER(name, number, class)                                                                               \
    struct msg_##name name;                                                                                            \
    struct msg_##name##_reply name##_reply;
        DFS_MESSAGES(WIRE_MEMBER)
#undef WIRE_MEMBER
#define WIRE_MEMBER(name, number) struct msg_##name name;
        DFS_COMMANDS(WIRE_MEMBER)
#undef WIRE_MEMBER
    };
};

/* --- codec --- */

struct wire_desc; /* the fields of one record or message, for the codec to walk (codec.c) */

/* Descriptions of the records and messages: wire_rec_<record>, and by number. */
#define WIRE_EXTERN(rec) extern const struct wire_desc wire_rec_##rec;
DFS_RECORDS(WIRE_EXTERN)
const struct wire_desc *wire_desc_of(uint16_t type); /* NULL: unknown type */
const char *wire_type_name(uint16_t type);           /* "publish"; "unknown" */
enum msg_class wire_class_of(uint16_t type);         /* of a request; CLASS_NONE if unknown */

/* Appends the encoding of src. 0; DFS_EINVAL if a value breaks its field's rule (a bug of ours or of our caller);
 * DFS_ETOOBIG; DFS_ENOMEM. On error out is as before. */
int wire_encode(const struct wire_desc *d, const void *src, struct bytes *out) MUST_USE;
/* Decodes all of p[0..len) into dst, zeroing it first. Bytes after the last known field are skipped.
 * Fields behind a mark (later) that are missing stay zero. DFS_EPROTO: malformed, short, or a limit broken; DFS_ENOMEM: the arena is full. */
int wire_decode(const struct wire_desc *d, const void *p, size_t len, void *dst, struct arena *a) MUST_USE;
/* "name=… path=…" for logs and traces, truncated to len with a NUL; returns dst. */
const char *wire_print(const struct wire_desc *d, const void *src, char *dst, size_t len);
/* docs/PROTOCOL.md's table of messages, as Markdown. */
int wire_document(struct bytes *out) MUST_USE;

/* The same for whole messages; m->type is set by the decoder from `type`. DFS_ENOTSUP: unknown type. */
int msg_encode(const struct msg *m, struct bytes *out) MUST_USE;
int msg_decode(uint16_t type, const void *p, size_t len, struct msg *m, struct arena *a) MUST_USE;

#endif
