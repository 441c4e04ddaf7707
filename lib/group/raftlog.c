/* SPDX-License-Identifier: MIT */
/* Appending, rolling and trimming; see raftlog.h for the story, raftlog_open.c for recovery. */
#include "group/raftlog.h"

#include <stdlib.h>

#include "base/log.h"

#define SPARE_RETRY NS_PER_SEC
/* Relaxed durability: how long a record may wait for its flush. */
#define RELAXED_FLUSH (100 * NS_PER_MS)

static struct log_segment *current(const struct raftlog *log) { return &log->seg[log->n_seg - 1]; }

void raftlog_close(struct raftlog *log)
{
    for (uint32_t i = 0; i < log->n_record; i++)
        slice_drop(&log->record[i]);
    free(log->seg);
    free(log->drop);
    free(log->mark);
    free(log->cut);
    memset(log, 0, sizeof *log);
}

struct buf *raftlog_buf(uint32_t len) { return len <= LOG_BODY_MAX ? buf_new((uint32_t)log_record_size(len)) : NULL; }

static bool fits(const struct raftlog *log, uint32_t len)
{
    const struct log_segment *seg = current(log);

    /* a record larger than a whole segment gets one for itself */
    return seg->end + log->gathered + log_record_size(len) <= seg->size ||
           (seg->end == LOG_SEGMENT_HEADER && log->gathered == 0);
}

bool raftlog_room(const struct raftlog *log, uint32_t len)
{
    if (log->state != LOG_IDLE)
        return false;
    if (log->n_record == 0)
        return log->spare_ready || fits(log, len);
    return !log->rolls && log->n_record < LOG_WRITE_MAX && fits(log, len) &&
           log->gathered + log_record_size(len) <= LOG_BODY_MAX;
}

int raftlog_stuck(const struct raftlog *log, uint32_t len)
{
    return log->spare_ready || fits(log, len) ? 0 : log->spare_error;
}

/* --- one append --- */

/* The header is completed here: only now is it known where the record goes. */
static struct slice place(struct raftlog *log, uint32_t i)
{
    struct log_segment *seg = current(log);
    struct slice record = log->record[i];
    struct log_record_header r;

    if (!log_record_get(slice_data(record), &r, log->cfg.salt))
        abort();
    r.position = seg->position + seg->end;
    r.previous = log->last_position;
    r.flushed = log->flushed;
    r.chain = log->chain;
    log_record_put(slice_data(record), &r, log->cfg.salt);
    log->last_position = r.position;
    log->chain = r.crc;
    raftlog_note(log, r.index, r.position);
    seg->end += record.len;
    log->record[i] = (struct slice){0};
    return record;
}

static struct slice segment_header(struct raftlog *log)
{
    struct log_segment *seg = current(log);
    struct log_record_header first;
    struct buf *b = buf_new(LOG_SEGMENT_HEADER);

    if (b == NULL || !log_record_get(slice_data(log->record[0]), &first, log->cfg.salt))
        abort();
    struct log_segment_header h = {.cluster_hi = log->cfg.cluster_hi,
                                   .cluster_lo = log->cfg.cluster_lo,
                                   .first_index = first.index,
                                   .position = seg->position,
                                   .flushed = log->flushed,
                                   .chain = log->chain};

    log_segment_put(b->data, &h, log->cfg.salt);
    seg->end = LOG_SEGMENT_HEADER;
    return slice_take(b, 0, LOG_SEGMENT_HEADER);
}

static void submit_write(struct raftlog *log, struct now now, struct effects *fx)
{
    struct log_segment *seg = current(log);
    uint32_t fresh = seg->end == 0;
    struct disk_op *op;
    char name[DISK_NAME_MAX + 1];

    log_segment_name(seg->number, name);
    op = disk_op_new(DISK_WRITE, name, log->n_record + fresh);
    op->token = LOG_TOKEN_WRITE;
    op->offset = seg->end;
    op->flush = !log->cfg.relaxed || now.mono - log->last_flush >= RELAXED_FLUSH;
    if (fresh)
        op->data[0] = segment_header(log);
    for (uint32_t i = 0; i < log->n_record; i++)
        op->data[fresh + i] = place(log, i);
    log->n_record = 0;
    log->gathered = 0;
    log->rolls = false;
    log->state = LOG_WRITING;
    log->flushing_write = op->flush;
    if (op->flush)
        log->last_flush = now.mono;
    fx_disk(fx, op);
}

