/* SPDX-License-Identifier: MIT */
/* libdfs: files in a DFS cluster, from C.
 *
 * Two faces. The asynchronous one runs on the caller's libuv loop: every call returns at once and its callback fires
 * exactly once, later, on that loop. The synchronous one (dfs_sync_*) runs a loop of its own inside each call.
 *
 * Paths are NUL-terminated bytes, absolute within the file system ("/a/b"); a missing leading '/' is implied. Errors are
 * 0 or a negative DFS_E… (dfs/error.h). A call that returns non-zero will not call back. *Acknowledged* means that the
 * callback came with status 0: the change then survives the power loss of every machine at once.
 *
 * Signals: opening a client makes the process ignore SIGPIPE, unless it has a handler for it.
 *
 * Threads: a client belongs to its loop's thread. Two clients in two threads share nothing. */
#ifndef DFS_DFS_H
#define DFS_DFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dfs/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct uv_loop_s;
struct dfs_client;

struct dfs_options {
    const char *nameservers; /* "host:port[,host:port…]"; NULL: $DFS_NM, else 127.0.0.1:4610 */
    const char *program;     /* shown to administrators; NULL: "libdfs" */
    uint64_t timeout_ms;     /* an operation that makes no progress for so long fails; 0: 30000 */
    uint32_t window;         /* bytes a transfer keeps in flight; 0: 8 MiB */
};

/* The last four are names of things that live in a machine, and have no content. */
enum dfs_type {
    DFS_FILE = 1,
    DFS_DIRECTORY = 2,
    DFS_SYMLINK = 3,
    DFS_FIFO = 4,
    DFS_SOCKET = 5,
    DFS_CHAR_DEVICE = 6,
    DFS_BLOCK_DEVICE = 7
};

struct dfs_attr {
    uint64_t ino;
    uint64_t generation;        /* rises when the content is replaced */
    uint64_t size;              /* of a device: its number, as mknod was given it */
    int64_t mtime_ns, ctime_ns; /* since the epoch */
    uint32_t mode;              /* permission bits */
    uint32_t uid, gid, nlink;
    uint32_t chunks;
    uint8_t type;     /* enum dfs_type */
    uint8_t goal;     /* replicas wanted */
    bool goal_chosen; /* for this one or a directory it was made in; false: that is the default */
    int64_t atime_ns; /* as it was set; reading does not move it. If it was not set, mtime_ns */
};

struct dfs_entry {
    const char *name; /* NUL-terminated */
    struct dfs_attr attr;
};

struct dfs_disk { /* a data folder of a StorageServer; what is counted is counted since it started */
    bool failed;
    uint64_t capacity, used;
    uint64_t read_errors, write_errors, damaged; /* damaged: chunks */
    uint64_t scrubbed, scrub_passes;             /* bytes verified in the background; times it went through all */
};

struct dfs_server {
    uint32_t id;
    char uuid[37];
    const char *address, *domain, *state;
    uint64_t capacity, used, chunks; /* bytes, bytes, replicas */
    const struct dfs_disk *disks;
    size_t n_disks;
};

struct dfs_nameserver {
    uint32_t id;
    const char *address, *state;
};

/* What lies below a directory, itself not counted. A file with several names counts once, in the directory with the
 * lowest inode number among those that name it. */
struct dfs_totals {
    uint64_t files, directories, symlinks;
    uint64_t bytes; /* of files, one copy of each */
};
struct dfs_usage { /* of a directory in the one asked about */
    const char *name;
    struct dfs_totals totals;
};

struct dfs_status {
    char cluster[37];
    uint32_t leader; /* 0: none */
    uint64_t term, epoch, log_first, log_last, snapshot, sessions;
    uint64_t files, directories, symlinks, chunks, bytes;
    uint64_t reads_per_s, mutations_per_s; /* what the leader answered, over the last seconds */
    uint8_t goal;                          /* default goal in force */
    struct dfs_totals trash;      /* what is in it */
    struct dfs_totals reclaiming; /* removed for good, its space not yet given back; bytes of what was replaced as well */
    const struct dfs_nameserver *nameservers;
    size_t n_nameservers;
    const struct dfs_server *servers;
    size_t n_servers;
    bool quarantine;      /* the namespace was restored: chunks it does not know are kept, not deleted */
    uint64_t quarantined; /* copies of such chunks, as far as StorageServers have reported */
};

struct dfs_process {  /* of a server, since it started */
    const char *host; /* together with pid: servers of one process are told by it */
    uint32_t pid, cores;
    uint64_t mono_us; /* its clock when it answered; only differences mean something */
    uint64_t cpu_us;
    uint64_t memory, memory_peak; /* bytes resident */
};

