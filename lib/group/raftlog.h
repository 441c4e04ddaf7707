/* SPDX-License-Identifier: MIT */
/* The NameServer's log on disk: opening (with repair of a torn tail), appending, trimming. Bytes: logformat.h.
 *
 * The happy path of an append is one DISK_WRITE with flush of one record, or of several that were waiting. When the segment is full, the spare segment,
 * created in advance, is renamed to its place first, and the segment's header travels with its first record. One append
 * is in flight at a time; what arrives meanwhile is gathered by the caller into the next.
 * Possible failures: a write or flush fails: the caller must end the process; there is no spare because the disk is
 * full: raftlog_room says no, and nothing is submitted. */
#ifndef DFS_GROUP_RAFTLOG_H
#define DFS_GROUP_RAFTLOG_H

#include "group/logformat.h"
#include "wire/core.h"

struct log_config {
    uint64_t cluster_hi, cluster_lo;
    uint32_t salt;          /* of the header CRCs */
    uint64_t segment_bytes; /* preallocated size of a new segment */
    bool may_be_empty;      /* at opening: a log without any record is no damage */
    bool relaxed;           /* acknowledge before the flush */
};

/* Tokens of the log's disk operations; the owner of the core keeps its own above. */
enum { LOG_TOKEN_WRITE = 1, LOG_TOKEN_ROLL, LOG_TOKEN_SPARE, LOG_TOKEN_FLUSH, LOG_TOKEN_TRIM, LOG_TOKENS };

struct log_record {
    uint64_t index, term;
    uint8_t type;
    const uint8_t *body;
    uint32_t len;
};
/* Borrowed until it returns; non-zero ends the reading with that value. */
typedef int (*log_each)(void *arg, const struct log_record *rec);

struct log_segment {
    uint64_t number, position;
    uint64_t end;  /* bytes used */
    uint64_t size; /* of the file */
};

/* Where a record begins; about one per 64 KiB, so that any can be found again. */
struct log_mark {
    uint64_t index, position;
};

/* The record at `position` took the place of `index` and all that followed. */
struct log_cut {
    uint64_t index, position;
};

/* Records in one write. */
#define LOG_WRITE_MAX 64u

enum log_append_state { LOG_IDLE, LOG_ROLLING, LOG_WRITING };

struct raftlog {
    struct log_config cfg;
    struct log_segment *seg; /* the last one is appended to */
    uint32_t n_seg, cap_seg;
    uint64_t first_index;           /* of the first record; of the one to come if there is none */
    uint64_t last_index, last_term; /* of the last record, in flight or not; 0: none */
    uint64_t last_position;
    uint64_t durable_index; /* may be reported to raft: flushed, or with `relaxed` written */
    uint64_t flushed;       /* position below which everything is flushed */
    uint64_t written;       /* the same for written */
    uint64_t rewound; /* what is durable above is of no use: it is about to be replaced; UINT64_MAX: nothing is */
    struct log_mark *mark;
    uint32_t n_mark, cap_mark;
    struct log_cut *cut;
    uint32_t n_cut, cap_cut;
    uint64_t next_note; /* index of the record that would follow */
    uint32_t chain;
    uint64_t bytes; /* appended; the owner sets it back when it takes a snapshot */

    enum log_append_state state;
    struct slice record[LOG_WRITE_MAX]; /* appended, and not given to the disk yet */
    uint32_t n_record;
    uint64_t gathered;     /* bytes of these */
    bool rolls;            /* they begin a new segment */
    bool flushing_write;   /* the write in flight flushes */
    uint64_t flush_target; /* what a DISK_FLUSH in flight covers; 0: none */
    uint64_t last_flush;   /* mono ns */

    bool spare_ready, spare_creating, spare_dirty; /* dirty: a failed attempt may have left a file */
    int spare_error;                               /* of the last attempt */
    uint64_t spare_retry;                          /* mono ns */
    bool trimming;       /* an unlink is in flight: one at a time, the oldest first, so that no gap can appear */
    uint64_t trim_index; /* nothing at or below is needed */

    /* the torn tail found at opening, until raftlog_repair */
    uint64_t cut_from, cut_to; /* in the last kept segment: bytes to be zeroed */
    uint32_t n_drop;           /* segments behind it to be unlinked */
    uint64_t *drop;            /* their first indexes */
    bool had_spare;            /* a spare of unknown content is there */
};

/* A new log of one record, written and flushed: the bootstrap configuration at index 1. Files of the same names are
 * overwritten. */
