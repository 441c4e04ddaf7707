/* SPDX-License-Identifier: MIT */
/* The NameServer's state as a pure state machine: namespace, chunk map, StorageServers, sessions.
 *
 * A command is applied with nothing but its bytes, its log index and its batch's stamp, and always with the same
 * outcome: apply decides (CONSISTENCY A6). It never fails: a refused command's reply is an error, and that reply is
 * remembered like any other. The state, saved, is the same bytes on every member at the same index.
 *
 * Memory: at most 128 bytes per file with one chunk, two replicas and a 16-character name. */
#ifndef DFS_META_META_H
#define DFS_META_META_H

#include "wire/msg.h"

/* Chunk size of new files, bytes. */
#define META_CHUNK_SIZE (64u * 1024 * 1024)
/* Results a session may have unacknowledged; a request further ahead is answered EAGAIN, unapplied. */
#define META_SESSION_WINDOW 1024u
/* Sessions there may be; an idle one takes at most 150 bytes. */
#define META_SESSIONS_MAX (1u << 20)
#define META_SYMLINK_DEPTH 40
/* The default goal, as far as there are servers. */
#define META_DEFAULT_GOAL 2u
#define META_XATTR_NAME_MAX 255u
#define META_XATTR_VALUE_MAX 65536u
#define META_XATTR_TOTAL_MAX 131072u /* of an inode, with META_XATTR_HEAD for each */
#define META_XATTR_HEAD 5u
/* How long the trash keeps things, unless it is told otherwise. */
#define META_TRASH_KEEP_NS (86400 * (int64_t)NS_PER_SEC)
#define META_TRASH_KEEP_MAX_MS (100ULL * 365 * 86400 * 1000)
#define META_MAX_SERVERS 4096u
#define META_MAX_REPLICAS 16u
#define META_DOMAIN_DEPTH 4u     /* components of a failure domain that count */
#define META_INDEX_MAX 0xfffffeu /* of a file's last chunk */
#define META_MAX_MEMBERS 15u     /* NameServers */

struct meta;

struct meta *meta_new(void);
void meta_free(struct meta *m);

/* What is common to the commands of one log entry. */
struct stamp {
    uint64_t index; /* of the log entry */
    uint64_t epoch; /* of the leader that submitted it */
    int64_t time_ns;
};

struct meta_removed { /* a chunk that left the map for good, for deletion orders */
    uint64_t chunk;
    uint32_t version;
    uint32_t servers[META_MAX_REPLICAS];
    uint32_t n_servers;
};

/* The outcome of one command. All pointers are borrowed until the next meta_apply. */
struct meta_result {
    uint16_t type; /* of the reply: the message's reply or MSG_TYPE_error; 0: the command has no reply */
    const uint8_t *head;
    uint32_t head_len;                  /* the encoded reply */
    const struct meta_removed *removed; /* `reap` only */
    uint32_t n_removed;
    uint64_t recall; /* nothing was done: this directory's delegation has to be returned first; 0: none */
};

/* Applies one command (a mutation from the wire, or a DFS_COMMANDS message). Requests with a request_id are applied
 * once: a number seen before gives the remembered reply; one below `seen`, or of an unknown session, gives ESESSION.
 * A batch whose epoch is not the current one is ignored with ESTALE (open_epoch itself sets it to its own index). */
void meta_apply(struct meta *m, const struct stamp *st, const struct msg *cmd, struct meta_result *out);

/* What the last command has changed, while that is wanted: for those who hold on to what they looked up. */
struct meta_change {
    uint64_t ino;
    struct str name; /* an entry of this directory; empty: the inode's attributes or content */
};
void meta_want_changes(struct meta *m, bool wanted);
const struct meta_change *meta_changes(const struct meta *m, uint32_t *n, bool *more); /* more: and others */
uint64_t meta_session_of(const struct msg *cmd); /* whose request it is; 0: nobody's */
void meta_forget_results(struct meta *m, uint64_t session); /* for tests: as if none of its requests had been answered yet */

/* A courtesy check before a mutation is logged, against the state as it stands: 0 or the error apply would most likely
 * give. Never relied upon. Cheap: syntax, limits, session known. */