enum dfs_recovery_state { DFS_RECOVERY_NONE, DFS_RECOVERY_GATHERING, DFS_RECOVERY_BUILDING, DFS_RECOVERY_DONE };
struct dfs_recovery {
    int state;                  /* enum dfs_recovery_state */
    uint64_t run;               /* another number: it was begun anew, by somebody else or another leader */
    uint32_t servers, reported; /* StorageServers that are up, or were; those that have told all they hold */
    uint64_t copies;            /* unknown ones they told of */
    uint64_t whole, incomplete; /* files */
    uint64_t left;              /* chunks still in quarantine */
    const char *error;          /* "" if it went well */
};

struct dfs_statfs {
    uint64_t capacity, used, files, directories, chunks; /* raw bytes of all servers; counts */
    struct dfs_totals trash;      /* what is in it */
    struct dfs_totals reclaiming; /* removed for good, its space not yet given back; bytes of what was replaced as well */
};

struct dfs_xattr {
    const char *name;
    size_t size; /* of the value */
};

struct dfs_trashed { /* something in the trash */
    uint64_t id;
    int64_t removed_ns;
    uint32_t uid;     /* who removed it */
    const char *path; /* where it was; empty: that was too long to be kept */
    struct dfs_attr attr;
    struct dfs_totals totals; /* itself and what lies below it */
};

struct dfs_health {
    const char *status; /* green, yellow or red */
    int level;          /* 0, 1, 2 */
    /* Numbers of chunks. */
    uint64_t under_replicated; /* fewer copies on servers that are up than their goal */
    uint64_t endangered;       /* one copy left, of a goal of two or more */
    uint64_t missing;          /* no copy on a server that is up */
    uint64_t corrupt;          /* all copies that are up are damaged */
    uint64_t repairing;        /* being copied now */
    uint64_t over_replicated;
    uint64_t misplaced;     /* copies share a failure domain, though they need not */
    uint64_t draining;      /* a copy is on a server that is being drained */
    uint64_t goal_too_high; /* the goal is more than there are servers that stay */
    int64_t eta_seconds;    /* until all that can be repaired is; 0: nothing is to be done; -1: not known */
    bool rebalancing;
    uint64_t waiting;          /* were written when their servers stopped, and one of these is not back */
    const char *const *advice; /* sentences that name what to do next */
    size_t n_advice;
    uint64_t copied, copied_bytes; /* copies of chunks made since this NameServer leads */
};

struct dfs_fsck_entry { /* a directory, or a file with something wrong; the numbers are of its chunks */
    const char *name;   /* empty: the path asked about, a file */
    uint64_t ino, size;
    uint32_t chunks, missing, corrupt, under_replicated, misplaced, over_replicated; /* as in dfs_health */
    uint32_t
        waiting; /* were written when their servers stopped, and one of these is not back: neither read nor written */
    uint8_t type, goal;
};

struct dfs_server_change { /* what came of it */
    const char *state;
    uint64_t chunks, bytes; /* on it */
    uint64_t stuck;         /* chunks on it that ask for more copies than the servers that stay can hold */
    uint8_t goal;           /* default goal in force */
};

/* An advisory lock, or a range to be unlocked or asked about. It belongs to a file, the client, and the owner within it: two
 * owners exclude each other, one owner's locks replace each other. Locks of the whole file (flock) and of ranges (fcntl) do
 * not see each other. */
enum dfs_lock_type { DFS_LOCK_SHARED = 1, DFS_LOCK_EXCLUSIVE = 2 };
struct dfs_lock {
    uint64_t owner;
    uint64_t start, end; /* of a range: first and last byte; UINT64_MAX: as far as a file may ever go */
    uint8_t type;        /* enum dfs_lock_type */
    bool range;          /* false: the whole file, start and end say nothing */
};

/* A directory nobody else makes names in (dfs_delegate). */
struct dfs_delegation {
    uint64_t first;  /* numbers of inodes for dfs_make: this and those behind it, … */
    uint32_t inodes; /* … so many */
    uint32_t ms;     /* it may be counted on for so long from now */
    bool kept;       /* it was not anybody else's since this client was last given it */
};

struct dfs_make { /* a file to be made in a delegated directory */
    uint64_t dir, ino;
    uint32_t mode, uid, gid;
    uint8_t goal; /* that is in force for the directory (dfs_attr.goal): for how many copies space is asked */
    int64_t mtime_ns, atime_ns; /* 0: now; none of its own */
};