static void submit_flush(struct raftlog *log, struct now now, struct effects *fx)
{
    char name[DISK_NAME_MAX + 1];
    struct disk_op *op;

    log_segment_name(current(log)->number, name);
    op = disk_op_new(DISK_FLUSH, name, 0);
    op->token = LOG_TOKEN_FLUSH;
    log->flush_target = log->written;
    log->last_flush = now.mono;
    fx_disk(fx, op);
}

/* Names rise, even after a cut. */
static uint64_t next_number(const struct raftlog *log) { return max_u64(log->last_index, current(log)->number + 1); }

/* Moves the spare segment to its place, once everything before it is flushed. */
static void submit_roll(struct raftlog *log, struct now now, struct effects *fx)
{
    struct disk_op *op;

    log->state = LOG_ROLLING;
    if (log->flushed < log->written) {
        if (log->flush_target == 0)
            submit_flush(log, now, fx);
        return;
    }
    op = disk_op_new(DISK_RENAME, LOG_SPARE, 0);
    op->token = LOG_TOKEN_ROLL;
    log_segment_name(next_number(log), op->name2);
    fx_disk(fx, op);
}

void raftlog_append(struct raftlog *log, uint64_t index, uint64_t term, uint8_t type, struct buf *rec, uint32_t len)
{
    uint64_t size = log_record_size(len);
    struct log_record_header r = {.index = index, .term = term, .len = len, .type = type};

    assert(raftlog_room(log, len) && index <= log->last_index + 1);
    log->rolls |= !fits(log, len);
    memset(rec->data + LOG_RECORD_HEADER + len, 0, size - LOG_RECORD_HEADER - len);
    r.body_crc = log_body_crc(rec->data + LOG_RECORD_HEADER, len);
    log_record_put(rec->data, &r, log->cfg.salt);
    log->record[log->n_record++] = slice_take(buf_ref(rec), 0, (uint32_t)size);
    log->gathered += size;
    raftlog_rewind(log, index);
    log->rewound = UINT64_MAX;
    log->last_index = index;
    log->last_term = term;
    log->bytes += size;
}

void raftlog_write(struct raftlog *log, struct now now, struct effects *fx)
{
    if (log->n_record == 0 || log->state != LOG_IDLE)
        return;
    if (log->rolls)
        submit_roll(log, now, fx);
    else
        submit_write(log, now, fx);
}

void raftlog_rewind(struct raftlog *log, uint64_t index)
{
    log->rewound = min_u64(log->rewound, index - 1);
    log->durable_index = min_u64(log->durable_index, log->rewound);
}

bool raftlog_quiet(const struct raftlog *log)
{
    return log->state == LOG_IDLE && log->n_record == 0 && log->flush_target == 0 && !log->trimming;
}

/* --- completions --- */

static int on_write(struct raftlog *log, int status)
{
    if (status != 0)
        return status;
    log->state = LOG_IDLE;
    log->written = current(log)->position + current(log)->end;
    if (log->flushing_write)
        log->flushed = log->written;
    log->durable_index = min_u64(log->last_index, log->rewound);
    return 0;
}

static void add_segment(struct raftlog *log, struct log_segment seg)
{
    if (log->n_seg == log->cap_seg) {
        log->cap_seg = log->cap_seg ? log->cap_seg * 2 : 8;
        log->seg = xrealloc(log->seg, log->cap_seg, sizeof *log->seg);
    }
    log->seg[log->n_seg++] = seg;
}

