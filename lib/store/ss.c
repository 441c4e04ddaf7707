/* SPDX-License-Identifier: MIT */
#include "store/ss.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/impl.h"

/* --- slots --- */

uint32_t slots_add(struct slots *s, void *p)
{
    if (s->n_free) {
        uint32_t i = s->free[--s->n_free];
        s->v[i] = p;
        return i;
    }
    if ((s->n & (s->n - 1)) == 0) { /* full at powers of two */
        uint32_t cap = s->n ? s->n * 2 : 1;
        s->v = xrealloc(s->v, cap, sizeof *s->v);
        s->free = xrealloc(s->free, cap, sizeof *s->free);
    }
    s->v[s->n] = p;
    return s->n++;
}

void *slots_remove(struct slots *s, uint32_t i)
{
    void *p = s->v[i];
    s->v[i] = NULL;
    s->free[s->n_free++] = i;
    return p;
}

void slots_close(struct slots *s)
{
    free(s->v);
    free(s->free);
}

/* --- opening --- */

void ss_note(struct ss *ss, const char *fmt, ...)
{
    char text[256];
    va_list ap;
    if (ss->n_notes == NOTES_MAX)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    ss->notes[ss->n_notes++] = xstrdup(text);
}

static void on_live(void *arg, uint32_t slot, int extents, int64_t bytes)
{
    struct ss *ss = arg;
    struct segment *s = segment_at(ss, slot);
    if (!s)
        return;
    s->live += extents;
    s->live_bytes += bytes;
    ss->clean_look |= bytes < 0;
    segment_check(ss, s);
}

static bool on_gone(void *arg, uint32_t slot) { return !segment_at(arg, slot); }

static uint32_t bounded(uint64_t size, uint32_t preset, uint32_t least)
{
    return (uint32_t)round_up(size ? max_u64(least, min_u64(size, SEGMENT_MAX)) : preset, DFS_BLOCK);
}

static struct ss *ss_new(const struct ss_config *cfg, struct disk **disks, uint32_t n_disks, struct now now)
{
    struct ss *ss = xcalloc(1, sizeof *ss);
    ss->cfg = *cfg;
    ss->cfg.address = xstrdup(cfg->address ? cfg->address : "");
    ss->cfg.domain = xstrdup(cfg->domain ? cfg->domain : "");
    for (uint32_t i = 0; i < cfg->n_nameservers; i++)
        ss->cfg.nameservers[i] = xstrdup(cfg->nameservers[i]);
    if (!ss->cfg.report_period)
        ss->cfg.report_period = REPORT_PERIOD;
    if (!ss->cfg.scrub_rate)
        ss->cfg.scrub_rate = SCRUB_RATE;
    if (!ss->cfg.repair_rate)
        ss->cfg.repair_rate = REPAIR_RATE;
    rng_seed(&ss->rng, cfg->seed);
    index_init(&ss->index, &(struct index_hooks){.live = on_live, .gone = on_gone, .arg = ss});
    ss->segment_size[CLASS_SMALL] = bounded(cfg->segment_size, SEGMENT_SMALL_SIZE, SEGMENT_SMALL_MIN);
    ss->segment_size[CLASS_LARGE] = bounded(cfg->segment_size, SEGMENT_LARGE_SIZE, SEGMENT_LARGE_MIN);
    list_init(&ss->open_lru);
    list_init(&ss->tasks_waiting);
    list_init(&ss->tasks_running);
    list_init(&ss->parts_wanted);
    ss->next_copy = 1;
    ss->nm_next = ss->stat_next = now.mono;
    ss->collect = ss->clean_look = true;
    ss->n_stores = n_disks;
    for (uint32_t i = 0; i < n_disks; i++) {
        struct store *st = &ss->stores[i];
        st->disk = disks[i];
        st->number = (uint8_t)i;
        for (int class = 0; class < SEGMENT_CLASSES; class ++) {
            list_init(&st->lanes[class].queue);
            list_init(&st->lanes[class].early);
            list_init(&st->lanes[class].flight);
        }
    }
    return ss;
}

