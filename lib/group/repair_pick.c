/* SPDX-License-Identifier: MIT */
/* What to do about one chunk. */
#include "group/group.h"

/* Copies one server may have under way at a time, to it and from it, and their bytes. */
#define COPIES_MAX 2048u
#define COPIES_BYTES (256 * MIB)
/* What is done for better places or balance is gentle. */
#define IMPROVING_MAX 32u
#define IMPROVING_BYTES (128 * MIB)
#define ROOM_FOR 8u /* chunks that must fit besides */

static const struct seat *seat_at(const struct nm *nm, uint32_t server)
{
    static const struct seat none;

    return server >= 1 && server <= nm->lead.repair.n_seats ? &nm->lead.repair.seats[server - 1] : &none;
}

static bool is_member(const struct meta_placement *p, uint32_t server)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (p->servers[i] == server)
            return true;
    return false;
}

static uint8_t state_of(const struct nm *nm, uint32_t server)
{
    const struct meta_server *s = meta_server_by_id(nm->meta, server);

    return s != NULL ? s->state : SERVER_REMOVED;
}

/* Domains this server has in common with the members that stay, but for `without`. */
static uint32_t shared_with(const struct nm *nm, const struct meta_placement *p, uint32_t server, uint32_t without)
{
    const struct meta_server *s = meta_server_by_id(nm->meta, server);
    uint32_t sum = 0;

    for (uint32_t i = 0; i < p->n; i++)
        if (p->servers[i] != server && p->servers[i] != without && state_of(nm, p->servers[i]) == SERVER_UP)
            sum += meta_domains_shared(s, meta_server_by_id(nm->meta, p->servers[i]));
    return sum;
}

static uint64_t under_way(const struct nm *nm, uint32_t server)
{
    const struct live *l = live_find(&nm->lead, server);

    return l == NULL || l->tasks == NULL ? 0 : l->tasks->n_waiting + l->tasks->n_given;
}

static bool can_take_more(const struct nm *nm, uint32_t server, uint32_t length)
{
    const struct live *l = live_find(&nm->lead, server);
    const struct task_queue *q = l != NULL ? l->tasks : NULL;

    if (q == NULL)
        return true;
    return q->n_waiting + q->n_given < COPIES_MAX && q->bytes_waiting + q->bytes_given + length <= COPIES_BYTES;
}

/* --- where to --- */

struct want {
    uint32_t without; /* this member leaves */
    uint32_t shared;  /* at most so many domains shared */
    double fill;      /* at most this full */
    uint32_t length;
};

/* The best server for one more copy: in the fewest of the others' domains, then the emptiest, then the least busy. 0: none;
 * *busy: there are some, but they have enough to do. */
static uint32_t find_target(const struct nm *nm, const struct meta_placement *p, const struct want *w, bool *busy)
{
    uint32_t best = 0, best_shared = 0;
    double best_weight = 0;

    *busy = false;
    for (uint32_t id = 1; id <= nm->lead.repair.n_seats; id++) {
        const struct seat *s = seat_at(nm, id);
        double weight;
        uint32_t shared;

        if (!s->target || s->fill > w->fill || is_member(p, id) || s->room < (uint64_t)w->length * ROOM_FOR)
            continue;
        shared = shared_with(nm, p, id, w->without);
        if (shared > w->shared)
            continue;
        if (!can_take_more(nm, id, w->length)) {
            *busy = true;
            continue;
        }
        weight = s->fill + (double)under_way(nm, id) / COPIES_MAX;
        if (best != 0 && (shared > best_shared || (shared == best_shared && weight >= best_weight)))
            continue;
        best = id;
        best_shared = shared;
        best_weight = weight;
    }
    return best;
}

bool repair_has_target(const struct nm *nm, const struct meta_placement *p)
{
    for (uint32_t id = 1; id <= nm->lead.repair.n_seats; id++)
        if (seat_at(nm, id)->target && !is_member(p, id))
            return true;
    return false;
}

