/* SPDX-License-Identifier: MIT */
/* One range of one chunk, from one replica after the other.
 *
 *          +------- wrong bytes, error: next replica --------+
 *          v                                                 |
 *   start ---> asked ----------- right bytes --> done        |
 *          ^     +-------------------------------------------+
 *          |                                                 | none left
 *          +-- located anew, after a pause <-----------------+--> given up after the timeout: EIO
 */
#include <stdio.h>
#include <stdlib.h>

#include "client/get.h"

static void read_run(struct task *t, struct effects *fx);
static void read_reply(struct task *t, const struct event *ev, struct effects *fx);

struct get_read *get_read_new(struct get *g, uint64_t offset, uint32_t length)
{
    struct get_read *r = xcalloc(1, sizeof *r);
    task_init(&r->t, g->op->c, g->op, read_run, read_reply);
    list_init(&r->link);
    r->get = g;
    r->offset = offset;
    r->index = (uint32_t)(offset / g->chunk_size);
    r->chunk_offset = (uint32_t)(offset % g->chunk_size);
    r->length = length;
    return r;
}

static void bytes_drop(struct get_read *r)
{
    payload_drop(&r->payload);
    slice_drop(&r->copy);
}

void get_read_free(struct get_read *r)
{
    task_stop(&r->t);
    list_remove(&r->link);
    bytes_drop(r);
    free(r);
}

/* Is this address of the machine we run on? */
static bool is_here(const struct client *c, struct str addr)
{
    while (addr.len > 0 && addr.p[addr.len - 1] != ':')
        addr.len--;
    addr.len -= addr.len > 0;
    for (uint32_t i = 0; i < CLIENT_MAX_HOSTS && c->hosts[i]; i++)
        if (str_eq(addr, str_of(c->hosts[i])))
            return true;
    return false;
}

/* How little we want to ask a replica: it has failed us lately, or the NameServer has not heard of it, or it is far, or
 * busy, in this order. */
static uint32_t reluctance(const struct client *c, const struct wire_replica *r)
{
    return (suspect_is(c, r->server) ? 8u : 0) + (r->rank == REPLICA_SILENT ? 4u : 0) + (is_here(c, r->addr) ? 0 : 2u) +
           (r->rank == REPLICA_BUSY ? 1u : 0);
}

/* The next replica to ask: not tried yet, and among those we want to ask most another one for each chunk. What is being written, or
 * was a moment ago, the first of the chain knows. */
static bool replica_pick(const struct get_read *r, const struct wire_chunk_loc *loc, uint32_t *out)
{
    uint32_t least = UINT32_MAX;
    if (r->being_written && !(r->tried & 1)) {
        *out = 0;
        return true;
    }
    for (uint32_t i = 0; i < loc->n_replicas; i++) {
        uint32_t at = (r->get->spread + r->index + i) % loc->n_replicas;
        uint32_t how = reluctance(r->t.c, &loc->replicas[at]);
        if (r->tried & (uint32_t)1 << at || how >= least)
            continue;
        least = how;
        *out = at;
    }
    return least != UINT32_MAX;
}

static void read_send(struct get_read *r, const struct wire_chunk_loc *loc, struct effects *fx)
{
    struct client *c = r->t.c;
    const struct wire_replica *to = &loc->replicas[r->replica];
    bool seeks = get_seeks(r->get);
    uint32_t begin = seeks ? r->chunk_offset : r->chunk_offset & ~(DFS_BLOCK - 1);
    uint64_t end = (uint64_t)r->chunk_offset + r->length;
    end = seeks ? end : min_u64(round_up(end, DFS_BLOCK), loc->length);
    char addr[CLIENT_ADDR_MAX];
    struct msg m;
    memset(&m, 0, sizeof m);
    m.type = MSG_TYPE_chunk_read;
    m.chunk_read = (struct msg_chunk_read){.grant = loc->grant,
                                           .chunk = loc->chunk,
                                           .version = loc->version,
                                           .offset = begin,
                                           .length = (uint32_t)(end - begin),
                                           .flags = seeks ? READ_MAP : 0};
    r->chunk = loc->chunk;
    r->version = loc->version;
    r->chunk_length = loc->length;
    r->chunk_crc = loc->crc;
    r->open = loc->open != 0;
    r->server = to->server;
    snprintf(addr, sizeof addr, "%.*s", STR_ARG(to->addr));
    task_send(&r->t, addr, &m, NULL, c->cfg.call_timeout, fx);
}

/* No replica is left: all of them once more, located anew, until the timeout. */
static void read_exhausted(struct get_read *r, const struct wire_chunk_loc *loc, struct effects *fx)
{
    struct get *g = r->get;
    r->tried = 0;
    if (r->gaps > 0 && r->gaps == loc->n_replicas) {
        r->holes_ok = true;
        r->gaps = 0;
        read_run(&r->t, fx);
        return;
    }
    r->gaps = 0;
    if (op_overdue(g->op)) {
        char from[48] = "its only server";
        if (loc->n_replicas > 1)
            snprintf(from, sizeof from, "any of its %u servers; the last one", loc->n_replicas);
        op_end(g->op, DFS_EIO, "chunk %u (id %" PRIx64 ") cannot be read from %s: %s (dfs health)", r->index, loc->chunk,
               from, r->last);
        return;
    }
    g->located = false;
    task_sleep(&r->t);
}

