/* SPDX-License-Identifier: MIT */
/* The inside of the NameServer core, shared by the files of lib/group.
 *
 *   nm.c        events and turns          batch.c   mutations gathered into one entry
 *   engine.c    raft_step, its updates    apply.c   committed entries into the state machine, replies out
 *   nm_open.c   opening a data folder     nm_snapshot.c  taking snapshots
 *   engine_start.c  starting raft     entries.c  entries on their way to others     peers.c  raft's messages
 *   lease.c     when we may answer    members.c  joining and leaving                install.c  snapshots for others
 *   lockwait.c  calls that wait for locks     backup.c  new folders from a backup
 *   level.c     kinds of entries, and releases
 *   leader.c    the leader's clockwork    grant.c   placement       status.c  what only the leader can answer
 *   agree.c, agree_members.c  versions of chunks that are written in place
 *   tasks.c     what servers are to do    repair.c  what comes of it    report.c  what they hold
 *   health.c    what is wrong, and what to do about it
 *   rates.c     operations a second       openers.c who opened the sessions there are
 *   watch.c     who is told of changes
 *   sessions.c  who is there, who expires, and what has to happen before its locks pass on
 *   quarantine.c  what a restored state does not know     recover.c  files put together out of that */
#ifndef DFS_GROUP_GROUP_H
#define DFS_GROUP_GROUP_H

#include <raft.h>

/* Who frees what in events and updates changed after this release (A1); the shared library does not tell its own. */
_Static_assert(RAFT_VERSION_NUMBER == 2201, "lib/group is written for libraft 0.22.1");

#include "base/list.h"
#include "base/rand.h"
#include "group/health.h"
#include "group/identity.h"
#include "group/leader.h"
#include "group/nm.h"
#include "group/raftlog.h"
#include "group/rates.h"
#include "group/snapshot.h"

/* One entry holds at most so much; what comes after goes to the next. */
#define BATCH_MAX_BYTES (768u * 1024)
#define BATCH_MAX_COMMANDS 8192u
/* One command: with what the entry adds it still fits into LOG_BODY_MAX. */
#define COMMAND_MAX_BYTES (LOG_BODY_MAX - 1024)
/* Entries submitted and not applied yet; more gather in the queue. */
#define PENDING_MAX 16u
/* What may wait for the log, in all; more is refused with EAGAIN. */
#define QUEUE_MAX_BYTES (16u * 1024 * 1024)
#define QUEUE_MAX_COMMANDS (4u * 65536)

/* Tokens of disk operations, above those of the log. */
enum {
    TOKEN_VOTE = LOG_TOKENS,
    TOKEN_STAT,
    TOKEN_SNAPSHOT_UNLINK,
    TOKEN_ENTRIES,       /* old entries, for a member that is behind */
    TOKEN_INSTALL_WRITE, /* a slice of a snapshot that is being fetched */
    TOKEN_FETCH,         /* + slot: a slice of ours, for another */
};

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
    uint64_t index, term, submitted; /* mono ns; 0: it was received from the leader, or is raft's own */
    uint8_t type;                    /* enum raft_entry_type */
    struct buf *rec;                 /* the record; the entry's bytes are at LOG_RECORD_HEADER */
    uint32_t len;
};

/* A run of entries by index: the latest ones, kept so that others can be sent them. */
struct entry {
    uint64_t term;
    struct buf *rec; /* the entry's bytes are at LOG_RECORD_HEADER */
    uint32_t len;
    uint8_t type;
};

struct entries {
    struct entry *v; /* a ring */
    uint32_t cap, head, n;
    uint64_t first; /* index of the first */
    uint64_t bytes;
};

/* An append message that waits for entries to be read back. */
struct held_append {
    bool set;
    uint64_t term, previous_index, previous_term, commit;
    uint32_t n;
};

