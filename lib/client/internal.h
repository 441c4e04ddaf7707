/* SPDX-License-Identifier: MIT */
/* What the files of the client core share.
 *
 * Three layers, each using only the one above it:
 *   task   one thing that sends a call, waits for its answer, or sleeps before trying again      (task.c)
 *   rpc    a task towards the NameServers: leader, session, numbers, retry                       (rpc.c, session.c)
 *   op     what the user asked for: path operations (path.c), put (put*.c, hold.c), get (get*.c), files (file*.c, lock.c), backup.c
 *
 *                    client_start            turn               last answer              end of the step
 *   op:   (caller) --------------> starting ------> running ---------------------> ended -----------------> callback, freed
 *
 * An op that ends is only marked; its memory stays until the step's end, so that code further up the stack may look at
 * op->ended and return. */
#ifndef DFS_CLIENT_INTERNAL_H
#define DFS_CLIENT_INTERNAL_H

#include "base/list.h"
#include "base/rand.h"
#include "client/client.h"

#define CLIENT_ADDR_MAX (WIRE_ADDR_MAX + 1)
#define CLIENT_TIMEOUT (30 * NS_PER_SEC)
#define CLIENT_CALL_TIMEOUT (5 * NS_PER_SEC)
#define CLIENT_WINDOW (8u * 1024 * 1024)
/* No NameServer ever answered us: give up sooner than the timeout, the address is probably wrong. */
#define CLIENT_FIRST_CONTACT (5 * NS_PER_SEC)
/* While StorageServers are full: some heartbeats, with which the NameServer hears who is. And for what else is to be told before an
 * error is. */
#define FULL_PATIENCE (5 * NS_PER_SEC)
#define BACKOFF_FIRST (20 * NS_PER_MS)
#define BACKOFF_MAX (1 * NS_PER_SEC)
/* While there may be a failover: between two looks for the leader, and how long one may take. */
#define BACKOFF_LEADER (100 * NS_PER_MS)
#define FAILOVER_TIME (5 * NS_PER_SEC)
/* Mutations of our session in flight; below the NameServer's window of 1024. */
#define CLIENT_MUTATIONS_MAX 1000u
/* A StorageServer that failed us is avoided for so long. */
#define SUSPECT_TIME (5 * NS_PER_SEC)
#define SUSPECTS_MAX 16u
#define MAX_REPLICAS 16u
/* Grants one request asks for at most. */
#define GRANT_BATCH_MAX 32u

struct op;
struct task;

typedef void (*task_fn)(struct task *t, struct effects *fx);
typedef void (*task_reply_fn)(struct task *t, const struct event *ev, struct effects *fx);

struct task {
    struct list link; /* in sleeping, or in one waiting list; alone otherwise */
    struct client *c;
    struct op *op; /* NULL: the client's own */
    task_fn run;   /* wakes up: send (again) */
    task_reply_fn reply;
    uint64_t wake;
    uint64_t token; /* of the call outstanding; 0: none */
    uint32_t attempts;
};

struct rpc;
typedef void (*rpc_build_fn)(struct rpc *r, struct msg *m, struct arena *a);
/* status 0: ev->msg is the reply. Otherwise the error, with ev NULL if no server said it. */
typedef void (*rpc_answer_fn)(struct rpc *r, int status, const struct event *ev, struct effects *fx);

struct rpc {
    struct task t;
    struct list numbered; /* mutations in flight, by number */
    bool mutation, needs_session;
    uint16_t type;  /* of the request last sent */
    bool uncertain; /* a mutation that may have been applied already */
    uint64_t session, number;
    uint64_t behind;    /* it is not sent before these of client.tells were answered; 0: whenever */
    uint64_t since;     /* start, or last progress */
    uint64_t patience;  /* ns; 0: as long as the client's timeout */
    uint64_t sent;      /* when the last call left */
    uint64_t nm_serial; /* which choice of NameServer it was sent to */
    uint32_t hops;      /* to another NameServer since it slept last */
    rpc_build_fn build;
    rpc_answer_fn answer;
};

struct backup { /* how far it is */
    uint64_t index, term, after, offset;
    uint32_t restarts;
};

