/* SPDX-License-Identifier: MIT */
/* The shape all cores share: events in, effects out.
 *
 * A core (NameServer, StorageServer, client) is a struct and a step. It has no sockets, files, clock, threads or
 * randomness of its own: its host gives it events, each with the time, and carries out the effects it returns. The
 * real host is lib/host over lib/uv; the simulator in tests/sim is the other one.
 *
 *   x_event(x, &ev, fx)   records what happened, may answer at once
 *   x_turn(x, now, fx)    at the end of a turn of the loop: batching and group commit happen here
 *   x_deadline(x)         when to call x_turn again if nothing else happens; UINT64_MAX: never
 *
 * Connections, request ids, HELLO and reconnecting are the host's (wire/link.h): a core sees requests, answers them
 * (fx_reply, fx_fail), makes calls to addresses (fx_call), and gets exactly one EV_REPLY for each. (Model: cowsql/raft
 * raft_step.) */
#ifndef DFS_WIRE_CORE_H
#define DFS_WIRE_CORE_H

#include "base/slice.h"
#include "wire/disk.h"
#include "wire/msg.h"

/* The time of an event: sampled after the event's bytes were read (CONSISTENCY A5). */
struct now {
    uint64_t mono; /* ns, CLOCK_BOOTTIME: goes on while the machine is suspended; for everything inside */
    int64_t wall;  /* ns since the epoch: for time stamps only */
};

/* Which request an answer belongs to. Opaque to cores; stays usable after the connection is gone. */
struct reply_to {
    uint64_t conn;
    uint64_t request;
};

enum event_kind {
    EV_REQUEST = 1, /* to, peer, msg, head, payload: must be answered exactly once, now or later */
    EV_REPLY,       /* token, status, and with status 0 (or an error reply) msg, payload */
    EV_DISK,        /* token, status, op: the disk operation, as submitted, with its results */
    EV_SNAPSHOT,    /* token, status: what fx_snapshot asked for is on disk, or failed */
};

struct event {
    enum event_kind kind;
    struct now now;
    uint64_t token; /* as given with the call, the disk operation or the snapshot */
    /* EV_REPLY: 0; a DFS_E the peer answered (msg is then the error message); or DFS_EUNREACH (never sent),
     * DFS_ECONNLOST (sent, answer lost), DFS_ETIMEDOUT (deadline passed; outcome unknown), with msg NULL. */
    int status;
    struct reply_to to;
    const char *peer;           /* the peer's address, for logs and identity checks; borrowed */
    const struct msg *msg;      /* borrowed until the step returns */
    struct slice head;          /* the encoded message msg was decoded from; borrowed; slice_ref it to keep it */
    const struct payload *payload; /* borrowed; payload_ref it to keep it; may be NULL */
    struct disk_op *op;         /* borrowed; buffers in op->data may be taken (set to empty) */
};

enum effect_kind { EFF_REPLY = 1, EFF_CALL, EFF_DISK, EFF_SNAPSHOT, EFF_LOG, EFF_FATAL };

struct effect {
    enum effect_kind kind;
    struct reply_to to;      /* EFF_REPLY */
    uint16_t type;           /* EFF_REPLY, EFF_CALL */
    struct slice frame;      /* EFF_REPLY, EFF_CALL: FRAME_HEADER bytes to be filled in, then the encoded message */
    struct payload payload;  /* EFF_REPLY, EFF_CALL; owned */
    uint64_t token;          /* EFF_CALL, EFF_SNAPSHOT */
    uint64_t timeout;        /* EFF_CALL: ns from now */
    struct str addr;         /* EFF_CALL: "host:port", copied, lives until fx_reset */
    struct disk_op *op;      /* EFF_DISK: owned */
    int level;               /* EFF_LOG: enum log_level */
    struct str text;         /* EFF_LOG: "event key=value …"; EFF_FATAL: why the process must end */
};

/* What one event or turn asked for, in order. Grows; bounded by what a core may do in one step. */
struct effects {
    struct effect *v;
    uint32_t n, cap;
    struct buf *block;    /* frames are encoded one behind the other here */
    uint32_t block_used;
    struct bytes scratch;
    struct arena arena;   /* for a core to build messages in; reset by fx_reset */
};

void fx_init(struct effects *fx);
void fx_close(struct effects *fx);
/* Forgets all effects. The host has taken what it owns (or fx_reset drops it). */
void fx_reset(struct effects *fx);

/* Answers a request. The message is encoded at once, so that it may point anywhere; the payload's references move
 * into the effect (payload may be NULL). A message that does not encode becomes an EIO error: a bug of ours. */
void fx_reply(struct effects *fx, struct reply_to to, const struct msg *m, struct payload *payload);
/* The same with a message that is encoded already. */
void fx_reply_bytes(struct effects *fx, struct reply_to to, uint16_t type, const void *head, uint32_t len);
/* Answers with an error; the text says what the number cannot. */
void fx_fail(struct effects *fx, struct reply_to to, int err, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The same, telling who leads ("" if unknown). */
void fx_not_leader(struct effects *fx, struct reply_to to, const char *leader);
/* Calls addr. Exactly one EV_REPLY with this token follows, never before the step has returned. */
void fx_call(struct effects *fx, const char *addr, const struct msg *m, struct payload *payload, uint64_t token,
             uint64_t timeout);
/* Submits a disk operation; op comes back with EV_DISK and is freed by the host after that event. */
void fx_disk(struct effects *fx, struct disk_op *op);
/* Asks the host to write a snapshot beside the loop (a forked child, or in place in the simulator). */
void fx_snapshot(struct effects *fx, uint64_t token);
/* Moves all effects of `from` behind those of fx. */
void fx_move(struct effects *fx, struct effects *from);
/* A line for the log. */
void fx_log(struct effects *fx, int level, const char *event, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* The process must end now, and say why: a failed write or fsync under the NameServer's log, say (A2). */
void fx_fatal(struct effects *fx, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
