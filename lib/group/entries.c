/* SPDX-License-Identifier: MIT */
/* Entries on their way to other members: the latest ones are kept in memory, older ones are read back from the log, one
 * window at a time. */
#include <stdlib.h>

#include "base/log.h"
#include "group/group.h"

#define RECENT_MAX_BYTES (16u * 1024 * 1024)
#define OLD_MAX_ENTRIES 1024u
/* What an entry costs beside its bytes. */
#define ENTRY_COST 128u

static struct entry *at(const struct entries *e, uint64_t index)
{
    if (e->n == 0 || index < e->first || index >= e->first + e->n)
        return NULL;
    return &e->v[(e->head + (uint32_t)(index - e->first)) & (e->cap - 1)];
}

static void drop_first(struct entries *e)
{
    struct entry *v = at(e, e->first);

    e->bytes -= v->len + ENTRY_COST;
    buf_unref(v->rec);
    e->head = (e->head + 1) & (e->cap - 1);
    e->first++;
    e->n--;
}

static void cut(struct entries *e, uint64_t index)
{
    while (e->n > 0 && e->first + e->n > index) {
        struct entry *v = at(e, e->first + e->n - 1);

        e->bytes -= v->len + ENTRY_COST;
        buf_unref(v->rec);
        e->n--;
    }
}

static void grow(struct entries *e)
{
    uint32_t cap = e->cap > 0 ? e->cap * 2 : 64;
    struct entry *v = xcalloc(cap, sizeof *v);

    for (uint32_t i = 0; i < e->n; i++)
        v[i] = *at(e, e->first + i);
    free(e->v);
    e->v = v;
    e->cap = cap;
    e->head = 0;
}

/* Takes the reference over. */
static void add(struct entries *e, uint64_t index, struct entry entry)
{
    cut(e, index);
    if (e->n > 0 && index != e->first + e->n) /* a gap: start anew */
        cut(e, 0);
    if (e->n == 0)
        e->first = index;
    if (e->n == e->cap)
        grow(e);
    e->v[(e->head + e->n) & (e->cap - 1)] = entry;
    e->n++;
    e->bytes += entry.len + ENTRY_COST;
}

void entries_close(struct entries *e)
{
    cut(e, 0);
    free(e->v);
    *e = (struct entries){0};
}

void entries_put(struct nm *nm, uint64_t index, const struct batch *b)
{
    if (nm->raft.configuration.n < 2) { /* nobody to send it to */
        entries_close(&nm->recent);
        return;
    }
    add(&nm->recent, index, (struct entry){b->term, buf_ref(b->rec), b->len, b->type});
    while (nm->recent.bytes > RECENT_MAX_BYTES && nm->recent.n > 1)
        drop_first(&nm->recent);
}

const struct entry *entries_find(const struct nm *nm, uint64_t index)
{
    const struct entry *e = at(&nm->recent, index);

    return e != NULL ? e : at(&nm->old, index);
}

void entries_cut(struct nm *nm, uint64_t index)
{
    cut(&nm->recent, index);
    cut(&nm->old, 0);
}

/* --- from the log --- */

bool entries_read(struct nm *nm, uint64_t index, struct effects *fx)
{
    char name[DISK_NAME_MAX + 1];
    uint64_t offset, length;
    struct disk_op *op;

    if (nm->reading)
        return true;
    if (!raftlog_locate(&nm->log, index, name, &offset, &length))
        return false;
    op = disk_op_new(DISK_READ, name, 1);
    op->offset = offset;
    op->length = length;
    op->token = TOKEN_ENTRIES;
    nm->reading = true;
    nm->read_from = index;
    fx_disk(fx, op);
    return true;
}

static int on_entry(void *arg, const struct log_record *rec)
{
    struct nm *nm = arg;
    struct buf *b;

    if (nm->old.n == OLD_MAX_ENTRIES)
        return 0;
    b = raftlog_buf(rec->len);
    if (b == NULL)
        return DFS_ENOMEM;
    memcpy(b->data + LOG_RECORD_HEADER, rec->body, rec->len);
    add(&nm->old, rec->index, (struct entry){rec->term, b, rec->len, rec->type});
    return 0;
}

void entries_read_done(struct nm *nm, const struct event *ev, struct effects *fx)
{
    int err = ev->status;

    nm->reading = false;
    cut(&nm->old, 0);
    if (err == 0 && engine_is_leader(nm))
        err = raftlog_parse(&nm->log, ev->op->name, ev->op->offset, slice_data(ev->op->data[0]), ev->op->data[0].len,
                            nm->read_from, on_entry, nm);
    if (err != 0)
        fx_log(fx, LOG_WARN, "nm.log_not_read", "file=%s error=%s", ev->op->name, dfs_errname(err));
    peers_resume(nm, err == 0 && entries_find(nm, nm->read_from) != NULL, fx);
}
