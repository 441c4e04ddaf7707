/* SPDX-License-Identifier: MIT */
/* Which kinds of log entries may be written while NameServers of two releases run in one cluster (DESIGN 8).
 *
 * A release knows all kinds up to its level. Each member says its level when it joins and in every message to another
 * NameServer; the leader logs it where the state machine has another (nm_level). The cluster's level is the lowest of its
 * members', and never goes back: entries of that level may be in the log. What needs more is refused until every
 * NameServer has been updated; one that knows less cannot join, and one that was replaced by an older release stops.
 *
 * A kind that a release adds, or a field that changes what apply does with an older kind, gets the next level here, and
 * LEVEL_OURS becomes that. */
#include <stdio.h>

#include "base/log.h"
#include "group/group.h"

#define LEVEL_FIRST 1u /* all kinds of 0.1.0 */
#define LEVEL_OURS 1u

uint32_t level_ours(const struct nm *nm) { return nm->cfg.level != 0 ? nm->cfg.level : LEVEL_OURS; }

/* The level that what m says needs. */
static uint32_t level_needed(const struct nm *nm, const struct msg *m)
{
    return nm->cfg.level_needed != NULL ? nm->cfg.level_needed(m) : LEVEL_FIRST;
}

bool level_allows(const struct nm *nm, const struct msg *m)
{
    return level_needed(nm, m) <= (meta_level(nm->meta) > 0 ? meta_level(nm->meta) : LEVEL_FIRST);
}

void level_tick(struct nm *nm)
{
    for (uint32_t i = 0; i < meta_n_members(nm->meta) && !nm->lead.level_pending; i++) {
        const struct meta_member *v = meta_member_at(nm->meta, i);
        const struct peer *p = peer_find(nm, v->id);
        struct msg cmd = {.type = MSG_TYPE_nm_level};

        if (p == NULL || p->heard == 0 || p->level == v->level)
            continue;
        cmd.nm_level.id = v->id;
        cmd.nm_level.level = p->level;
        nm->lead.level_pending = batch_propose(nm, &cmd);
    }
}

void level_check(struct nm *nm, struct effects *fx)
{
    char what[128];

    if (meta_level(nm->meta) <= level_ours(nm))
        return;
    snprintf(what, sizeof what,
             "the cluster uses log entries of level %u, and this release knows up to %u: update this NameServer",
             meta_level(nm->meta), level_ours(nm));
    nm_fatal(nm, fx, what, DFS_EVERSION);
}
