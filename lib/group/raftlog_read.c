/* SPDX-License-Identifier: MIT */
/* Reading records again, and making a log. What was cut stays in the files: a record counts unless one behind it has
 * its index or a lower one. */
#include <stdio.h>
#include <stdlib.h>

#include "group/logreader.h"
#include "group/raftlog.h"

#define MARK_EVERY (64u * 1024)

/* --- where records are --- */

static const struct log_segment *segment_of(const struct raftlog *log, uint64_t position)
{
    for (uint32_t i = log->n_seg; i > 0; i--)
        if (log->seg[i - 1].position <= position)
            return &log->seg[i - 1];
    return NULL;
}

static void note_cut(struct raftlog *log, uint64_t index, uint64_t position)
{
    if (log->n_cut == log->cap_cut) {
        log->cap_cut = log->cap_cut ? log->cap_cut * 2 : 4;
        log->cut = xrealloc(log->cut, log->cap_cut, sizeof *log->cut);
    }
    log->cut[log->n_cut++] = (struct log_cut){index, position};
    while (log->n_mark > 0 && log->mark[log->n_mark - 1].index >= index)
        log->n_mark--;
}

void raftlog_note(struct raftlog *log, uint64_t index, uint64_t position)
{
    const struct log_mark *last = log->n_mark > 0 ? &log->mark[log->n_mark - 1] : NULL;
    bool again = index < log->next_note;

    log->next_note = index + 1;
    if (again)
        note_cut(log, index, position);
    else if (last != NULL && position - last->position < MARK_EVERY &&
             segment_of(log, last->position) == segment_of(log, position))
        return;
    if (log->n_mark == log->cap_mark) {
        log->cap_mark = log->cap_mark ? log->cap_mark * 2 : 16;
        log->mark = xrealloc(log->mark, log->cap_mark, sizeof *log->mark);
    }
    log->mark[log->n_mark++] = (struct log_mark){index, position};
}

void raftlog_forget(struct raftlog *log)
{
    uint64_t begin = log->seg[0].position;
    uint32_t marks = 0, cuts = 0;

    while (marks < log->n_mark && log->mark[marks].position < begin)
        marks++;
    while (cuts < log->n_cut && log->cut[cuts].position < begin)
        cuts++;
    log->n_mark -= marks;
    log->n_cut -= cuts;
    if (log->n_mark > 0) {
        memmove(log->mark, log->mark + marks, log->n_mark * sizeof *log->mark);
        log->first_index = log->mark[0].index;
    }
    if (log->n_cut > 0)
        memmove(log->cut, log->cut + cuts, log->n_cut * sizeof *log->cut);
}

static bool was_cut(const struct raftlog *log, uint64_t index, uint64_t position)
{
    for (uint32_t i = log->n_cut; i > 0 && log->cut[i - 1].position > position; i--)
        if (log->cut[i - 1].index <= index)
            return true;
    return false;
}

bool raftlog_locate(const struct raftlog *log, uint64_t index, char *name, uint64_t *offset, uint64_t *length)
{
    const struct log_segment *seg;
    uint32_t i = log->n_mark;
    uint64_t end;

    while (i > 0 && log->mark[i - 1].index > index)
        i--;
    if (i == 0 || index > log->durable_index)
        return false;
    seg = segment_of(log, log->mark[i - 1].position);
    if (seg == NULL)
        return false;
    log_segment_name(seg->number, name);
    *offset = log->mark[i - 1].position - seg->position;
    end = min_u64(seg->end, log->written - seg->position); /* a record may be on its way */
    if (*offset >= end)
        return false;
    *length = min_u64(end - *offset, MARK_EVERY + log_record_size(LOG_BODY_MAX));
    return true;
}

