/* SPDX-License-Identifier: MIT */
/* Opening the log: everything is read and checked, and nothing changed, before raftlog_repair cuts a torn tail.
 *
 * The records are followed from the first segment as long as each continues the one before (index, position, chain,
 * CRCs). Where that ends, at position p, is either the end of the log, a torn tail, or damage. Behind p, every header
 * of ours that says `flushed` > p proves that p was once durable: then it is damage, and we touch nothing. Otherwise
 * nothing behind p was ever acknowledged, and it is cut.
 * What this cannot see: damage inside the records of the very last flush looks like a torn tail, and is cut. */
#include "group/raftlog.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "group/logreader.h"

struct scan {
    struct raftlog *log;
    struct disk *disk;
    log_each each;
    void *arg;
    char *why;
    size_t why_len;
    uint64_t covered;
};

static int PRINTF_LIKE(3, 4) fail(struct scan *s, int err, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(s->why, s->why_len, fmt, ap);
    va_end(ap);
    return err;
}

static int read_failed(struct scan *s, const struct logreader *r)
{
    return fail(s, r->error, "%s cannot be read: %s", r->name, dfs_strerror(r->error));
}

/* --- the list of segments --- */

static void on_file(void *arg, const char *name, uint64_t size)
{
    struct raftlog *log = arg;
    uint64_t first;

    if (strcmp(name, LOG_SPARE) == 0)
        log->had_spare = true;
    if (!log_segment_parse(name, &first))
        return;
    if (log->n_seg == log->cap_seg) {
        log->cap_seg = log->cap_seg ? log->cap_seg * 2 : 8;
        log->seg = xrealloc(log->seg, log->cap_seg, sizeof *log->seg);
    }
    log->seg[log->n_seg++] = (struct log_segment){.number = first, .position = UINT64_MAX, .size = size};
}