/* The chunk was being written when it was located first, and is sealed by now, with so many bytes; with none, it is not in the
 * list any more. The content is of the same generation, so nothing was cut off: what lies behind was never written. */
static void read_sealed(struct get_read *r, uint32_t length)
{
    uint32_t keep = length > r->chunk_offset ? length - r->chunk_offset : 0;
    struct get_read *hole = keep ? get_read_new(r->get, r->offset + keep, r->length - keep) : r;
    r->get->in_flight -= r->length - keep;
    hole->hole = hole->done = true;
    if (!keep)
        return;
    r->length = keep;
    list_push(r->link.next, &hole->link); /* behind this one */
}

static void read_run(struct task *t, struct effects *fx)
{
    struct get_read *r = CONTAINER_OF(t, struct get_read, t);
    struct get *g = r->get;
    if (g->op->ended)
        return;
    if (!g->located) {
        list_push(&g->waiting, &t->link);
        get_locate(g, (uint32_t)(g->delivered / g->chunk_size), fx);
        return;
    }
    const struct wire_chunk_loc *loc = located_find(g->page, r->index);
    if (r->open && located_covers(g->page, r->index) && (!loc || loc->length < (uint64_t)r->chunk_offset + r->length)) {
        read_sealed(r, loc ? loc->length : 0);
        if (r->done) {
            get_pump(g, fx);
            return;
        }
    }
    if (!loc || loc->n_replicas == 0 || loc->length < (uint64_t)r->chunk_offset + r->length) {
        op_end(g->op, DFS_EIO, "chunk %u is not where the NameServer said it was", r->index);
        return;
    }
    if (!replica_pick(r, loc, &r->replica)) {
        read_exhausted(r, loc, fx);
        return;
    }
    read_send(r, loc, fx);
}

void get_read_start(struct get_read *r, struct effects *fx) { read_run(&r->t, fx); }

static void read_note(struct get_read *r, int err, const struct event *ev)
{
    const struct wire_chunk_loc *loc = located_find(r->get->page, r->index);
    struct str text = error_text(err == GET_GAP ? DFS_ECORRUPT : err, err == ev->status ? ev : NULL);
    const struct wire_replica *from = loc && r->replica < loc->n_replicas ? &loc->replicas[r->replica] : NULL;
    snprintf(r->last, sizeof r->last, "StorageServer %.*s: %.*s", from ? (int)from->addr.len : 1,
             from ? from->addr.p : "?", STR_ARG(text));
}

/* The range is in more pieces than a reply may have: it is asked for in two halves. */
static void read_split(struct get_read *r, struct effects *fx)
{
    uint32_t half = (uint32_t)round_up((uint64_t)r->chunk_offset + r->length / 2, DFS_BLOCK) - r->chunk_offset;
    struct get_read *rest = get_read_new(r->get, r->offset + half, r->length - half);
    r->length = half;
    list_push(r->link.next, &rest->link); /* behind this one */
    read_run(&r->t, fx);
    read_run(&rest->t, fx);
}

static bool is_silence(int err) { return err == DFS_EUNREACH || err == DFS_ECONNLOST || err == DFS_ETIMEDOUT; }

static void read_reply(struct task *t, const struct event *ev, struct effects *fx)
{
    struct get_read *r = CONTAINER_OF(t, struct get_read, t);
    struct get *g = r->get;
    int err = ev->status;
    if (g->op->ended)
        return;
    if (err == 0 && (!ev->msg || ev->msg->type != MSG_TYPE_chunk_read_reply))
        err = DFS_EPROTO;
    if (err == 0)
        err = get_seeks(g) ? seek_take(r, &ev->msg->chunk_read_reply)
                           : get_read_take(r, &ev->msg->chunk_read_reply, ev->payload);
    if (err == 0) {
        r->done = true;
        g->op->progress = t->c->now.mono;
        get_pump(g, fx);
        return;
    }
    bytes_drop(r);
    if (err == DFS_ETOOBIG && r->length > 2 * DFS_BLOCK) {
        read_split(r, fx);
        return;
    }
    r->being_written = err == DFS_EINFLIGHT;
    if (g->recent && err != DFS_ECORRUPT && err != DFS_EINFLIGHT && !is_silence(err)) {
        get_locate_again(g, r, fx);
        return;
    }
    read_note(r, err, ev);
    r->gaps += err == GET_GAP;
    r->tried |= (uint32_t)1 << r->replica;
    if (is_silence(err))
        suspect_add(t->c, r->server);
    else if (err == DFS_ECORRUPT)
        suspicion_tell(t->c, r->chunk, r->version, r->server, fx);
    read_run(t, fx);
}