/* What a callback gets; borrowed until it returns. Which member holds depends on the call. */
struct dfs_result {
    const char *error; /* with a status: a sentence naming what failed and where; never NULL */
    struct dfs_attr
        attr;           /* stat, mkdir, create, symlink, setattr, link, usage, trash_restore, put, get: of the object */
    const char *target; /* stat of a symlink; trash_restore: where it is now */
    const struct dfs_entry *entries; /* readdir */
    size_t n_entries;
    struct dfs_totals totals; /* usage; remove, trash_empty: what was removed */
    uint64_t id;              /* remove: in the trash; 0: it is not there */
    const void *value;        /* getxattr */
    size_t value_len;
    const struct dfs_xattr *xattrs; /* listxattr: in bytewise order of name */
    size_t n_xattrs;
    const struct dfs_trashed *trash; /* trash_list */
    size_t n_trash;
    uint64_t keep_ms;              /* trash_list: how long the trash keeps things */
    const struct dfs_usage *usage; /* usage: one page of the directories in it */
    size_t n_usage;
    const struct dfs_fsck_entry *fsck; /* fsck: one page */
    size_t n_fsck;
    uint32_t gave_up;                    /* give_up: chunks that go on */
    uint32_t fsck_files;                 /* fsck: looked at for this page */
    const struct dfs_health *health;     /* health */
    struct dfs_server_change server;     /* server_set */
    const char *next;                    /* usage, fsck: where the next page starts */
    bool eof;                            /* readdir, usage, fsck, trash_list: that was the last page */
    const struct dfs_status *status;     /* status */
    const struct dfs_recovery *recovery; /* recover */
    const struct dfs_process *process;   /* server_process */
    struct dfs_statfs fs;                /* statfs */
    uint64_t file;                       /* open: what names the file from now on */
    struct dfs_lock lock;                /* lock_query: the first that is in the way; its type is 0 if there is none */
    bool lock_here;                      /* lock_query: this client has it */
    uint64_t offset;                     /* append: where it is */
    uint64_t bytes;                      /* pwrite, put, get, read: payload moved; rebalance: to be moved, about */
    int64_t dir_ns;                      /* make, open that made a name, unlink: when the directory changed; 0: not told */
    struct dfs_delegation delegation;    /* delegate */
};
typedef void (*dfs_cb)(void *arg, int status, const struct dfs_result *r);

/* --- asynchronous --- */

/* Starts nothing yet: the first call connects. */
int dfs_client_open(struct uv_loop_s *loop, const struct dfs_options *o, struct dfs_client **out);
/* Unfinished calls end with DFS_ECANCELED first; done (may be NULL) comes when nothing is left on the loop. */
void dfs_client_close(struct dfs_client *c, void (*done)(void *arg), void *arg);

/* --- what may be kept --- */

/* A program that keeps what dfs_stat and dfs_readdir told it, as a mount's kernel does, may keep it for a second: then it
 * is to ask again. For most changes it need not wait so long: fn is called, on the loop, soon after another client has changed
 * what this one has looked up. This is best effort; the second holds without it. Own changes are not told.
 * name: an entry of the directory ino, which was listed, or in which the path of a look-up started (dfs_set_context); NULL: the
 * attributes or the content of ino, of which nothing more is told until it is looked up again. v NULL: anything. */
struct dfs_invalidation {
    uint64_t ino;
    const char *name;
};
#define DFS_KEEP_MS 1000
/* fn NULL: no more. Not from inside fn. */
void dfs_on_invalidate(struct dfs_client *c, void (*fn)(void *arg, const struct dfs_invalidation *v, size_t n),
                       void *arg);

/* --- a call under way --- */

/* The number of the call started last, for the functions below, which do nothing if it has ended. Numbers are never used
 * twice by a client. */
uint64_t dfs_last_call(const struct dfs_client *c);
/* Ends a call: its callback comes soon, with DFS_ECANCELED. A put that is canceled leaves nothing visible unless it was just
 * being published; another change that was already sent may take effect all the same. */
void dfs_cancel(struct dfs_client *c, uint64_t call);
/* Ends a call that is not done in so many ms from now with DFS_ETIMEDOUT, or, if it is a change that was already sent, with
 * DFS_EUNKNOWN. 0: no deadline, as at first. It is in addition to dfs_options.timeout_ms, which starts anew with every
 * progress. */
void dfs_set_deadline(struct dfs_client *c, uint64_t call, uint64_t ms);
/* For who wonders why nothing goes on: which server did not answer, or asked to wait, within the last so many ms, and why:
 * "10.0.0.2:7101 (cannot be reached)". It, or another one, is asked again. NULL: there was none. Valid until the loop's next turn. */
const char *dfs_trouble(const struct dfs_client *c, uint64_t ms);
/* A source whose read(), or a sink whose write(), returned DFS_EAGAIN is asked again at once, not after its pause. */
void dfs_resume(struct dfs_client *c, uint64_t call);

/* Where paths start that do not begin with '/', and on whose behalf calls are made: what the working directory and the
 * file system ids are to a process. An empty path is `dir` itself, which may then be anything, not only a directory. */
