/* SPDX-License-Identifier: MIT */
/* Versions of chunks that are written in place (CONSISTENCY B10 to B13).
 *
 *                                                (none, or sealed)
 *                                                  | chunk_open: STAMP each live member open
 *                    applied                       v
 *          open <----------- PROPOSE(begin) <----- all stamped
 *            | a member lost, a write failed, closed by its last writer
 *            v
 *          FENCE each member that is up; wait for the leases of the others
 *            | all told, or gone
 *            v
 *          STAMP those that hold the longest history, sealed ---> PROPOSE(seal) ---> sealed
 *
 * The happy path of an open costs one round trip to the members and one log entry. Possible failures are: a member holds
 * something else than the map says (it is left out, and repaired later), one does not answer (it is asked again until it is
 * down), too few are left (ENOSERVERS), leadership is lost (callers ask the next leader, which begins anew; what was
 * stamped and not logged is found by its version). */
#include <stdlib.h>

#include "base/log.h"
#include "group/agree_impl.h"

#define LOOK_EVERY (500 * NS_PER_MS)
/* A caller that is not served by then is told to come again. */
#define CALLER_PATIENCE (3 * NS_PER_SEC)
#define CALLERS_MAX 1024u
#define AGREEMENTS_MAX 8192u

/* --- the table --- */

static struct agreement *find_place(struct nm *nm, uint64_t ino, uint32_t index)
{
    struct agreement *a, key = {.place = {ino, index}};

    HASH_FIND(hh, nm->lead.agree.by_place, &key.place, sizeof key.place, a);
    return a;
}

struct agreement *agree_find(const struct nm *nm, uint64_t chunk)
{
    struct agreement *a;

    HASH_FIND(hh_chunk, nm->lead.agree.by_chunk, &chunk, sizeof chunk, a);
    return a;
}

static struct agreement *agreement_new(struct nm *nm, uint64_t ino, uint32_t index, uint64_t chunk)
{
    struct agreements *t = &nm->lead.agree;
    struct agreement *a;

    if (HASH_CNT(hh, t->by_place) >= AGREEMENTS_MAX)
        return NULL;
    a = xcalloc(1, sizeof *a);
    a->place.ino = ino;
    a->place.index = index;
    a->chunk = chunk;
    HASH_ADD(hh, t->by_place, place, sizeof a->place, a);
    HASH_ADD(hh_chunk, t->by_chunk, chunk, sizeof a->chunk, a);
    return a;
}

static void agreement_free(struct nm *nm, struct agreement *a)
{
    HASH_DELETE(hh, nm->lead.agree.by_place, a);
    HASH_DELETE(hh_chunk, nm->lead.agree.by_chunk, a);
    free(a->callers);
    free(a);
}

/* --- answering --- */

static void tell(struct nm *nm, struct reply_to to, const struct meta_chunk_info *c, uint64_t was, struct effects *fx)
{
    struct msg reply = {.type = MSG_TYPE_chunk_open_reply};
    struct wire_replica chain[META_MAX_REPLICAS];
    uint16_t servers[META_MAX_REPLICAS];
    uint32_t n = meta_chunk_chain(nm->meta, c->chunk, servers);
    struct meta_chunk_info before;

    for (uint32_t i = 0; i < n; i++)
        chain[i] =
            (struct wire_replica){.server = servers[i], .addr = str_of(meta_server_by_id(nm->meta, servers[i])->addr)};
    reply.chunk_open_reply = (struct msg_chunk_open_reply){
        .chunk = c->chunk, .version = c->version, .chunk_size = META_CHUNK_SIZE, .replicas = chain, .n_replicas = n};
    reply.chunk_open_reply.size = meta_file_size(nm->meta, meta_open_chunk(nm->meta, c->chunk));
    (void)meta_chunk_index(nm->meta, c->chunk, &reply.chunk_open_reply.index);
    reply.chunk_open_reply.generation = meta_file_generation(nm->meta, meta_open_chunk(nm->meta, c->chunk));
    if (was != 0 && !meta_chunk_get(nm->meta, was, &before))
        reply.chunk_open_reply.cut = CHUNK_CUT_LONG_AGO;
    else if (was != 0 && before.removed)
        reply.chunk_open_reply.cut = CHUNK_CUT;
    fx_reply(fx, to, &reply, NULL);
}

/* One whose session ended meanwhile is not told: this version is not fenced against it. */
static void tell_callers(struct nm *nm, struct agreement *a, const struct meta_chunk_info *c, struct effects *fx)
{
    uint64_t ino;

    for (uint32_t i = 0; i < a->n_callers; i++)
        if (meta_may_write(nm->meta, a->callers[i].session, a->callers[i].handle, &ino))
            tell(nm, a->callers[i].to, c, a->callers[i].was, fx);
        else
            fx_fail(fx, a->callers[i].to, DFS_EBADF, "the file is not open for writing");
    a->n_callers = 0;
}

