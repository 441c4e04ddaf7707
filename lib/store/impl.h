/* SPDX-License-Identifier: MIT */
/* The inside of the StorageServer core, shared by the files of lib/store and nobody else.
 *
 *   ss.c        open, close, dispatch, turn         chain.c     chunk_write: checks, order, forwarding, acknowledging
 *   segments.c  life of segment files, collection   append.c    group commit: from queue to flushed batch
 *   recover.c   index from records at start         read.c      chunk_read
 *   clean.c     space given back, damage found      scrub.c     when to verify what      walk.c      what is live
 *   identity.c  whose folder                        orders.c    deletion                 register.c  NameServer
 *   open.c      chunks that take writes             agree.c     versions: how one ends, how the next begins
 *   tasks.c     what the leader wants done          fetch.c     copying and verifying    report.c    what is held
 *   inventory.c what records tell of chunks, for a NameServer that lost its map */
#ifndef DFS_STORE_IMPL_H
#define DFS_STORE_IMPL_H

#include "base/list.h"
#include "base/log.h"
#include "base/rand.h"
#include "store/folder.h"
#include "store/format.h"
#include "store/index.h"
#include "store/open_chunk.h"
#include "store/ss.h"

#define SEGMENT_SMALL_SIZE (16u * 1024 * 1024)
#define SEGMENT_LARGE_SIZE (64u * 1024 * 1024)
#define SEGMENT_SMALL_MIN (128u * 1024)
#define SEGMENT_LARGE_MIN (4u * 1024 * 1024)
#define SEGMENT_MAX (1024u * 1024 * 1024)
#define BATCH_BYTES (8u * 1024 * 1024)
#define BATCH_RECORDS 256u
/* Writes ahead of their flush: payload that is worth one, how much goes into one, how many are under way at a time, and
 * how much may be written and not flushed. */
#define AHEAD_MIN (1u * 1024 * 1024)
#define AHEAD_PIECE (2u * 1024 * 1024)
#define AHEAD_WRITES 2u
#define EARLY_BYTES (16u * 1024 * 1024)
/* Payload of writes accepted and not answered, and of reads under way; beyond: EAGAIN. */
#define INFLIGHT_WRITE_BYTES (64u * 1024 * 1024)
#define INFLIGHT_READ_BYTES (64u * 1024 * 1024)
#define INFLIGHT_SHARE_MIN (8u * 1024 * 1024) /* of which each folder of several has its share */
/* Bytes between two ranges that are rather read than skipped. */
#define READ_GAP (16u * 1024)
#define READ_MAX (2u * 1024 * 1024)
#define FORWARD_TIMEOUT (10 * NS_PER_SEC)
#define FULL_RETRY (1 * NS_PER_SEC)
#define STAT_PERIOD (5 * NS_PER_SEC)
#define REPORT_PERIOD (600 * NS_PER_SEC)
#define REPORT_PAGE 4096u
#define DELETES_INFLIGHT 256u
#define ORDERS_MAX 65536u
#define RECENT_WRITERS 64u /* of a chunk, remembered in any case; … */
#define RECENT_MAX 1024u   /* … and as long as they may be repeated */
#define FLIGHTS_MAX 4096u  /* writes of a chunk that are not known to be durable everywhere */
#define OPEN_CHUNKS_MAX 4096u
#define WRITE_WAITERS 4u
#define NOTES_MAX 100u
#define DAMAGED_PAGE 256u
#define UNSETTLED_PAGE 256u
#define NEWER_PAGE 16u
/* Tasks taken on and not done; their results not told. */
#define TASKS_MAX 4096u
#define RESULTS_MAX (2 * TASKS_MAX)
#define RESULTS_PAGE 1024u
/* What is fetched at a time, in parts of a frame. */
#define FETCH_PART WIRE_PAYLOAD_MAX
#define FETCH_BYTES (16u * 1024 * 1024)
#define FETCH_PARTS 512u
#define FETCH_TIMEOUT (10 * NS_PER_SEC)
/* While somebody else wants this server or the one fetched from: smaller parts, and each FETCH_TICK as many bytes as the
 * rate allows, so that few flushes serve many parts and none takes long. A small part counts as FETCH_LEAST. */