struct dfs_context {
    uint64_t dir, to_dir; /* inode numbers; 0: the root. to_dir: for the second path of rename and link */
    bool owner;           /* uid and gid hold; otherwise they are the process's own */
    uint32_t uid, gid;    /* of what is made; trusted until keys exist */
    uint32_t umask;       /* what the mode of what is made loses, unless a default ACL says what it gets; not of a put */
};
/* Holds for calls started from now on. NULL: as at first. */
void dfs_set_context(struct dfs_client *c, const struct dfs_context *x);

#define DFS_NOFOLLOW 1u     /* stat: do not follow a final symlink */
#define DFS_PARENTS 2u      /* mkdir: as mkdir -p */
#define DFS_SWAP 8192u      /* rename: both are there, and change places in one step */
#define DFS_EXCL 4u         /* create, put, rename, setxattr: fail if it exists */
#define DFS_REPLACE 64u     /* setxattr: fail if it does not exist */
#define DFS_DROP_SETGID 65536u /* setxattr of an access ACL: the setgid bit goes, as who sets it is not of the group */
#define DFS_TREE 16u        /* remove: a directory with all it holds */
#define DFS_KEEP 32u        /* remove: into the trash */
#define DFS_READ 128u       /* open: to read from it, … */
#define DFS_WRITE 256u      /* … to write to it; one of the two must be there */
#define DFS_CREATE 512u     /* open: make it if it is not there; with DFS_EXCL only then */
#define DFS_TRUNCATE 16384u /* open, to write: make it empty */
#define DFS_LAZY 32768u     /* open: see there … */
#define DFS_LAZY_MS 1000u   /* … for how long what was heard of such a file is used */
#define DFS_WAIT 4096u      /* lock: wait for it */
#define DFS_OWNER 8u        /* put: uid and gid of the options hold; otherwise the caller's own */

int dfs_stat(struct dfs_client *c, const char *path, unsigned flags, dfs_cb cb, void *arg);
/* One page of names after `after` ("" for the first), in bytewise order; limit 0: 1000. */
int dfs_readdir(struct dfs_client *c, const char *path, const char *after, uint32_t limit, dfs_cb cb, void *arg);
int dfs_mkdir(struct dfs_client *c, const char *path, uint32_t mode, unsigned flags, dfs_cb cb, void *arg);
int dfs_create(struct dfs_client *c, const char *path, uint32_t mode, unsigned flags, dfs_cb cb, void *arg);
/* type: DFS_FIFO to DFS_BLOCK_DEVICE; device: 0 unless it is one. */
int dfs_mknod(struct dfs_client *c, const char *path, uint8_t type, uint32_t mode, uint64_t device, dfs_cb cb,
              void *arg);
int dfs_symlink(struct dfs_client *c, const char *target, const char *path, dfs_cb cb, void *arg);
int dfs_unlink(struct dfs_client *c, const char *path, dfs_cb cb, void *arg);
int dfs_rmdir(struct dfs_client *c, const char *path, dfs_cb cb, void *arg);
int dfs_rename(struct dfs_client *c, const char *from, const char *to, unsigned flags, dfs_cb cb, void *arg);

/* Changes of attributes; what is not named in `what` stays. ctime always moves. */
#define DFS_SET_MODE 1u
#define DFS_SET_UID                                                                                                    \
    2u /* with this or the next all but a directory loses its setuid bit, and its setgid bit if its group may run it */
#define DFS_SET_GID 4u
#define DFS_SET_MTIME 8u
#define DFS_SET_MTIME_NOW 16u /* the NameServer's clock */
#define DFS_SET_GOAL 32u      /* of a file, or of what is made in a directory from now on */
#define DFS_SET_ATIME 64u
#define DFS_SET_ATIME_NOW 128u
/* It loses those bits, as a file does that is written to by somebody who may not set them. */
#define DFS_KILL_SETID 256u
struct dfs_setattr {
    unsigned what;
    uint32_t mode, uid, gid;
    int64_t mtime_ns;
    uint8_t goal; /* 1 to 16; 0: the default */
    int64_t atime_ns;
};
/* flags: DFS_NOFOLLOW. The mode and goal of a symbolic link cannot be changed: DFS_ENOTSUP. */
int dfs_setattr(struct dfs_client *c, const char *path, const struct dfs_setattr *s, unsigned flags, dfs_cb cb,
                void *arg);
/* Gives a file or a symbolic link, which is not followed, one more name; a directory gives DFS_EPERM. */
int dfs_link(struct dfs_client *c, const char *path, const char *to, dfs_cb cb, void *arg);
/* Extended attributes of files and directories: names begin with "user." and have at most 255 bytes; a value has at most
 * 64 KiB, all of an inode together 128 KiB (DFS_ENOSPC). flags: DFS_NOFOLLOW; set: DFS_EXCL, DFS_REPLACE. DFS_ENODATA:
 * there is none of this name; DFS_ENOTSUP: another prefix; DFS_EPERM: a symbolic link. */