static void fail_callers(struct agreement *a, int err, const char *why, struct effects *fx)
{
    for (uint32_t i = 0; i < a->n_callers; i++)
        fx_fail(fx, a->callers[i].to, err, "%s", why);
    a->n_callers = 0;
}

static bool add_caller(struct nm *nm, struct agreement *a, const struct event *ev)
{
    if (a->n_callers == CALLERS_MAX)
        return false;
    if ((a->n_callers & (a->n_callers - 1)) == 0)
        a->callers = xrealloc(a->callers, a->n_callers == 0 ? 1 : a->n_callers * 2, sizeof *a->callers);
    a->callers[a->n_callers++] = (struct caller){.to = ev->to,
                                                 .session = ev->msg->chunk_open.session,
                                                 .handle = ev->msg->chunk_open.handle,
                                                 .was = ev->msg->chunk_open.was,
                                                 .until = nm->now.mono + CALLER_PATIENCE};
    return true;
}

void agree_give_up(struct nm *nm, struct agreement *a, int err, const char *why, struct effects *fx)
{
    fail_callers(a, err, why, fx);
    agreement_free(nm, a);
}

/* --- what was applied --- */

void agree_applied(struct nm *nm, const struct msg *cmd, struct effects *fx)
{
    bool begin = cmd->type == MSG_TYPE_chunk_begin;
    struct agreement *next, *a = agree_find(nm, begin ? cmd->chunk_begin.chunk : cmd->chunk_seal.chunk);
    struct meta_chunk_info c;
    bool there;

    if (a == NULL || !a->proposed)
        return;
    next =
        begin || a->place.index == META_INDEX_MAX ? NULL : find_place(nm, a->place.ino, (uint32_t)a->place.index + 1);
    if (next != NULL && next->after == a->chunk) { /* nothing is appended to this one any more */
        agree_give_up(nm, a, DFS_EAGAIN, "the file goes on in another chunk: ask again", fx);
        agree_step(nm, next, fx);
        return;
    }
    there = meta_chunk_of(nm->meta, a->place.ino, (uint32_t)a->place.index, &c) && c.chunk == a->chunk;
    if (there && !c.open && !begin)
        repair_sealed(nm, &c);
    if (there && c.open && begin) {
        tell_callers(nm, a, &c, fx);
    } else if (there && !c.open && !begin && a->n_callers > 0 && !cut_waits(nm, a->place.ino)) {
        if (agree_start_open(nm, a, &c)) {
            agree_step(nm, a, fx);
            return;
        }
        fail_callers(a, DFS_ENOSERVERS, "too few servers are up to write to this chunk", fx);
    }
    agree_give_up(nm, a, DFS_EAGAIN, "the chunk has changed: ask again", fx); /* a hole again, say */
}

/* --- requests --- */

static void open_new(struct nm *nm, uint64_t ino, uint32_t index, uint64_t after, const struct event *ev,
                     struct effects *fx)
{
    uint16_t servers[META_MAX_REPLICAS];
    uint32_t n = leader_place(nm, meta_file_goal(nm->meta, ino), agree_min_replicas(nm, ino), servers, ev->to, fx);
    struct agreement *a;

    if (n == 0)
        return;
    if (nm->lead.next_serial >= meta_reserved(nm->meta)) {
        fx_fail(fx, ev->to, DFS_EAGAIN, "more chunk ids are being reserved");
        return;
    }
    a = agreement_new(nm, ino, index, nm->lead.next_serial);
    if (a == NULL) {
        fx_fail(fx, ev->to, DFS_EAGAIN, "too many chunks are being opened");
        return;
    }
    nm->lead.next_serial++;
    leader_reserve(nm);
    a->state = AGREE_STAMP;
    a->to = 1;
    a->n = n;
    for (uint32_t i = 0; i < n; i++)
        a->m[i] = (struct member){.server = servers[i], .sequence = UINT64_MAX};
    a->after = after;
    add_caller(nm, a, ev);
    agree_step(nm, a, fx);
}

static void open_existing(struct nm *nm, uint64_t ino, uint32_t index, const struct event *ev,
                          const struct meta_chunk_info *c, struct effects *fx)
{
    const struct msg_chunk_open *r = &ev->msg->chunk_open;
    bool another = r->was != 0 && r->was != c->chunk; /* than the one that failed the caller */
    struct agreement *a;

    if (c->open && !c->cut && (another || c->version > r->failed)) {
        tell(nm, ev->to, c, r->was, fx);
        return;
    }
    a = agreement_new(nm, ino, index, c->chunk);
    if (a == NULL) {
        fx_fail(fx, ev->to, DFS_EAGAIN, "too many chunks are being opened");
        return;
    }
    add_caller(nm, a, ev);
    if (c->open) {
        agree_start_seal(nm, a, c);
    } else if (!agree_start_open(nm, a, c)) {
        agree_give_up(nm, a, DFS_ENOSERVERS, "too few servers that hold this chunk are up to write to it", fx);
        return;
    }
    agree_step(nm, a, fx);
}