#define FETCH_PART_BUSY (128u * 1024)
#define FETCH_BYTES_BUSY (1u * 1024 * 1024)
#define FETCH_TICK (4 * NS_PER_MS)
#define FETCH_LEAST (13u * 1024)
#define REPAIR_RATE (32 * MIB)
#define FOREGROUND_LINGER (100 * NS_PER_MS)

/* --- tokens: what an answer belongs to --- */

enum token_kind {
    TOKEN_BATCH = 1,
    TOKEN_SEGMENT,
    TOKEN_STAT,
    TOKEN_IDENTITY,
    TOKEN_READ,
    TOKEN_FORWARD,
    TOKEN_REGISTER,
    TOKEN_HEARTBEAT,
    TOKEN_REPORT,
    TOKEN_CLEAN,     /* b: which */
    TOKEN_TASKS,     /* b: TASKS_ASK or TASKS_TELL */
    TOKEN_FETCH,     /* b: slot of the part */
    TOKEN_INVENTORY, /* a: the slot */
    TOKEN_INVENTORY_SEND,
};
enum { TASKS_ASK, TASKS_TELL };
enum { CLEAN_READ, CLEAN_HOLE, CLEAN_TAIL };
#define CLEAN_KIND 8u /* in b of TOKEN_CLEAN: the job's kind from this bit on */
static inline uint64_t token_make(enum token_kind kind, uint32_t a, uint32_t b)
{
    return (uint64_t)kind << 56 | (uint64_t)(a & 0xffffff) << 32 | b;
}
#define TOKEN_AHEAD 0x100u     /* in b of TOKEN_BATCH: a write ahead of its flush … */
#define TOKEN_AHEAD_SERIAL 16u /* … and which: from this bit on */
static inline uint32_t token_a(uint64_t t) { return (uint32_t)(t >> 32) & 0xffffff; }
static inline uint32_t token_b(uint64_t t) { return (uint32_t)t; }

/* Things that wait for an answer, by number. */
struct slots {
    void **v;
    uint32_t *free;
    uint32_t n, n_free;
};
uint32_t slots_add(struct slots *s, void *p);
void *slots_remove(struct slots *s, uint32_t i);
void slots_close(struct slots *s);

/* --- segments --- */

/* CREATING -> HEADING -> READY -> ACTIVE -> SEALED -> UNLINKING -> gone: preallocated, header flushed, next in line,
 * being appended to, full or found at start, being removed. */
enum segment_state { SEG_CREATING, SEG_HEADING, SEG_READY, SEG_ACTIVE, SEG_SEALED, SEG_UNLINKING };

struct segment {
    struct segment_header header;
    uint32_t seed, slot;
    uint8_t disk;
    enum segment_state state;
    bool cut;         /* found at start: ends at `end`, the rest of the file goes */
    uint8_t *entries; /* for the summary, while it is not written */
    uint32_t n_records, cap_records;
    uint32_t summary_at, summary_len; /* 0: it has none */
    uint32_t end;                     /* the next record goes here */
    uint32_t last;                    /* position of the last record, and its chunk */
    uint64_t last_chunk;
    int64_t live_bytes;
    int32_t live;        /* extents */
    uint32_t pins;       /* writes not yet answered and reads under way */
    uint32_t unsettled;  /* of the pins: writes not yet answered */
    uint32_t readers[2]; /* of the pins: reads that began in each phase (segment_drain) */
    uint8_t phase;
    bool closed;               /* its end is proven: holes may be punched */
    bool tail;                 /* found at start: what was preallocated in vain may still be taken */
    bool cleaning;             /* a job is on it */
    bool keep;                 /* something in it cannot be read: it goes only when nothing in it is needed */
    uint64_t payload, punched; /* bytes written, and given back */
    int64_t punch_seen;        /* bytes that were dead when it was last punched */
    uint64_t stuck;            /* dead bytes that came along when live ones of the same blocks were moved here */
    struct grave **tomb_list;  /* those of the tombstones in it that are still needed */
    uint32_t tombs, cap_tombs;
    struct grave **graves; /* dead chunks with records in it */
    uint32_t n_graves, cap_graves;
    uint64_t *moved; /* chunks that may still remember this segment (index_untouch) */
    uint32_t n_moved, cap_moved;
};

/* A deleted chunk of which records remain: its tombstone must outlive them (CONSISTENCY D23). */
struct grave {
    uint64_t chunk, copy;
    uint32_t tomb; /* slot of the tombstone's segment */
    uint32_t at;   /* in its tomb_list */
    uint32_t refs; /* other segments with records of it */
};