int dfs_setxattr(struct dfs_client *c, const char *path, const char *name, const void *p, size_t len, unsigned flags,
                 dfs_cb cb, void *arg);
int dfs_getxattr(struct dfs_client *c, const char *path, const char *name, unsigned flags, dfs_cb cb, void *arg);
int dfs_listxattr(struct dfs_client *c, const char *path, unsigned flags, dfs_cb cb, void *arg);
int dfs_removexattr(struct dfs_client *c, const char *path, const char *name, unsigned flags, dfs_cb cb, void *arg);
/* Takes a file, or with DFS_TREE a directory with all it holds, away in one step. What loses its last name is reclaimed in
 * the background, or, with DFS_KEEP, waits in the trash, where dfs_trash_restore finds it until its time is over. */
int dfs_remove(struct dfs_client *c, const char *path, unsigned flags, dfs_cb cb, void *arg);
/* One page of the trash, oldest first, behind the entry `after` (0 for the first); limit 0: 1000. */
int dfs_trash_list(struct dfs_client *c, uint64_t after, uint32_t limit, dfs_cb cb, void *arg);
/* Puts an entry back to where it was, or to another path (NULL: none). DFS_EEXIST: that name is taken; DFS_ENOENT: the
 * directory is gone, or there is no such entry. */
int dfs_trash_restore(struct dfs_client *c, uint64_t id, const char *to, dfs_cb cb, void *arg);
/* Gives up one entry, or (id 0) all there are now. */
int dfs_trash_empty(struct dfs_client *c, uint64_t id, dfs_cb cb, void *arg);
/* How long the whole cluster's trash keeps things; 0: there is none, and DFS_KEEP means nothing. */
int dfs_trash_keep(struct dfs_client *c, uint64_t ms, dfs_cb cb, void *arg);
/* How much lies below path, without walking, and below each directory in it: one page of those, behind `after` ("" for
 * the first, then result.next); limit 0: 1000. */
int dfs_usage(struct dfs_client *c, const char *path, const char *after, uint32_t limit, dfs_cb cb, void *arg);
int dfs_statfs(struct dfs_client *c, dfs_cb cb, void *arg);
int dfs_status(struct dfs_client *c, dfs_cb cb, void *arg);
int dfs_health(struct dfs_client *c, dfs_cb cb, void *arg);
/* What is wrong with the files of one directory, and which directories it holds: one page, behind `after` ("" for the
 * first, then result.next); limit 0: 1000. Of a file: itself. path starts at the directory with the inode number dir; 0: at
 * the root. */
int dfs_fsck(struct dfs_client *c, uint64_t dir, const char *path, const char *after, uint32_t limit, dfs_cb cb,
             void *arg);
/* A storage server is to be emptied; to stay after all; to be taken out for good, which is refused with DFS_EBUSY while
 * there is something on it. */
#define DFS_SERVER_DRAIN 1u
#define DFS_SERVER_UNDRAIN 2u
#define DFS_SERVER_REMOVE 3u
int dfs_server_set(struct dfs_client *c, uint32_t id, unsigned action, dfs_cb cb, void *arg);
/* What the NameServer or StorageServer at this address, one that dfs_status names, has used of its machine. Asked once: it
 * fails at once where the server does not answer. */
int dfs_server_process(struct dfs_client *c, const char *address, dfs_cb cb, void *arg);
/* Evens out how full the servers are, further than happens by itself; comes back at once. */
int dfs_rebalance(struct dfs_client *c, dfs_cb cb, void *arg);
/* The chunks of a file (its inode number) that wait for a storage server which was there when they were written and is gone
 * now go on without it: what only that server holds is lost. result.gave_up: how many. */
int dfs_give_up(struct dfs_client *c, uint64_t ino, dfs_cb cb, void *arg);
/* Takes a NameServer out of the cluster for good. */
int dfs_nm_remove(struct dfs_client *c, uint32_t id, dfs_cb cb, void *arg);
/* Hands leadership to this NameServer; 0: to the one that is furthest. */
int dfs_nm_transfer(struct dfs_client *c, uint32_t id, dfs_cb cb, void *arg);

/* Ends the quarantine after a restore: chunks the namespace does not know are deleted. */
int dfs_quarantine_drop(struct dfs_client *c, dfs_cb cb, void *arg);
/* Puts files together out of what is in quarantine: those that are whole under /recovered, with DFS_RECOVER_ALL those of
 * which something is missing under /recovered/incomplete. Calls back at once; DFS_RECOVER_LOOK tells how far it is. */
#define DFS_RECOVER_LOOK 0u
#define DFS_RECOVER_WHOLE 1u
#define DFS_RECOVER_ALL 2u
int dfs_recover(struct dfs_client *c, unsigned what, dfs_cb cb, void *arg);

