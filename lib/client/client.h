/* SPDX-License-Identifier: MIT */
/* The client core: path operations, whole-file writers and readers, retry. Pure, in the shape of wire/core.h; the library
 * (lib/host/client.c) and the simulator host it. One state machine per operation.
 *
 * Every operation ends exactly once, by its callback, from client_event or client_turn, never from client_start.
 * An operation is retried with jittered backoff, following the leader, until `timeout` passes without progress; a mutation
 * keeps its session and number, so that it takes effect once (G6). A mutation whose outcome cannot be known ends with
 * DFS_EUNKNOWN. */
#ifndef DFS_CLIENT_CLIENT_H
#define DFS_CLIENT_CLIENT_H

#include "dfs/dfs.h"
#include "wire/core.h"

#define CLIENT_MAX_NAMESERVERS 16u
#define CLIENT_MAX_HOSTS 32u

struct client;

struct client_config {
    const char *nameservers[CLIENT_MAX_NAMESERVERS]; /* "host:port" */
    uint32_t n_nameservers;
    const char *program;
    const char *hosts[CLIENT_MAX_HOSTS]; /* what addresses of this machine begin with, before the port */
    uint32_t n_hosts;
    uint32_t uid, gid; /* on whose behalf; trusted until keys exist */
    uint64_t nonce;    /* random: makes session_open idempotent */
    uint64_t seed;
    uint64_t timeout;      /* ns without progress before an operation fails; 0: 30 s */
    uint64_t call_timeout; /* ns for one call; 0: 5 s */
    uint32_t window;       /* bytes in flight per transfer; 0: 8 MiB */
    bool trust_payload;    /* sabotage for the simulator: do not verify what is read */
};

enum client_op_kind {
    OP_STAT = 1,
    OP_READDIR,
    OP_FSCK,
    OP_USAGE,
    OP_TRASH_LIST,
    OP_GETXATTR,
    OP_LISTXATTR,
    OP_MKDIR,
    OP_CREATE,
    OP_MKNOD,
    OP_SYMLINK,
    OP_UNLINK,
    OP_RMDIR,
    OP_RENAME,
    OP_SETATTR,
    OP_LINK,
    OP_REMOVE,
    OP_TRASH_RESTORE,
    OP_TRASH_EMPTY,
    OP_TRASH_KEEP,
    OP_SETXATTR,
    OP_REMOVEXATTR,
    OP_DELEGATE,
    OP_DELEGATE_RETURN,
    OP_SERVER_SET,
    OP_STATFS,
    OP_STATUS,
    OP_HEALTH,
    OP_REBALANCE,
    OP_GIVE_UP,
    OP_NM_REMOVE,
    OP_NM_TRANSFER,
    OP_QUARANTINE_DROP,
    OP_RECOVER,
    OP_BACKUP,
    OP_PUT,
    OP_GET,
    OP_OPEN,
    OP_CLOSE,
    OP_PWRITE,
    OP_APPEND,
    OP_FILL,
    OP_MAKE,
    OP_TRUNCATE,
    OP_EXTEND,
    OP_PUNCH,
    OP_SEEK,
    OP_FSYNC,
    OP_LOCK,
    OP_UNLOCK,
    OP_LOCK_QUERY,
    OP_PROCESS,
};

/* What to do. Strings are copied by client_start. */
struct client_request {
    enum client_op_kind kind;
    const char *path;  /* process: the server's address */
    const char *path2; /* symlink: target; rename, link: to; readdir, usage, fsck: after; xattr: name */
    const void *value; /* setxattr */
    size_t value_len;
    struct dfs_context at; /* its zeros are filled in by client_start */
    unsigned flags;        /* DFS_NOFOLLOW, DFS_PARENTS, DFS_EXCL */
    uint32_t mode, limit;  /* server_set: enum server_action, the server; delegate: numbers wanted */
    struct dfs_setattr set;
    struct dfs_put_options put;
    struct dfs_source source;
    struct dfs_sink sink;
    uint64_t offset;      /* of a get or punch; of a pwrite of `value`, or of a seek */
    uint64_t length;      /* of a get or punch; truncate, extend: the file's */
    struct dfs_lock lock; /* lock (flags: DFS_WAIT), unlock, lock_query */
    uint64_t file; /* close, pwrite, fill, fsync, locks; get, truncate: 0, or the open file instead of the path */
    uint64_t
        id; /* trash_list: after; trash_restore, trash_empty: the entry's, 0 for all; trash_keep: ms; fsck: where path starts; make: the inode */
    dfs_cb cb;
    void *arg;
};

/* NULL: no or too many NameServers. */
struct client *client_new(const struct client_config *cfg);
/* Ends all operations with DFS_ECANCELED. */
void client_free(struct client *c);

/* Queues an operation; it starts with the next client_turn, which the host must arrange. 0, DFS_EINVAL, DFS_ENAMETOOLONG
 * or, while client_free cancels, DFS_ECLOSING; on error the callback never fires. */
int client_start(struct client *c, const struct client_request *r) MUST_USE;
void client_event(struct client *c, const struct event *ev, struct effects *fx);
void client_turn(struct client *c, struct now now, struct effects *fx);
uint64_t client_deadline(const struct client *c);
uint32_t client_active(const struct client *c); /* operations not ended */
/* The number of the operation client_start queued last. The calls below do nothing if it has ended; they take effect with
 * the next client_turn, which the host must arrange. */
uint64_t client_last(const struct client *c);
/* What made a call be tried again within so many ns before now; NULL: nothing. Borrowed until the next event. */
const char *client_trouble(const struct client *c, uint64_t now, uint64_t ns);
void client_cancel(struct client *c, uint64_t number);
void client_set_deadline(struct client *c, uint64_t number, uint64_t at); /* monotonic ns; UINT64_MAX: none */
void client_resume(struct client *c, uint64_t number);
/* While a sink is written to: a share in the bytes it was given; NULL: see dfs_keep. */
struct buf *client_keep(struct client *c);
/* Reads of this file that start from now on ask where its chunks are. */
void client_refresh(struct client *c, uint64_t file);
/* From the next turn on fn is told of what was looked up and has changed; v NULL: of everything. fn NULL: no more. */
typedef void (*client_watch_fn)(void *arg, const struct dfs_invalidation *v, size_t n);
void client_watch(struct client *c, client_watch_fn fn, void *arg);
/* The last thing a client does: the NameServer need not keep its session until that expires. Nobody waits for the answer,
 * and if it gets lost the session expires all the same. */
void client_goodbye(struct client *c, struct now now, struct effects *fx);

#endif