/* The member that shares most with the others. */
static uint32_t worst_placed(const struct nm *nm, const struct meta_placement *p, uint32_t *shared)
{
    uint32_t worst = 0;

    *shared = 0;
    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t id = p->servers[i], n = shared_with(nm, p, id, 0);

        if (state_of(nm, id) == SERVER_UP && (worst == 0 || n > *shared)) {
            worst = id;
            *shared = n;
        }
    }
    return worst;
}

bool repair_improves(const struct nm *nm, const struct meta_placement *p, uint32_t *at)
{
    struct want w = {.fill = 1};
    uint32_t shared;
    bool busy;

    *at = worst_placed(nm, p, &shared);
    if (*at == 0 || shared == 0)
        return false;
    w.without = *at;
    w.shared = shared - 1;
    return find_target(nm, p, &w, &busy) != 0 || busy;
}

/* The fullest member, if there is an emptier place for its copy. */
static uint32_t too_full(const struct nm *nm, const struct meta_placement *p, struct want *w)
{
    uint32_t fullest = 0;
    double gap = nm->lead.repair.narrow ? 0.02 : 0.05;

    for (uint32_t i = 0; i < p->n; i++)
        if (state_of(nm, p->servers[i]) == SERVER_UP &&
            (fullest == 0 || seat_at(nm, p->servers[i])->fill > seat_at(nm, fullest)->fill))
            fullest = p->servers[i];
    if (fullest == 0)
        return 0;
    w->without = fullest;
    w->shared = shared_with(nm, p, fullest, 0);
    w->fill = seat_at(nm, fullest)->fill - gap;
    return fullest;
}

bool repair_balances(const struct nm *nm, const struct meta_placement *p)
{
    struct want w = {.length = 0};
    bool busy;

    return too_full(nm, p, &w) != 0 && (find_target(nm, p, &w, &busy) != 0 || busy);
}

/* --- from where --- */

/* Those that can be read, the one with least to do first. False: none. */
static bool find_sources(const struct nm *nm, const struct meta_chunk_info *c, const struct meta_placement *p,
                         struct nm_task *t)
{
    uint32_t best = 0, least = UINT32_MAX;

    for (uint32_t i = 0; i < p->n; i++) {
        uint32_t id = p->servers[(c->chunk + i) % p->n];
        const struct live *l = live_find(&nm->lead, id);

        if (!seat_at(nm, id)->source || l == NULL || bad_known(nm, c->chunk, id))
            continue;
        if (l->reads < least) {
            least = l->reads;
            best = t->n_sources;
        }
        t->sources[t->n_sources++] = (uint16_t)id;
    }
    if (t->n_sources == 0)
        return false;
    uint16_t first = t->sources[best];
    t->sources[best] = t->sources[0];
    t->sources[0] = first;
    return true;
}

/* --- doing --- */

static enum picked copy(struct nm *nm, const struct meta_chunk_info *c, const struct meta_placement *p,
                        const struct want *w, uint32_t remove, uint8_t reason)
{
    struct repair *r = &nm->lead.repair;
    struct nm_task t = {.kind = TASK_COPY,
                        .chunk = c->chunk,
                        .version = c->version,
                        .length = c->length,
                        .crc = c->crc,
                        .remove = remove,
                        .reason = reason};
    struct live *from;
    bool busy;

    if (reason == REASON_IMPROVE && (r->improving >= IMPROVING_MAX || r->fetching + c->length > IMPROVING_BYTES))
        return PICK_LATER;
    if (!find_sources(nm, c, p, &t))
        return PICK_NONE;
    from = live_get(nm, t.sources[0]);
    if (from->reads >= COPIES_MAX)
        return PICK_LATER;
    t.server = find_target(nm, p, w, &busy);
    if (t.server == 0)
        return busy ? PICK_LATER : PICK_NONE;
    from->reads++;
    r->copies++;
    r->improving += reason == REASON_IMPROVE;
    r->fetching += c->length;
    tasks_add(nm, &t);
    return PICKED;
}

/* Who gives way to a new copy, if the list would grow beyond the goal: one that is gone for longest first, then one that
 * is being drained. 0: nobody. */
