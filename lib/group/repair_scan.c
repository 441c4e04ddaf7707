/* SPDX-License-Identifier: MIT */
/* What is wrong is known from the placements, of which there are few; which chunks it is wrong with, from a walk over all
 * of them, in slices, begun only when there is something to be found that can be done something about. Most urgent first:
 * a walk looks for one level, and is over when it comes round. An idle cluster costs one comparison a quarter of a second. */
#include <stdlib.h>

#include "group/group.h"

#define LOOK_EVERY (NS_PER_SEC / 4)
/* Chunks looked at in one turn of the loop. */
#define SLICE 4096u
/* A walk that found nothing that can be done is not begun again for so long, unless something changes. */
#define AGAIN_AFTER (5 * NS_PER_SEC)
#define BLOCKED_MAX 256u
/* A server with less room than this share of its capacity takes no copies. */
#define FULL_SHARE 50u
/* Points of fill: balancing starts above the first, and ends below the second. */
#define FILL_START 0.10
#define FILL_STOP 0.05
#define FILL_NARROW 0.02

/* --- servers --- */

static struct seat seat_of(const struct nm *nm, const struct meta_server *s)
{
    const struct live *l = live_find(&nm->lead, s->id);
    struct seat seat = {.source = s->up && (s->state == SERVER_UP || s->state == SERVER_DRAINING)};
    uint64_t capacity = l != NULL && l->heard ? l->capacity : s->capacity;
    uint64_t used = l != NULL && l->heard ? l->used : s->used;

    seat.room = capacity > used ? capacity - used : 0;
    seat.fill = s->bytes + seat.room > 0 ? (double)s->bytes / (double)(s->bytes + seat.room) : 1;
    if (!s->up && s->state != SERVER_REMOVED)
        seat.grace = (l != NULL && l->down_at != 0 ? l->down_at : nm->lead.opened) + nm->cfg.repair_grace;
    if (l == NULL || leader_suspects(nm, l))
        seat.source = false;
    seat.target =
        seat.source && s->state == SERVER_UP && seat.room > capacity / FULL_SHARE && nm->now.mono >= l->full_until;
    return seat;
}

static void look_at_fill(struct repair *r, const struct nm *nm)
{
    double least = 1, most = 0, sum = 0, limit;
    uint32_t n = 0;

    for (uint32_t i = 0; i < r->n_seats; i++) {
        if (!r->seats[i].source || meta_server_at(nm->meta, i)->state != SERVER_UP)
            continue;
        least = r->seats[i].fill < least ? r->seats[i].fill : least;
        most = r->seats[i].fill > most ? r->seats[i].fill : most;
        sum += r->seats[i].fill;
        n++;
    }
    r->mean_fill = n > 0 ? sum / n : 0;
    r->widest = n > 1 ? most - least : 0;
    limit = r->narrow ? FILL_NARROW : r->balancing ? FILL_STOP : FILL_START;
    r->balancing = r->widest > limit;
    if (!r->balancing)
        r->narrow = false;
}

/* True: who can be read from or written to is not as it was. */
static bool look_at_servers(struct nm *nm)
{
    struct repair *r = &nm->lead.repair;
    uint32_t n = meta_n_servers(nm->meta);
    bool changed = n != r->n_seats, balancing = r->balancing;

    if (changed)
        r->seats = xrealloc(r->seats, n + 1, sizeof *r->seats);
    for (uint32_t i = 0; i < n; i++) {
        struct seat s = seat_of(nm, meta_server_at(nm->meta, i));

        changed |= i >= r->n_seats || s.source != r->seats[i].source || s.target != r->seats[i].target;
        r->seats[i] = s;
    }
    r->n_seats = n;
    look_at_fill(r, nm);
    return changed || balancing != r->balancing;
}

/* --- placements --- */

/* It has lost one copy, on a server that may come back before its grace is over. */
static bool in_grace(const struct nm *nm, const struct meta_placement *p, uint64_t *until)
{
    const struct repair *r = &nm->lead.repair;
    bool found = false;

    if (p->live + p->leaving + 1 != p->goal)
        return false;
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t id = p->servers[i];

        if (id > r->n_seats || nm->now.mono >= r->seats[id - 1].grace)
            continue;
        found = true;
        *until = min_u64(*until, r->seats[id - 1].grace);
    }
    return found;
}

