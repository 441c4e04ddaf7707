/* SPDX-License-Identifier: MIT */
/* The tables behind struct meta, and what the files of this folder offer each other. */
#ifndef DFS_META_STATE_H
#define DFS_META_STATE_H

#include "meta/files.h"
#include "meta/idmap.h"
#include "meta/meta.h"
#include "meta/names.h"
#include "meta/placement.h"

#define META_SERIAL_MAX (1ULL << 48) /* ids: group number (0) << 48 | serial */
#define META_RESERVE_STEP (1ULL << 20)
#define META_REAP_MAX 4096u
#define META_RECLAIM_MAX 4096u
/* Two more roots, which no path leads to: entries are named by sixteen hexadecimal digits, the number of the removal. */
#define TRASH_INO 2u /* what can be restored */
#define PURGE_INO 3u /* what is being reclaimed */
#define N_ROOTS 3u
#define FIRST_INO 16u
#define META_PAGE_BYTES (1024u * 1024) /* what one listing reply may take, encoded */

struct walk;

struct walk;

/* What lies below a directory, itself not counted. A file with several names counts once, in the lowest-numbered of the
 * directories that name it: a rule that needs no memory of how the names came to be. */
struct totals {
    uint64_t files, bytes;
    uint32_t dirs, symlinks;
};

/* What a directory has beside its inode. */
struct dir {
    struct dir *up; /* NULL: the root, or one of the hidden roots */
    char *name;     /* in up; owned; NULL with up */
    uint64_t ino;
    struct totals all;
    uint32_t subdirs; /* entries that are directories */
};

/* One inode. 60 bytes; every byte here is a megabyte per million files. */
struct inode {
    uint64_t size; /* of a file, bytes; of a directory, entries; of a symlink, its target's length; a device's number */
    int64_t mtime_ns, ctime_ns;
    union {
        uint64_t chunk;   /* a file with one chunk */
        uint64_t *chunks; /* a file with more: n ids in order of index; owned */
        struct dir *dir;  /* a directory; owned */
        char *target;     /* a symlink: size bytes; owned */
    };
    uint32_t uid, gid;
    uint32_t generation_low;
    uint16_t generation_high;
    uint16_t names;     /* entries that mean this inode; 0 is the roots' alone */
    uint16_t type_mode; /* enum inode_type << 12 | permission bits */
    uint16_t home_high; /* the directory that names it, the lowest if there are several; 0 for the roots */
    uint32_t home_low;
    uint32_t n : 24;    /* of a file, chunks */
    uint32_t goal : 5;  /* as chosen, or inherited by what is made in a directory; 0: the default in force */
    uint32_t flags : 3; /* INODE_… */
} __attribute__((packed, aligned(4)));
#define INODE_XATTRS 1u /* has extended attributes */
#define INODE_ATIME 2u  /* its time of access was set */
#define INODE_FLAGS 3u  /* all there are */
#define INODE_CHUNKS_MAX ((1u << 24) - 1)
#define INODE_NAMES_MAX 65000u
#define META_FILE_SIZE_MAX ((uint64_t)INODE_CHUNKS_MAX * META_CHUNK_SIZE)

/* The extended attributes of an inode: for each, in bytewise order of name, u8 length and name, u32 length and value. */
struct xattrs {
    uint32_t len;
    uint8_t data[];
};

/* The directories that name a file besides its home, in rising order; one with two names in it comes twice. */
struct also {
    uint32_t n, cap;
    uint64_t dirs[];
};

static inline uint8_t inode_type(const struct inode *i) { return (uint8_t)(i->type_mode >> 12); }
static inline bool is_dir(const struct inode *i) { return inode_type(i) == INODE_DIRECTORY; }
/* Neither bytes nor names nor a target; size is a device's number. */
static inline bool is_special(const struct inode *i) { return inode_type(i) > INODE_SYMLINK; }
static inline uint64_t inode_home(const struct inode *i) { return (uint64_t)i->home_high << 32 | i->home_low; }

