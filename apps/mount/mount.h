/* SPDX-License-Identifier: MIT */
/* dfs-mount: a folder of the cluster as a folder of this machine, by FUSE.
 *
 * One thread: libfuse's low-level requests are read from its descriptor on the libuv loop, each becomes a call of the
 * library, whose callback answers the kernel. The kernel's inode numbers are the cluster's (but 1, which is whatever is
 * mounted), so nothing is remembered of names the kernel knows, and nothing is to be forgotten.
 *
 *   session.c  requests in, the table of operations      call.c   one request and its call
 *   name.c     operations on names                       attr.c   attributes, statfs; how they look to the kernel
 *   dir.c      directories                               xattr.c  extended attributes
 *   node.c     files that are open                       io.c     reading them
 *   write.c    what was written and is not in the cluster yet
 *   size.c     truncate, fallocate, holes               lock.c   flock and fcntl
 *   notice.c   what others have changed                 append.c O_APPEND
 *   copy.c     copy_file_range                            dirs.c   attributes of directories, for a second
 *   setid.c    what a file loses when others write to it
 *   delegation.c, promise.c, held.c  files made without asking: where, which, and who has to wait for them (promise.h) */
#ifndef DFS_APPS_MOUNT_H
#define DFS_APPS_MOUNT_H

#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>
#include <stdlib.h>
#include <uv.h>

#include "base/base.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/mode.h"
#include "dfs/dfs.h"
#include "options.h"

#define CHUNK_SIZE (64u * 1024 * 1024) /* of the cluster's files */

struct mount;
struct node;
struct call;

/* Answers the request; r is valid if status is 0. The call is freed afterwards. */
typedef void (*call_done)(struct call *k, int status, const struct dfs_result *r);

/* Of what was read: some bytes, where the library has them. */
struct part {
    const void *p;
    size_t len;
    struct dfs_kept *kept;
};

#define PARTS_MAX 4u

struct call {
    struct mount *m;
    fuse_req_t req;
    call_done done;
    uint64_t number; /* the library's */
    uint64_t ino;    /* the cluster's */
    struct node *node;
    uint64_t changes; /* of the node, when this one began */
    struct fuse_file_info fi;
    size_t size;
    uint64_t offset;
    struct dir *dir;
    uint8_t *buf;
    struct part parts[PARTS_MAX]; /* what call_read has read, if it is in no buf: one behind the other */
    unsigned n_parts;
    uint64_t order, began; /* calls are counted; ms */
    uint64_t alters[2];    /* directories, as far as they are some, that are not what they were once it is done; 0: none */
    bool alters_any;       /* … and another, of which only the name is known */
    struct resizing *resizing;
    struct appending *appending;
    struct copying *copying;
    bool plus, wants_write, interrupted;
    unsigned tries;
    int error; /* errno that is told instead of the outcome */
    struct dfs_setattr set;
};

/* A file that is open, or has something not written yet: one for each inode, however often it is open. */
struct node {
    UT_hash_handle hh;
    struct mount *m;
    uint64_t ino;
    uint32_t users; /* open files and calls */
    struct open_file {
        uint64_t file; /* the library's; 0: none */
        uint32_t users;
    } open[2];           /* to read; to read and write */
    struct dfs_attr opened; /* what it was like when it was last opened */
    uint64_t changes;    /* rises when the cluster's attributes move by something of ours */
    int64_t written_ns;  /* when something was last written; 0: the cluster knows the time */
    struct list extents; /* not durable yet, in the order they were written */
    uint32_t n_extents, in_flight;
    bool setid;          /* mode_setid of what the kernel was told last */
    bool empty;          /* nothing is in the cluster, as far as we know: what is written may go there as a whole */
    bool in_a_hurry;     /* … but has waited long enough for that */
    int error;           /* errno of the last write that failed … */
    uint64_t errors;     /* … and how many did */
    bool ranges;         /* a range of it was locked: close() has to unlock */
    struct list waiting; /* struct waiter */
    struct promise *promise; /* the cluster does not know the file yet; NULL: it does */
};