/* --- cleaning --- */

#define CLEAN_WINDOW (1280u * 1024) /* more than the largest record takes */
#define CLEAN_MOVING (4u * 1024 * 1024) /* so much is on the way to its new place before the next is read */
#define CLEAN_PERIOD (100 * NS_PER_MS)
#define CLEAN_WAIT 20u  /* periods after a job that failed */
#define CLEAN_SLACK 12u /* a folder is compacted when more than 1/12 of what is live is dead as well */
#define SCRUB_PAUSE (60 * NS_PER_SEC)
#define SCRUB_RATE (16u * 1024 * 1024)

struct range {
    uint32_t off, len;
};
struct run { /* blocks of a record, counted on its own, and how many of their bytes are live */
    uint32_t first, n, live;
};
struct runs {
    struct run *v;
    uint32_t n, cap;
};
struct moved_tomb {
    uint64_t chunk, copy;
    uint32_t slot;
};
struct clean { /* clean.c draws its states */
    struct segment *segment;
    enum clean_kind kind;
    uint32_t position; /* of the next record */
    bool reading, failed;
    struct slice window;
    struct runs runs;
    uint32_t moves;   /* under way */
    uint64_t moving;  /* their bytes */
    uint64_t *needed; /* chunks whose tombstones stand here and are needed, sorted */
    uint32_t n_needed;
    struct moved_tomb *tombs;
    uint32_t n_tombs, cap_tombs;
    struct range *holes;
    uint32_t n_holes, cap_holes, holes_done, punching;
    uint64_t punched;
    int64_t dead;
    uint32_t drain; /* of the segment; 0: not yet */
};

/* --- writes --- */

struct write {
    struct list link;
    uint32_t slot;
    struct record record; /* position etc. once it is in a batch */
    uint8_t disk, class;
    struct payload payload;
    uint8_t *crcs;
    struct open_chunk *open; /* NULL for a tombstone */
    struct reply_to to[WRITE_WAITERS];
    uint32_t n_to;
    struct segment *segment; /* pinned */
    bool local_done, down_done, answered;
    bool durable, shown;   /* here; in the index */
    struct ss_task *stamp; /* which this record carries out, or NULL */
    uint32_t next_server;
    uint32_t moved_from, moved_position; /* slot + 1 and place of the record this one is a copy of; 0: none */
    struct part *part;                   /* of a chunk being fetched, or NULL */
};

struct order {
    uint64_t chunk;
    uint32_t version;
};

/* --- tasks --- */

struct source {
    uint32_t server;
    char *addr;
};

/* WAITING --> CLEARING (an older copy is being deleted) --> RUNNING --> answered */
enum ss_task_state { SS_TASK_WAITING, SS_TASK_CLEARING, SS_TASK_RUNNING };

struct ss_task {          /* one task of the leader's */
    struct list link;     /* ss.tasks_waiting, or ss.tasks_running */
    struct ss_task *next; /* with the same hash */
    enum ss_task_state state;
    uint8_t kind; /* enum task_kind */
    bool own;     /* the copy here is read, and nothing is written */
    uint64_t chunk, epoch, id;
    uint32_t version, length, crc;
    uint32_t to, keep;    /* STAMP; keep also FENCE: bytes that stay, 0: all */
    uint64_t of_sequence; /* STAMP */
    uint8_t flags, told;  /* TASK_…; RESULT_… */
    struct source *sources;
    uint32_t n_sources, source; /* source: asked now */
    struct slice grant;
    /* fetch.c */
    uint64_t copy;
    uint8_t disk;
    struct list parts; /* by offset */
    uint32_t undone;   /* parts that are not DONE … */
    uint32_t busy;     /* … and those of them that somebody works on */
    uint32_t sequence; /* of its last record */
    struct wire_writer *writers;
    uint64_t forgot;
    uint32_t n_writers, suspect;
    int error;
};

/* WANTED --> ASKED --> WRITING --> DONE; the chunk's last one waits as HELD until all others are DONE. */
enum part_state { PART_WANTED, PART_ASKED, PART_HELD, PART_WRITING, PART_DONE };

