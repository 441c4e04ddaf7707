/* SPDX-License-Identifier: MIT */
/* Copies that are not what the map says: damaged, of another version or length, or not there. Whoever says so, the
 * server itself is asked (VERIFY), since a report or a client may speak of what has changed meanwhile.
 *
 *     suspected --VERIFY here--> bad --VERIFY another--> confirmed --logged--> off the list --DROP--> repaired
 *
 * A copy of which nothing is there needs no confirmation: nothing is deleted. If no other one can be read, it stays. */
#include <stdlib.h>

#include "base/rand.h"
#include "group/group.h"

#define BADS_MAX 16384u
#define BADS_EVERY (NS_PER_SEC / 4)
#define LOOK_AGAIN (30 * NS_PER_SEC)
/* VERIFY tasks one server may have waiting; what is beyond is found by a later report. */
#define VERIFIES_MAX 16384u

static uint64_t bad_key(uint64_t chunk, uint32_t server) { return mix64(mix64(chunk) + server); }

static struct bad_copy *bad_find(const struct nm *nm, uint64_t chunk, uint32_t server)
{
    uint64_t key = bad_key(chunk, server);
    struct bad_copy *b;

    HASH_FIND(hh, nm->lead.repair.bads, &key, sizeof key, b);
    return b;
}

bool bad_known(const struct nm *nm, uint64_t chunk, uint32_t server)
{
    return nm->lead.repair.bads != NULL && bad_find(nm, chunk, server) != NULL;
}

void bad_note(struct nm *nm, uint64_t chunk, uint32_t server, bool there)
{
    struct repair *r = &nm->lead.repair;

    if (bad_known(nm, chunk, server) || HASH_COUNT(r->bads) >= BADS_MAX)
        return;
    struct bad_copy *b = xcalloc(1, sizeof *b);
    b->key = bad_key(chunk, server);
    b->chunk = chunk;
    b->server = server;
    b->there = there;
    HASH_ADD(hh, r->bads, key, sizeof b->key, b);
}

void bad_clear(struct nm *nm, uint64_t chunk, uint32_t server)
{
    struct bad_copy *b = bad_known(nm, chunk, server) ? bad_find(nm, chunk, server) : NULL;

    if (b == NULL)
        return;
    HASH_DEL(nm->lead.repair.bads, b);
    free(b);
}

void bad_confirmed(struct nm *nm, uint64_t chunk)
{
    struct bad_copy *b, *next;

    HASH_ITER(hh, nm->lead.repair.bads, b, next)
    if (b->chunk == chunk)
        b->confirmed = true;
}

void bad_forget(struct nm *nm)
{
    struct bad_copy *b, *next;

    HASH_ITER(hh, nm->lead.repair.bads, b, next)
    {
        HASH_DEL(nm->lead.repair.bads, b);
        free(b);
    }
}

void repair_verify(struct nm *nm, uint64_t chunk, uint32_t server, uint8_t reason)
{
    const struct meta_server *s = meta_server_by_id(nm->meta, server);
    const struct live *l = live_find(&nm->lead, server);
    struct meta_chunk_info c;

    if (s == NULL || !s->up || repair_busy(nm, chunk) || !meta_chunk_get(nm->meta, chunk, &c) || c.removed)
        return;
    if (c.open) { /* one that takes writes is agreed on, not compared: the others go on without who cannot read it */
        if (reason == REASON_SUSPECT)
            agree_unsettled(nm, chunk, c.version);
        return;
    }
    if (l != NULL && l->tasks != NULL && l->tasks->n_waiting >= VERIFIES_MAX)
        return;
    tasks_add(nm, &(struct nm_task){.kind = TASK_VERIFY,
                                    .chunk = chunk,
                                    .version = c.version,
                                    .length = c.length,
                                    .crc = c.crc,
                                    .server = server,
                                    .reason = reason});
}

/* Another copy that can be read; 0: there is none. */
static uint32_t other_copy(const struct nm *nm, const struct bad_copy *b, const struct meta_placement *p)
{
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t id = p->servers[i];

        if (id != b->server && id <= nm->lead.repair.n_seats && nm->lead.repair.seats[id - 1].source &&
            !bad_known(nm, b->chunk, id))
            return id;
    }
    return 0;
}

static bool is_member(const struct meta_placement *p, uint32_t server)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (p->servers[i] == server)
            return true;
    return false;
}

bool bad_everywhere(const struct nm *nm, uint64_t chunk)
{
    struct meta_chunk_info c;
    struct meta_placement p;
    uint32_t bad = 0;

    if (nm->lead.repair.bads == NULL || !meta_chunk_get(nm->meta, chunk, &c) || c.removed ||
        !meta_placement_get(nm->meta, c.placement, &p))
        return false;
    for (uint32_t i = 0; i < p.n; i++) {
        const struct meta_server *s = meta_server_by_id(nm->meta, p.servers[i]);

        if (s == NULL || !s->up)
            continue;
        if (!bad_known(nm, chunk, s->id))
            return false;
        bad++;
    }
    return bad > 0;
}

uint64_t bad_chunks(const struct nm *nm)
{
    const struct repair *r = &nm->lead.repair;
    struct bad_copy *b, *next;
    uint64_t n = 0;

    HASH_ITER(hh, r->bads, b, next)
    {
        bool first = true; /* one entry speaks for the chunk */

        for (uint32_t id = 1; id < b->server && first; id++)
            first = !bad_known(nm, b->chunk, id);
        n += first && bad_everywhere(nm, b->chunk);
    }
    return n;
}

/* False: there is nothing bad about it any more. */
static bool bad_step(struct nm *nm, struct bad_copy *b)
{
    struct meta_chunk_info c;
    struct meta_placement p;
    uint32_t other;

    if (!meta_chunk_get(nm->meta, b->chunk, &c) || c.removed || !meta_placement_get(nm->meta, c.placement, &p) ||
        !is_member(&p, b->server))
        return false;
    if (c.open || repair_busy(nm, b->chunk) || repair_moves_full(nm))
        return true;
    other = other_copy(nm, b, &p);
    if (other == 0) {
        if (nm->now.mono >= b->look) { /* it may have been the disk, or the way, for a while */
            repair_verify(nm, b->chunk, b->server, REASON_SUSPECT);
            b->look = nm->now.mono + LOOK_AGAIN;
        }
        return true;
    }
    if (b->confirmed || !b->there)
        repair_propose(nm, b->chunk, c.version, 0, b->server);
    else
        repair_verify(nm, b->chunk, other, REASON_CONFIRM);
    return true;
}

void bad_turn(struct nm *nm)
{
    struct repair *r = &nm->lead.repair;
    struct bad_copy *b, *next;

    if (r->bads == NULL || nm->now.mono < r->bads_at)
        return;
    r->bads_at = nm->now.mono + BADS_EVERY;
    HASH_ITER(hh, r->bads, b, next)
    {
        if (bad_step(nm, b))
            continue;
        HASH_DEL(r->bads, b);
        free(b);
    }
}