static uint32_t replaced_by_copy(const struct nm *nm, const struct meta_placement *p)
{
    uint32_t draining = 0, gone = 0;

    for (uint32_t i = 0; i < p->n; i++) {
        const struct meta_server *s = meta_server_by_id(nm->meta, p->servers[i]);

        if (s == NULL || s->state == SERVER_REMOVED)
            return p->servers[i];
        if (!s->up && (gone == 0 || seat_at(nm, s->id)->grace < seat_at(nm, gone)->grace))
            gone = s->id;
        else if (s->up && s->state == SERVER_DRAINING)
            draining = s->id;
    }
    if (gone != 0 && p->n >= p->goal)
        return gone;
    return p->live + 1 >= p->goal ? draining : 0;
}

static enum picked pick_repair(struct nm *nm, const struct meta_chunk_info *c, const struct meta_placement *p)
{
    uint32_t remove = replaced_by_copy(nm, p);
    struct want w = {.without = remove, .shared = UINT32_MAX, .fill = 1, .length = c->length};

    return copy(nm, c, p, &w, remove, REASON_REPAIR);
}

/* Copies that are not needed for the goal: of those that are gone, being drained, or many, one at a time. */
static uint32_t surplus_member(const struct nm *nm, const struct meta_placement *p)
{
    uint32_t worst = 0;
    double most = -1;

    for (uint32_t i = 0; i < p->n; i++)
        if (state_of(nm, p->servers[i]) != SERVER_UP)
            return p->servers[i];
    for (uint32_t i = 0; i < p->n && p->live > p->goal; i++) {
        double weight = shared_with(nm, p, p->servers[i], 0) + seat_at(nm, p->servers[i])->fill;

        if (weight > most) {
            most = weight;
            worst = p->servers[i];
        }
    }
    return worst;
}

static enum picked pick_surplus(struct nm *nm, const struct meta_chunk_info *c, const struct meta_placement *p)
{
    uint32_t id = surplus_member(nm, p);
    struct meta_placement rest = *p;

    if (id == 0)
        return PICK_NONE;
    for (uint32_t i = 0; i < rest.n; i++) /* a bad copy does not count, nor one on a server that may be down already */
        if (rest.servers[i] != id && state_of(nm, rest.servers[i]) == SERVER_UP &&
            (bad_known(nm, c->chunk, rest.servers[i]) || !seat_at(nm, rest.servers[i])->source))
            rest.live--;
    if (state_of(nm, id) == SERVER_UP ? rest.live <= p->goal : rest.live < p->goal)
        return PICK_NONE;
    if (!report_enough(nm, p, id))
        return PICK_NONE; /* until the others have reported */
    repair_propose(nm, c->chunk, c->version, 0, id);
    return PICKED;
}

static enum picked pick_improve(struct nm *nm, const struct meta_chunk_info *c, const struct meta_placement *p)
{
    struct want w = {.fill = 1, .length = c->length};
    uint32_t shared;

    w.without = worst_placed(nm, p, &shared);
    if (w.without == 0 || shared == 0)
        return PICK_NONE;
    w.shared = shared - 1;
    return copy(nm, c, p, &w, w.without, REASON_IMPROVE);
}

static enum picked pick_balance(struct nm *nm, const struct meta_chunk_info *c, const struct meta_placement *p)
{
    struct want w = {.length = c->length};

    return too_full(nm, p, &w) == 0 ? PICK_NONE : copy(nm, c, p, &w, w.without, REASON_IMPROVE);
}

enum picked repair_pick(struct nm *nm, const struct meta_chunk_info *c, const struct meta_placement *p, uint8_t level)
{
    switch (level) {
    case LEVEL_DRAIN:
        return p->live >= p->goal ? pick_surplus(nm, c, p) : pick_repair(nm, c, p);
    case LEVEL_SURPLUS:
        return pick_surplus(nm, c, p);
    case LEVEL_MISPLACED:
        return pick_improve(nm, c, p);
    case LEVEL_BALANCE:
        return pick_balance(nm, c, p);
    default:
        return pick_repair(nm, c, p);
    }
}