struct part { /* a range of a chunk being fetched */
    struct list link, wanted;
    struct ss_task *task;
    enum part_state state;
    uint32_t slot;
    uint32_t offset, length, crc;
    struct write *write; /* NULL: a hole. Kept until the chunk is whole: it pins its segment */
};

enum nm_link { NM_LOST, NM_REGISTERED };

struct ss {
    struct ss_config cfg;
    struct rng rng;
    struct store stores[SS_MAX_DISKS];
    uint32_t n_stores;
    struct index index;
    struct segment **segments; /* by slot; NULL: gone. Slots are not reused */
    uint32_t n_segments, cap_segments;
    uint32_t segment_size[SEGMENT_CLASSES];
    uint64_t next_copy;
    bool collect;    /* a segment may have become dead */
    bool clean_look; /* something has died */
    uint64_t clean_next;

    struct slots writes, reads;
    uint64_t write_bytes, read_bytes;
    uint32_t n_writes, n_reads;
    struct open_chunk *open_table[OPEN_CHUNKS_MAX]; /* heads of chains by hash */
    struct list open_lru;
    uint32_t n_open;

    struct identity identity; /* what all folders are to hold */
    uint64_t written_epoch;   /* being written */
    uint64_t saved_epoch;     /* durable in every working folder */
    bool identity_dirty, identity_saved, scrub_dirty;
    uint32_t identity_writes, identity_rounds; /* under way; still to come */
    uint64_t identity_next;                    /* not before */

    struct order *orders; /* deletions to carry out, once their epoch is durable */
    uint32_t n_orders, cap_orders, deletes;

    struct wire_chunk_id *damaged;                 /* not yet told to the NameServer */
    uint32_t n_damaged, cap_damaged, damaged_told; /* told: in the heartbeat under way */

    enum nm_link nm_state;
    uint32_t nm_at, redirects;
    int refused; /* registration, for good: said in the log; 0: it was not */
    char leader[WIRE_ADDR_MAX + 1];
    uint64_t nm_next, nm_sent, backoff; /* when to call, when we called */
    bool nm_calling;
    uint64_t heartbeat_every, lease_until;
    uint32_t lapses;                 /* how often it was renewed too late; the start counts as the first */
    struct wire_chunk_id *unsettled; /* open chunks that are not served before their next version */
    uint32_t n_unsettled;
    struct wire_chunk_id newer[NEWER_PAGE]; /* copies newer than what readers were told to ask for, since the last heartbeat */
    uint32_t n_newer;
    uint64_t *report; /* ids of the report under way, sorted */
    uint32_t n_report, report_at, report_sent;
    uint64_t report_next;
    bool report_calling;
    bool report_anew; /* the report under way is to be begun again */

    struct ss_task *task_table[TASKS_MAX]; /* heads of chains by hash */
    struct list tasks_waiting, tasks_running;
    uint32_t n_tasks;
    struct wire_task_result *results;              /* not yet told */
    uint32_t n_results, cap_results, results_told; /* told: in the call under way */
    bool tasks_calling[2];                         /* TASKS_ASK, TASKS_TELL */
    uint64_t tasks_next;                           /* not before */
    uint64_t tasks_epoch, tasks_number;            /* of the newest reply taken */
    bool tasks_lost;                               /* one did not come */
    struct slots parts;
    struct list parts_wanted;
    uint32_t n_fetched; /* parts asked for or being written, and their bytes */
    uint64_t fetch_bytes;
    uint64_t foreground;  /* when somebody else's request came last … */
    uint64_t source_busy; /* … and when one that is fetched from last said that it has such */
    uint64_t fetch_next;  /* when fetch_budget grows again */
    int64_t fetch_budget; /* bytes that may still be asked for before */
    uint64_t fetch_wake;  /* when tasks that wait for that go on */
    uint64_t stat_next;
    struct inventory *inventory; /* under way; NULL: none is */
    uint64_t inventory_run;      /* the last one begun */

    char *notes[NOTES_MAX]; /* what recovery found, for the log of the first turn */
    uint32_t n_notes;
};

/* ss.c */
/* A core that knows what one folder holds, for looking only: nothing is changed, and it must not be run. */
int ss_look(struct disk *d, struct ss **out, char *why, size_t why_len) MUST_USE;