static int by_number(const void *a, const void *b)
{
    const struct log_segment *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

/* --- following the records --- */

/* A record follows the one before, or takes the place of an earlier one (whose term may have been higher). */
static bool follows(const struct raftlog *log, const struct log_record_header *h)
{
    if (h->index == log->last_index + 1)
        return h->term >= log->last_term;
    return h->index > 0 && h->index <= log->last_index;
}

/* The record at seg->end, if it continues the log. */
static bool next_record(struct raftlog *log, const struct log_segment *seg, struct logreader *r,
                        struct log_record_header *h, struct log_record *rec)
{
    const uint8_t *p = logreader_get(r, seg->end, LOG_RECORD_HEADER);

    if (p == NULL || !log_record_get(p, h, log->cfg.salt))
        return false;
    if (!follows(log, h) || h->position != seg->position + seg->end || h->chain != log->chain ||
        (log->last_position != 0 && h->previous != log->last_position))
        return false;
    p = logreader_get(r, seg->end, (size_t)log_record_size(h->len));
    if (p == NULL || log_body_crc(p + LOG_RECORD_HEADER, h->len) != h->body_crc)
        return false;
    *rec = (struct log_record){
        .index = h->index, .term = h->term, .type = h->type, .body = p + LOG_RECORD_HEADER, .len = h->len};
    return true;
}

static int follow_segment(struct scan *s, struct log_segment *seg, struct logreader *r)
{
    struct raftlog *log = s->log;
    struct log_record_header h;
    struct log_record rec;

    seg->end = LOG_SEGMENT_HEADER;
    while (next_record(log, seg, r, &h, &rec)) {
        int err = s->each != NULL ? s->each(s->arg, &rec) : 0;

        if (err != 0)
            return fail(s, err, "%s: the record at offset %" PRIu64 " cannot be used: %s", r->name, seg->end,
                        dfs_strerror(err));
        raftlog_note(log, h.index, h.position);
        log->first_index = min_u64(log->first_index, h.index);
        log->last_index = h.index;
        log->last_term = h.term;
        log->last_position = h.position;
        log->chain = h.crc;
        seg->end += log_record_size(h.len);
    }
    return r->error != 0 ? read_failed(s, r) : 0;
}

/* Whether the segment's header is ours and continues the log. */
static bool continues(const struct raftlog *log, const struct log_segment *seg, const struct log_segment_header *h,
                      uint64_t position)
{
    return h->cluster_hi == log->cfg.cluster_hi && h->cluster_lo == log->cfg.cluster_lo &&
           h->first_index <= seg->number && h->first_index <= log->last_index + 1 && h->position == position &&
           h->chain == log->chain;
}

static int follow_first(struct scan *s, struct log_segment *seg, struct logreader *r)
{
    struct log_segment_header h;
    const uint8_t *p = logreader_get(r, 0, LOG_SEGMENT_HEADER);

    if (r->error != 0)
        return read_failed(s, r);
    if (p == NULL || !log_segment_get(p, &h, s->log->cfg.salt) || h.first_index > seg->number || h.first_index == 0)
        return fail(s, DFS_ECORRUPT, "%s: the header at offset 0 is damaged; restore the file from a backup", r->name);
    if (h.cluster_hi != s->log->cfg.cluster_hi || h.cluster_lo != s->log->cfg.cluster_lo)
        return fail(s, DFS_EIDENTITY, "%s belongs to another cluster", r->name);
    if (h.first_index > s->covered + 1)
        return fail(s, DFS_ECORRUPT, "the log begins at index %" PRIu64 ", but a snapshot reaches only %" PRIu64,
                    h.first_index, s->covered);
    seg->position = h.position;
    s->log->first_index = h.first_index;
    s->log->last_index = h.first_index - 1;
    s->log->chain = h.chain;
    int err = follow_segment(s, seg, r);

    /* a segment is kept as the first only once it holds durable records */
    if (err == 0 && s->log->last_index < h.first_index && !s->log->cfg.may_be_empty)
        return fail(s, DFS_ECORRUPT, "%s: the first record at offset %u is damaged; restore the file from a backup",
                    r->name, LOG_SEGMENT_HEADER);
    return err;
}

/* 1: the segment continues the log and was followed; 0: it does not continue it. */
static int follow_next(struct scan *s, struct log_segment *seg, struct logreader *r, uint64_t position)
{
    struct log_segment_header h;
    const uint8_t *p = logreader_get(r, 0, LOG_SEGMENT_HEADER);
    int err;

    if (r->error != 0)
        return read_failed(s, r);
    if (p == NULL || !log_segment_get(p, &h, s->log->cfg.salt) || !continues(s->log, seg, &h, position))
        return 0;
    seg->position = position;
    err = follow_segment(s, seg, r);
    return err != 0 ? err : 1;
}

/* --- what lies behind the end --- */

struct behind {
    uint64_t proof;   /* offset of a header that proves damage; UINT64_MAX: none */
    uint64_t nonzero; /* offset after the last byte that is not zero */
};

#define LOOK 512u

/* Past the blocks of zeros that begin at `off`. */
static uint64_t skip_zeros(struct logreader *r, uint64_t off, uint64_t size)
{
    static const uint8_t zeros[LOOK];

    while (size - off >= LOOK) {
        const uint8_t *p = logreader_get(r, off, LOOK);

        if (p == NULL || memcmp(p, zeros, LOOK) != 0)
            break;
        off += LOOK;
    }
    return off;
}

static int look_behind(struct scan *s, const char *name, uint64_t from, uint64_t size, uint64_t end, struct behind *b)
{
    struct logreader r;
    const uint8_t *p;

    *b = (struct behind){.proof = UINT64_MAX};
    logreader_open(&r, s->disk, name);
    for (uint64_t off = from; off + 8 <= round_up(size, 8); off += 8) {
        uint64_t have = min_u64(8, size - off);
        uint64_t word = 0;

        p = logreader_get(&r, off, (size_t)have);
        if (p == NULL)
            break;
        memcpy(&word, p, (size_t)have);
        if (word == 0) {
            if ((off - from) % LOOK == 0)
                off = max_u64(skip_zeros(&r, off, size), off + 8) - 8;
            continue;
        }
        b->nonzero = off + have;
        if (have == 8 && b->proof == UINT64_MAX && off + LOG_RECORD_HEADER <= size) {
            struct log_record_header rh;
            struct log_segment_header sh;
            uint64_t flushed = 0;

            p = logreader_get(&r, off, LOG_RECORD_HEADER);
            if (p == NULL)
                break;
            if (log_record_get(p, &rh, s->log->cfg.salt))
                flushed = rh.flushed;
            else if (log_segment_get(p, &sh, s->log->cfg.salt))
                flushed = sh.flushed;
            if (flushed > end)
                b->proof = off;
        }
    }
    if (r.error != 0)
        read_failed(s, &r);
    logreader_close(&r);
    return r.error;
}

static int damaged(struct scan *s, const struct log_segment *at, const char *proof_name, uint64_t proof)
{
    char name[DISK_NAME_MAX + 1];

    log_segment_name(at->number, name);
    return fail(s, DFS_ECORRUPT,
                "%s is damaged at offset %" PRIu64 ": the record after index %" PRIu64
                " was complete once (%s at offset %" PRIu64 " shows it); nothing was changed: restore the file from a "
                "backup",
                name, at->end, s->log->last_index, proof_name, proof);
}

/* The log's end is in segment `last`; decides between end, torn tail and damage. */
static int judge_tail(struct scan *s, uint32_t last)
{
    struct raftlog *log = s->log;
    struct log_segment *seg = &log->seg[last];
    uint64_t end = seg->position + seg->end;
    char name[DISK_NAME_MAX + 1];
    struct behind b;

    log->drop = xcalloc(log->n_seg - last, sizeof *log->drop);
    for (uint32_t i = last; i < log->n_seg; i++) {
        int err;

        log_segment_name(log->seg[i].number, name);
        err = look_behind(s, name, i == last ? seg->end : 0, log->seg[i].size, end, &b);
        if (err != 0)
            return err;
        if (b.proof != UINT64_MAX)
            return damaged(s, seg, name, b.proof);
        if (i == last) {
            log->cut_from = seg->end;
            log->cut_to = max_u64(b.nonzero, seg->end);
        } else {
            log->drop[log->n_drop++] = log->seg[i].number;
        }
    }
    log->n_seg = last + 1;
    log->written = log->flushed = end;
    log->durable_index = log->last_index;
    return 0;
}

int raftlog_open(const struct log_config *cfg, struct disk *disk, uint64_t covered, log_each each, void *arg,
                 struct raftlog *log, char *why, size_t why_len)
{
    struct scan s = {
        .log = log, .disk = disk, .each = each, .arg = arg, .why = why, .why_len = why_len, .covered = covered};
    uint32_t last = 0;
    int err;

    *log = (struct raftlog){.cfg = *cfg, .rewound = UINT64_MAX};
    err = disk->ops->list(disk, on_file, log);
    if (err != 0)
        return fail(&s, err, "the data folder cannot be listed: %s", dfs_strerror(err));
    if (log->n_seg == 0)
        return fail(&s, DFS_ECORRUPT, "no log file (log-…) in the data folder; restore it from a backup");
    qsort(log->seg, log->n_seg, sizeof *log->seg, by_number);
    for (uint32_t i = 0; i < log->n_seg; i++) {
        struct log_segment *before = i > 0 ? &log->seg[i - 1] : NULL;
        struct logreader r;
        char name[DISK_NAME_MAX + 1];

        log_segment_name(log->seg[i].number, name);
        logreader_open(&r, disk, name);
        err = i == 0 ? follow_first(&s, &log->seg[0], &r)
                     : follow_next(&s, &log->seg[i], &r, before->position + before->end);
        logreader_close(&r);
        if (err < 0)
            return err;
        if (i > 0 && err == 0)
            break;
        last = i;
    }
    err = judge_tail(&s, last);
    if (err == 0 && log->last_index < covered)
        return fail(&s, DFS_ECORRUPT,
                    "the log ends at index %" PRIu64 ", but the snapshot of index %" PRIu64
                    " shows that it went on: log-%016" PRIx64 " is damaged at offset %" PRIu64,
                    log->last_index, covered, log->seg[last].number, log->seg[last].end);
    return err;
}

/* --- repair --- */

int raftlog_zero(struct disk *disk, const char *name, uint64_t from, uint64_t to)
{
    static const uint8_t zeros[64 * KIB];

    while (from < to) {
        size_t n = (size_t)min_u64(sizeof zeros, to - from);
        int err = disk->ops->write(disk, name, from, zeros, n);

        if (err != 0)
            return err;
        from += n;
    }
    return 0;
}

int raftlog_repair(struct raftlog *log, struct disk *disk, char *why, size_t why_len)
{
    char name[DISK_NAME_MAX + 1];
    int err = 0;

    if (log->had_spare)
        err = disk->ops->unlink(disk, LOG_SPARE); /* its content is not known to be zero and flushed */
    /* from the end: a crash in between leaves a shorter torn tail */
    for (uint32_t i = log->n_drop; i > 0 && err == 0; i--) {
        log_segment_name(log->drop[i - 1], name);
        err = disk->ops->unlink(disk, name);
    }
    for (uint32_t i = 0; i < log->n_seg && err == 0; i++) {
        log_segment_name(log->seg[i].number, name);
        if (i == log->n_seg - 1)
            err = raftlog_zero(disk, name, log->cut_from, log->cut_to);
        if (err == 0)
            err = disk->ops->sync(disk, name); /* a killed process may have left what we read unflushed (G1) */
    }
    if (err == 0)
        err = disk->ops->sync(disk, NULL);
    if (err != 0)
        snprintf(why, why_len, "the log cannot be repaired or flushed (%s): %s", name, dfs_strerror(err));
    log->n_drop = 0;
    log->cut_from = log->cut_to = 0;
    log->had_spare = false;
    return err;
}