struct peer { /* another NameServer */
    uint32_t id;
    char addr[WIRE_ADDR_MAX + 1];
    uint64_t bytes; /* on their way to it */
    uint64_t heard; /* mono ns of its last message; 0: never */
    uint32_t level; /* of its release (level.c), as it says */
    bool refused;   /* it refuses us: said in the log */
    struct held_append held;
};

/* A snapshot on its way here. */
struct install {
    bool running, calling, complete;
    uint32_t from;
    char addr[WIRE_ADDR_MAX + 1];
    struct snapshot_ref ref;
    uint64_t offset, retry;     /* mono ns */
    struct snapshot_ref wanted; /* what the leader said last */
};

struct lock_call {
    struct reply_to to;
    uint64_t session, ticket, until; /* mono ns */
};

struct lockwait {
    struct lock_call *v;
    uint32_t n, cap;
    uint64_t looked_at; /* applied index of the last look */
    uint64_t next;      /* mono ns: of the next that is answered in any case */
};

#define FETCH_SLOTS 8u
#define PEERS_MAX 16u

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
    uint32_t n_pending;
    struct batch *unlogged; /* the first of pending that the log has not got yet */
    struct batch *spare;    /* one kept for reuse */
    uint64_t queued_bytes;
    uint32_t queued_commands;
    struct arena arena;       /* of one command or read */
    struct arena entry_arena; /* of one entry */

    uint64_t applied, applied_term; /* the last applied entry */
    int64_t stamp_wall;             /* time of the last applied entry … */
    uint64_t stamp_mono;            /* … and mono ns when it was; 0: none was that was written since the start */
    uint64_t live_from;             /* index of the first entry written since the start */
    uint64_t conf_index;            /* of the last applied configuration */
    bool opening, epoch_open;       /* open_epoch is on its way; it was applied */
    bool serving;                   /* and no earlier leader's lease can run any more */
    uint64_t serve_at, lease_until; /* mono ns */
    uint64_t led_at;                /* mono ns: when we last heard from another leader, or were started */
    uint64_t behind_at;             /* index of the log that is not durable here, though it is at most others … */
    uint64_t behind_from, yield_at; /* … since then; mono ns when leadership is given up, or is tried to be again */
    bool asked;                     /* something was answered under the lease since it was renewed last */
    struct list waiting;            /* of struct waiting: requests that need a lease */
    uint64_t waiting_bytes;
    uint32_t n_waiting;

    struct lockwait lockwait;

    struct effects held;        /* messages that wait for the vote to be durable (A2) */
    struct entries recent, old; /* old: read back from the log */
    bool reading;
    uint64_t read_from;
    struct buf **received; /* records of the message being taken in, from received_first on */
    uint64_t received_first;
    uint32_t n_received;
    bool took_entries; /* raft had entries persisted, instead of freeing their batch */
    struct peer peers[PEERS_MAX];
    uint32_t n_peers;
    struct install install;
    struct reply_to fetch[FETCH_SLOTS];
    uint32_t fetch_length[FETCH_SLOTS];
    bool fetch_used[FETCH_SLOTS], fetch_backup[FETCH_SLOTS];
    struct {
        bool active, calling;
        uint32_t at; /* which of cfg.join */
        uint64_t next;
        char leader[WIRE_ADDR_MAX + 1];
        char names[NM_JOIN_MAX][WIRE_ADDR_MAX + 1];
    } join;
    bool removed; /* we are no member any more */

    struct snapshot_ref newest, older; /* on disk and good */
    uint64_t newest_bytes;             /* its file's size */
    struct snapshot_ref damaged;       /* found at opening; unlinked when a newer one is good */
    struct snapshot_ref taking;        /* asked for; index 0: none */
    uint64_t snapshot_retry;           /* mono ns: not before, after a failure */
    uint64_t backup_after;             /* a backup waits for a snapshot of this index or later; 0: none does */
    uint64_t backup_until;             /* mono ns: a backup is being read */

    uint64_t free_bytes;                    /* of the disk, as far as known */
    bool nearly_full, no_spare, join_waits; /* said in the log */
    bool stat_running;
    uint64_t stat_at;    /* mono ns: of the next look */
    uint64_t stat_index; /* the log's last index at the last look */

    struct leader lead;
    struct rates rates;        /* of what this node has answered */
    struct recovery *recovery; /* begun by this leader; NULL: none was */
    char note[2][512];         /* what opening found and repaired, to be logged in the first turn */
    uint32_t n_notes;
};