/* Where the bytes of a put come from. read() is called on the loop and gives *got bytes, less than len only at the end;
 * offsets normally rise, but a part may be asked for again when a StorageServer fails: at most two chunks (128 MiB) back,
 * or, if the source is seekable, any part. What was stored of others on a server that is lost before the end is read back
 * from another one that has it.
 * DFS_EAGAIN: nothing yet, asked again after a pause of up to a second, or at dfs_resume. Any other non-zero return ends the
 * put with that error. */
struct dfs_source {
    int (*read)(void *arg, uint64_t offset, void *buf, size_t len, size_t *got);
    void (*progress)(void *arg, uint64_t bytes); /* acknowledged so far; may be NULL */
    void *arg;
    bool seekable; /* a file, memory */
    uint64_t size; /* if known, so that StorageServers can tell one day that a file is whole; 0: not known */
};
struct dfs_put_options {
    uint32_t mode;     /* 0: 0644 */
    uint32_t uid, gid; /* with DFS_OWNER */
    int64_t mtime_ns;  /* 0: now */
    uint8_t goal;      /* 0: the default */
    unsigned flags;    /* DFS_EXCL, DFS_OWNER */
};
/* Stores a whole file: it appears complete, or not at all; a file that was there is replaced in one step. */
int dfs_put(struct dfs_client *c, const char *path, const struct dfs_source *src, const struct dfs_put_options *o,
            dfs_cb cb, void *arg);

/* Where the bytes of a get go: verified, in order from offset, on the loop. DFS_EAGAIN: no room, nothing of this was taken;
 * it comes again after a pause of up to a second, or at dfs_resume. Any other non-zero return ends the get with that
 * error. If the file is replaced midway, restart() is called and bytes come again from the start of the range with the new
 * content; without restart() the get fails with DFS_EREPLACED once bytes were delivered. */
struct dfs_sink {
    int (*write)(void *arg, uint64_t offset, const void *p, size_t len);
    void (*restart)(void *arg); /* may be NULL */
    void *arg;
};
/* Called by a sink's write(): the bytes it was given stay where they are, unchanged, until dfs_keep_end of what is returned, on the
 * same thread. NULL: these do not (zeros of a hole, say), and have to be copied. What is kept is memory the library read into, which
 * may be more than those bytes: keep it for moments. */
struct dfs_kept;
struct dfs_kept *dfs_keep(struct dfs_client *c);
void dfs_keep_end(struct dfs_kept *kept); /* NULL is fine */
/* Reads [offset, offset+length) of a file; length UINT64_MAX: to the end. Holes come as zeros. */
int dfs_get(struct dfs_client *c, const char *path, uint64_t offset, uint64_t length, const struct dfs_sink *sink,
            dfs_cb cb, void *arg);

/* Files that are written in place. An open file is named by the number in result.file; as long as it is open its content
 * stays, whatever happens to its names. It ends with the client, or with its session: when the NameServers were out of reach
 * for ten minutes, DFS_EBADF says that it is gone. */
int dfs_open(struct dfs_client *c, const char *path, unsigned flags, uint32_t mode, dfs_cb cb, void *arg);
/* With DFS_LAZY an open file is read as a mount reads it: what others change is seen after DFS_LAZY_MS at the latest, or after
 * dfs_refresh, since where the bytes are is remembered for so long. Opened only to be read, such a file costs no change at the
 * NameServer, unless it is open for longer than some milliseconds, locked, or about to lose its name by this client; until
 * then, if another client removes it, it can still be read for the reader's grace, and if another replaces its content, the new
 * content is read. A close may wait for some milliseconds, to go with another change. */
void dfs_refresh(struct dfs_client *c, uint64_t file);
/* Acknowledged means: durable on every server of the chunks, and, where the file became longer, its size is committed.
 * At most 64 MiB at a time; p is copied. Writes under way at the same time take effect in any order. */
int dfs_pwrite(struct dfs_client *c, uint64_t file, uint64_t offset, const void *p, size_t len, dfs_cb cb, void *arg);
/* Writes all there is to an open file that is empty, in fewer steps than dfs_pwrite: others see it empty or whole. DFS_EEXIST:
 * it is not empty. It is no write that dfs_fsync waits for. */
int dfs_fill(struct dfs_client *c, uint64_t file, const void *p, size_t len, dfs_cb cb, void *arg);
/* The delegation of a directory, by its inode: while a client has it, others that want to know which names are there, or to change
 * that, wait. It can promise files to its users without asking, as long as result.delegation.ms from then are not over and the
 * delegation was not asked back: by a change of the directory's inode (or of anything) that dfs_on_invalidate tells, without which
 * nobody should ask for one. Then everything promised is to be made (dfs_make), and the directory returned, at once; whoever does not
 * lose it when its time is over. Asking again goes on with it. DFS_EAGAIN does not come: it waits for its turn. */