static int open_stores(struct ss *ss, char *why, size_t why_len)
{
    int err = identity_open(ss, why, why_len);
    uint32_t failed = 0;
    for (uint32_t i = 0; !err && i < ss->n_stores; i++) {
        struct store *st = &ss->stores[i];
        err = st->failed ? DFS_EIO : recover_store(ss, st, why, why_len);
        if (!err)
            err = st->disk->ops->space(st->disk, &st->free, &st->total);
        if (err == DFS_EIO && ++failed < ss->n_stores) { /* one dead disk leaves the others serving */
            ss_note(ss, "folder=%u failed=\"%s\"", i, why);
            st->failed = true;
            err = 0;
        }
    }
    if (!err)
        err = recover_finish(ss, why, why_len);
    open_lapse(ss);
    if (!err)
        err = identity_create(ss, why, why_len);
    if (err && !why[0])
        snprintf(why, why_len, "the data folders cannot be opened: %s", dfs_strerror(err));
    ss->identity_saved = !err && (ss->identity.cluster_hi || ss->identity.cluster_lo);
    return err;
}

int ss_open(const struct ss_config *cfg, struct disk **disks, uint32_t n_disks, struct now now, struct ss **out,
            char *why, size_t why_len)
{
    *out = NULL;
    why[0] = 0;
    if (n_disks == 0 || n_disks > SS_MAX_DISKS || cfg->n_nameservers > SS_MAX_NAMESERVERS) {
        snprintf(why, why_len, "between 1 and %u data folders and at most %u NameServers are possible", SS_MAX_DISKS,
                 SS_MAX_NAMESERVERS);
        return DFS_EINVAL;
    }
    struct ss *ss = ss_new(cfg, disks, n_disks, now);
    int err = open_stores(ss, why, why_len);
    if (err)
        ss_close(ss);
    else
        *out = ss;
    return err;
}

int ss_look(struct disk *d, struct ss **out, char *why, size_t why_len)
{
    struct ss *ss = ss_new(&(struct ss_config){.rebuild = true}, &d, 1, (struct now){0});
    why[0] = 0;
    int err = identity_open(ss, why, why_len);
    if (!err)
        err = recover_store(ss, &ss->stores[0], why, why_len);
    if (err) {
        ss_close(ss);
        ss = NULL;
    }
    *out = ss;
    return err;
}

void ss_close(struct ss *ss)
{
    if (!ss)
        return;
    for (uint32_t i = 0; i < ss->writes.n; i++)
        if (ss->writes.v[i])
            write_free(ss, ss->writes.v[i]);
    slots_close(&ss->writes);
    ss_tasks_close(ss);
    clean_close(ss);
    inventory_close(ss);
    read_close(ss);
    open_close(ss);
    index_close(&ss->index);
    segments_close(ss);
    for (uint32_t i = 0; i < ss->n_notes; i++)
        free(ss->notes[i]);
    for (uint32_t i = 0; i < ss->cfg.n_nameservers; i++)
        free((char *)ss->cfg.nameservers[i]);
    free((char *)ss->cfg.address);
    free((char *)ss->cfg.domain);
    free(ss->orders);
    free(ss->damaged);
    free(ss->unsettled);
    free(ss->report);
    free(ss);
}

/* --- stepping --- */

static void on_request(struct ss *ss, const struct event *ev, struct effects *fx)
{
    if (ev->msg->type != MSG_TYPE_chunk_read || !(ev->msg->chunk_read.flags & READ_REPAIR))
        ss->foreground = ev->now.mono;
    if (ev->msg->type == MSG_TYPE_chunk_write)
        chain_request(ss, ev, fx);
    else if (ev->msg->type == MSG_TYPE_chunk_read)
        read_request(ss, ev, fx);
    else
        fx_fail(fx, ev->to, DFS_ENOTSUP, "this is a StorageServer: %s is for a NameServer (DFS_NM or --nm names it)",
                wire_type_name(ev->msg->type));
}

static void on_stat(struct ss *ss, const struct event *ev)
{
    struct store *st = &ss->stores[token_a(ev->token)];
    st->stat_pending = false;
    if (ev->status == 0) {
        st->free = ev->op->offset;
        st->total = ev->op->length;
    }
}