int meta_check(const struct meta *m, const struct msg *cmd) MUST_USE;
/* The reply to a numbered request that was applied before, if it is remembered. Lives until the next apply. */
bool meta_remembered(const struct meta *m, const struct msg *cmd, struct meta_result *out);

/* Answers a READ request (lookup, readdir, locate, statfs): fills reply (arrays in a; strings borrow from m and live
 * until the next meta_apply). Status is answered by its caller, which fills in the rest after meta_fill_status.
 * 0 or a DFS_E. */
int meta_read(const struct meta *m, const struct msg *req, struct msg *reply, struct arena *a) MUST_USE;
void meta_fill_status(const struct meta *m, struct msg_status_reply *s, struct arena *a);

/* What replies tell about timers (ss_register, session_open). No part of the state; defaults are CONSISTENCY E's. */
struct meta_timers {
    uint32_t heartbeat_ms, lease_ms, session_ttl_ms, lock_ttl_ms, delegation_ttl_ms;
};
void meta_set_timers(struct meta *m, const struct meta_timers *t);
/* Bytes allocated for the tables (allocator overhead estimated), scratch memory left out. */
size_t meta_memory(const struct meta *m);

/* --- what the leader asks for its volatile work --- */

uint64_t meta_epoch(const struct meta *m);
uint64_t meta_index(const struct meta *m); /* of the last applied entry */
void meta_cluster(const struct meta *m, uint64_t *hi, uint64_t *lo);
/* The first chunk serial this epoch may grant: the reserve at its opening. */
uint64_t meta_first_grantable(const struct meta *m);
uint64_t meta_reserved(const struct meta *m); /* serials below this may be granted */
uint64_t meta_horizon(const struct meta *m);
/* Unknown chunks with serials below this are kept (B16); 0: there is no quarantine. */
uint64_t meta_quarantine(const struct meta *m);
int64_t meta_oldest_removed(const struct meta *m); /* stamp of the oldest removed, not reaped chunk; INT64_MAX: none */
/* Is there anything to free in the background? */
bool meta_can_reclaim(const struct meta *m);
int64_t meta_trash_keep(const struct meta *m);   /* ns */
int64_t meta_oldest_trash(const struct meta *m); /* stamp of the next to leave the trash; INT64_MAX: none */
/* Is this chunk mapped, or removed but not reaped? */
bool meta_knows_chunk(const struct meta *m, uint64_t chunk);
/* A known chunk's version and servers (mapped, or removed and not reaped: *removed says which). False: unknown. */
bool meta_find_chunk(const struct meta *m, uint64_t chunk, struct meta_removed *out, bool *removed);
bool meta_session_exists(const struct meta *m, uint64_t session);
/* May this session write through this handle, and to what? */
bool meta_may_write(const struct meta *m, uint64_t session, uint64_t handle, uint64_t *ino);
bool meta_is_written(const struct meta *m, uint64_t ino);       /* somebody has it open for writing */
bool meta_session_opened(const struct meta *m, uint64_t nonce); /* is there one that was opened with this nonce? */
uint64_t meta_sessions(const struct meta *m);                   /* how many there are */
/* Does this session still wait for the lock its ticket stands for? */
bool meta_lock_waits(const struct meta *m, uint64_t session, uint64_t ticket);
/* Sessions above `after` whose last logged activity is before t, in order, at most max; returns how many. */
uint32_t meta_idle_sessions(const struct meta *m, uint64_t after, int64_t before_ns, struct wire_session *out,
                            uint32_t max);
/* Those that hold locks or wait for them, some of them several times, from *at on (zeros at first, and at the end). */
struct meta_lockers {
    size_t slot;
    uint32_t lock;
    uint64_t ticket;
};
uint32_t meta_lockers(const struct meta *m, struct meta_lockers *at, struct wire_session *out, uint32_t max);
/* Sessions that have ended and hold locks still, from *position on (0 at first); 0: no more. */
uint64_t meta_ended_next(const struct meta *m, size_t *position);
/* The chunks an ended session could write to: those that take writes, of all files it has open for writing. */
void meta_ended_chunks(const struct meta *m, uint64_t session, void (*fn)(void *arg, uint64_t chunk, uint32_t version),
                       void *arg);
