/* SPDX-License-Identifier: MIT */
/* The tables behind struct meta, and what the files of this folder offer each other. */
#ifndef DFS_META_STATE_H
#define DFS_META_STATE_H

#include "meta/idmap.h"
#include "meta/meta.h"
#include "meta/names.h"

#define META_SERIAL_MAX (1ULL << 48) /* ids: group number (0) << 48 | serial */
#define META_RESERVE_STEP (1ULL << 20)
#define META_REAP_MAX 4096u
#define META_PAGE_BYTES (1024u * 1024) /* what one listing reply may take, encoded */

/* One inode. 56 bytes; every byte here is a megabyte per million files. */
struct inode {
    uint64_t size; /* of a file, bytes; of a directory, entries; of a symlink, its target's length */
    int64_t mtime_ns, ctime_ns;
    union {
        uint64_t chunk;    /* a file with one chunk */
        uint64_t *chunks;  /* a file with more: n ids in order of index; owned */
        uint64_t parent;   /* a directory; the root is its own */
        char *target;      /* a symlink: size bytes; owned */
    };
    uint32_t uid, gid;
    uint32_t n; /* of a file, chunks; of a directory, subdirectories */
    uint32_t generation_low;
    uint16_t generation_high;
    uint16_t names; /* entries that mean this inode; 0 is the root's alone */
    uint16_t type_mode; /* enum inode_type << 12 | permission bits */
    uint8_t goal;
    uint8_t flags; /* INODE_… */
};
#define INODE_GOAL_CHOSEN 1u /* the goal was given, not the default */

static inline uint8_t inode_type(const struct inode *i) { return (uint8_t)(i->type_mode >> 12); }
static inline bool is_dir(const struct inode *i) { return inode_type(i) == INODE_DIRECTORY; }

/* One chunk: mapped by exactly one file, or waiting in the removed queue. 24 bytes. */
#define CHUNK_INLINE 3u
struct chunk {
    uint32_t version, length, crc;
    uint32_t index; /* in the file */
    uint16_t servers[CHUNK_INLINE]; /* the chain, if no longer than this; else it is in meta.chains */
    uint16_t n_servers : 5, goal : 5, removed : 1;
};

struct removed { /* an item of the removed queue */
    uint64_t chunk;
    int64_t time_ns;
};

struct removed_queue { /* a ring */
    struct removed *v;
    size_t head, count, cap; /* cap: a power of two, or 0 */
};

struct session_result { /* a remembered reply */
    uint32_t len;
    uint16_t type;
    uint8_t head[];
};

struct session {
    uint64_t nonce;
    int64_t active_ns;
    uint64_t floor;               /* results of numbers below this are forgotten */
    struct session_result **ring; /* the result of number n at n % ring_cap; owned */
    char *who;                    /* owned; NULL: empty */
    uint32_t ring_cap;            /* a power of two, or 0 */
    uint32_t n_results;
};

struct meta {
    uint64_t index, epoch, cluster_hi, cluster_lo;
    uint64_t first_grantable, reserved, horizon;         /* chunk serials */
    uint64_t next_ino, next_session, next_generation;
    struct names names;
    struct idmap inodes, chunks, sessions;
    struct u64map nonces; /* session nonce -> id */
    struct u64map chains; /* chunk id -> uint16_t * of its n_servers servers, where those are many; owned */
    struct removed_queue removed;
    struct meta_server *servers; /* id - 1 is the place; addr and domain are owned */
    uint32_t n_servers;
    struct meta_member members[META_MAX_MEMBERS]; /* in id order */
    uint32_t n_members, next_member;
    uint64_t n_files, n_dirs, n_symlinks; /* the root is not counted */
    uint64_t file_bytes;
    size_t heap_bytes; /* chunk arrays, long chains, symlink targets, session results: estimated */

    /* beside the state */
    struct meta_timers timers;
    struct bytes out; /* the reply of the last command */
    struct arena arena;
    char text[256];   /* for the error being made; empty: the number says it all */
    struct meta_removed *reaped;
    uint32_t n_reaped;
};

/* What an allocation of n bytes takes. */
static inline size_t heap_cost(size_t n) { return round_up(n + 8, 16); }

/* --- inode.c --- */

struct inode *meta_inode(const struct meta *m, uint64_t ino); /* NULL: none */
/* A new inode without a name; *ino is its id. Pointers to other inodes die. */
struct inode *meta_inode_new(struct meta *m, const struct stamp *st, uint8_t type, uint32_t mode, uint32_t uid,
                             uint32_t gid, uint64_t *ino);
/* Frees an inode nobody names; a file's chunks go to the removed queue. Pointers to other inodes die. */
void meta_inode_drop(struct meta *m, const struct stamp *st, uint64_t ino);
void meta_inode_free_content(struct inode *in); /* owned memory only; for meta_free and failed loads */
void meta_file_drop_chunks(struct meta *m, const struct stamp *st, struct inode *in);
/* Gives a file its chunks: n ids that are in the map already, in order of index. */
void meta_file_set_chunks(struct meta *m, struct inode *in, const uint64_t *ids, uint32_t n);
uint64_t meta_file_chunk(const struct inode *in, uint32_t i); /* i < in->n */
uint64_t meta_generation(const struct inode *in);
void meta_set_generation(struct inode *in, uint64_t generation);
void meta_fill_attr(uint64_t ino, const struct inode *in, struct wire_attr *a);
/* Enters a new name; the parent's times and counts follow. */
void meta_link(struct meta *m, const struct stamp *st, uint64_t parent, struct str name, uint64_t ino);
/* Takes a name out; the inode goes when that was its last. */
void meta_unlink(struct meta *m, const struct stamp *st, uint64_t parent, struct str name);
/* Moves a name: to_name must be free. */
void meta_move(struct meta *m, const struct stamp *st, uint64_t parent, struct str name, uint64_t to_parent,
               struct str to_name);
