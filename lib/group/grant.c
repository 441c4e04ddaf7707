/* SPDX-License-Identifier: MIT */
/* Grants: chunk ids from the epoch's reserve, and where their replicas go. Not logged: ids are unique because the
 * reserve is, and the placement travels in the token (B15). */
#include "group/group.h"

#define GRANT_VERSION 1u
#define RESERVE_STEP (1ULL << 20)
/* A server with less free than this share of its capacity takes no new chunks. */
#define FULL_SHARE 50u

struct candidate {
    const struct meta_server *server;
    struct live *live;
    uint64_t free;
    uint32_t shared; /* leading components of its failure domain that a server already chosen has, too */
    bool taken;
};

struct placement {
    struct candidate *v;
    uint32_t n;
    uint32_t up, avoided, full; /* how many there were, for the error's text */
};

void leader_reserve(struct nm *nm)
{
    struct leader *l = &nm->lead;
    uint64_t reserved = meta_reserved(nm->meta);
    struct msg cmd = {.type = MSG_TYPE_reserve};

    if (l->reserve_pending || (reserved > l->next_serial && reserved - l->next_serial > RESERVE_STEP / 2))
        return;
    cmd.reserve.chunks_below = max_u64(reserved, l->next_serial) + RESERVE_STEP;
    l->reserve_pending = batch_propose(nm, &cmd);
}

static bool is_avoided(const struct msg_grant *g, uint32_t id)
{
    for (uint32_t i = 0; i < g->n_avoid; i++)
        if (g->avoid[i].id == id)
            return true;
    return false;
}

static int find_candidates(struct nm *nm, const struct msg_grant *g, struct placement *p)
{
    uint32_t n = meta_n_servers(nm->meta);

    *p = (struct placement){.v = arena_alloc(&nm->arena, n, sizeof *p->v)};
    if (p->v == NULL)
        return DFS_ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        live_get(nm, meta_server_at(nm->meta, i)->id); /* all made first: later ones would move the earlier */
    for (uint32_t i = 0; i < n; i++) {
        const struct meta_server *s = meta_server_at(nm->meta, i);
        struct live *l = live_get(nm, s->id);
        uint64_t capacity = l->heard ? l->capacity : s->capacity;
        uint64_t used = l->heard ? l->used : s->used;
        uint64_t room = capacity > used ? capacity - used : 0;

        if (s->state != SERVER_UP || leader_suspects(nm, l))
            continue;
        p->up++;
        if (is_avoided(g, s->id))
            p->avoided++;
        else if (capacity > 0 && room < capacity / FULL_SHARE)
            p->full++;
        else
            p->v[p->n++] = (struct candidate){.server = s, .live = l, .free = room};
    }
    return 0;
}

/* The least a server not yet chosen shares with those that are: only such come next. */
static uint32_t least_shared(const struct placement *p)
{
    uint32_t least = META_DOMAIN_DEPTH;

    for (uint32_t i = 0; i < p->n; i++)
        if (!p->v[i].taken && p->v[i].shared < least)
            least = p->v[i].shared;
    return least;
}

/* More free space is more likely; what was just granted counts against a server until its next heartbeat tells. */
static uint64_t weight(const struct candidate *c, uint32_t shared)
{
    return c->taken || c->shared > shared ? 0 : (c->free / MIB + 1) * 16 / (16 + c->live->granted) + 1;
}

static void take(struct placement *p, struct candidate *c)
{
    c->taken = true;
    c->live->granted++;
    for (uint32_t i = 0; i < p->n; i++)
        p->v[i].shared = (uint32_t)max_u64(p->v[i].shared, meta_domains_shared(p->v[i].server, c->server));
}

static struct candidate *pick(struct nm *nm, struct placement *p)
{
    uint32_t shared = least_shared(p);
    uint64_t sum = 0, at;

    for (uint32_t i = 0; i < p->n; i++)
        sum += weight(&p->v[i], shared);
    if (sum == 0)
        return NULL;
    at = rng_below(&nm->lead.rng, sum);
    for (uint32_t i = 0; i < p->n; i++) {
        uint64_t w = weight(&p->v[i], shared);

        if (at < w)
            return &p->v[i];
        at -= w;
    }
    return NULL;
}