struct trashed { /* what is known of an entry of the trash, by its number */
    int64_t time_ns;
    char *path;   /* where it was, NUL-terminated; owned; NULL: too long to be said */
    uint32_t uid; /* who removed it */
    uint32_t reserved;
};

/* cut: its file was made to end in it, at this length, and its servers have still to be told; open meanwhile.
 * One chunk: mapped by exactly one file, or waiting in the removed queue. 20 bytes. */
struct chunk {
    uint32_t version, length, crc;
    uint32_t index; /* in the file */
    uint32_t placement : PLACEMENT_BITS,
                         removed : 1,
                         open : 1,
                         cut : 1; /* open: it takes writes; length and crc are of before */
};

struct removed { /* an item of the removed queue */
    uint64_t chunk;
    int64_t time_ns;
};

struct removed_queue { /* a ring */
    struct removed *v;
    size_t head, count, cap; /* cap: a power of two, or 0 */
    uint64_t bytes;          /* of the chunks in it */
};

struct session_result { /* a remembered reply */
    uint32_t len;
    uint16_t type;
    uint8_t head[];
};

/* An ended session is known as long as its locks must not pass on. */
#define SESSION_ENDED INT64_MIN
struct session {
    uint64_t nonce;
    int64_t active_ns;            /* SESSION_ENDED: nothing is done for it any more */
    uint64_t floor;               /* results of numbers below this are forgotten */
    struct session_result **ring; /* the result of number n at n % ring_cap; owned */
    char *who;                    /* owned; NULL: empty */
    uint32_t ring_cap;            /* a power of two, or 0 */
    uint32_t n_results;
    uint64_t handles; /* the newest of its open files; 0: none */
    uint32_t n_handles, n_delegations;
};

struct meta {
    uint64_t index, epoch, cluster_hi, cluster_lo;
    uint64_t first_grantable, reserved, horizon; /* chunk serials */
    uint64_t next_ino, next_session, next_generation;
    uint64_t next_removal;
    uint64_t trash_emptied; /* entries of the trash below this number were given up */
    int64_t trash_keep_ns;
    uint64_t quarantine; /* unknown chunks with serials below are kept; 0: there is no quarantine */
    struct idmap trash;  /* removal number -> struct trashed */
    struct names names;
    struct idmap inodes, chunks, sessions;
    struct u64map nonces; /* session nonce -> id */
    uint64_t next_handle, next_ticket;
    struct idmap handles, waits; /* struct handle; ticket -> struct lock_wait */
    struct u64map ended;         /* sessions that are, and wait to be fenced */
    struct u64map opens;         /* inode -> its handles, how many, and above HANDLE_WRITER those that may write */
    struct u64map open_chunks;   /* those that take writes -> inode */
    struct u64map delegations;   /* directory -> session that has it */
    struct u64map locks;         /* inode -> struct locks *, for those with any; owned */
    struct u64map also;          /* inode -> struct also *, for those with several names; owned */
    struct u64map xattrs;        /* inode -> struct xattrs *, for those with the flag; owned */
    struct u64map atimes;        /* inode -> time of access, for those with the flag (atime.c) */
    struct placements placements;
    struct removed_queue removed;
    struct meta_server *servers; /* id - 1 is the place; addr and domain are owned */
    uint32_t n_servers;
    struct meta_member members[META_MAX_MEMBERS]; /* in id order */
    uint32_t n_members, next_member, level;
    uint64_t n_files, n_dirs, n_symlinks; /* all inodes but the roots */
    size_t heap_bytes;                    /* directories, chunk arrays, symlink targets, session results: estimated */

    /* beside the state */
    uint64_t shape; /* meta_shape */
    uint8_t default_goal;
    uint32_t spread[META_DOMAIN_DEPTH]; /* how many domains of each depth have servers that stay */
    int64_t trash_newest;               /* stamp of the last removal to the trash: none there is later */
    struct meta_timers timers;
    bool ignore_delegations; /* for tests */
    struct bytes out;        /* the reply of the last command */
    struct arena arena;
    char text[256];              /* for the error being made; empty: the number says it all */
    struct meta_change *changes; /* if they are wanted */
    uint32_t n_changes;
    bool changes_wanted, more_changes;
    struct meta_removed *reaped;
    uint32_t n_reaped;
};