static int on_roll(struct raftlog *log, const struct event *ev, struct effects *fx)
{
    struct log_segment *old = current(log);

    if (ev->status != 0)
        return ev->status;
    log->spare_ready = false;
    add_segment(log, (struct log_segment){.number = next_number(log),
                                          .position = old->position + old->end,
                                          .size = log->cfg.segment_bytes});
    submit_write(log, ev->now, fx);
    return 0;
}

static int on_flush(struct raftlog *log, const struct event *ev, struct effects *fx)
{
    if (ev->status != 0)
        return ev->status;
    log->flushed = max_u64(log->flushed, log->flush_target);
    log->flush_target = 0;
    if (log->state == LOG_ROLLING)
        submit_roll(log, ev->now, fx);
    return 0;
}

static void on_spare(struct raftlog *log, const struct event *ev)
{
    log->spare_creating = false;
    if (ev->op->kind == DISK_UNLINK) { /* of what a failed attempt left behind */
        log->spare_dirty = false;
        return;
    }
    log->spare_ready = ev->status == 0;
    log->spare_dirty = ev->status != 0;
    log->spare_error = ev->status;
    log->spare_retry = ev->status != 0 ? ev->now.mono + SPARE_RETRY : 0;
}

static void on_trim(struct raftlog *log, const struct event *ev, struct effects *fx)
{
    log->trimming = false;
    if (ev->status != 0) {
        fx_log(fx, LOG_WARN, "log.trim_failed", "segment=%016" PRIx64 " error=%s", log->seg[0].number,
               dfs_errname(ev->status));
        log->trim_index = 0; /* the next snapshot tries again */
        return;
    }
    log->n_seg--;
    memmove(log->seg, log->seg + 1, log->n_seg * sizeof *log->seg);
    raftlog_forget(log);
    raftlog_trim(log, log->trim_index, fx);
}

int raftlog_event(struct raftlog *log, const struct event *ev, struct effects *fx)
{
    switch (ev->token) {
    case LOG_TOKEN_WRITE:
        return on_write(log, ev->status);
    case LOG_TOKEN_ROLL:
        return on_roll(log, ev, fx);
    case LOG_TOKEN_FLUSH:
        return on_flush(log, ev, fx);
    case LOG_TOKEN_SPARE:
        on_spare(log, ev);
        return 0;
    case LOG_TOKEN_TRIM:
        on_trim(log, ev, fx);
        return 0;
    default:
        return DFS_EINVAL;
    }
}

/* --- beside the appends --- */

void raftlog_turn(struct raftlog *log, struct now now, struct effects *fx)
{
    if (!log->spare_ready && !log->spare_creating && now.mono >= log->spare_retry) {
        struct disk_op *op = disk_op_new(log->spare_dirty ? DISK_UNLINK : DISK_CREATE, LOG_SPARE, 0);

        op->token = LOG_TOKEN_SPARE;
        op->length = log->cfg.segment_bytes;
        op->zero = true;
        log->spare_creating = true;
        fx_disk(fx, op);
    }
    if (log->state == LOG_IDLE && log->flushed < log->written && log->flush_target == 0 &&
        now.mono - log->last_flush >= RELAXED_FLUSH)
        submit_flush(log, now, fx);
}

uint64_t raftlog_deadline(const struct raftlog *log)
{
    uint64_t at = UINT64_MAX;

    if (!log->spare_ready && !log->spare_creating)
        at = log->spare_retry;
    if (log->state == LOG_IDLE && log->flushed < log->written && log->flush_target == 0)
        at = min_u64(at, log->last_flush + RELAXED_FLUSH);
    return at;
}

void raftlog_trim(struct raftlog *log, uint64_t index, struct effects *fx)
{
    struct disk_op *op;
    char name[DISK_NAME_MAX + 1];

    log->trim_index = max_u64(log->trim_index, index);
    if (log->trimming || log->n_seg < 2 || log->seg[1].number > log->trim_index ||
        log->seg[1].number > log->durable_index)
        return;
    log_segment_name(log->seg[0].number, name);
    op = disk_op_new(DISK_UNLINK, name, 0);
    op->token = LOG_TOKEN_TRIM;
    log->trimming = true;
    fx_disk(fx, op);
}