static int grant_chunk(struct nm *nm, struct placement *p, uint32_t copies, uint8_t goal, struct wire_granted *out)
{
    struct wire_server_id servers[META_MAX_REPLICAS];
    struct wire_grant_token token = {.epoch = meta_epoch(nm->meta),
                                     .chunk = nm->lead.next_serial,
                                     .version = GRANT_VERSION,
                                     .goal = goal,
                                     .expires_ns = nm->now.wall + (int64_t)nm->cfg.grant_lifetime,
                                     .servers = servers};
    struct bytes b;
    int err;

    out->replicas = arena_alloc(&nm->arena, copies, sizeof *out->replicas);
    if (out->replicas == NULL)
        return DFS_ENOMEM;
    for (uint32_t i = 0; i < p->n; i++) {
        p->v[i].taken = false;
        p->v[i].shared = 0;
    }
    for (uint32_t i = 0; i < copies; i++) {
        struct candidate *c = pick(nm, p);

        if (c == NULL)
            break;
        take(p, c);
        servers[token.n_servers++].id = c->server->id;
        out->replicas[out->n_replicas++] =
            (struct wire_replica){.server = c->server->id, .addr = str_of(c->server->addr)};
    }
    bytes_init(&b, WIRE_TOKEN_MAX);
    err = wire_encode(&wire_rec_grant_token, &token, &b);
    if (err == 0) {
        char *copy = arena_alloc(&nm->arena, b.len, 1);

        err = copy != NULL ? 0 : DFS_ENOMEM;
        if (copy != NULL)
            memcpy(copy, b.p, b.len);
        out->grant = (struct str){copy, (uint32_t)b.len};
    }
    bytes_close(&b);
    out->chunk = token.chunk;
    out->version = GRANT_VERSION;
    nm->lead.next_serial++;
    return err;
}

static void refuse(struct effects *fx, struct reply_to to, const struct placement *p, uint32_t needed, uint32_t known)
{
    if (p->n + p->full >= needed)
        fx_fail(fx, to, DFS_ENOSPC,
                p->avoided ? "no space: of %u storage servers that are up %u are full, and %u just refused; %u with space "
                             "are needed (dfs df)"
                           : "no space: of %u storage servers that are up %u are full%.0u; %u with space are needed (dfs df)",
                p->up, p->full, p->avoided, needed);
    else
        fx_fail(fx, to, DFS_ENOSERVERS,
                p->avoided
                    ? "%u of %u storage servers up, %u of them just failed, at least %u needed (dfs health)"
                    : "%u of %u storage servers up%.0u, at least %u needed (dfs health)",
                p->up, known, p->avoided, needed);
}

uint32_t leader_place(struct nm *nm, uint8_t goal, uint32_t needed, uint16_t servers[META_MAX_REPLICAS],
                      struct reply_to to, struct effects *fx)
{
    const struct msg_grant none = {.goal = goal};
    struct placement p;
    uint32_t n = 0;

    arena_reset(&nm->arena);
    if (find_candidates(nm, &none, &p) != 0) {
        fx_fail(fx, to, DFS_ENOMEM, "there is no memory to look for storage servers");
        return 0;
    }
    if (p.n < needed) {
        refuse(fx, to, &p, needed, meta_n_servers(nm->meta));
        return 0;
    }
    for (; n < goal; n++) {
        struct candidate *c = pick(nm, &p);

        if (c == NULL)
            break;
        c->taken = true;
        c->live->granted++;
        servers[n] = (uint16_t)c->server->id;
    }
    return n;
}

void leader_grant(struct nm *nm, const struct event *ev, struct effects *fx)
{
    const struct msg_grant *g = &ev->msg->grant;
    uint8_t goal = g->goal != 0 ? g->goal : meta_default_goal(nm->meta);
    uint32_t needed = goal == 1 ? 1 : 2;
    struct msg reply = {.type = MSG_TYPE_grant_reply};
    uint64_t serials = meta_reserved(nm->meta) - min_u64(nm->lead.next_serial, meta_reserved(nm->meta));
    uint32_t count = (uint32_t)min_u64(min_u64(g->count, GRANT_MAX_CHUNKS), serials);
    struct placement p;
    int err;

    arena_reset(&nm->arena);
    leader_reserve(nm);
    if (g->count == 0 || goal > META_MAX_REPLICAS) {
        fx_fail(fx, ev->to, DFS_EINVAL, "a grant is for at least one chunk of at most %u copies", META_MAX_REPLICAS);
        return;
    }
    if (!meta_session_exists(nm->meta, g->session)) {
        fx_fail(fx, ev->to, DFS_ESESSION, "the session is not known or has expired");
        return;
    }
    sessions_note(nm, g->session);
    if (count == 0) {
        fx_fail(fx, ev->to, DFS_EAGAIN, "more chunk ids are being reserved");
        return;
    }
    err = find_candidates(nm, g, &p);
    if (err == 0 && p.n < needed) {
        refuse(fx, ev->to, &p, needed, meta_n_servers(nm->meta));
        return;
    }
    reply.grant_reply.chunks = err == 0 ? arena_alloc(&nm->arena, count, sizeof *reply.grant_reply.chunks) : NULL;
    if (reply.grant_reply.chunks == NULL)
        err = DFS_ENOMEM;
    for (uint32_t i = 0; i < count && err == 0; i++)
        err = grant_chunk(nm, &p, p.n < goal ? p.n : goal, goal, &reply.grant_reply.chunks[i]);
    if (err != 0) {
        fx_fail(fx, ev->to, err, "the grant cannot be made");
        return;
    }
    reply.grant_reply.n_chunks = count;
    reply.grant_reply.epoch = meta_epoch(nm->meta);
    reply.grant_reply.lifetime_ms = (uint32_t)min_u64(nm->cfg.grant_lifetime / NS_PER_MS, UINT32_MAX);
    reply.grant_reply.chunk_size = META_CHUNK_SIZE;
    fx_reply(fx, ev->to, &reply, NULL);
}