int raftlog_parse(const struct raftlog *log, const char *name, uint64_t offset, const uint8_t *p, size_t len,
                  uint64_t from, log_each each, void *arg)
{
    uint64_t number, begin = UINT64_MAX;

    if (!log_segment_parse(name, &number))
        return DFS_EINVAL;
    for (uint32_t i = 0; i < log->n_seg; i++)
        if (log->seg[i].number == number)
            begin = log->seg[i].position;
    if (begin == UINT64_MAX)
        return DFS_ENOENT; /* trimmed meanwhile */
    while (len >= LOG_RECORD_HEADER) {
        struct log_record_header h;
        int err = 0;

        if (!log_record_get(p, &h, log->cfg.salt) || h.position != begin + offset)
            return DFS_ECORRUPT;
        if (log_record_size(h.len) > len)
            return 0;
        if (log_body_crc(p + LOG_RECORD_HEADER, h.len) != h.body_crc)
            return DFS_ECORRUPT;
        if (h.index >= from && h.index <= log->durable_index && !was_cut(log, h.index, h.position)) {
            struct log_record rec = {h.index, h.term, h.type, p + LOG_RECORD_HEADER, h.len};

            err = each(arg, &rec);
        }
        if (err != 0)
            return err;
        p += log_record_size(h.len);
        offset += log_record_size(h.len);
        len -= log_record_size(h.len);
    }
    return 0;
}

/* --- reading a range, before serving --- */

struct range {
    struct raftlog *log;
    struct disk *disk;
    uint64_t from, to;
    log_each each;
    void *arg;
    char *why;
    size_t why_len;
};

/* The record at off: its size, or a DFS_E. */
static int64_t read_record(struct range *g, struct logreader *r, const struct log_segment *seg, uint64_t off)
{
    struct log_record_header h;
    const uint8_t *p = logreader_get(r, off, LOG_RECORD_HEADER);

    if (p != NULL && log_record_get(p, &h, g->log->cfg.salt))
        p = logreader_get(r, off, (size_t)log_record_size(h.len));
    else
        p = NULL;
    if (p == NULL || log_body_crc(p + LOG_RECORD_HEADER, h.len) != h.body_crc) {
        snprintf(g->why, g->why_len, "%s changed while it was read, at offset %" PRIu64, r->name, off);
        return r->error != 0 ? r->error : DFS_ECORRUPT;
    }
    if (h.index >= g->from && h.index <= g->to && !was_cut(g->log, h.index, seg->position + off)) {
        struct log_record rec = {h.index, h.term, h.type, p + LOG_RECORD_HEADER, h.len};
        int err = g->each(g->arg, &rec);

        if (err != 0) {
            snprintf(g->why, g->why_len, "%s: the record at offset %" PRIu64 " cannot be used: %s", r->name, off,
                     dfs_strerror(err));
            return err;
        }
    }
    return (int64_t)log_record_size(h.len);
}

int raftlog_read(struct raftlog *log, struct disk *disk, uint64_t from, uint64_t to, log_each each, void *arg,
                 char *why, size_t why_len)
{
    struct range g = {log, disk, from, to, each, arg, why, why_len};
    int64_t n = 0;

    for (uint32_t i = 0; i < log->n_seg && n >= 0 && from <= to; i++) {
        const struct log_segment *seg = &log->seg[i];
        struct logreader r;
        char name[DISK_NAME_MAX + 1];

        /* a later segment's number is above the index of everything that still counts in this one */
        if (i + 1 < log->n_seg && log->seg[i + 1].number <= from)
            continue;
        log_segment_name(seg->number, name);
        logreader_open(&r, disk, name);
        for (uint64_t off = LOG_SEGMENT_HEADER; off < seg->end && n >= 0; off += n > 0 ? (uint64_t)n : 0)
            n = read_record(&g, &r, seg, off);
        logreader_close(&r);
    }
    return n < 0 ? (int)n : 0;
}

/* --- creating --- */