/* batch.c */
struct batch *batch_new(struct nm *nm);
void batch_free(struct batch *b);
/* To the end of the pending ones. */
void batch_push(struct nm *nm, struct batch *b);
/* Gives up a batch that is done with, in whatever list; keeps one for reuse. */
void batch_recycle(struct nm *nm, struct batch *b);
/* Adds a command to the turn's batch: 0, DFS_EAGAIN (too much waits already), DFS_ETOOBIG. */
int batch_add(struct nm *nm, uint16_t type, const void *body, uint32_t len, struct reply_to to) MUST_USE;
/* The same for a request: what goes to the log is what we understood of it, so that a field only a newer release knows
 * means the same to all. */
int batch_take(struct nm *nm, const struct event *ev) MUST_USE;
/* A command of the leader's own. False: not now; try again later. */
bool batch_propose(struct nm *nm, const struct msg *cmd);
/* Encodes the batch into b->rec, b->len with this epoch and time. */
int batch_encode(struct batch *b, uint64_t epoch, int64_t time_ns) MUST_USE;

/* The longest an election takes when all goes well: a timeout of a follower, some rounds of messages and flushes. */
#define ENGINE_FAILOVER (700 * NS_PER_MS)

/* engine_start.c */
/* Hands an event to raft and carries out what it asks for. */
void engine_step(struct nm *nm, struct raft_event *ev, struct effects *fx);
/* Starts raft with what was read from disk; no effects: what is committed is for the caller to apply. 0 or DFS_E. */
int engine_start(struct nm *nm, const struct snapshot_info *snap, const struct slice *conf, struct raft_entry *entries,
                 uint32_t n, uint64_t first_index) MUST_USE;
void engine_close(struct nm *nm);
/* The bootstrap configuration: this node as the only voter. The caller frees with raft_free(buf->base). */
int engine_bootstrap(uint64_t id, const char *address, struct raft_buffer *buf) MUST_USE;
/* libraft reads beyond the end of one that is cut short: whatever comes from a disk or a peer is checked first. */
bool engine_configuration_fine(const void *body, uint32_t len);
int engine_decode(const void *body, uint32_t len, struct raft_configuration *conf) MUST_USE;
int engine_error(int rv); /* raft's errors to ours */
uint64_t engine_ms(const struct nm *nm);
/* A snapshot is on disk: raft and the log may forget what is below `keep`. */
void engine_snapshot_taken(struct nm *nm, struct snapshot_ref ref, uint64_t keep, struct effects *fx);
/* A configuration was committed. */
void engine_configuration(struct nm *nm, uint64_t index, const void *body, uint32_t len, struct effects *fx);

/* engine.c */
/* Submits what is queued, as far as the log takes it. */
void engine_submit(struct nm *nm, struct effects *fx);
/* The log says that it is durable further than before. */
void engine_persisted(struct nm *nm, struct effects *fx);
void engine_timeout(struct nm *nm, struct effects *fx);
uint64_t engine_deadline(const struct nm *nm);
bool engine_is_leader(const struct nm *nm);
void engine_vote_written(struct nm *nm, const struct event *ev, struct effects *fx);
void engine_apply(struct nm *nm, struct effects *fx);
/* Submits a configuration. False: not now. */
bool engine_change(struct nm *nm, const struct raft_configuration *conf, struct effects *fx) MUST_USE;
/* Pending entries from index on are void. */
void engine_cut(struct nm *nm, uint64_t index);
void nm_fatal(struct nm *nm, struct effects *fx, const char *what, int err);