/* segments.c */
struct segment *segment_add(struct ss *ss, uint8_t disk, const struct segment_header *h, enum segment_state state);
struct segment *segment_at(const struct ss *ss, uint32_t slot); /* NULL: gone */
void segment_check(struct ss *ss, const struct segment *s);     /* a count went down: it may be dead now */
void segment_unpin(struct ss *ss, struct segment *s);
void segment_create(struct ss *ss, struct store *st, enum segment_class class, struct effects *fx);
void segment_event(struct ss *ss, const struct event *ev, struct effects *fx);
void segments_collect(struct ss *ss, struct effects *fx); /* unlinks what is dead */
void segments_close(struct ss *ss);
int64_t segment_dead(const struct segment *s);                           /* bytes of payload nobody needs */
void segment_tail(struct ss *ss, struct segment *s, struct effects *fx); /* returns what was preallocated in vain */
void segment_note(struct segment *s, const struct record *r);            /* of a new record, for the summary */
/* The summary, to be written at *position of a file of this size; NULL: out of memory. The entries are dropped. */
struct buf *segment_summary(struct segment *s, uint32_t size, uint32_t *position, uint32_t *len);
/* Reads that begin from now on are told apart from those before; drained: of those before, none is left. */
uint32_t segment_drain(struct segment *s);
bool segment_drained(const struct segment *s, uint32_t drain);
/* The tombstones of `from` have durable copies: the graves follow them. */
void tombs_relink(struct ss *ss, struct segment *from, struct moved_tomb *v, uint32_t n);
/* Bytes that must stay free, so that a full folder can still delete and compact. */
uint64_t store_reserve(const struct ss *ss);
uint64_t store_share(const struct ss *ss, uint64_t limit); /* of what all folders may have in flight */
/* A chunk (c, or NULL if it is not in the index) is gone, up to this copy, because of a tombstone in the segment `tomb`;
 * strays are further segments with records of it. */
void chunk_bury(struct ss *ss, struct chunk *c, uint64_t chunk, uint64_t copy, uint32_t tomb, const uint32_t *strays,
                uint32_t n_strays);
/* The grave of this chunk in `s` reaches to the segment `slot` as well. */
void grave_extend(struct ss *ss, const struct segment *s, uint64_t chunk, uint64_t copy, uint32_t slot);
bool store_passes(int err); /* a want that says nothing against the disk */
void store_fail(struct ss *ss, struct store *st, int err, const char *what, struct effects *fx);

/* append.c */
void append_queue(struct ss *ss, struct write *w);
void queue_refuse(struct ss *ss, struct lane *l, int err, struct effects *fx); /* all that wait for a batch */
void append_turn(struct ss *ss, struct store *st, struct now now, struct effects *fx);
void append_event(struct ss *ss, const struct event *ev, struct effects *fx);

/* chain.c */
void chain_request(struct ss *ss, const struct event *ev, struct effects *fx);
void chain_forwarded(struct ss *ss, const struct event *ev, struct effects *fx);
/* The write is durable here, or failed. Frees it when nothing else is under way. */
void chain_local(struct ss *ss, struct write *w, int err, struct effects *fx);
struct write *write_new(struct ss *ss, uint8_t disk, enum segment_class class);
void write_free(struct ss *ss, struct write *w);

/* open.c */
struct open_chunk *open_find(struct ss *ss, uint64_t chunk);
struct open_chunk *open_add(struct ss *ss, uint64_t chunk); /* may forget an idle one; NULL: all are busy */
void open_forget(struct ss *ss, struct open_chunk *o);
void open_note(struct ss *ss, struct open_chunk *o, const struct record *r, struct write *w);
/* It did not come to be here: a retry is to be written. */
void open_unnote(struct open_chunk *o, const struct write *w);
/* A request of this session, whatever it was. */
struct recent *open_request(struct open_chunk *o, uint64_t session, uint64_t number);
struct recent *open_recent(struct open_chunk *o, const struct record *r); /* the same request, or NULL */
/* A RECORD_WRITER that is found at a start. */
void open_note_told(struct open_chunk *o, const struct record *r);
/* When all records were noted: cleaning gives up what was written over, and who wrote it. Each write of a version has a number, and
 * what came before is told of with its begin (open_keep), so it shows if some are missing. */
void open_miss(struct open_chunk *o);
/* Puts the writers that may come again on the disk, for a start, as of this version and write: those of its own records, dead ones
 * among them, may be cleaned away. Nobody waits for it. */
