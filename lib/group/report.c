/* SPDX-License-Identifier: MIT */
/* What StorageServers say they hold, against what the map says.
 *
 * A chunk nobody knows is collected, below the horizon. A copy the map does not name is deleted if there are enough others
 * on servers that reported all the map says they have, and adopted if there are not enough; one that is not as the map says
 * is bad. All but the collection goes through the server once more (VERIFY, DROP), since a page may be older than what has
 * happened meanwhile. What is missing shows in the number of copies found; only if that is too low, the server reports
 * once more, and is compared chunk by chunk. */
#include <stdlib.h>

#include "group/group.h"

/* Seconds after which a server is to report once more: to be compared, after that, when others were not sure yet. */
#define AGAIN_COMPARED 1u
#define AGAIN_AFTER 3u
#define AGAIN_UNSURE 5u

static bool is_member(const struct meta_placement *p, uint32_t server)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (p->servers[i] == server)
            return true;
    return false;
}

bool report_enough(const struct nm *nm, const struct meta_placement *p, uint32_t without)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < p->n; i++) {
        const struct meta_server *s = meta_server_by_id(nm->meta, p->servers[i]);
        const struct live *l = live_find(&nm->lead, p->servers[i]);

        n += s->id != without && s->state == SERVER_UP && l != NULL && l->complete;
    }
    return n >= p->goal;
}

static void held_by_stranger(struct nm *nm, struct live *l, const struct wire_held *h, const struct meta_chunk_info *c,
                             const struct meta_placement *p)
{
    const struct meta_server *s = meta_server_by_id(nm->meta, l->id);
    bool same = h->version == c->version && h->length == c->length && !(h->flags & HELD_DAMAGED);

    if (c->open || repair_busy(nm, h->chunk))
        return;
    if (same && p->live < p->goal && s->state == SERVER_UP)
        repair_verify(nm, h->chunk, l->id, REASON_ADOPT);
    else if (report_enough(nm, p, 0))
        repair_drop(nm, h->chunk, c->version, l->id);
    else
        l->unsure = true;
}

bool report_held(struct nm *nm, uint32_t server, const struct wire_held *h)
{
    struct meta_chunk_info c;
    struct meta_placement p;

    if (!meta_chunk_get(nm->meta, h->chunk, &c) || c.removed || !meta_placement_get(nm->meta, c.placement, &p))
        return false;
    if (!is_member(&p, server)) {
        held_by_stranger(nm, live_get(nm, server), h, &c, &p);
        return false;
    }
    /* a later version is being agreed on, or was never logged */
    if (!c.open &&
        (h->version < c.version || (h->version == c.version && h->length != c.length) || h->flags & HELD_DAMAGED))
        repair_verify(nm, h->chunk, server, REASON_SUSPECT);
    return true;
}

/* --- what is missing --- */

/* Look-ups in one turn of the loop. */
#define SLICE 4096u

struct compare { /* a page, on its way through the map; its answer waits */
    struct reply_to to;
    uint64_t cursor, last; /* of the map's chunks: at, and up to this one */
    bool eof;
    uint32_t n, at;
    uint64_t held[];
};

struct comparison {
    struct nm *nm;
    struct compare *k;
    uint32_t server;
};

static bool on_chunk(void *arg, const struct meta_chunk_info *c)
{
    struct comparison *x = arg;
    struct compare *k = x->k;
    struct meta_placement p;

    if (c->chunk > k->last)
        return false;
    while (k->at < k->n && k->held[k->at] < c->chunk)
        k->at++;
    if (c->removed || (k->at < k->n && k->held[k->at] == c->chunk))
        return true;
    if (meta_placement_get(x->nm->meta, c->placement, &p) && is_member(&p, x->server))
        repair_verify(x->nm, c->chunk, x->server, REASON_SUSPECT);
    return true;
}

static void compare_begin(struct live *l, const struct event *ev)
{
    const struct msg_report *r = &ev->msg->report;
    struct compare *k = malloc(sizeof *k + r->n_chunks * sizeof k->held[0]);

    if (k == NULL)
        return;
    *k =
        (struct compare){.to = ev->to, .cursor = l->compared, .last = UINT64_MAX, .eof = r->eof != 0, .n = r->n_chunks};
    for (uint32_t i = 0; i < r->n_chunks; i++)
        k->held[i] = r->chunks[i].chunk;
    if (!k->eof && k->n > 0)
        k->last = k->held[k->n - 1];
    l->compare = k;
}