/* The directory that another session than the message's own has, and has to return before the message can be answered, be it
 * a request to read or to change something; 0: none. */
uint64_t meta_delegation_in_way(const struct meta *m, const struct msg *msg);
uint64_t meta_delegated_to(const struct meta *m, uint64_t dir); /* the session that has it; 0: none */
uint64_t meta_n_delegations(const struct meta *m);
void meta_ignore_delegations(struct meta *m, bool ignored); /* for tests: none is in anybody's way */
uint8_t meta_default_goal(const struct meta *m);

struct meta_server {
    uint32_t id; /* from 1, never reused */
    uint64_t uuid_hi, uuid_lo;
    uint64_t incarnation;
    uint64_t capacity, used; /* bytes, as last logged; the leader knows fresher numbers */
    uint64_t chunks, bytes;  /* mapped replicas on it, and their logical bytes */
    uint8_t state;           /* enum server_state, but never SUSPECT */
    bool up;                 /* heard; tells what a server is that is being drained */
    const char *addr, *domain;
    uint64_t within[META_DOMAIN_DEPTH]; /* what the leading components of its domain are known by; 0: it has no more */
};
uint32_t meta_n_servers(const struct meta *m);
const struct meta_server *meta_server_at(const struct meta *m, uint32_t i);     /* 0 ≤ i < n, in id order */
const struct meta_server *meta_server_by_id(const struct meta *m, uint32_t id); /* NULL: unknown */
uint32_t meta_servers_staying(const struct meta *m); /* up or down, but neither drained nor removed */

/* How many leading components of their failure domains two servers have in common. */
uint32_t meta_domains_shared(const struct meta_server *a, const struct meta_server *b);

/* --- placements: for health, repair and rebalancing --- */

/* Moves whenever a server's state or domain, or which placements have chunks, changes: as long as it stands still, what
 * was found out about placements holds, but for their numbers of chunks. */
uint64_t meta_shape(const struct meta *m);

struct meta_placement {
    uint64_t chunks, bytes;              /* mapped; one copy of each */
    uint16_t servers[META_MAX_REPLICAS]; /* in rising order */
    uint8_t n;
    uint8_t goal;        /* in force */
    bool chosen;         /* the goal was: it is not the default */
    uint8_t live;        /* servers that are up and stay */
    uint8_t leaving;     /* servers that are up and being drained */
    uint8_t draining;    /* servers that are being drained, up or not */
    bool domains_shared; /* live copies share a failure domain, though they need not */
};
/* Numbers of placements are below this; they are good until the next meta_apply. */
uint32_t meta_n_placements(const struct meta *m);
bool meta_placement_get(const struct meta *m, uint32_t number, struct meta_placement *out); /* false: not in use */

struct meta_chunk_info {
    uint64_t chunk;
    uint32_t version, length, crc;
    uint32_t placement;
    bool removed; /* of no file any more; known until it is reaped */
    bool open;    /* it takes writes: length and crc are those of before */
    bool cut;     /* it ends at length, and its servers hold more; open meanwhile */
};
bool meta_chunk_get(const struct meta *m, uint64_t chunk, struct meta_chunk_info *out); /* false: unknown */
/* The index-th chunk of a file. False: there is none, or no such file. */
bool meta_chunk_of(const struct meta *m, uint64_t ino, uint32_t index, struct meta_chunk_info *out);
/* The file a truncate is for; false: it will be refused. */
bool meta_truncate_file(const struct meta *m, const struct msg_truncate *r, uint64_t *ino);
/* A chunk that takes writes and that making the file so short would cut, or cut off; 0: none. */
uint64_t meta_truncate_waits(const struct meta *m, uint64_t ino, uint64_t size);
uint64_t meta_file_size(const struct meta *m, uint64_t ino);
uint32_t meta_file_last(const struct meta *m, uint64_t ino); /* index of the chunk it ends in, or would end in */
uint64_t meta_file_generation(const struct meta *m, uint64_t ino);
uint64_t meta_open_chunk(const struct meta *m, uint64_t chunk); /* its file; 0: it does not take writes */
/* Chunks that take writes, in no order, from *position on (0 at first); false: no more. */
bool meta_open_chunk_next(const struct meta *m, size_t *position, uint64_t *chunk, uint64_t *ino);
/* The servers of a known chunk, in the order of its chain; returns how many, 0 if it is unknown. */
uint32_t meta_chunk_chain(const struct meta *m, uint64_t chunk, uint16_t servers[META_MAX_REPLICAS]);
bool meta_chunk_index(const struct meta *m, uint64_t chunk, uint32_t *index); /* in its file; false: unknown */
/* The goal in force for a file's chunks. */
uint8_t meta_file_goal(const struct meta *m, uint64_t ino);
/* Walks the chunks from *cursor (0 at first) on in order of id, as far as about `limit` look-ups lead, or until fn returns
 * false. True: go on later; false: that was the end, and *cursor is 0 again. */