int raftlog_create(const struct log_config *cfg, struct disk *disk, uint64_t term, uint8_t type, const void *body,
                   uint32_t len)
{
    struct log_segment_header h = {.cluster_hi = cfg->cluster_hi, .cluster_lo = cfg->cluster_lo, .first_index = 1};
    struct log_record_header r = {.index = 1, .term = term, .position = LOG_SEGMENT_HEADER, .len = len, .type = type};
    uint64_t used = LOG_SEGMENT_HEADER + log_record_size(len);
    uint8_t *p;
    char name[DISK_NAME_MAX + 1];
    int err;

    if (len > LOG_BODY_MAX)
        return DFS_ETOOBIG;
    p = xcalloc(1, (size_t)used);
    log_segment_name(1, name);
    log_segment_put(p, &h, cfg->salt);
    memcpy(p + LOG_SEGMENT_HEADER + LOG_RECORD_HEADER, body, len);
    r.body_crc = log_body_crc(p + LOG_SEGMENT_HEADER + LOG_RECORD_HEADER, len);
    log_record_put(p + LOG_SEGMENT_HEADER, &r, cfg->salt);
    err = disk->ops->write(disk, name, 0, p, (size_t)used);
    if (err == 0)
        err = raftlog_zero(disk, name, used, cfg->segment_bytes);
    if (err == 0)
        err = disk->ops->sync(disk, name);
    if (err == 0)
        err = disk->ops->sync(disk, NULL);
    free(p);
    return err;
}

struct numbers {
    uint64_t *v;
    uint32_t n, cap;
};

static void on_name(void *arg, const char *name, uint64_t size)
{
    struct numbers *all = arg;
    uint64_t number;

    (void)size;
    if (!log_segment_parse(name, &number))
        return;
    if (all->n == all->cap) {
        all->cap = all->cap ? all->cap * 2 : 16;
        all->v = xrealloc(all->v, all->cap, sizeof *all->v);
    }
    all->v[all->n++] = number;
}

static int unlink_all(struct disk *disk)
{
    struct numbers all = {0};
    char name[DISK_NAME_MAX + 1];
    int err = disk->ops->list(disk, on_name, &all);

    for (uint32_t i = 0; i < all.n && err == 0; i++) {
        log_segment_name(all.v[i], name);
        err = disk->ops->unlink(disk, name);
    }
    free(all.v);
    return err;
}

int raftlog_reset(const struct log_config *cfg, struct disk *disk, uint64_t first_index, struct raftlog *log)
{
    struct log_segment_header h = {
        .cluster_hi = cfg->cluster_hi, .cluster_lo = cfg->cluster_lo, .first_index = first_index};
    bool spare_ready = log->spare_ready, spare_creating = log->spare_creating;
    uint8_t p[LOG_SEGMENT_HEADER];
    char name[DISK_NAME_MAX + 1];
    int err = unlink_all(disk);

    log_segment_name(first_index, name);
    log_segment_put(p, &h, cfg->salt);
    if (err == 0)
        err = disk->ops->write(disk, name, 0, p, sizeof p);
    if (err == 0)
        err = raftlog_zero(disk, name, sizeof p, cfg->segment_bytes);
    if (err == 0)
        err = disk->ops->sync(disk, name);
    if (err == 0)
        err = disk->ops->sync(disk, NULL);
    if (err != 0)
        return err;
    raftlog_close(log);
    *log = (struct raftlog){.cfg = *cfg,
                            .first_index = first_index,
                            .last_index = first_index - 1,
                            .durable_index = first_index - 1,
                            .rewound = UINT64_MAX,
                            .next_note = first_index,
                            .written = LOG_SEGMENT_HEADER,
                            .flushed = LOG_SEGMENT_HEADER,
                            .spare_ready = spare_ready,
                            .spare_creating = spare_creating,
                            .seg = xcalloc(1, sizeof *log->seg),
                            .n_seg = 1,
                            .cap_seg = 1};
    log->seg[0] = (struct log_segment){.number = first_index, .end = LOG_SEGMENT_HEADER, .size = cfg->segment_bytes};
    return 0;
}