/* Where an append goes: to the chunk the file ends in, or, if its record does not fit there, to the next. That is made only when
 * nothing can be appended to the one before any more (*after). */
static uint32_t last_index(struct nm *nm, uint64_t ino, uint64_t full, uint64_t *after)
{
    struct meta_chunk_info c;
    uint32_t index = meta_file_last(nm->meta, ino);

    if (find_place(nm, ino, index + 1ULL <= META_INDEX_MAX ? index + 1 : index) != NULL)
        return index + 1;
    if (full == 0 || !meta_chunk_of(nm->meta, ino, index, &c) || c.chunk != full)
        return index;
    *after = full;
    return index + 1;
}

void agree_request(struct nm *nm, const struct event *ev, struct effects *fx)
{
    const struct msg_chunk_open *r = &ev->msg->chunk_open;
    struct meta_chunk_info c;
    struct agreement *a;
    uint64_t ino, after = 0;
    uint32_t index = r->index;

    if (!meta_may_write(nm->meta, r->session, r->handle, &ino)) {
        fx_fail(fx, ev->to, DFS_EBADF, "the file is not open for writing");
        return;
    }
    sessions_note(nm, r->session);
    if (index == CHUNK_LAST)
        index = last_index(nm, ino, r->full, &after);
    a = find_place(nm, ino, index);
    if (cut_waits(nm, ino)) {
        fx_fail(fx, ev->to, DFS_EAGAIN, "the file is being made shorter");
    } else if (a != NULL) {
        if (!add_caller(nm, a, ev))
            fx_fail(fx, ev->to, DFS_EAGAIN, "too many wait for this chunk");
    } else if (meta_chunk_of(nm->meta, ino, index, &c)) {
        open_existing(nm, ino, index, ev, &c, fx);
    } else if (index > META_INDEX_MAX) {
        fx_fail(fx, ev->to, DFS_EFBIG, "a file has at most %u chunks", META_INDEX_MAX + 1);
    } else {
        open_new(nm, ino, index, after, ev, fx);
    }
}

/* --- servers that do not come back --- */

bool agree_waits(const struct nm *nm, uint64_t chunk)
{
    const struct agreement *a = agree_find(nm, chunk);

    return a != NULL && agree_stands(a);
}

static void wait_for(struct agree_waiting *w, uint32_t server)
{
    for (uint32_t i = 0; i < w->n_servers; i++)
        if (w->servers[i] == server)
            return;
    if (w->n_servers < ARRAY_LEN(w->servers))
        w->servers[w->n_servers++] = server;
}

void agree_waiting(const struct nm *nm, struct agree_waiting *out)
{
    const struct agreement *a;

    *out = (struct agree_waiting){.chunks = 0};
    for (a = nm->lead.agree.by_place; a != NULL; a = a->hh.next) {
        if (!agree_stands(a))
            continue;
        out->chunks++;
        for (uint32_t i = 0; i < a->n; i++)
            if (agree_may_have_more(&a->m[i]))
                wait_for(out, a->m[i].server);
    }
}

bool agree_lost(const struct nm *nm, uint64_t chunk)
{
    const struct agreement *a = agree_find(nm, chunk);

    return a != NULL && agree_is_lost(a);
}

uint64_t agree_lost_chunks(const struct nm *nm)
{
    uint64_t n = 0;

    for (const struct agreement *a = nm->lead.agree.by_place; a != NULL; a = a->hh.next)
        n += agree_is_lost(a);
    return n;
}

void agree_go_on(struct nm *nm, const struct event *ev, struct effects *fx)
{
    struct msg reply = {.type = MSG_TYPE_give_up_reply};
    struct agreement *a, *next;

    HASH_ITER(hh, nm->lead.agree.by_place, a, next)
    {
        if (a->place.ino != ev->msg->give_up.ino || !agree_stands(a))
            continue;
        for (uint32_t i = 0; i < a->n; i++)
            a->m[i].given_up = agree_may_have_more(&a->m[i]);
        fx_log(fx, LOG_WARN, "nm.given_up", "chunk=%" PRIu64 " ino=%" PRIu64, a->chunk, a->place.ino);
        reply.give_up_reply.chunks++;
        agree_step(nm, a, fx);
    }
    fx_reply(fx, ev->to, &reply, NULL);
}