bool meta_chunk_scan(const struct meta *m, uint64_t *cursor, uint32_t limit,
                     bool (*fn)(void *arg, const struct meta_chunk_info *c), void *arg);

/* What only the leader knows of a chunk. */
struct meta_fsck_known {
    bool (*corrupt)(void *arg, uint64_t chunk); /* all its copies that are up are damaged */
    bool (*waits)(void *arg, uint64_t chunk);   /* for a server that held it when it was written */
    void *arg;
};
/* A page of what is wrong with files (fsck): as meta_read. */
int meta_read_fsck(const struct meta *m, const struct msg_fsck *r, struct msg *reply, struct arena *a,
                   const struct meta_fsck_known *known) MUST_USE;

/* Chunks by what is wrong with them; the classes overlap. */
struct meta_health {
    uint64_t under_replicated; /* fewer copies on servers that are up and stay than the goal */
    uint64_t endangered;       /* one copy left of a goal of two or more */
    uint64_t missing;          /* no copy on a server that is up */
    uint64_t over_replicated;
    uint64_t misplaced;     /* copies share a failure domain, though they need not */
    uint64_t draining;      /* with a copy on a server that is being drained */
    uint64_t goal_too_high; /* the goal is more than there are servers that stay, up or not */
};
void meta_health(const struct meta *m, struct meta_health *out); /* O(placements) */

struct meta_member { /* a NameServer that belongs to the cluster */
    uint32_t id;
    uint64_t uuid_hi, uuid_lo;
    char *addr;
    uint32_t level; /* of log entries its release knows; 0: it did not say */
};
uint32_t meta_n_members(const struct meta *m);
const struct meta_member *meta_member_at(const struct meta *m, uint32_t i); /* 0 ≤ i < n, in id order */
const struct meta_member *meta_member_by_id(const struct meta *m, uint32_t id);
/* The lowest level of all members there ever was: entries up to it may be in the log. */
uint32_t meta_level(const struct meta *m);
uint32_t meta_next_member(const struct meta *m); /* ids below were given; those that are no members were removed */

/* --- snapshots --- */

/* Writes the state through write() in blocks of its choosing; the same state gives the same bytes. 0 or what write
 * returned. May run in a forked child. */
int meta_save(const struct meta *m, int (*write)(void *arg, const void *p, size_t len), void *arg) MUST_USE;
/* Loads into a fresh m what meta_save wrote. read() gives exactly len bytes or an error. DFS_ECORRUPT if the bytes make
 * no sense (m is then only good for meta_free), DFS_ENOMEM, or what read returned. */
int meta_load(struct meta *m, int (*read)(void *arg, void *p, size_t len), void *arg) MUST_USE;
/* Makes a state the beginning of a cluster's next life: one that comes from a backup, or an empty one in place of one that
 * was lost. Whatever was handed out in its earlier life after this state was saved is below the stamp's index (epochs,
 * sessions, handles) and `serial` (chunks, inodes, generations): the caller sees to that. Unknown chunks of that life are in quarantine; there
 * are no members, and no sessions; every StorageServer has to register again. */
void meta_begin_anew(struct meta *m, uint64_t cluster_hi, uint64_t cluster_lo, const struct stamp *st, uint64_t serial);
/* Full self-check of the tables (counts, links, references), for tests and the simulator: 0, or DFS_ECORRUPT with a
 * sentence in why. */
int meta_verify(const struct meta *m, char *why, size_t len) MUST_USE;

#endif