struct op {
    struct list link; /* c->starting, c->running or c->ended */
    struct client *c;
    struct client_request req; /* strings owned; its value is … */
    struct buf *value;         /* … in here, if there is one */
    struct rpc rpc;
    struct put *put;
    struct get *get;
    struct pwrite *pwrite;
    struct locking *locking;
    struct list syncing; /* in file.syncing */
    uint64_t sync_after; /* the last write before it */
    struct list dated;   /* in c->dated if there is a deadline */
    uint64_t number;     /* names it to the program */
    uint64_t deadline;
    struct backup backup;
    bool ended;
    int status;
    uint64_t progress; /* when something last went well */
    struct dfs_result result;
    struct arena arena; /* what result points to */
    char error[320];
};

struct grant_replica {
    uint32_t server;
    const char *addr;
};

struct grant {
    struct list link;
    uint64_t expires, chunk, session;
    uint32_t version, chunk_size, n;
    struct str token;
    struct grant_replica r[];
};

struct pool {
    struct rpc rpc; /* first: the refill */
    uint8_t goal;
    bool busy, refilled;
    uint32_t n_free, batch;
    struct list free, waiters;
};

struct slot {
    struct task *task; /* NULL: nobody waits any more */
    uint32_t serial, next_free;
    char addr[CLIENT_ADDR_MAX]; /* where the call went */
};

#define CLIENT_SUSPICIONS 16u
#define CLIENT_TOUCHED 256u
struct client {
    struct client_config cfg;
    char *names[CLIENT_MAX_NAMESERVERS];
    char *program;
    char *hosts[CLIENT_MAX_HOSTS];
    struct rng rng;
    struct now now;
    struct list starting, running, ended, sleeping, dated;
    uint64_t last_op;
    uint32_t active;
    bool closing; /* client_free: callbacks may start nothing any more */

    char nm[CLIENT_ADDR_MAX]; /* the NameServer in use */
    uint32_t nm_index;
    uint64_t nm_serial; /* rises when nm changes */
    bool contacted;     /* some NameServer answered once */

    uint64_t session, next_number, session_nonce;
    uint64_t delegation_ttl; /* ns, as last told; 0: the NameServer knows nothing of delegations */
    uint64_t lock_ttl; /* ns, as last told: how long locks outlive silence */
    struct rpc session_rpc;
    bool session_busy;
    struct list need_session, need_window, numbered;
    struct list late; /* changes nobody waits for; the timer sleeps while there are some */
    struct task late_timer;

    struct pool *pools[MAX_REPLICAS + 1];
    uint64_t grant_lifetime; /* ns, as last told; 0: never granted */
    struct list files;       /* open */
    struct list untold;      /* of those: what the NameServer is to be told of, in the order of when … */
    struct list unheard;     /* … and what it was told of in vain */
    struct task untold_timer; /* asleep while there are some */
    struct list tells, behind; /* files the NameServer is being told of, oldest first; tasks that wait for its answers */
    uint64_t last_tell;
    uint64_t last_lazy;
    uint64_t touched[CLIENT_TOUCHED]; /* by inode: when we last changed a file's content */
    struct buf *given;       /* while a sink is written to: what the bytes lie in; NULL: in nothing of which one may have a share */
    uint32_t puts;           /* running */
    struct task hold_timer;  /* asleep while grants are in use (hold.c) */
    struct rpc hold_rpc;
    bool hold_busy;
    struct msg_chunk_suspect suspicions[CLIENT_SUSPICIONS]; /* to be told; the first is being told */
    uint32_t n_suspicions;
    struct rpc suspicion_rpc;
    struct list frames;  /* of writes to open files, in the order of their numbers */
    uint64_t next_write; /* request numbers of chunk writes */
    struct {
        uint32_t server;
        uint64_t until;
    } suspects[SUSPECTS_MAX];

    struct {
        client_watch_fn fn; /* NULL: nobody wants to know */
        void *arg;
        uint64_t id, seen; /* what the NameServer knows us by; its last answer */
        struct rpc rpc;
        struct task timer;
    } watch;