int dfs_delegate(struct dfs_client *c, uint64_t dir, uint32_t inodes, dfs_cb cb, void *arg);
int dfs_delegate_return(struct dfs_client *c, uint64_t dir, dfs_cb cb, void *arg);
/* A file that was promised, with all its content (at most 64 MiB; p is copied): it is there as a whole or not at all. result.file: it is
 * open, as by dfs_open with DFS_READ | DFS_WRITE | DFS_LAZY. DFS_EEXIST: somebody else has made one after all. */
int dfs_make(struct dfs_client *c, const char *name, const struct dfs_make *what, const void *p, size_t len, dfs_cb cb,
             void *arg);
/* As dfs_get, of an open file. What is read was acknowledged before the read began, or written since. */
int dfs_pread(struct dfs_client *c, uint64_t file, uint64_t offset, uint64_t length, const struct dfs_sink *sink,
              dfs_cb cb, void *arg);
/* Adds a record at the end of the file, in one piece, wherever the end is when it gets there: each of several clients' records
 * is in the file once, none inside another, in the order in which they were acknowledged where one followed another.
 * result.offset tells where. Files are stored in chunks of 64 MiB: a record that does not fit into what is left of one begins the
 * next, and the bytes between read as zeros. Writes behind the end at the same time, or a truncate that makes the file
 * longer, may come to lie behind it or before. DFS_EUNKNOWN: it may be in the file; an answer was lost just when a chunk was
 * full. */
#define DFS_APPEND_MAX (1024u * 1024)
int dfs_append(struct dfs_client *c, uint64_t file, const void *p, size_t len, dfs_cb cb, void *arg);
/* Makes a file exactly so long. What lay behind is gone for good, and reads as zeros should the file grow again; writes
 * under way at the same time come before or after it. */
int dfs_truncate(struct dfs_client *c, const char *path, uint64_t size, dfs_cb cb, void *arg);
int dfs_ftruncate(struct dfs_client *c, uint64_t file, uint64_t size, dfs_cb cb, void *arg);
/* The file is at least so long from now on; what is new reads as zeros and takes no space. */
int dfs_extend(struct dfs_client *c, uint64_t file, uint64_t size, dfs_cb cb, void *arg);
/* The range reads as zeros from now on, and takes no space (but what it has of blocks of 4 KiB at both ends). The size stays. As a
 * write, with which it takes effect in any order if both are under way. */
int dfs_punch(struct dfs_client *c, uint64_t file, uint64_t offset, uint64_t length, dfs_cb cb, void *arg);
/* result.offset: the first byte, from offset on, that something was written to (DFS_SEEK_DATA) or nothing (DFS_SEEK_HOLE); behind the
 * file's end there is nothing. DFS_ENODATA: there is no such byte, or offset is behind the end. */
#define DFS_SEEK_DATA 1u
#define DFS_SEEK_HOLE 2u
int dfs_seek(struct dfs_client *c, uint64_t file, uint64_t offset, unsigned what, dfs_cb cb, void *arg);
/* Waits for the writes started before, and sets the time of the last change. The first error of a write since the last
 * dfs_fsync, which its own callback was given, is told here once more, or by dfs_close. */
int dfs_fsync(struct dfs_client *c, uint64_t file, dfs_cb cb, void *arg);
/* DFS_EBUSY while writes to it are under way. Locks taken through it are given up, and what waits for one ends with
 * DFS_ECANCELED. Where the NameServers cannot be reached or have no space left it fails, and the file is still open, with
 * its locks: close it again. */
int dfs_close(struct dfs_client *c, uint64_t file, dfs_cb cb, void *arg);

/* Locks keep nobody from reading or writing; they keep out those who lock. One that is taken may be counted on until it is
 * given up, the file is closed, or the client is gone: when the NameServers have not heard of it for 30 s, whoever waits
 * gets the lock, and from before that moment on no write of the old holder takes effect any more: its file is gone
 * (DFS_EBADF). Writes under the lock are to be acknowledged before it is given up.
 *
 * Without DFS_WAIT a lock that others hold ends with DFS_ELOCKED. With it the call waits, however long, in the order of
 * asking, through changes of the leader as well; dfs_cancel and dfs_set_deadline end that. If the lock came just then the
 * call ends with 0 all the same, and it is held. DFS_EDEADLK: the owner of a range would wait for somebody who waits for it.
 * Another type for what is held already is a change in place; for a whole file that others hold shared it gives up the
 * old one while it waits, as flock does. */
int dfs_lock(struct dfs_client *c, uint64_t file, const struct dfs_lock *l, unsigned flags, dfs_cb cb, void *arg);
/* Gives up what the owner holds of it, through whichever open file; calls of its that wait for it end with DFS_ECANCELED. */
int dfs_unlock(struct dfs_client *c, uint64_t file, const struct dfs_lock *l, dfs_cb cb, void *arg);
/* Whether it could be had now: the first that is in the way, in result.lock. */
int dfs_lock_query(struct dfs_client *c, uint64_t file, const struct dfs_lock *l, dfs_cb cb, void *arg);