/* What an allocation of n bytes takes. */
static inline size_t heap_cost(size_t n) { return round_up(n + 8, 16); }

/* --- verify.c --- */

/* What meta_verify says of placements, servers, sessions, handles and locks, without a walk of inodes, names and chunks. */
int meta_verify_small(const struct meta *m, char *why, size_t len) MUST_USE;

/* --- atime.c --- */

int64_t meta_atime(const struct meta *m, uint64_t ino, const struct inode *in);
/* Behind a change of mtime_ns, if there is one: the same time as that needs not be kept. */
#define ATIME_NONE INT64_MIN
void meta_set_atime(struct meta *m, uint64_t ino, struct inode *in, int64_t atime_ns);
/* Whatever mtime_ns is; not ATIME_NONE. */
void meta_keep_atime(struct meta *m, uint64_t ino, struct inode *in, int64_t atime_ns);
void meta_drop_atime(struct meta *m, uint64_t ino, struct inode *in);

/* --- change.c --- */

void meta_changed(struct meta *m, uint64_t ino);
void meta_entry_changed(struct meta *m, uint64_t dir, struct str name, uint64_t ino);

/* --- inode.c --- */

struct inode *meta_inode(const struct meta *m, uint64_t ino); /* NULL: none */
/* A new inode without a name; *ino is its id. Pointers to other inodes die. */
struct inode *meta_inode_new(struct meta *m, const struct stamp *st, uint8_t type, uint32_t mode, uint32_t uid,
                             uint32_t gid, uint64_t *ino);
/* The same under a number that was given before, and that no inode has. */
struct inode *meta_inode_add(struct meta *m, const struct stamp *st, uint8_t type, uint32_t mode, uint32_t uid,
                             uint32_t gid, uint64_t ino);
/* Frees an inode nobody names; a file's chunks go to the removed queue. Pointers to other inodes die. */
void meta_inode_drop(struct meta *m, const struct stamp *st, uint64_t ino);
void meta_inode_free_content(struct inode *in); /* owned memory only; for meta_free and failed loads */
void meta_file_drop_chunks(struct meta *m, const struct stamp *st, struct inode *in);
/* Gives a file its chunks: n ids that are in the map already, in order of index. */
void meta_file_set_chunks(struct meta *m, struct inode *in, const uint64_t *ids, uint32_t n);
uint64_t meta_file_chunk(const struct inode *in, uint32_t i); /* i < in->n */
uint64_t meta_generation(const struct inode *in);
void meta_set_generation(struct inode *in, uint64_t generation);
void meta_fill_attr(const struct meta *m, uint64_t ino, const struct inode *in, struct wire_attr *a);
/* Enters a new name; the parent's times and counts follow. */
void meta_link(struct meta *m, const struct stamp *st, uint64_t parent, struct str name, uint64_t ino);
/* Enters a name that comes after all others, and nothing else, for loading; false: it does not. */
bool meta_name_append(struct meta *m, uint64_t parent, struct str name, uint64_t ino);
/* Takes a name out; the inode goes when that was its last. */
void meta_unlink(struct meta *m, const struct stamp *st, uint64_t parent, struct str name);
/* Moves a name: to_name must be free. The one called name is not to lie in memory of the state. */
void meta_move(struct meta *m, const struct stamp *st, uint64_t parent, struct str name, uint64_t to_parent,
               struct str to_name);
/* Two names change places; neither may lie below the other. */
void meta_swap(struct meta *m, const struct stamp *st, const struct walk *a, const struct walk *b);
/* Is dir the directory `below`, or one of those above it? */
bool meta_is_above(const struct meta *m, uint64_t dir, uint64_t below);
/* Makes the inode of a root: with a directory, without a name. */
struct inode *meta_root_new(struct meta *m, uint64_t ino);
/* Of a file: its chunks move to placements with this goal. */
void meta_set_goal(struct meta *m, struct inode *in, uint8_t goal);
void meta_file_resize(struct meta *m, struct inode *in, uint64_t size);
/* Forgets the other names of an inode; for meta_free. */
void meta_also_free_all(struct meta *m);