/* One open() of a file. */
struct handle {
    struct node *node;
    unsigned kind;   /* index into node.open */
    uint64_t errors; /* of the node, that were told through this one or were before it … */
    uint64_t warned; /* … or that a write was refused for */
};

/* Something that goes on when a node's extents in a range, or all, are durable (or lost: node.errors). */
struct waiter {
    struct list link;
    uint64_t start, end;
    bool patient; /* what is promised need not be made for it at once */
    void (*run)(struct waiter *w);
};

struct mount {
    struct mount_options opt;
    uv_loop_t loop;
    uv_poll_t poll;
    uv_signal_t signals[3];
    struct fuse_session *se;
    struct fuse_buf buf;
    struct dfs_client *client;
    uint64_t root; /* what the kernel calls FUSE_ROOT_ID */
    struct node *nodes;
    struct seen *seen; /* what files were like when they were opened (node.c) */
    struct told *attrs; /* what the kernel was told of files (attr.c) */
    struct known_dir *dirs; /* what directories are like (dirs.c) */
    struct notices *notices;
    uint32_t notices_under_way; /* the kernel is being told something on a thread of the pool */
    uint32_t calls;             /* under way */
    uint64_t last_call;
    uint64_t dirty;             /* bytes in extents */
    struct list writers;        /* requests that wait for room: struct delayed */
    uv_timer_t hurry;           /* runs while something waits to become whole */
    struct delegation *delegations; /* directories files are made in */
    uv_timer_t delegation_timer;
    uint32_t promised; /* files that are … */
    uint64_t last_promise;
    struct list held; /* … and requests that wait until they are made */
    bool held_running;
    bool parallel; /* look-ups in one directory run side by side */
    bool kills;                 /* the request that is being taken comes from who may not keep those bits (setid.c) */
    bool answered, ending;      /* the kernel, at all; we are to go */
    uv_timer_t leave;
    uint64_t leave_at; /* ms; what is not written by then is lost */
    int told;          /* a pipe to who started us, until we are ready; -1: nobody waits */
    int status;        /* to exit with */
};

/* --- call.c --- */
#define INTERRUPT_GRACE_MS 2000u /* that a call has after a signal */
struct call *call_new(struct mount *m, fuse_req_t req, fuse_ino_t ino, call_done done);
/* The same for one that changes what it names, or the names in it. */
struct call *call_new_change(struct mount *m, fuse_req_t req, fuse_ino_t ino, call_done done);
void call_free(struct call *k);
/* The library's callback: arg is the call. */
void on_call(void *arg, int status, const struct dfs_result *r);
/* err: what the library said when it was called; if it refused, the kernel is told and the call freed. */
void call_go(struct call *k, int err);
/* Reads k->size bytes of an open file, from k->offset on: they are in k->parts then, or in k->buf. */
void call_read(struct call *k, uint64_t file);
/* They are in k->buf from now on, which has room for k->size. False: no memory. */
bool call_gather(struct call *k);
int call_errno(const struct call *k, int status);
/* Paths of the next calls start at this inode (the second one at `to`), on behalf of who made the request. */
void call_at(struct mount *m, fuse_req_t req, fuse_ino_t dir, fuse_ino_t to);
int errno_of(int err); /* positive */
/* For calls whose outcome is that alone. */
void on_done(struct call *k, int status, const struct dfs_result *r);

static inline uint64_t ino_of(const struct mount *m, fuse_ino_t ino) { return ino == FUSE_ROOT_ID ? m->root : ino; }

/* --- attr.c --- */
void attr_stat(struct mount *m, const struct dfs_attr *a, struct stat *st);
/* Whether these are what the kernel was told last. */
bool attr_was_told(const struct mount *m, const struct dfs_attr *a);
void attr_entry(struct mount *m, const struct dfs_attr *a, struct fuse_entry_param *e);
void on_entry(struct call *k, int status, const struct dfs_result *r);
void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *st, int set, struct fuse_file_info *fi);
/* Sets what k->set says, then answers with the attributes. */
void set_attributes(struct call *k);
void op_statfs(fuse_req_t req, fuse_ino_t ino);