static void answer(struct nm *nm, struct reply_to to, uint8_t again, struct effects *fx)
{
    struct msg reply = {.type = MSG_TYPE_report_reply};

    reply.report_reply.epoch = meta_epoch(nm->meta);
    reply.report_reply.again = again;
    fx_reply(fx, to, &reply, NULL);
}

static void compare_slice(struct nm *nm, struct live *l, struct effects *fx)
{
    struct compare *k = l->compare;
    struct comparison x = {.nm = nm, .k = k, .server = l->id};

    if (meta_chunk_scan(nm->meta, &k->cursor, SLICE, on_chunk, &x) && k->cursor <= k->last)
        return;
    l->compare = NULL;
    l->compared = k->last + !k->eof;
    answer(nm, k->to, k->eof ? AGAIN_AFTER : 0, fx);
    free(k);
}

bool reports_comparing(const struct nm *nm)
{
    for (uint32_t i = 0; i < nm->lead.n_live; i++)
        if (nm->lead.live[i].compare != NULL)
            return true;
    return false;
}

void reports_turn(struct nm *nm, struct effects *fx)
{
    for (uint32_t i = 0; i < nm->lead.n_live; i++)
        if (nm->lead.live[i].compare != NULL)
            compare_slice(nm, &nm->lead.live[i], fx);
}

void reports_refuse(struct nm *nm, struct effects *fx)
{
    for (uint32_t i = 0; i < nm->lead.n_live; i++) {
        struct live *l = &nm->lead.live[i];

        if (l->compare != NULL && fx != NULL)
            fx_not_leader(fx, l->compare->to, "");
        free(l->compare);
        l->compare = NULL;
    }
}

/* A page has been taken. Seconds after which the server is to report once more; 0: when it likes. */
static uint8_t count_page(struct nm *nm, struct live *l, const struct msg_report *r, uint64_t counted)
{
    uint64_t mapped = meta_server_by_id(nm->meta, r->server)->chunks;

    if (r->first != 0) {
        l->report_counts = true;
        l->counted = l->compared = 0;
        l->mapped = mapped;
        l->comparing = l->compare_next;
        l->compare_next = l->unsure = false;
    }
    l->counted += counted;
    if (r->eof == 0 || !l->report_counts)
        return 0;
    l->report_counts = false;
    nm->lead.repair.look = true;
    l->complete = l->counted >= min_u64(l->mapped, mapped); /* what was mapped or unmapped meanwhile is no reason */
    if (l->complete)
        return l->unsure ? AGAIN_UNSURE : 0;
    l->compare_next = !l->comparing;
    return AGAIN_COMPARED;
}

void report_request(struct nm *nm, const struct event *ev, struct effects *fx)
{
    const struct msg_report *r = &ev->msg->report;
    struct msg reply = {.type = MSG_TYPE_report_reply};
    struct msg_report_reply *m = &reply.report_reply;
    uint64_t horizon = meta_horizon(nm->meta), counted = 0;
    struct live *l;

    if (leader_sender(nm, ev, r->server, r->incarnation, fx) == NULL)
        return;
    l = live_get(nm, r->server);
    arena_reset(&nm->arena);
    m->epoch = meta_epoch(nm->meta);
    m->remove = arena_alloc(&nm->arena, r->n_chunks, sizeof *m->remove);
    if (m->remove == NULL || l->compare != NULL) {
        fx_fail(fx, ev->to, DFS_EAGAIN, "another page is being worked on");
        return;
    }
    quarantine_count(nm, r);
    for (uint32_t i = 0; i < r->n_chunks; i++) {
        const struct wire_held *c = &r->chunks[i];

        counted += report_held(nm, r->server, c);
        if ((c->chunk & CHUNK_SERIAL_MASK) < horizon && !quarantine_holds(nm, c->chunk) &&
            !meta_knows_chunk(nm->meta, c->chunk))
            m->remove[m->n_remove++] = (struct wire_chunk_id){.chunk = c->chunk, .version = c->version};
    }
    m->again = count_page(nm, l, r, counted);
    if (l->comparing) /* what is unknown was told in the report before */
        compare_begin(l, ev);
    if (l->compare == NULL)
        fx_reply(fx, ev->to, &reply, NULL);
}