/* apply.c */
/* Applies an entry's bytes. b: our own batch, to be answered, or NULL. */
int apply_entry(struct nm *nm, uint64_t index, uint64_t term, uint8_t type, const void *body, uint32_t len,
                struct batch *b, struct effects *fx) MUST_USE;

/* entries.c */
void entries_put(struct nm *nm, uint64_t index, const struct batch *b);
const struct entry *entries_find(const struct nm *nm, uint64_t index);
void entries_cut(struct nm *nm, uint64_t index); /* forgets those from index on */
void entries_close(struct entries *e);
/* Reads entries from index on back from the log; peers_resume follows. False: they are not there. */
bool entries_read(struct nm *nm, uint64_t index, struct effects *fx) MUST_USE;
void entries_read_done(struct nm *nm, const struct event *ev, struct effects *fx);

/* peers.c */
void peers_send(struct nm *nm, const struct raft_message *m, uint32_t n, struct effects *fx);
/* A read of old entries has ended; good: they are there. Otherwise raft has to try again. */
void peers_resume(struct nm *nm, bool good, struct effects *fx);
void peers_request(struct nm *nm, const struct event *ev, struct effects *fx);
void peers_reply(struct nm *nm, const struct event *ev, struct effects *fx);
struct peer *peer_find(struct nm *nm, uint32_t id); /* NULL: no messages were exchanged yet */
struct wire_peer peer_self(const struct nm *nm, uint32_t to);
/* Tokens of calls. */
enum call_kind { CALL_PEER = 1, CALL_SNAPSHOT, CALL_JOIN };
static inline uint64_t call_token(enum call_kind kind, uint32_t id, uint32_t bytes)
{
    return (uint64_t)kind << 56 | (uint64_t)(id & 0xffffff) << 32 | bytes;
}

/* lease.c */
bool lease_needed(const struct nm *nm);
bool lease_valid(const struct nm *nm);
/* An entry of ours was applied. */
void lease_renew(struct nm *nm, const struct batch *b);
/* A request that waits until we know that we lead. False: too many wait. */
bool lease_wait(struct nm *nm, const struct event *ev);
void lease_refuse(struct nm *nm, struct effects *fx); /* all that wait: leadership is gone */
void lease_turn(struct nm *nm, struct effects *fx);
uint64_t lease_deadline(const struct nm *nm);
void lease_leader(struct nm *nm); /* we have become leader */
void lease_close(struct nm *nm);
/* lockwait.c */
void lockwait_request(struct nm *nm, const struct event *ev, struct effects *fx);
void lockwait_turn(struct nm *nm, struct effects *fx);
uint64_t lockwait_deadline(const struct nm *nm);
void lockwait_refuse(struct nm *nm, struct effects *fx); /* leadership is gone */
void lockwait_close(struct nm *nm);
/* nm.c */
void nm_answer(struct nm *nm, const struct event *ev, struct effects *fx);

/* members.c */
/* Brings the configuration into line with the state machine's members. */
void members_tick(struct nm *nm, struct effects *fx);
void members_transfer(struct nm *nm, const struct event *ev, struct effects *fx);
int members_fill_status(struct nm *nm, struct msg_status_reply *s, struct arena *a) MUST_USE;
void members_check(struct nm *nm, struct effects *fx); /* are we still one? */
/* A leader whose own disk hangs has another lead. */
void members_yield(struct nm *nm, struct effects *fx);
void join_turn(struct nm *nm, struct effects *fx);
void join_reply(struct nm *nm, const struct event *ev, struct effects *fx);

/* level.c */
uint32_t level_ours(const struct nm *nm);
/* Whether every NameServer understands this; until then it must not go to the log. */
bool level_allows(const struct nm *nm, const struct msg *m);
void level_tick(struct nm *nm);                      /* of the leader */
void level_check(struct nm *nm, struct effects *fx); /* are we too old? */

