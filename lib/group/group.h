/* SPDX-License-Identifier: MIT */
/* The inside of the NameServer core, shared by the files of lib/group.
 *
 *   nm.c        events and turns          batch.c   mutations gathered into one entry
 *   engine.c    raft_step, its updates    apply.c   committed entries into the state machine, replies out
 *   nm_open.c   opening a data folder     nm_snapshot.c  taking snapshots
 *   leader.c    the leader's clockwork    grant.c   placement       status.c  what only the leader can answer */
#ifndef DFS_GROUP_GROUP_H
#define DFS_GROUP_GROUP_H

#include <raft.h>

/* Who frees what in events and updates changed after this release (A1); the shared library does not tell its own. */
_Static_assert(RAFT_VERSION_NUMBER == 2201, "lib/group is written for libraft 0.22.1");

#include "base/list.h"
#include "base/rand.h"
#include "group/identity.h"
#include "group/leader.h"
#include "group/nm.h"
#include "group/raftlog.h"
#include "group/snapshot.h"

/* One entry holds at most so much; what comes after goes to the next. */
#define BATCH_MAX_BYTES (1024u * 1024)
#define BATCH_MAX_COMMANDS 65536u
/* What may wait for the log, in all; more is refused with EAGAIN. */
#define QUEUE_MAX_BYTES (16u * 1024 * 1024)
#define QUEUE_MAX_COMMANDS (4u * 65536)

/* Tokens of disk operations, above those of the log. */
enum { TOKEN_VOTE = LOG_TOKENS, TOKEN_STAT, TOKEN_SNAPSHOT_UNLINK };

/* Mutations on their way: gathered (in nm.queue), then one entry of the log (in nm.pending) until it is applied. */
struct batch {
    struct list link;
    struct wire_command *cmds; /* bodies are at off[i] in `bodies` */
    struct reply_to *to;       /* whom to answer; unused for the leader's own commands */
    uint32_t *off;
    uint32_t n, cap;
    struct bytes bodies;
    bool opens_epoch;
    /* once submitted */
    uint64_t index, term;
    uint8_t type;    /* enum raft_entry_type */
    struct buf *rec; /* the record; the entry's bytes are at LOG_RECORD_HEADER */
    uint32_t len;
    bool in_log; /* handed to the log */
};

struct snapshot_ref {
    uint64_t index, term; /* index 0: none */
};

struct nm {
    struct nm_config cfg;
    char address[WIRE_ADDR_MAX + 1];
    struct disk *disk;
    struct identity id;
    struct vote vote;
    bool vote_writing;
    uint64_t vote_number_writing;
    struct meta *meta;
    struct raft raft;
    struct raftlog log;
    bool dead;      /* a fatal error was reported: nothing is done any more */
    struct now now; /* of the last event or turn */

    struct list queue, pending; /* of struct batch */
    struct batch *spare;        /* one kept for reuse */
    uint64_t queued_bytes;
    uint32_t queued_commands;
    struct arena arena;       /* of one command or read */
    struct arena entry_arena; /* of one entry */

    uint64_t applied, applied_term; /* the last applied entry */
    uint64_t conf_index;            /* of the last applied configuration */
    bool opening, serving;          /* open_epoch is on its way; it was applied */

    struct snapshot_ref newest, older; /* on disk and good */
    struct snapshot_ref damaged;       /* found at opening; unlinked when a newer one is good */
    struct snapshot_ref taking;        /* asked for; index 0: none */
    uint64_t snapshot_retry;           /* mono ns: not before, after a failure */

    uint64_t free_bytes; /* of the disk, as far as known */
    bool stat_running;
    uint64_t stat_at;    /* mono ns: of the next look */
    uint64_t stat_index; /* the log's last index at the last look */

    struct leader lead;
    char note[2][512]; /* what opening found and repaired, to be logged in the first turn */
    uint32_t n_notes;
};

/* batch.c */
struct batch *batch_new(struct nm *nm);
void batch_free(struct batch *b);
/* Gives up a batch that is done with; keeps one for reuse. */
void batch_recycle(struct nm *nm, struct batch *b);
/* Adds a command to the turn's batch: 0, DFS_EAGAIN (too much waits already), DFS_ETOOBIG. */
int batch_add(struct nm *nm, uint16_t type, const void *body, uint32_t len, struct reply_to to) MUST_USE;
/* A command of the leader's own. False: not now; try again later. */
bool batch_propose(struct nm *nm, const struct msg *cmd);
/* Encodes the batch into b->rec, b->len with this epoch and time. */
int batch_encode(struct batch *b, uint64_t epoch, int64_t time_ns) MUST_USE;

/* engine.c */
/* Hands an event to raft and carries out what it asks for. */
void engine_step(struct nm *nm, struct raft_event *ev, struct effects *fx);
/* Starts raft with what was read from disk; no effects: what is committed is for the caller to apply. 0 or DFS_E. */
int engine_start(struct nm *nm, const struct snapshot_info *snap, const struct slice *conf, struct raft_entry *entries,
                 uint32_t n, uint64_t first_index) MUST_USE;
void engine_close(struct nm *nm);
/* Submits what is queued, as far as the log takes it. */
void engine_submit(struct nm *nm, struct effects *fx);
/* The log says that it is durable further than before. */
void engine_persisted(struct nm *nm, struct effects *fx);
void engine_timeout(struct nm *nm, struct effects *fx);
uint64_t engine_deadline(const struct nm *nm);
/* A snapshot is on disk: raft and the log may forget what is below `keep`. */
void engine_snapshot_taken(struct nm *nm, struct snapshot_ref ref, uint64_t keep, struct effects *fx);
bool engine_is_leader(const struct nm *nm);
void engine_vote_written(struct nm *nm, const struct event *ev, struct effects *fx);
/* A configuration was committed. */
void engine_configuration(struct nm *nm, uint64_t index, const void *body, uint32_t len, struct effects *fx);
/* The bootstrap configuration: this node as the only voter. The caller frees with raft_free(buf->base). */
int engine_bootstrap(uint64_t id, const char *address, struct raft_buffer *buf) MUST_USE;
void nm_fatal(struct nm *nm, struct effects *fx, const char *what, int err);

/* apply.c */
/* Applies an entry's bytes. b: our own batch, to be answered, or NULL. fx may be NULL while replaying. */
int apply_entry(struct nm *nm, uint64_t index, uint64_t term, uint8_t type, const void *body, uint32_t len,
                struct batch *b, struct effects *fx) MUST_USE;

/* nm_snapshot.c */
void snapshot_consider(struct nm *nm, struct effects *fx);
void snapshot_done(struct nm *nm, int status, struct effects *fx);

/* status.c */
/* Answers a READ request into reply. */
int status_read(struct nm *nm, const struct msg *req, struct msg *reply, struct arena *a) MUST_USE;

#endif