/* --- totals.c --- */

struct dir *meta_dir_new(struct meta *m, uint64_t ino);
void meta_dir_free(struct meta *m, struct dir *d);
/* Puts a directory under another one, which counts it from now on; and takes it out again. */
void meta_dir_attach(struct meta *m, struct dir *d, struct dir *up, struct str name);
void meta_dir_detach(struct meta *m, struct dir *d);
/* A file or symlink counts (sign 1), or counts no longer (-1), in dir and all above it. */
void meta_totals_count(struct meta *m, const struct inode *in, uint64_t dir, int sign);
void meta_totals_bytes(struct meta *m, uint64_t dir, uint64_t more);
/* What an inode counts for where it is: itself and what lies below it. */
struct totals meta_totals_of(const struct inode *in);
/* Computes all totals anew: a struct totals for each directory in sums, which is to be closed. */
void meta_totals_sum(const struct meta *m, struct idmap *sums);
static inline bool meta_is_root(uint64_t ino) { return ino == ROOT_INO || ino == TRASH_INO || ino == PURGE_INO; }
struct wire_totals meta_wire_totals(struct totals t);
/* The root above a directory: ROOT_INO, or a hidden one's. */
uint64_t meta_top(const struct meta *m, uint64_t dir);

/* --- chunk.c --- */

struct chunk *meta_chunk(const struct meta *m, uint64_t id); /* mapped or removed; NULL: unknown */
/* Maps a chunk that is not known yet, in a placement of servers that exist, which count it. */
struct chunk *meta_chunk_add(struct meta *m, uint64_t id, uint32_t placement, uint32_t length);
/* One that was removed at that time: its servers do not count it any more. */
struct chunk *meta_chunk_add_removed(struct meta *m, uint64_t id, uint32_t placement, uint32_t length, int64_t time_ns);
/* Puts a mapped chunk into another placement. */
void meta_chunk_place(struct meta *m, struct chunk *c, uint32_t placement);
static inline const struct placement *meta_placement(const struct meta *m, const struct chunk *c)
{
    return placements_at(&m->placements, c->placement);
}
/* The i-th server of a chunk's chain: those of its placement in rising order, begun at a place that differs from chunk to
 * chunk, so that heads and first readers are spread. i is below the placement's n. */
static inline uint16_t meta_chain_server(uint64_t id, const struct placement *p, uint32_t i)
{
    return placement_servers(p)[(id + i) % p->n];
}
void meta_apply_chunk_servers(struct meta *m, const struct msg_chunk_servers *r);
/* A mapped chunk has another length. */
void meta_chunk_resize(struct meta *m, struct chunk *c, uint32_t length);
/* It ends there from now on, and its servers have to be told. */
void meta_chunk_cut(struct meta *m, uint64_t id, struct chunk *c, uint64_t ino, uint32_t length);
/* The file has only its first n chunks; the others are no longer its. */
void meta_file_keep_chunks(struct meta *m, struct inode *in, uint32_t n);
/* Out of the map for good, without a deletion order: nobody was to read it. */
void meta_chunk_forget(struct meta *m, uint64_t id);
/* The first of a file's chunks whose index is at least `index`; in->n: none. */
uint32_t meta_first_chunk(const struct meta *m, const struct inode *in, uint32_t index);
/* Out of the map, into the removed queue. */
void meta_chunk_remove(struct meta *m, uint64_t id, int64_t time_ns);
void meta_removed_push(struct meta *m, uint64_t id, int64_t time_ns);
const struct removed *meta_removed_at(const struct meta *m, size_t i);
void meta_apply_reap(struct meta *m, const struct msg_reap *r);

/* --- server.c --- */