void open_keep(struct ss *ss, const struct chunk *c, uint32_t version, uint64_t sequence);
/* The chunk's last writers that may come again, the oldest first; in the arena. *forgot: as open_chunk.forgot. */
uint32_t open_writers(struct ss *ss, uint64_t chunk, struct wire_writer **out, uint64_t *forgot, struct arena *a);
/* A copy that was made knows whom its source knew, until it is restarted. It takes no writes before the next version begins. */
void open_take_writers(struct ss *ss, const struct chunk *c, const struct wire_writer *v, uint32_t n, uint64_t forgot);
void open_close(struct ss *ss);
/* The bytes of that version: one that has begun and taken no write has those of the one before, perhaps still the map's. */
bool chunk_holds(struct ss *ss, const struct chunk *c, uint32_t version);
/* Takes writes, and has done so without a break since its version began. */
bool open_current(const struct ss *ss, const struct open_chunk *o);
/* It may be read: no other version can have begun without this copy. */
bool open_readable(const struct ss *ss, const struct open_chunk *o);
/* A write that may not become visible before it is durable on every member (CONSISTENCY B13). */
void open_flight(struct open_chunk *o, const struct record *r);
/* It is, as the head knows first; or it failed somewhere: then its range is not read before the next version has begun. */
void open_landed(struct open_chunk *o, const struct record *r);
void open_failed(struct open_chunk *o, const struct record *r);
/* All below this sequence are. */
void open_settled(struct open_chunk *o, uint32_t sequence);
uint32_t open_settled_below(const struct open_chunk *o);
void open_lapse(struct ss *ss); /* no lease, or just started: what is open is not served before its version has moved */
/* This copy may be of a version that a NameServer stamped and never logged, which nobody but readers may ever notice. */
void open_newer(struct ss *ss, const struct chunk *c);
/* Forgets those served again, or gone; with the last of them, that a start cut something off. How many to tell of at a time. */
uint32_t open_unsettled(struct ss *ss);
/* Whether it cannot be told here which bytes of this range are to be seen in that version. */
bool open_in_flight(const struct open_chunk *o, uint32_t version, uint32_t from, uint32_t to);

/* The folder with most free space that takes writes; the error if there is none. */
int store_pick(struct ss *ss, uint64_t now, struct store **out) MUST_USE;

/* read.c */
void read_request(struct ss *ss, const struct event *ev, struct effects *fx);
/* A range of a chunk held here, for part_answer. */
void read_own(struct ss *ss, const struct chunk *c, struct part *p, struct effects *fx);
void read_event(struct ss *ss, const struct event *ev, struct effects *fx);
void read_close(struct ss *ss);

/* walk.c */
/* The runs of blocks of this record that are still needed; none: it is dead. */
void record_live(const struct ss *ss, uint32_t slot, const struct record *r, struct runs *out);
struct range run_range(const struct record *r, const struct run *run); /* in the record's payload */
/* Whether the hole this record made is still there, at least in part. */
bool hole_live(const struct ss *ss, uint32_t slot, const struct record *r);
struct extent record_extent(const struct record *r, uint32_t slot); /* what the index is told of it */

/* clean.c */
void clean_turn(struct ss *ss, struct now now, struct effects *fx);
void clean_event(struct ss *ss, const struct event *ev, struct effects *fx);
void clean_moved(struct ss *ss, struct write *w, int err);
uint64_t clean_deadline(const struct ss *ss);
void clean_close(struct ss *ss);
void damaged_note(struct ss *ss, const struct chunk *c); /* the next heartbeat tells */
void chunk_damaged(struct ss *ss, struct chunk *c, const char *what, struct effects *fx);

/* scrub.c */
struct segment *scrub_pick(struct ss *ss, struct store *st, struct now now);
void scrub_pace(struct ss *ss, struct store *st, uint64_t bytes, uint64_t mono);
void scrub_done(struct ss *ss, struct store *st, const struct segment *s);
uint64_t scrub_next(const struct ss *ss);

/* identity.c */
int identity_open(struct ss *ss, char *why, size_t why_len) MUST_USE;   /* reads all, decides; writes nothing */
int identity_create(struct ss *ss, char *why, size_t why_len) MUST_USE; /* writes where it is missing */
/* Writes one slot at once: at a start, before anything else is changed. 0, or the error, its sentence in why. */
int identity_keep(struct ss *ss, struct store *st, char *why, size_t why_len) MUST_USE;
void identity_turn(struct ss *ss, struct now now, struct effects *fx);
void identity_event(struct ss *ss, const struct event *ev, struct effects *fx);