/* --- dirs.c --- */
/* What the cluster's answer to this call says of a directory. */
void dirs_heard(const struct call *k, const struct dfs_attr *a);
/* The directory has changed: by a name of a file that came or went, at that time (ns), or in ways we do not know (0). */
void dirs_changed(struct mount *m, uint64_t ino, int64_t ns);
/* Anything may have changed. */
void dirs_forget(struct mount *m);
/* What it is like, and for how many ms that may be said still. NULL: the cluster is to be asked. */
const struct dfs_attr *dirs_know(const struct mount *m, uint64_t ino, uint64_t *left_ms);

/* --- append.c --- */
/* The answer to a write through a descriptor with O_APPEND; offset: where the kernel thinks the end is. */
void write_at_end(fuse_req_t req, struct node *n, const void *p, size_t len, uint64_t offset);

/* --- size.c --- */
/* What op_setattr does if the size is to be set, too. */
void set_size(struct call *k, uint64_t size);
void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence, struct fuse_file_info *fi);
void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len, struct fuse_file_info *fi);

/* --- copy.c --- */
void op_copy_file_range(fuse_req_t req, fuse_ino_t ino_in, off_t off_in, struct fuse_file_info *fi_in,
                        fuse_ino_t ino_out, off_t off_out, struct fuse_file_info *fi_out, size_t len, int flags);

/* --- name.c --- */
void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_readlink(fuse_req_t req, fuse_ino_t ino);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, dev_t rdev);
void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_symlink(fuse_req_t req, const char *target, fuse_ino_t parent, const char *name);
void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name, fuse_ino_t to, const char *to_name, unsigned flags);
void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t to, const char *name);

/* --- dir.c --- */
void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);
void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);

/* --- xattr.c --- */
void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value, size_t size, int flags);
void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name);

/* --- node.c --- */
struct node *node_find(const struct mount *m, uint64_t ino); /* NULL: not open */
void node_unuse(struct node *n);
static inline struct handle *handle_of(const struct fuse_file_info *fi) { return (struct handle *)(uintptr_t)fi->fh; }
/* The library's name of the open file to read from, or to write to; 0: it is not open so. */
uint64_t node_file(const struct node *n, bool write);
static inline uint64_t handle_file(const struct handle *h) { return h->node->open[h->kind].file; }
/* Takes note of whether the cluster has nothing of its content. */
void node_is_empty(struct node *n, const struct dfs_attr *a);
/* Something that was written is lost (errno): it is to be told, and the kernel's pages have it still. */
void node_lost(struct node *n, int err);
/* Reads from now on see what others have written up to now. */
void node_refresh(const struct node *n);
/* One use of node.open[kind] less; the last one closes it when everything is written. */
void node_close(struct node *n, unsigned kind);
struct node *node_use(struct mount *m, uint64_t ino); /* made if need be; node_unuse */
/* Answers a create; takes over one use of the node. file: the library's, 0: none yet. */
void node_created(fuse_req_t req, struct node *n, uint64_t file, const struct fuse_entry_param *e,
                  struct fuse_file_info *fi);
void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);

/* --- io.c --- */
void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off, struct fuse_file_info *fi);

/* --- write.c --- */
void op_write_buf(fuse_req_t req, fuse_ino_t ino, struct fuse_bufvec *in, off_t off, struct fuse_file_info *fi);
void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);
/* Runs w once nothing in its range waits to be written; at once if that is so. */
void node_wait(struct node *n, struct waiter *w);
/* What a program writes: answers the request, now or, with O_SYNC, when it is durable. */
void node_take(struct node *n, fuse_req_t req, int flags, uint64_t offset, const uint8_t *p, size_t len);
/* So much may be taken without waiting for what was written before. */
bool node_has_room(const struct node *n, size_t len);
int64_t now_ns(void); /* since the epoch */
/* Its content has changed just now, and the cluster does not know when. */
void node_written(struct node *n);
/* How far what waits to be written reaches; 0: nothing waits. */
uint64_t node_end(const struct node *n);
/* All that was written, if that is one piece from the start: it counts as sent from now on. Borrowed until node_whole_sent. */
bool node_whole(struct node *n, const uint8_t **p, size_t *len);
void node_whole_sent(struct node *n, int status);
/* Its promise is gone: what waited for that goes on. */
void node_go_on(struct node *n);
void writes_init(struct mount *m);
/* The error to be told through this handle, once; 0: none. */
int handle_error(struct handle *h);