    uint32_t shift_block[4][256]; /* what 4096 zero bytes do to each value of each byte of a CRC (crc.c) */
    struct slot *slots;
    uint32_t n_slots, free_slot;
    struct {
        uint64_t at; /* 0: never */
        char text[CLIENT_ADDR_MAX + 160];
    } trouble; /* the last answer after which a call is made again */
};

/* --- task.c --- */
void task_init(struct task *t, struct client *c, struct op *op, task_fn run, task_reply_fn reply);
/* Exactly one reply() follows, unless the task is stopped first. */
void task_send(struct task *t, const char *addr, const struct msg *m, struct payload *payload, uint64_t timeout,
               struct effects *fx);
/* Sleeps with jittered exponential backoff, then runs. */
void task_sleep(struct task *t);
void task_nap(struct task *t, uint64_t max); /* the same, for max ns at most */
void task_stop(struct task *t);              /* neither reply nor run follows */
void tasks_reply(struct client *c, const struct event *ev, struct effects *fx);
void tasks_wake(struct client *c, struct effects *fx);
/* Runs all tasks waiting in the list. */
void tasks_run(struct list *waiting, struct effects *fx);

/* --- op.c --- */
void op_end(struct op *op, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
void op_end_ok(struct op *op);
bool op_overdue(const struct op *op);         /* no progress for the timeout */
/* The same when a StorageServer has just answered with this error: a full one is not asked for as long as one that is silent. */
bool op_overdue_with(const struct op *op, int status);
char *op_string(struct op *op, struct str s); /* NUL-terminated copy in the op's arena; NULL: ended with ENOMEM */
/* Ends the op with an rpc's error, in a sentence that says whom it concerns. */
void op_fail_rpc(struct op *op, int status, const struct event *ev);
struct dfs_attr attr_of(const struct wire_attr *a);

/* --- control.c --- */
/* Ends those whose deadline is over. */
void ops_expire(struct client *c);
uint64_t ops_deadline(const struct client *c); /* the first; UINT64_MAX: none */

/* --- rpc.c --- */
void rpc_init(struct rpc *r, struct client *c, struct op *op, rpc_build_fn build, rpc_answer_fn answer);
void rpc_start(struct rpc *r, struct effects *fx);
/* With the next change of ours, or some milliseconds later: a flush of the log begun for it alone would keep others waiting. */
void rpc_start_late(struct rpc *r);
void late_init(struct client *c);
void rpc_stop(struct rpc *r);
/* The request_id a build function puts into its message. */
struct wire_request_id rpc_id(const struct rpc *r);
/* An error's own words: what the server said, or the error's text. The string lives as long as ev. */
struct str error_text(int status, const struct event *ev);

/* --- session.c --- */
void session_init(struct client *c);
/* The task runs again once there is a session; its op ends with the error if there can be none. */
void session_wait(struct client *c, struct task *t, struct effects *fx);
/* The NameServer does not know this session (any more): the next one that needs one opens another. */
void session_lost(struct client *c, uint64_t session);

/* --- grants.c --- */
/* A grant, owned by the caller, or NULL: t waits and runs again when there may be one. */
struct grant *grant_acquire(struct client *c, uint8_t goal, struct task *t, struct effects *fx);
void grants_close(struct client *c);
void suspect_add(struct client *c, uint32_t server);
bool suspect_is(const struct client *c, uint32_t server);
void suspects_clear(struct client *c);

/* --- suspicion.c --- */
void suspicion_init(struct client *c);
/* This server's copy did not fit its checksums. */
void suspicion_tell(struct client *c, uint64_t chunk, uint32_t version, uint32_t server, struct effects *fx);
void suspicion_close(struct client *c);

/* --- hold.c --- */
void hold_init(struct client *c);
/* A grant is in use from now on. */
void hold_arm(struct client *c);
/* No put runs any more. */
void hold_disarm(struct client *c);
void hold_close(struct client *c);

/* --- blocks.c --- */
void blocks_init(struct client *c);
/* CRC32C of each 4096-byte block of the chunk's grid that [off, off+len) touches, the range's bytes only. */
uint32_t blocks_count(uint32_t off, uint32_t len);
void blocks_crc(const void *p, uint32_t len, uint32_t *out); /* starting on a block's edge */
/* Appends blocks, given by their CRCs, to a running CRC; len bytes, starting on a block's edge. */
uint32_t blocks_append(const struct client *c, uint32_t crc, const uint32_t *crcs, uint32_t len);

/* --- delegate.c --- */
void delegate_build(struct rpc *r, struct msg *m);
void delegate_answer(struct op *op, const struct msg_delegate_reply *m);
void make_begin(struct op *op, struct effects *fx);
/* What a make's last message says. */
void make_build(struct rpc *r, struct msg *m, struct wire_published *chunks, uint32_t n, uint64_t size);

/* --- xattr.c --- */
static inline bool op_is_xattr(enum client_op_kind k)
{
    return k == OP_GETXATTR || k == OP_LISTXATTR || k == OP_SETXATTR || k == OP_REMOVEXATTR;
}
void xattr_build(struct rpc *r, struct msg *m);
void xattr_answer(struct op *op, const struct msg *m); /* may end the op with ENOMEM */

/* --- servers.c --- */
void servers_build(struct rpc *r, struct msg *m);
void servers_answer(struct op *op, const struct msg *m); /* may end the op with ENOMEM */
const char *server_state_word(uint8_t s);
/* --- process.c --- */
void process_begin(struct op *op, struct effects *fx);

/* --- backup.c --- */
void backup_begin(struct op *op, struct effects *fx);
void recover_answer(struct op *op, const struct msg_recover_reply *m);

/* How long a call may wait at the NameServer before it is answered in any case. */
static inline uint32_t wait_ms(const struct client *c) { return (uint32_t)(c->cfg.call_timeout / 2 / NS_PER_MS); }

/* --- watch.c --- */
void watch_init(struct client *c);
/* The session that lookups are watched for; 0: none. */
uint64_t watch_session(const struct client *c);
void watch_close(struct client *c);

/* --- lock.c --- */
void lock_begin(struct op *op, struct effects *fx);
void lock_free(struct op *op);
/* The op waits no more, as soon as the NameServer has said whether it has the lock. False: it is not one that locks, or was
 * told before. */
bool lock_give_up(struct op *op, int status);
/* What waits for a lock through this file ends. */
void locks_end(struct client *c, uint64_t file);

/* --- path.c, put.c, get.c: first step and cleanup of an op --- */
void path_begin(struct op *op, struct effects *fx);
void put_begin(struct op *op, struct effects *fx);
void put_free(struct op *op);
/* A source that had nothing, a sink that had no room, is asked again with the next turn. */
void put_resume(struct op *op);
void get_resume(struct op *op);
/* The lowest chunk the put has a grant for; UINT64_MAX if none. */
uint64_t put_lowest_chunk(const struct op *op);
void get_begin(struct op *op, struct effects *fx);
void file_open_begin(struct op *op, struct effects *fx);
void file_close_begin(struct op *op, struct effects *fx);
void file_write_begin(struct op *op, struct effects *fx);
void file_fill_begin(struct op *op, struct effects *fx);
/* A put whose source is the op's value. */
void put_value_begin(struct op *op, uint8_t goal, struct effects *fx);
/* What a fill's last message says. */
void file_fill_build(struct rpc *r, struct msg *m, struct wire_published *chunks, uint32_t n, uint64_t size);
/* The answer to a change of an open file, or of one by its path: it says where the end is now. Sets the result's attributes. */
void file_changed(struct op *op, const struct wire_attr *a);
void file_write_free(struct op *op);
void file_truncate_begin(struct op *op, struct effects *fx);
void file_extend_begin(struct op *op, struct effects *fx);
void file_punch_begin(struct op *op, struct effects *fx);
void file_sync_begin(struct op *op, struct effects *fx);
void files_close(struct client *c);
void lazy_init(struct client *c);
/* The NameServer is told of all open files. Returns what an rpc has to be behind to come after that. */
uint64_t files_hold(struct client *c, struct effects *fx);
/* This content has come in place of an older one of its inode: what is open of that lives on what is known. */
void files_replaced(struct client *c, const struct wire_attr *a);
/* The rpc is about to be sent. False: what it is behind has no answer yet; it runs again then. */
bool files_held(struct rpc *r);
void get_free(struct op *op);

#endif