/* orders.c */
void orders_take(struct ss *ss, uint64_t epoch, const struct wire_chunk_id *v, uint32_t n, struct effects *fx);
void orders_turn(struct ss *ss, struct effects *fx);
void orders_done(struct ss *ss, struct write *w, int err); /* a tombstone is durable, or failed */
/* Writes the tombstone of a chunk that is held; orders_done follows. */
void chunk_delete(struct ss *ss, struct chunk *c);

/* chain.c */
void write_show(struct ss *ss, struct write *w); /* what is durable here gets into the index, once */

/* agree.c */
void fence_start(struct ss *ss, struct ss_task *t, struct now now);
void fence_settled(struct ss *ss, uint64_t chunk); /* its last pending write has come back: the next turn goes on */
void stamp_start(struct ss *ss, struct ss_task *t, struct now now);
void stamp_written(struct ss *ss, struct write *w, int err);

/* tasks.c */
void ss_tasks_turn(struct ss *ss, struct now now, struct effects *fx);
void ss_tasks_event(struct ss *ss, const struct event *ev, struct effects *fx);
uint64_t ss_tasks_deadline(const struct ss *ss);
void ss_tasks_close(struct ss *ss);
struct ss_task *ss_task_find(const struct ss *ss, uint64_t chunk);
/* The tombstone of a chunk with a task is durable, or failed. */
void ss_task_cleared(struct ss *ss, struct ss_task *t, int err);
void ss_task_end(struct ss *ss, struct ss_task *t, int err);

/* fetch.c */
uint32_t crc_of_zeros(uint32_t length);
/* Whether one more part of a copy may be asked for; and, if only the rate forbids it, when that is over. */
bool fetch_room(struct ss *ss, uint64_t mono);
uint64_t fetch_wake(const struct ss *ss, uint64_t mono);
static inline bool lately(uint64_t when, uint64_t mono) { return when && mono < when + FOREGROUND_LINGER; }
/* Begins to read the chunk: from its sources, or (own) from here. */
void fetch_start(struct ss *ss, struct ss_task *t, struct now now);
void fetch_pump(struct ss *ss, struct now now, struct effects *fx);
void fetch_event(struct ss *ss, const struct event *ev, struct effects *fx);
/* What a part was asked for has come, or not. */
void part_answer(struct ss *ss, struct part *p, int status, const struct msg_chunk_read_reply *m,
                 const struct payload *payload, struct effects *fx);
void fetch_written(struct ss *ss, struct write *w, int err, struct effects *fx);

/* report.c */
void report_soon(struct ss *ss); /* what is held is not what was last said, or not to whom */
void report_turn(struct ss *ss, struct now now, struct effects *fx);
void report_event(struct ss *ss, const struct event *ev, struct effects *fx);

/* inventory.c */
/* A NameServer wants to know what the chunks below this id are; once for each run. */
void inventory_wanted(struct ss *ss, uint64_t run, uint64_t below, struct effects *fx);
void inventory_turn(struct ss *ss, struct now now, struct effects *fx);
void inventory_event(struct ss *ss, const struct event *ev, struct effects *fx);
uint64_t inventory_deadline(const struct ss *ss);
void inventory_close(struct ss *ss);

/* register.c */
void register_turn(struct ss *ss, struct now now, struct effects *fx);
void register_event(struct ss *ss, const struct event *ev, struct effects *fx);
const char *register_address(const struct ss *ss); /* of the NameServer to call */
bool ss_serving(const struct ss *ss, uint64_t mono);
/* A NameServer of this epoch speaks. False: a later one has spoken before. */
bool epoch_seen(struct ss *ss, uint64_t epoch) MUST_USE;

/* recover.c */
int recover_store(struct ss *ss, struct store *st, char *why, size_t why_len) MUST_USE;
int recover_finish(struct ss *ss, char *why,
                   size_t why_len) MUST_USE; /* cuts torn tails: the first change to the disks */
void ss_note(struct ss *ss, const char *fmt, ...) PRINTF_LIKE(2, 3);

struct disk_op *ss_disk_op(struct store *st, enum disk_kind kind, const char *name, uint32_t n_data, uint64_t token);

#endif