/* --- by time --- */

/* An open chunk that has to be sealed: nobody writes to it any more, a member is gone, or is to go, or it has to become
 * shorter. */
static bool wants_seal(struct nm *nm, uint64_t chunk, uint64_t ino)
{
    uint16_t servers[META_MAX_REPLICAS];
    uint32_t n = meta_chunk_chain(nm->meta, chunk, servers);
    struct meta_chunk_info c;

    if (!meta_chunk_get(nm->meta, chunk, &c))
        return false;
    if (!meta_is_written(nm->meta, ino) || c.cut)
        return true;
    for (uint32_t i = 0; i < n; i++)
        if (agree_is_gone(nm, servers[i]))
            return true;
    return repair_drains(nm, &c);
}

static void seal(struct nm *nm, uint64_t chunk, uint64_t ino)
{
    struct meta_chunk_info c;
    struct agreement *a;
    uint32_t index;

    if (agree_find(nm, chunk) != NULL || !meta_chunk_get(nm->meta, chunk, &c) ||
        !meta_chunk_index(nm->meta, chunk, &index))
        return;
    a = agreement_new(nm, ino, index, chunk);
    if (a != NULL)
        agree_start_seal(nm, a, &c);
}

void agree_seal(struct nm *nm, uint64_t chunk, struct effects *fx)
{
    uint64_t ino = meta_open_chunk(nm->meta, chunk);

    if (ino == 0 || agree_find(nm, chunk) != NULL)
        return;
    seal(nm, chunk, ino);
    if (agree_find(nm, chunk) != NULL)
        agree_step(nm, agree_find(nm, chunk), fx);
}

void agree_unsettled(struct nm *nm, uint64_t chunk, uint32_t version)
{
    uint64_t ino = meta_open_chunk(nm->meta, chunk);
    struct meta_chunk_info c;

    if (ino != 0 && meta_chunk_get(nm->meta, chunk, &c) && version >= c.version) /* else it is behind, and no member any more */
        seal(nm, chunk, ino);
}

void agree_restarted(struct nm *nm, uint32_t server)
{
    size_t at = 0;
    uint64_t chunk, ino;

    while (meta_open_chunk_next(nm->meta, &at, &chunk, &ino)) {
        uint16_t servers[META_MAX_REPLICAS];
        uint32_t n = meta_chunk_chain(nm->meta, chunk, servers);

        for (uint32_t i = 0; i < n; i++)
            if (servers[i] == server)
                seal(nm, chunk, ino);
    }
}

static void callers_patience(struct nm *nm, struct agreement *a, struct effects *fx)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < a->n_callers; i++)
        if (nm->now.mono >= a->callers[i].until)
            fx_fail(fx, a->callers[i].to, DFS_EAGAIN, "the servers that hold this chunk have not agreed yet");
        else
            a->callers[kept++] = a->callers[i];
    a->n_callers = kept;
}

void agree_tick(struct nm *nm, struct effects *fx)
{
    struct agreement *a, *next;
    size_t at = 0;
    uint64_t chunk, ino;

    if (!lease_valid(nm))
        return;
    HASH_ITER(hh, nm->lead.agree.by_place, a, next)
    {
        struct meta_chunk_info c;

        callers_patience(nm, a, fx);
        if (a->from > 0 &&
            !(meta_chunk_of(nm->meta, a->place.ino, (uint32_t)a->place.index, &c) && c.chunk == a->chunk))
            agree_give_up(nm, a, meta_file_generation(nm->meta, a->place.ino) != 0 ? DFS_EAGAIN : DFS_ENOENT,
                          "the chunk, or its file, is gone", fx);
        else if (!a->seal && a->n_callers == 0 && a->state == AGREE_STAMP)
            agreement_free(nm, a); /* nobody wants it open any more */
        else
            agree_step(nm, a, fx);
    }
    if (nm->now.mono < nm->lead.agree.next_look)
        return;
    nm->lead.agree.next_look = nm->now.mono + LOOK_EVERY;
    while (meta_open_chunk_next(nm->meta, &at, &chunk, &ino))
        if (wants_seal(nm, chunk, ino))
            seal(nm, chunk, ino);
}

void agree_refuse(struct nm *nm, struct effects *fx)
{
    struct agreement *a, *next;

    HASH_ITER(hh, nm->lead.agree.by_place, a, next)
    {
        for (uint32_t i = 0; i < a->n_callers; i++)
            fx_not_leader(fx, a->callers[i].to, "");
        agreement_free(nm, a);
    }
    nm->lead.agree.next_look = 0;
}

void agree_close(struct nm *nm)
{
    struct agreement *a, *next;

    HASH_ITER(hh, nm->lead.agree.by_place, a, next)
    agreement_free(nm, a);
}
