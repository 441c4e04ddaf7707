/* SPDX-License-Identifier: MIT */
/* Scrub: every sealed segment is read and verified once per period, one after the other by id, at a bounded rate. Where
 * it is stands in the folder's identity, so that a restart goes on there. The reading itself is a cleaning job. */
#include "store/impl.h"

struct segment *scrub_pick(struct ss *ss, struct store *st, struct now now)
{
    struct segment *best = NULL;
    struct scrub *sc = &st->scrub;
    if (now.mono < sc->next || !ss->cfg.scrub_rate)
        return NULL;
    for (uint32_t i = 0; i < ss->n_segments; i++) {
        struct segment *s = ss->segments[i];
        if (s && s->disk == st->number && s->state == SEG_SEALED && s->live && !s->unsettled &&
            s->header.id > st->identity.scrubbed && (!best || s->header.id < best->header.id))
            best = s;
    }
    if (!best && st->identity.scrubbed) { /* a pass is over */
        st->identity.scrubbed = 0;
        sc->passes++;
        ss->scrub_dirty = true;
    }
    if (best && best->cleaning)
        return NULL; /* its turn comes */
    if (!best)
        sc->next = now.mono + SCRUB_PAUSE;
    return best;
}

void scrub_pace(struct ss *ss, struct store *st, uint64_t bytes, uint64_t mono)
{
    st->scrub.bytes += bytes;
    st->scrub.next = mono + bytes * NS_PER_SEC / ss->cfg.scrub_rate;
}

void scrub_done(struct ss *ss, struct store *st, const struct segment *s)
{
    st->identity.scrubbed = s->header.id;
    ss->scrub_dirty = true;
}

uint64_t scrub_next(const struct ss *ss)
{
    uint64_t at = UINT64_MAX;
    for (uint32_t i = 0; i < ss->n_stores && ss->cfg.scrub_rate; i++) {
        const struct store *st = &ss->stores[i];
        if (!st->failed && !st->jobs[CLEAN_PUNCH] && !st->jobs[CLEAN_COMPACT] && !st->jobs[CLEAN_SCRUB])
            at = min_u64(at, st->scrub.next);
    }
    return at;
}
