/* SPDX-License-Identifier: MIT */
/* server_set: storage servers that are to go, and those that go. Nothing that would lose data is done. */
#include <stdio.h>

#include "meta/state.h"

#define REFUSE(m, err, ...) (snprintf((m)->text, sizeof(m)->text, __VA_ARGS__), (err))

static bool is_on(const struct meta_placement *p, uint32_t server)
{
    for (uint32_t i = 0; i < p->n; i++)
        if (p->servers[i] == server)
            return true;
    return false;
}

/* Chunks on a server that have no copy on another one that is up. */
static uint64_t only_there(const struct meta *m, const struct meta_server *s)
{
    struct meta_placement p;
    uint64_t n = 0;
    bool counted = s->up && (s->state == SERVER_UP || s->state == SERVER_DRAINING);
    for (uint32_t i = 0; i < meta_n_placements(m); i++)
        if (meta_placement_get(m, i, &p) && is_on(&p, s->id) && p.live + p.leaving == counted)
            n += p.chunks;
    return n;
}

/* Chunks on a server that ask for more copies than the servers that stay could hold. */
static uint64_t stuck(const struct meta *m, const struct meta_server *s)
{
    struct meta_placement p;
    uint64_t n = 0;
    uint32_t stay = meta_servers_staying(m);
    for (uint32_t i = 0; i < meta_n_placements(m); i++)
        if (meta_placement_get(m, i, &p) && is_on(&p, s->id) && p.goal > stay)
            n += p.chunks;
    return n;
}

static int drain(struct meta *m, struct meta_server *s)
{
    if (s->state == SERVER_DRAINING || s->state == SERVER_DRAINED)
        return 0;
    if (s->chunks > 0 && meta_servers_staying(m) == 1)
        return REFUSE(m, DFS_ENOSERVERS,
                      "storage server %u is the last one, and %" PRIu64 " chunks are on it: add another one first",
                      s->id, s->chunks);
    meta_server_set_state(m, s, s->chunks > 0 ? SERVER_DRAINING : SERVER_DRAINED);
    return 0;
}

static int remove_server(struct meta *m, struct meta_server *s)
{
    uint64_t lost = only_there(m, s);
    if (lost > 0)
        return REFUSE(m, DFS_EBUSY,
                      "%" PRIu64 " of the %" PRIu64
                      " chunks on storage server %u have no copy on another server that is "
                      "up: they would be lost (dfs fsck lists their files)",
                      lost, s->chunks, s->id);
    if (s->chunks > 0)
        return REFUSE(m, DFS_EBUSY,
                      "%" PRIu64
                      " chunks are on storage server %u: drain it first (dfs server drain %u), and remove it "
                      "when it is drained",
                      s->chunks, s->id, s->id);
    meta_server_set_state(m, s, SERVER_REMOVED);
    return 0;
}

int meta_op_server_set(struct meta *m, const struct msg_server_set *r, struct msg *reply)
{
    if (r->server < 1 || r->server > m->n_servers)
        return REFUSE(m, DFS_ENOENT, "there is no storage server %u", r->server);
    struct meta_server *s = &m->servers[r->server - 1];
    int rv = 0;
    if (s->state == SERVER_REMOVED && r->action != SERVER_REMOVE)
        return REFUSE(m, DFS_ENOENT, "storage server %u was removed", s->id);
    switch (r->action) {
    case SERVER_DRAIN:
        rv = drain(m, s);
        break;
    case SERVER_UNDRAIN:
        if (s->state == SERVER_DRAINING || s->state == SERVER_DRAINED)
            meta_server_set_state(m, s, s->up ? SERVER_UP : SERVER_DOWN);
        break;
    case SERVER_REMOVE:
        rv = s->state == SERVER_REMOVED ? 0 : remove_server(m, s);
        break;
    default:
        return DFS_EINVAL;
    }
    if (rv != 0)
        return rv;
    reply->type = MSG_TYPE_server_set_reply;
    reply->server_set_reply = (struct msg_server_set_reply){
        .state = s->state,
        .chunks = s->chunks,
        .bytes = s->bytes,
        .stuck = s->state == SERVER_DRAINING ? stuck(m, s) : 0,
        .goal = meta_default_goal(m),
    };
    return 0;
}
