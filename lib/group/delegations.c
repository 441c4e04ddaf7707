/* SPDX-License-Identifier: MIT */
#include "group/delegations.h"

#include <stdlib.h>

#include "base/hash.h"
#include "group/group.h"

#define SLACK 64u /* entries kept needlessly */

struct delegated {
    uint64_t dir, session;
    uint64_t asked; /* mono ns: when its holder last asked for it, as far as we know */
    bool revoking;
    UT_hash_handle hh;
};

static void forget(struct nm *nm, struct delegated *d)
{
    HASH_DEL(nm->lead.delegations.dirs, d);
    free(d);
}

/* Those of sessions that are gone. */
static void sweep(struct nm *nm)
{
    struct delegated *d, *next;

    HASH_ITER(hh, nm->lead.delegations.dirs, d, next)
    if (meta_delegated_to(nm->meta, d->dir) != d->session)
        forget(nm, d);
}

static struct delegated *find(const struct nm *nm, uint64_t dir)
{
    struct delegated *d;

    HASH_FIND(hh, nm->lead.delegations.dirs, &dir, sizeof dir, d);
    return d;
}

/* What we know of it; from now on, if that is nothing. */
static struct delegated *note(struct nm *nm, uint64_t dir, uint64_t session)
{
    struct delegated *d = find(nm, dir);

    if (d != NULL && d->session == session)
        return d;
    if (d != NULL)
        forget(nm, d);
    if (HASH_CNT(hh, nm->lead.delegations.dirs) > 2 * meta_n_delegations(nm->meta) + SLACK)
        sweep(nm);
    d = xcalloc(1, sizeof *d);
    d->dir = dir;
    d->session = session;
    d->asked = nm->now.mono;
    HASH_ADD(hh, nm->lead.delegations.dirs, dir, sizeof d->dir, d);
    return d;
}

static void recall(struct nm *nm, uint64_t dir)
{
    uint64_t session = meta_delegated_to(nm->meta, dir);
    struct delegated *d;
    struct msg cmd = {.type = MSG_TYPE_delegate_revoke, .delegate_revoke = {.dir = dir, .session = session}};

    if (session == 0)
        return;
    d = note(nm, dir, session);
    watches_tell(nm, session, dir);
    if (!d->revoking && (nm->cfg.revoke_early || nm->now.mono - d->asked >= nm->cfg.delegation_ttl))
        d->revoking = batch_propose(nm, &cmd);
}

bool delegations_stop(struct nm *nm, const struct event *ev, struct effects *fx)
{
    uint64_t dir = meta_delegation_in_way(nm->meta, ev->msg);

    if (dir == 0)
        return false;
    recall(nm, dir);
    fx_fail(fx, ev->to, DFS_EAGAIN, "another client has the directory delegated, and was asked to return it");
    return true;
}

void delegations_asked(struct nm *nm, const struct msg *m)
{
    if (m->type == MSG_TYPE_delegate && meta_delegated_to(nm->meta, m->delegate.dir) == m->delegate.id.session)
        note(nm, m->delegate.dir, m->delegate.id.session)->asked = nm->now.mono;
}

void delegations_applied(struct nm *nm, const struct msg *cmd, const struct meta_result *res)
{
    struct delegated *d;

    if (res->recall != 0)
        recall(nm, res->recall);
    else if (cmd->type == MSG_TYPE_delegate && res->type == MSG_TYPE_delegate_reply)
        note(nm, cmd->delegate.dir, cmd->delegate.id.session)->asked = nm->now.mono;
    else if (cmd->type == MSG_TYPE_delegate_revoke && (d = find(nm, cmd->delegate_revoke.dir)) != NULL)
        forget(nm, d);
}

void delegations_forget(struct nm *nm)
{
    struct delegated *d, *next;

    HASH_ITER(hh, nm->lead.delegations.dirs, d, next)
    forget(nm, d);
}