int meta_apply_register(struct meta *m, const struct msg_ss_register *r, struct msg *reply);
void meta_apply_server_state(struct meta *m, const struct msg_server_state *r);
struct meta_server *meta_server_add(struct meta *m); /* a blank one with the next id */
void meta_server_set_domain(struct meta_server *s, struct str domain);
void meta_server_set_state(struct meta *m, struct meta_server *s, uint8_t state);
/* What is derived from all servers is derived anew. */
void meta_servers_changed(struct meta *m);
/* A chunk of this length comes to a server (sign 1), or goes (-1). */
void meta_server_count(struct meta *m, uint32_t server, uint32_t length, int sign);
bool meta_server_fields_fine(struct str addr, struct str domain);

/* --- member.c --- */

void meta_member_found(struct meta *m, const struct msg_open_epoch *o);
void meta_apply_level(struct meta *m, uint32_t id, uint32_t level);
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
void meta_session_drop(struct meta *m, const struct stamp *st, uint64_t id);
/* Drops it, or, where its locks protect what it may be writing, lets it wait for its fence. */
void meta_session_end(struct meta *m, const struct stamp *st, uint64_t id);
void meta_apply_session_fenced(struct meta *m, const struct stamp *st, const struct msg_session_fenced *f);
void meta_session_free_content(struct session *s);
void meta_apply_expire(struct meta *m, const struct stamp *st, const struct msg_expire *e);
const struct session_result *meta_session_result(const struct session *s, uint64_t number);
void meta_session_put_result(struct meta *m, struct session *s, uint64_t number, struct session_result *r);
const struct wire_request_id *meta_request_id(const struct msg *cmd); /* NULL: this command carries none */

/* --- delegation.c --- */

int meta_op_delegate(struct meta *m, const struct msg_delegate *r, struct msg *reply);
int meta_op_delegate_return(struct meta *m, const struct msg_delegate_return *r, struct msg *reply);
void meta_apply_delegate_revoke(struct meta *m, const struct msg_delegate_revoke *r);
void meta_delegations_drop(struct meta *m, uint64_t session);
void meta_delegation_gone(struct meta *m, uint64_t dir); /* the directory is going */
/* As it was saved, for loading; false: it makes no sense. */
bool meta_delegation_add(struct meta *m, uint64_t dir, uint64_t session);
/* The directories that are delegated, in rising order: an array to be freed; NULL: none, or (*n > 0) no memory. */
uint64_t *meta_delegated(const struct meta *m, uint32_t *n);

/* --- anew.c --- */

int meta_apply_quarantine_drop(struct meta *m, struct msg *reply);

/* --- recover.c --- */

void meta_apply_recover_file(struct meta *m, const struct stamp *st, const struct msg_recover_file *r);

/* --- xattr.c --- */

int meta_op_setxattr(struct meta *m, const struct stamp *st, const struct msg_setxattr *r, struct msg *reply);
int meta_op_removexattr(struct meta *m, const struct stamp *st, const struct msg_removexattr *r, struct msg *reply);
int meta_read_getxattr(const struct meta *m, const struct msg_getxattr *r, struct msg *reply);
int meta_read_listxattr(const struct meta *m, const struct msg_listxattr *r, struct msg *reply, struct arena *a);
const struct xattrs *meta_xattrs(const struct meta *m, uint64_t ino); /* NULL: none */
/* Gives an inode these bytes for its attributes, instead of those it has; len 0: none. */
void meta_xattrs_put(struct meta *m, uint64_t ino, struct inode *in, const void *data, uint32_t len);
bool meta_xattrs_fine(const void *data, uint32_t len); /* are these the bytes of some attributes? */
void meta_xattrs_free_all(struct meta *m);
/* One of them, by a name that is fine. */
bool meta_xattr_find(const struct meta *m, uint64_t ino, struct str name, struct str *value);
int meta_xattr_put(struct meta *m, uint64_t ino, struct str name, struct str value); /* 0 or DFS_ENOSPC */
void meta_xattr_drop(struct meta *m, uint64_t ino, struct str name);                 /* if it is there */

/* --- acl.c --- */