/* --- lock.c --- */
void op_getlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock);
void op_setlk(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, struct flock *lock, int sleep);
void op_flock(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi, int op);
/* Unlocks when everything written is durable, then answers; reply: an errno that is told instead of the outcome. */
void unlock_when_durable(fuse_req_t req, struct node *n, const struct dfs_lock *lock, int reply);

/* --- promise.c: true: it was about something promised, and is answered --- */
bool promise_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode, struct fuse_file_info *fi);
bool promise_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
bool promise_getattr(fuse_req_t req, fuse_ino_t ino);
bool promise_setattr(fuse_req_t req, fuse_ino_t ino, const struct dfs_setattr *set);
bool promise_getxattr(fuse_req_t req, fuse_ino_t ino);
bool promise_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size);
bool promises_may_wait(const struct mount *m); /* there are few, of few bytes */
void promise_make(struct node *n); /* what was promised is done; n->promise is gone some time after this */

/* --- held.c --- */
/* The request waits until what it is about is made: it is kept, and taken up again then. */
bool held(struct mount *m, const struct fuse_buf *buf);
void held_run(struct mount *m); /* something was made */
void held_tick(struct mount *m); /* time goes by */
void held_free(struct mount *m);

/* --- setid.c --- */
/* It has a bit that is lost. */
static inline bool mode_setid(unsigned mode) { return mode_without_setid(mode) != mode; }
/* The request takes the setuid or setgid bit from the file it writes to (n: NULL if it is not open). */
bool setid_is_lost(const struct node *n, const void *request);
/* Those have to go first: the request is kept as it came, and taken up again then. Takes note of what this one takes away: m->kills. */
bool setid_comes_first(struct mount *m, const struct fuse_buf *buf);

/* --- delegation.c --- */
void delegations_init(struct mount *m);
void delegations_free(struct mount *m);
/* A name may come into this directory, by us. */
void delegation_name(struct mount *m, uint64_t dir, const char *name);
/* A file is being made in it, by asking: more of them, and we ask for the directory. */
void delegation_file_made(struct mount *m, uint64_t dir);
/* Others have changed the inode, or, as we should give it back, wait for it. */
void delegation_asked_back(struct mount *m, uint64_t dir);
void delegations_asked_back(struct mount *m);
void delegation_end(struct mount *m, uint64_t dir);
void delegations_end(struct mount *m);
/* When a file was last promised in it, ns; INT64_MIN: none is. */
int64_t delegation_changed(const struct mount *m, uint64_t dir);

/* --- notice.c --- */
void notices_start(struct mount *m);
/* Pages the kernel has of this inode are not good; or, with a name, it thinks that there is one of this directory. */
void notices_add(struct mount *m, uint64_t ino, const char *name);
void notices_free(struct mount *m);

/* --- session.c --- */
/* Mounts, and answers from now on. False: that failed, and was said. */
bool session_start(struct mount *m);
/* Takes the mount away, once; what is open loses its connection. */
void session_end(struct mount *m);
/* A request that has to wait for nothing more. */
void session_take(struct mount *m, const struct fuse_buf *buf);
/* Answers a request that libfuse has not seen: with an errno. */
void session_refuse(struct mount *m, uint64_t unique, int err);
/* When no call is under way any more: each answers, though nobody hears it. */
void session_free(struct mount *m);

/* --- main.c --- */
/* The kernel has said hello: who started us may go on. */
void mount_ready(struct mount *m);
/* Writes what is left, takes the mount away, and ends the loop. */
void mount_leave(struct mount *m);
void say(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