/* Is dir the inode `below`, or one of the directories above it? */
bool meta_is_above(const struct meta *m, uint64_t dir, uint64_t below);

/* --- chunk.c --- */

struct chunk *meta_chunk(const struct meta *m, uint64_t id); /* mapped or removed; NULL: unknown */
/* Maps a chunk that is not known yet and counts it for its servers, which exist. */
struct chunk *meta_chunk_add(struct meta *m, uint64_t id, const uint16_t *servers, uint32_t n_servers, uint32_t length);
const uint16_t *meta_chunk_servers(const struct meta *m, uint64_t id, const struct chunk *c);
/* Out of the map, into the removed queue. */
void meta_chunk_remove(struct meta *m, uint64_t id, int64_t time_ns);
void meta_removed_push(struct meta *m, uint64_t id, int64_t time_ns);
const struct removed *meta_removed_at(const struct meta *m, size_t i);
void meta_apply_reap(struct meta *m, const struct msg_reap *r);

/* --- server.c --- */

int meta_apply_register(struct meta *m, const struct msg_ss_register *r, struct msg *reply);
void meta_apply_server_state(struct meta *m, const struct msg_server_state *s);
struct meta_server *meta_server_add(struct meta *m); /* a blank one with the next id */
bool meta_server_fields_fine(struct str addr, struct str domain);

/* --- member.c --- */

void meta_member_found(struct meta *m, const struct msg_open_epoch *o);
int meta_apply_join(struct meta *m, const struct msg_nm_join *j, struct msg *reply);
int meta_apply_leave(struct meta *m, const struct msg_nm_remove *r, struct msg *reply);
struct meta_member *meta_member_add(struct meta *m, uint32_t id, struct str addr); /* there must be room */
void meta_members_close(struct meta *m);

/* --- session.c --- */

/* What to do with a numbered request. 0: apply it; 1: *again is its remembered reply; or a DFS_E, not remembered. */
int meta_session_begin(struct meta *m, const struct wire_request_id *id, int64_t now_ns,
                       const struct session_result **again);
/* Remembers a reply; the bytes it returns live as long as the session remembers them. */
const struct session_result *meta_session_remember(struct meta *m, const struct wire_request_id *id, uint16_t type,
                                                   const void *head, uint32_t len);
int meta_apply_session_open(struct meta *m, const struct stamp *st, const struct msg_session_open *o,
                            struct msg *reply);
void meta_session_drop(struct meta *m, uint64_t id);
void meta_session_free_content(struct session *s);
void meta_apply_expire(struct meta *m, const struct msg_expire *e);
const struct session_result *meta_session_result(const struct session *s, uint64_t number);
void meta_session_put_result(struct meta *m, struct session *s, uint64_t number, struct session_result *r);
const struct wire_request_id *meta_request_id(const struct msg *cmd); /* NULL: this command carries none */

/* --- resolve.c --- */

enum last_kind { LAST_NAME, LAST_ROOT, LAST_DOT, LAST_DOTDOT };

/* Where a path leads. */
struct walk {
    uint64_t ino;     /* what is there; 0: nothing (LAST_NAME only) */
    uint64_t parent;  /* LAST_NAME: the directory that holds, or would hold, the last name */
    struct str name;  /* LAST_NAME; borrowed from the path or a symlink */
    enum last_kind kind;
    bool slash;       /* a slash stood behind the last name */
    uint32_t links;   /* symlinks followed so far; carried from one walk into the next */
};

/* Resolves path from dir. A last symlink is followed if WALK_FOLLOW is set, or, when a slash stands behind it, if
 * WALK_SLASH_FOLLOWS is (as lookups do; what makes or removes names does not). w->links must be set (0). 0, or ENOENT,
 * ENOTDIR, ELOOP, ENAMETOOLONG, EINVAL:
 * about everything before the last name; whether that exists is for the caller to judge. */
#define WALK_FOLLOW 1u
#define WALK_SLASH_FOLLOWS 2u
int meta_walk(const struct meta *m, uint64_t dir, struct str path, uint32_t flags, struct walk *w) MUST_USE;
/* The inode at a path that must exist: adds ENOENT, and ENOTDIR for a slash behind a file. */
int meta_walk_existing(const struct meta *m, uint64_t dir, struct str path, uint32_t flags, uint64_t *ino) MUST_USE;

/* --- operations: reply is filled when they return 0; a DFS_E is the refusal, m->text may say more --- */

int meta_op_mkdir(struct meta *m, const struct stamp *st, const struct msg_mkdir *r, struct msg *reply);
int meta_op_create(struct meta *m, const struct stamp *st, const struct msg_create *r, struct msg *reply);
int meta_op_symlink(struct meta *m, const struct stamp *st, const struct msg_symlink *r, struct msg *reply);
int meta_op_unlink(struct meta *m, const struct stamp *st, const struct msg_unlink *r, struct msg *reply);
int meta_op_rmdir(struct meta *m, const struct stamp *st, const struct msg_rmdir *r, struct msg *reply);
int meta_op_rename(struct meta *m, const struct stamp *st, const struct msg_rename *r, struct msg *reply);
int meta_op_publish(struct meta *m, const struct stamp *st, const struct msg_publish *r, struct msg *reply);
/* Where create and publish put their file: w as walked, or the refusal. */
int meta_walk_for_file(const struct meta *m, uint64_t dir, struct str path, bool excl, struct walk *w) MUST_USE;
/* The goal of a file: as asked, or the default. */
uint8_t meta_goal(const struct meta *m, uint8_t asked);

#endif