int raftlog_create(const struct log_config *cfg, struct disk *disk, uint64_t term, uint8_t type, const void *body,
                   uint32_t len) MUST_USE;

/* A log without records, the first to come having this index, in place of all segments there are. Not atomic: the caller
 * must know after a crash that it has to be done again. `log` is one that is open, or zeroed. */
int raftlog_reset(const struct log_config *cfg, struct disk *disk, uint64_t first_index, struct raftlog *log) MUST_USE;

/* Reads and checks everything, changing nothing. The log must hold the record after `covered` (the snapshot's index) if
 * any, and reach it. each is called for all records in order; one whose index is not above the one before cuts. DFS_ECORRUPT: *why names file and offset. */
int raftlog_open(const struct log_config *cfg, struct disk *disk, uint64_t covered, log_each each, void *arg,
                 struct raftlog *log, char *why, size_t why_len) MUST_USE;
/* Cuts the torn tail that raftlog_open found, and makes what it read durable. */
int raftlog_repair(struct raftlog *log, struct disk *disk, char *why, size_t why_len) MUST_USE;
static inline bool raftlog_is_torn(const struct raftlog *log) { return log->cut_to > log->cut_from || log->n_drop > 0; }
/* Reads records [from, to] again, after raftlog_open accepted them; what was cut is left out. */
int raftlog_read(struct raftlog *log, struct disk *disk, uint64_t from, uint64_t to, log_each each, void *arg,
                 char *why, size_t why_len) MUST_USE;
void raftlog_close(struct raftlog *log);

/* A buffer for a record: the body goes to data + LOG_RECORD_HEADER. NULL: out of memory. */
struct buf *raftlog_buf(uint32_t len);
/* Whether a record with a body of len bytes could be appended now: nothing is in flight, there is space, and it fits into
 * the next write. */
bool raftlog_room(const struct raftlog *log, uint32_t len);
/* The error to refuse work with while raftlog_room is false for want of disk space; 0 if it is only busy. */
int raftlog_stuck(const struct raftlog *log, uint32_t len);
/* Appends the record with this index: last_index + 1, or lower, to cut what is there from it on. rec was made by
 * raftlog_buf, its body filled; a reference is kept. raftlog_write follows. */
void raftlog_append(struct raftlog *log, uint64_t index, uint64_t term, uint8_t type, struct buf *rec, uint32_t len);
/* Writes what was appended since the last write. */
void raftlog_write(struct raftlog *log, struct now now, struct effects *fx);
/* Takes the completion of an operation with a token of ours. 0, or the error that ends the process; durable_index may
 * have risen. */
int raftlog_event(struct raftlog *log, const struct event *ev, struct effects *fx) MUST_USE;
/* Prepares the spare segment; flushes what relaxed appends left. */
void raftlog_turn(struct raftlog *log, struct now now, struct effects *fx);
uint64_t raftlog_deadline(const struct raftlog *log);
/* Records from index on are going to be replaced: they do not count as durable any more, even if a write of them ends. */
void raftlog_rewind(struct raftlog *log, uint64_t index);
/* Nothing is on its way to the disk that would be in the way of raftlog_reset. */
bool raftlog_quiet(const struct raftlog *log);

/* To read a record again while serving: where. What is read there goes to raftlog_parse. False: it is not in the log. */
bool raftlog_locate(const struct raftlog *log, uint64_t index, char *name, uint64_t *offset, uint64_t *length) MUST_USE;
/* Calls each for the records in p that count and have an index of at least `from`, until the bytes end. DFS_ECORRUPT. */
int raftlog_parse(const struct raftlog *log, const char *name, uint64_t offset, const uint8_t *p, size_t len,
                  uint64_t from, log_each each, void *arg) MUST_USE;
/* Writes zeros; not flushed. */
int raftlog_zero(struct disk *disk, const char *name, uint64_t from, uint64_t to) MUST_USE;
/* Notes where a record begins, for raftlog_locate; a cut. For raftlog.c and raftlog_open.c. */
void raftlog_note(struct raftlog *log, uint64_t index, uint64_t position);
/* Forgets notes about segments that are gone. For raftlog.c. */
void raftlog_forget(struct raftlog *log);
/* Unlinks segments that hold nothing above index. */
void raftlog_trim(struct raftlog *log, uint64_t index, struct effects *fx);
static inline uint64_t raftlog_first_index(const struct raftlog *log) { return log->first_index; }

#endif