/* nm_open.c */
/* The cluster has given us an id: makes the folder's files and starts raft. */
int nm_open_joined(struct nm *nm, const struct identity *id, char *why, size_t why_len) MUST_USE;
struct log_config nm_log_config(const struct nm *nm);
void nm_set_timers(struct nm *nm);

/* install.c */
void install_wanted(struct nm *nm, uint32_t from, const char *addr, struct snapshot_ref ref);
void install_turn(struct nm *nm, struct effects *fx);
uint64_t install_deadline(const struct nm *nm);
void install_reply(struct nm *nm, const struct event *ev, struct effects *fx);
void install_written(struct nm *nm, const struct event *ev, struct effects *fx);
/* Another asks for a slice of ours. */
void install_serve(struct nm *nm, const struct event *ev, struct effects *fx);
void install_send(struct nm *nm, struct reply_to to, struct snapshot_ref ref, uint64_t offset, uint32_t length,
                  bool backup, struct effects *fx);
void install_served(struct nm *nm, const struct event *ev, struct effects *fx);

/* nm_snapshot.c */
void snapshot_consider(struct nm *nm, struct effects *fx);
/* Those on disk are superseded. */
void snapshot_forget(struct nm *nm, struct effects *fx);
void snapshot_is(struct nm *nm, struct snapshot_ref ref); /* this is the newest, on disk and good */
void snapshot_done(struct nm *nm, int status, struct effects *fx);
void snapshot_backup(struct nm *nm, const struct event *ev, struct effects *fx);

/* quarantine.c */
/* Whether this chunk is not to be ordered deleted, whatever the state says (B16). */
bool quarantine_holds(const struct nm *nm, uint64_t chunk);
/* A page of a server's report: chunks nobody knows and the quarantine holds are counted. */
void quarantine_count(struct nm *nm, const struct msg_report *r);
/* Copies counted on all servers. */
uint64_t quarantine_copies(const struct nm *nm);
/* A command of the leader's was applied. */
void quarantine_applied(struct nm *nm, const struct msg *cmd, struct effects *fx);
/* What is wanted of this server, into the answer to its heartbeat. */
void quarantine_ask(const struct nm *nm, struct live *l, struct msg_heartbeat_reply *reply);

/* report.c */
/* Goes on with what takes longer. */
void reports_turn(struct nm *nm, struct effects *fx);
bool reports_comparing(const struct nm *nm);
void reports_refuse(struct nm *nm, struct effects *fx); /* fx may be NULL: nobody is told */
/* A server says that it holds this. True: the map says so, too. */
bool report_held(struct nm *nm, uint32_t server, const struct wire_held *h);
/* Whether as many copies as the goal says, but for one server's, are on servers that have reported all they should hold:
 * only then may that one, or a copy besides, be deleted. */
bool report_enough(const struct nm *nm, const struct meta_placement *p, uint32_t without);
void report_request(struct nm *nm, const struct event *ev, struct effects *fx);

/* recover.c */
void recovery_request(struct nm *nm, const struct event *ev, struct effects *fx);
void recovery_inventory(struct nm *nm, const struct event *ev, struct effects *fx);
/* Whether this server's inventory is wanted: into the answer to its heartbeat. */
void recovery_ask(const struct nm *nm, const struct live *l, struct msg_heartbeat_reply *reply);
void recovery_turn(struct nm *nm, struct effects *fx);
void recovery_applied(struct nm *nm, const struct msg_recover_file *f);
uint64_t recovery_deadline(const struct nm *nm);
void recovery_forget(struct nm *nm); /* with the leadership */

/* status.c */
/* Answers a READ request into reply. */
int status_read(struct nm *nm, const struct msg *req, struct msg *reply, struct arena *a) MUST_USE;

#endif
