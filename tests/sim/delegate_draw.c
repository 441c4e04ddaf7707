/* SPDX-License-Identifier: MIT */
/* What a maker does next. */
#include "sim/delegate.h"
#include "sim/work.h"

static struct sim *sim_of(const struct maker *m) { return m->work->cluster->sim; }

struct value maker_value(struct maker *m)
{
    struct sim *s = sim_of(m);
    return (struct value){++m->work->next_value, sim_chance(s, 400) ? 0u : 1u + (uint32_t)sim_below(s, MADE_BYTES)};
}

void maker_promises(struct maker *m)
{
    struct sim *s = sim_of(m);
    while (maker_is_good(m) && !maker_is_recalled(m) && m->listed && m->left > 0 && sim_chance(s, 600)) {
        uint32_t name = (uint32_t)sim_below(s, MADE_NAMES);
        if (m->known[name] != KNOWN_FREE || m->promises[name].ino || m->unsure[name])
            continue;
        m->promises[name] = (struct promise){
            .ino = m->first++, .from = s->now, .due = s->now + sim_below(s, 2 * NS_PER_SEC), .value = maker_value(m)};
        m->left--;
        sim_note(s, m->client->name, "promise", name, m->promises[name].ino);
    }
}

/* A promise to be kept now: one that is due, or any. */
static bool draw_promise(struct maker *m, bool any)
{
    uint32_t first = (uint32_t)sim_below(sim_of(m), MADE_NAMES);
    for (uint32_t i = 0; i < MADE_NAMES; i++) {
        const struct promise *p = &m->promises[(first + i) % MADE_NAMES];
        if (!p->ino || (!any && p->due > sim_of(m)->now))
            continue;
        m->name = (first + i) % MADE_NAMES;
        m->kind = OP_MAKE;
        return true;
    }
    return false;
}

/* What anybody does with a name. A holder leaves alone what it has promised, and reads only what it knows: nobody else would
 * answer whether the rest is there. */
static bool draw_name(struct maker *m)
{
    static const enum client_op_kind kinds[] = {OP_OPEN, OP_CREATE, OP_PUT, OP_UNLINK, OP_UNLINK, OP_STAT, OP_GET};
    m->name = (uint32_t)sim_below(sim_of(m), MADE_NAMES);
    m->kind = kinds[sim_below(sim_of(m), ARRAY_LEN(kinds))];
    return !m->has || (!m->promises[m->name].ino && (m->kind != OP_GET || m->known[m->name] == KNOWN_THERE));
}

/* False: nothing, this time. */
static bool draw_holder(struct maker *m)
{
    struct sim *s = sim_of(m);
    unsigned pick = (unsigned)sim_below(s, 100);
    bool last = maker_is_recalled(m) || m->ops_left == 0;
    m->kind = OP_DELEGATE; /* too late, and with promises that were not kept: was it another's? */
    if (!maker_is_good(m) && m->ops_left > 0 && sim_chance(s, 200))
        return true;
    if (draw_promise(m, last))
        return true;
    m->kind = OP_DELEGATE_RETURN;
    if (last)
        return true;
    m->naps = !maker_is_good(m) && pick < 30; /* and then looks whether it still has it, or … */
    if (!maker_is_good(m) && pick < 15)       /* … does not care */
        maker_let_go(m);
    if (m->naps)
        return false;
    m->kind = maker_is_good(m) && !m->listed                   ? OP_READDIR
              : pick < (maker_is_good(m) && m->left ? 15 : 80) ? OP_DELEGATE
                                                               : OP_DELEGATE_RETURN;
    if (!maker_is_good(m) || !m->listed || !m->left || pick < 25)
        return true;
    m->kind = OP_READDIR;
    return pick < 45 || (pick < 80 && draw_name(m));
}

bool maker_draw(struct maker *m)
{
    unsigned pick = (unsigned)sim_below(sim_of(m), 100);
    if (m->handle) {
        m->kind = OP_CLOSE;
        return true;
    }
    if (!m->looked) {
        m->kind = m->missing ? OP_MKDIR : OP_STAT;
        return m->ops_left > 0;
    }
    if (m->has)
        return draw_holder(m);
    if (m->ops_left == 0)
        return false;
    m->kind = pick < 30 ? OP_DELEGATE : OP_READDIR;
    return pick < 38 || (pick < 65 && draw_name(m));
}