static uint8_t level_of(const struct nm *nm, const struct meta_placement *p, uint64_t *wake)
{
    uint32_t readable = (uint32_t)p->live + p->leaving, at;

    if (p->chunks == 0 || readable == 0)
        return LEVEL_NONE;
    if (readable < p->goal) {
        if (in_grace(nm, p, wake) || !repair_has_target(nm, p))
            return LEVEL_NONE;
        return (uint8_t)min_u64(readable, LEVEL_FEW);
    }
    if (p->draining > 0)
        return p->live >= p->goal || repair_has_target(nm, p) ? LEVEL_DRAIN : LEVEL_NONE;
    if (p->live > p->goal || p->n > p->live)
        return LEVEL_SURPLUS;
    if (p->domains_shared && repair_improves(nm, p, &at))
        return LEVEL_MISPLACED;
    return nm->lead.repair.balancing && repair_balances(nm, p) ? LEVEL_BALANCE : LEVEL_NONE;
}

uint8_t repair_level(const struct nm *nm, const struct meta_placement *p)
{
    uint64_t wake = UINT64_MAX;

    return level_of(nm, p, &wake);
}

static void look_at_placements(struct nm *nm)
{
    struct repair *r = &nm->lead.repair;
    uint32_t n = meta_n_placements(nm->meta);
    struct meta_placement p;

    r->level = xrealloc(r->level, n + 1, sizeof *r->level);
    r->n_level = n;
    r->wake = UINT64_MAX;
    memset(r->left, 0, sizeof r->left);
    for (uint32_t i = 0; i < n; i++) {
        r->level[i] = LEVEL_NONE;
        if (!meta_placement_get(nm->meta, i, &p))
            continue;
        r->level[i] = level_of(nm, &p, &r->wake);
        r->left[r->level[i]] += p.chunks;
    }
}

/* Goes for the most urgent level there is; on with the walk if that is the one it is for. */
static void choose_level(struct nm *nm, uint8_t from)
{
    struct repair *r = &nm->lead.repair;
    uint8_t next = LEVEL_NONE;

    for (uint8_t i = from; i < LEVELS && next == LEVEL_NONE; i++)
        if (r->left[i] > 0 && nm->now.mono >= r->again[i])
            next = i;
    if (next != r->at) {
        r->cursor = 0;
        r->started = r->blocked = 0;
        r->full = false;
    }
    r->at = next;
}

void repair_look(struct nm *nm)
{
    struct repair *r = &nm->lead.repair;
    bool changed = look_at_servers(nm) || r->shape != meta_shape(nm->meta) || nm->now.mono >= r->wake;
    bool due = false;

    r->next_look = nm->now.mono + LOOK_EVERY;
    if (changed)
        memset(r->again, 0, sizeof r->again);
    for (uint32_t i = 1; i < LEVELS; i++)
        due |= r->left[i] > 0 && r->at == LEVEL_NONE && nm->now.mono >= r->again[i];
    if (!changed && !r->look && !due)
        return;
    r->look = r->full = false;
    r->shape = meta_shape(nm->meta);
    look_at_placements(nm);
    choose_level(nm, LEVEL_FEWEST);
}

/* --- walking --- */

static bool on_chunk(void *arg, const struct meta_chunk_info *c)
{
    struct nm *nm = arg;
    struct repair *r = &nm->lead.repair;
    struct meta_placement p;

    if (c->removed || c->open || c->placement >= r->n_level || r->level[c->placement] != r->at)
        return true;
    if (repair_busy(nm, c->chunk) || !meta_placement_get(nm->meta, c->placement, &p) || repair_level(nm, &p) != r->at)
        return true;
    switch (repair_pick(nm, c, &p, r->at)) {
    case PICKED:
        r->started++;
        r->blocked = 0;
        break;
    case PICK_LATER:
        r->started++;
        r->full = ++r->blocked >= BLOCKED_MAX;
        break;
    case PICK_NONE:
        break;
    }
    return !r->full && !repair_moves_full(nm);
}

void repair_scan(struct nm *nm)
{
    struct repair *r = &nm->lead.repair;
    uint8_t done = r->at;

    if (r->at == LEVEL_NONE || r->full || repair_moves_full(nm))
        return;
    if (meta_chunk_scan(nm->meta, &r->cursor, SLICE, on_chunk, nm))
        return;
    if (r->started == 0) { /* what there is, is being done already, or cannot be */
        r->again[done] = nm->now.mono + AGAIN_AFTER;
        choose_level(nm, (uint8_t)(done + 1));
    } else {
        r->full = r->look = true; /* round again when some of it has ended, or with the next look */
    }
    r->started = r->blocked = 0;
}