bool meta_is_acl(struct str name); /* of an attribute that is one */
bool meta_has_default_acl(const struct meta *m, uint64_t ino);
/* Sets one of the two, the mode with it; empty: it goes. 0 or the refusal. */
int meta_acl_set(struct meta *m, uint64_t ino, struct inode *in, struct str name, struct str value, bool drop_setgid);
/* The mode is another: so is what the ACL says. */
void meta_acl_follow_mode(struct meta *m, uint64_t ino, const struct inode *in);
/* A new inode, with the mode that was asked for, gets what the directory it is made in has for it. */
void meta_acl_inherit(struct meta *m, uint64_t dir, uint64_t ino, struct inode *in, uint32_t umask);
bool meta_acls_fine(const struct meta *m, uint64_t ino, const struct inode *in); /* are they ACLs, and fit the mode? */

/* --- trash.c --- */

#define REMOVAL_NAME 16u
struct removal_name {
    char text[REMOVAL_NAME + 1];
};
struct str meta_removal_name(uint64_t number, struct removal_name *room);
uint64_t meta_removal_number(struct str name); /* 0: it is not the name of one */
int meta_op_remove(struct meta *m, const struct stamp *st, const struct msg_remove *r, struct msg *reply);
int meta_op_trash_restore(struct meta *m, const struct stamp *st, const struct msg_trash_restore *r, struct msg *reply);
int meta_op_trash_empty(struct meta *m, const struct stamp *st, const struct msg_trash_empty *r, struct msg *reply);
int meta_op_trash_keep(struct meta *m, const struct msg_trash_keep *r, struct msg *reply);
void meta_apply_reclaim(struct meta *m, const struct stamp *st, const struct msg_reclaim *r);
int meta_read_trash(const struct meta *m, const struct msg_trash_list *r, struct msg *reply, struct arena *a);
void meta_trashed_free_content(struct trashed *t);
/* A new record of the trash; path may be NULL. */
void meta_trashed_add(struct meta *m, uint64_t number, int64_t time_ns, uint32_t uid, const char *path);

/* --- resolve.c --- */

enum last_kind { LAST_NAME, LAST_ROOT, LAST_DOT, LAST_DOTDOT };

/* Where a path leads. */
struct walk {
    uint64_t ino;    /* what is there; 0: nothing (LAST_NAME only) */
    uint64_t parent; /* LAST_NAME: the directory that holds, or would hold, the last name */
    struct str name; /* LAST_NAME; borrowed from the path or a symlink */
    enum last_kind kind;
    bool slash;     /* a slash stood behind the last name */
    uint32_t links; /* symlinks followed so far; carried from one walk into the next */
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
int meta_op_setattr(struct meta *m, const struct stamp *st, const struct msg_setattr *r, struct msg *reply);
int meta_op_mknod(struct meta *m, const struct stamp *st, const struct msg_mknod *r, struct msg *reply);
int meta_op_link(struct meta *m, const struct stamp *st, const struct msg_link *r, struct msg *reply);
int meta_op_server_set(struct meta *m, const struct msg_server_set *r, struct msg *reply);
int meta_op_publish(struct meta *m, const struct stamp *st, const struct msg_publish *r, struct msg *reply);
int meta_op_fill(struct meta *m, const struct stamp *st, const struct msg_fill *r, struct msg *reply);
/* Where create and publish put their file: w as walked, or the refusal. */
int meta_walk_for_file(const struct meta *m, uint64_t dir, struct str path, bool excl, struct walk *w) MUST_USE;
/* What is made, and by whom. */
struct made {
    uint32_t mode, umask, uid, gid;
};
/* Makes the file of an open or create; w says where. Its number. */
uint64_t meta_file_new(struct meta *m, const struct stamp *st, const struct walk *w, const struct made *what,
                       uint8_t goal);
int meta_op_make(struct meta *m, const struct stamp *st, const struct msg_make *r, struct msg *reply);
/* The same under a number that was given before. Pointers to other inodes die. */
struct inode *meta_file_add(struct meta *m, const struct stamp *st, const struct walk *w, const struct made *what,
                            uint64_t ino);
/* The goal in force where this one was chosen. */
uint8_t meta_goal(const struct meta *m, uint8_t chosen);

#endif
