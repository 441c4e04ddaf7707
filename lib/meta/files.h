/* SPDX-License-Identifier: MIT */
/* Open files and the locks on them (CONSISTENCY C17 to C19). */
#ifndef DFS_META_FILES_H
#define DFS_META_FILES_H

#include "meta/idmap.h"
#include "meta/meta.h"

/* Bounds for what one session may hold, and for one file's locks. */
#define META_HANDLES_MAX 65536u
#define META_LOCKS_MAX 16384u
#define META_WAITS_MAX 16384u /* of all files */

#define HANDLE_WRITER (1ULL << 32)

struct handle { /* an open file */
    uint64_t session, ino;
    uint64_t next, prev; /* of the same session; 0: none */
    uint32_t flags;      /* OPEN_READ, OPEN_WRITE */
    uint32_t locks;      /* granted or waited for */
};

struct lock {
    uint64_t session, owner, handle;
    uint64_t start, end; /* the last byte */
    uint8_t space, type;
};

/* The locks of one file that are held, in order (lock.c). */
struct locks {
    uint32_t n, cap;
    uint32_t waiting; /* for this file */
    struct lock v[];
};

struct lock_wait { /* by ticket: those that asked first come first */
    uint64_t ino;
    struct lock lock;
};

/* --- handle.c --- */

const struct handle *meta_handle(const struct meta *m, uint64_t id); /* NULL: there is none */
bool meta_is_open(const struct meta *m, uint64_t ino);
int meta_op_open(struct meta *m, const struct stamp *st, const struct msg_open *r, struct msg *reply);
int meta_handle_room(struct meta *m, uint64_t session) MUST_USE; /* 0: the session may open one more file */
uint64_t meta_handle_new(struct meta *m, uint64_t session, uint64_t ino, uint32_t flags);
int meta_op_close(struct meta *m, const struct stamp *st, const struct msg_close *r, struct msg *reply);
int meta_op_extend(struct meta *m, const struct stamp *st, const struct msg_extend *r, struct msg *reply);
/* --- resize.c --- */

int meta_op_truncate(struct meta *m, const struct stamp *st, const struct msg_truncate *r, struct msg *reply);
/* The file's last chunk has still to be cut: until then the file cannot become longer. */
struct inode;
bool meta_is_cut(const struct meta *m, const struct inode *in);

/* --- handle.c --- */

/* The session is going: its handles and locks go with it. */
void meta_handles_drop(struct meta *m, const struct stamp *st, uint64_t session);
/* The session ends: it waits for no locks any more. Whether those it holds are to be kept until it is fenced. */
struct session;
bool meta_locks_outlive(struct meta *m, const struct session *s) MUST_USE;
/* A handle as it was saved, for loading; false: it makes no sense. */
bool meta_handle_add(struct meta *m, uint64_t id, uint64_t session, uint64_t ino, uint32_t flags);

/* --- version.c --- */

void meta_apply_chunk_begin(struct meta *m, const struct stamp *st, const struct msg_chunk_begin *b);
void meta_apply_chunk_seal(struct meta *m, const struct msg_chunk_seal *s);
/* The chunk takes no writes any more, whatever becomes of it. */
struct chunk;
void meta_chunk_closed(struct meta *m, uint64_t id, struct chunk *c);

/* --- lock.c --- */

int meta_op_lock(struct meta *m, const struct msg_lock *r, struct msg *reply);
int meta_op_unlock(struct meta *m, const struct msg_unlock *r, struct msg *reply);
int meta_op_lock_cancel(struct meta *m, const struct msg_lock_cancel *r, struct msg *reply);
int meta_read_lock(const struct meta *m, const struct msg_lock_query *r, struct msg *reply);
/* Gives up all that was locked or waited for through this handle. */
void meta_locks_drop(struct meta *m, uint64_t handle);
void meta_lock_waits_drop(struct meta *m, uint64_t handle);         /* only what is waited for */
const struct locks *meta_locks(const struct meta *m, uint64_t ino); /* NULL: none */
bool meta_lock_fine(const struct meta *m, uint64_t ino, const struct lock *l);
bool meta_lock_before(const struct lock *a, const struct lock *b);
/* As they were saved, for loading. */
void meta_lock_add(struct meta *m, uint64_t ino, const struct lock *l);
void meta_lock_wait_add(struct meta *m, uint64_t ticket, uint64_t ino, const struct lock *l);
void meta_locks_free_all(struct meta *m);

#endif