void ss_event(struct ss *ss, const struct event *ev, struct effects *fx)
{
    if (ev->kind == EV_REQUEST) {
        on_request(ss, ev, fx);
        return;
    }
    switch (ev->token >> 56) {
    case TOKEN_BATCH:
        append_event(ss, ev, fx);
        break;
    case TOKEN_SEGMENT:
        segment_event(ss, ev, fx);
        break;
    case TOKEN_STAT:
        on_stat(ss, ev);
        break;
    case TOKEN_IDENTITY:
        identity_event(ss, ev, fx);
        break;
    case TOKEN_READ:
        read_event(ss, ev, fx);
        break;
    case TOKEN_FORWARD:
        chain_forwarded(ss, ev, fx);
        break;
    case TOKEN_REGISTER:
    case TOKEN_HEARTBEAT:
        register_event(ss, ev, fx);
        break;
    case TOKEN_REPORT:
        report_event(ss, ev, fx);
        break;
    case TOKEN_CLEAN:
        clean_event(ss, ev, fx);
        break;
    case TOKEN_TASKS:
        ss_tasks_event(ss, ev, fx);
        break;
    case TOKEN_FETCH:
        fetch_event(ss, ev, fx);
        break;
    case TOKEN_INVENTORY:
    case TOKEN_INVENTORY_SEND:
        inventory_event(ss, ev, fx);
        break;
    }
}

static void stat_turn(struct ss *ss, struct now now, struct effects *fx)
{
    if (now.mono < ss->stat_next)
        return;
    ss->stat_next = now.mono + STAT_PERIOD;
    for (uint32_t i = 0; i < ss->n_stores; i++) {
        struct store *st = &ss->stores[i];
        if (st->failed || st->stat_pending)
            continue;
        st->stat_pending = true;
        fx_disk(fx, ss_disk_op(st, DISK_STAT, "", 0, token_make(TOKEN_STAT, i, 0)));
    }
}

void ss_turn(struct ss *ss, struct now now, struct effects *fx)
{
    for (uint32_t i = 0; i < ss->n_notes; i++) {
        fx_log(fx, LOG_WARN, "store.recovery", "%s", ss->notes[i]);
        free(ss->notes[i]);
    }
    ss->n_notes = 0;
    stat_turn(ss, now, fx);
    register_turn(ss, now, fx);
    report_turn(ss, now, fx);
    inventory_turn(ss, now, fx);
    identity_turn(ss, now, fx);
    orders_turn(ss, fx);
    ss_tasks_turn(ss, now, fx);
    clean_turn(ss, now, fx);
    for (uint32_t i = 0; i < ss->n_stores; i++)
        append_turn(ss, &ss->stores[i], now, fx);
    segments_collect(ss, fx);
}

uint64_t ss_deadline(const struct ss *ss)
{
    uint64_t at = ss->n_notes ? 0 : ss->stat_next;
    if (!ss->nm_calling && ss->cfg.n_nameservers)
        at = min_u64(at, ss->nm_next);
    if (ss->nm_state == NM_REGISTERED && !ss->report_calling)
        at = min_u64(at, ss->report_next);
    at = min_u64(at, min_u64(inventory_deadline(ss), ss_tasks_deadline(ss)));
    return min_u64(at, clean_deadline(ss));
}

/* --- looking --- */

void ss_cluster(const struct ss *ss, uint64_t *hi, uint64_t *lo)
{
    *hi = ss->identity.cluster_hi;
    *lo = ss->identity.cluster_lo;
}

uint32_t ss_id(const struct ss *ss) { return ss->identity.server; }

bool ss_registered(const struct ss *ss) { return ss->nm_state == NM_REGISTERED && ss->identity_saved; }

void ss_each_chunk(const struct ss *ss, void (*each)(void *arg, uint64_t chunk, uint32_t version, uint32_t length),
                   void *arg)
{
    uint32_t at = 0;
    for (const struct chunk *c; (c = index_next(&ss->index, &at));)
        each(arg, c->id, c->version, chunk_length(c));
}

uint64_t ss_index_memory(const struct ss *ss, uint64_t *chunks)
{
    *chunks = ss->index.n;
    return index_memory(&ss->index);
}

uint32_t ss_disks_failed(const struct ss *ss)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < ss->n_stores; i++)
        n += ss->stores[i].failed;
    return n;
}