/* A consistent copy of the namespace and the chunk map, with all that was acknowledged before the call, for dfs nm restore.
 * Its bytes come in order from 0; restart() is called if they have to come again. DFS_EAGAIN of write() ends it, as any other
 * error does. */
int dfs_nm_backup(struct dfs_client *c, const struct dfs_sink *sink, dfs_cb cb, void *arg);

/* --- synchronous --- */

struct dfs_sync;
int dfs_sync_open(const struct dfs_options *o, struct dfs_sync **out);
void dfs_sync_close(struct dfs_sync *s);
/* The sentence for the last error of s; never NULL. */
const char *dfs_sync_error(const struct dfs_sync *s);

int dfs_sync_stat(struct dfs_sync *s, const char *path, unsigned flags, struct dfs_attr *out);
/* Calls each entry of the directory, in order; a non-zero return of each() ends the walk with it. */
int dfs_sync_readdir(struct dfs_sync *s, const char *path, int (*each)(void *arg, const struct dfs_entry *e),
                     void *arg);
int dfs_sync_mkdir(struct dfs_sync *s, const char *path, uint32_t mode, unsigned flags);
int dfs_sync_create(struct dfs_sync *s, const char *path, uint32_t mode, unsigned flags);
int dfs_sync_symlink(struct dfs_sync *s, const char *target, const char *path);
int dfs_sync_readlink(struct dfs_sync *s, const char *path, char *buf, size_t len); /* NUL-terminated; DFS_ETOOBIG */
int dfs_sync_unlink(struct dfs_sync *s, const char *path);
int dfs_sync_rmdir(struct dfs_sync *s, const char *path);
int dfs_sync_rename(struct dfs_sync *s, const char *from, const char *to, unsigned flags);
int dfs_sync_setattr(struct dfs_sync *s, const char *path, const struct dfs_setattr *set, unsigned flags);
int dfs_sync_link(struct dfs_sync *s, const char *path, const char *to);
int dfs_sync_remove(struct dfs_sync *s, const char *path, unsigned flags);
int dfs_sync_usage(struct dfs_sync *s, const char *path, struct dfs_totals *out);
int dfs_sync_put(struct dfs_sync *s, const char *path, const struct dfs_source *src, const struct dfs_put_options *o);
int dfs_sync_get(struct dfs_sync *s, const char *path, uint64_t offset, uint64_t length, const struct dfs_sink *sink);
int dfs_sync_file_open(struct dfs_sync *s, const char *path, unsigned flags, uint32_t mode, uint64_t *file);
int dfs_sync_file_close(struct dfs_sync *s, uint64_t file);
int dfs_sync_pwrite(struct dfs_sync *s, uint64_t file, uint64_t offset, const void *p, size_t len);
int dfs_sync_append(struct dfs_sync *s, uint64_t file, const void *p, size_t len);
int dfs_sync_truncate(struct dfs_sync *s, const char *path, uint64_t size);
int dfs_sync_ftruncate(struct dfs_sync *s, uint64_t file, uint64_t size);
int dfs_sync_extend(struct dfs_sync *s, uint64_t file, uint64_t size);
int dfs_sync_punch(struct dfs_sync *s, uint64_t file, uint64_t offset, uint64_t length);
int dfs_sync_seek(struct dfs_sync *s, uint64_t file, uint64_t offset, unsigned what, uint64_t *at);
int dfs_sync_fsync(struct dfs_sync *s, uint64_t file);
int dfs_sync_pread(struct dfs_sync *s, uint64_t file, uint64_t offset, void *p, size_t len, size_t *got);
/* Between calls this face says nothing to the NameServers: who holds a lock calls something, dfs_sync_stat say, every few
 * seconds, or loses it (see dfs_lock).
 * ms: how long to wait for it; 0: not at all, UINT64_MAX: without an end. DFS_ELOCKED, DFS_ETIMEDOUT. */
int dfs_sync_lock(struct dfs_sync *s, uint64_t file, const struct dfs_lock *l, uint64_t ms);
int dfs_sync_unlock(struct dfs_sync *s, uint64_t file, const struct dfs_lock *l);
/* out->type is 0 if nothing is in the way. */
int dfs_sync_lock_query(struct dfs_sync *s, uint64_t file, const struct dfs_lock *l, struct dfs_lock *out);
/* Whole small files from and to memory. */
int dfs_sync_put_bytes(struct dfs_sync *s, const char *path, const void *p, size_t len);
int dfs_sync_get_bytes(struct dfs_sync *s, const char *path, void *p, size_t len, size_t *got);

#ifdef __cplusplus
}
#endif

#endif
