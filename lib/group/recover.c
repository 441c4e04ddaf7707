/* SPDX-License-Identifier: MIT */
/* Files put together out of what is in quarantine, on an administrator's word.
 *
 *   IDLE --recover--> GATHERING --all servers that are up have told--> BUILDING --all files are in the log--> DONE
 *     ^------------------------- leadership lost: what was built stays, the rest is begun anew -------------'
 *
 * StorageServers tell what their records say (store/inventory.c). Chunks of one content carry one random number, their
 * place, and, as far as the writer knew it, the length of the whole; that decides what is a whole file. Each becomes one
 * command in the log; its chunks are known from then on, and nothing else of the quarantine changes. So all of it may
 * be done again when another server is back. */
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "group/group.h"

/* Commands in the log and not applied; files looked at in one turn. */
#define IN_LOG_MAX 1024u
#define FILES_PER_TURN 256u
#define CHUNKS_PER_FILE 16384u /* what a recover_file takes */
#define COPIES_MAX (1u << 30)

struct copy { /* of a chunk, on a server */
    uint64_t file, size, chunk;
    uint32_t index, version, length, crc;
    uint16_t server;
    uint8_t whole;
};

struct recovery {
    enum recover_state state;
    bool all; /* incomplete files as well */
    uint64_t run;
    struct copy *v; /* gathered; then sorted by file, index, chunk, server */
    uint32_t n, cap;
    uint32_t at; /* of v: what is below is in the log, or left */
    uint32_t in_log;
    uint32_t servers, reported;
    uint64_t whole, incomplete, chunks, used;
    char error[128];
};

void recovery_forget(struct nm *nm)
{
    if (nm->recovery == NULL)
        return;
    free(nm->recovery->v);
    free(nm->recovery);
    nm->recovery = NULL;
}

/* --- gathering --- */

static bool counts(struct nm *nm, const struct meta_server *s)
{
    return s->state != SERVER_DOWN && !leader_suspects(nm, live_get(nm, s->id));
}

/* How many servers are to tell, and have. */
static void count_servers(struct nm *nm, struct recovery *r)
{
    r->servers = r->reported = 0;
    for (uint32_t i = 0; i < meta_n_servers(nm->meta); i++) {
        const struct meta_server *s = meta_server_at(nm->meta, i);
        bool told = live_get(nm, s->id)->inventory == r->run;

        r->reported += told;
        r->servers += told || counts(nm, s);
    }
}

static void begin(struct nm *nm, bool all, struct effects *fx)
{
    recovery_forget(nm);
    nm->recovery = xcalloc(1, sizeof *nm->recovery);
    nm->recovery->state = RECOVER_GATHERING;
    nm->recovery->all = all;
    nm->recovery->run = rng_next(&nm->lead.rng) | 1;
    fx_log(fx, LOG_INFO, "nm.recover", "run=%" PRIu64, nm->recovery->run);
}

void recovery_request(struct nm *nm, const struct event *ev, struct effects *fx)
{
    uint8_t what = ev->msg->recover.what;
    struct msg reply = {.type = MSG_TYPE_recover_reply};
    const struct recovery *r = nm->recovery;
    bool busy = r != NULL && (r->state == RECOVER_GATHERING || r->state == RECOVER_BUILDING);

    if (what != RECOVER_LOOK && !busy && meta_quarantine(nm->meta) == 0) {
        fx_fail(fx, ev->to, DFS_EINVAL, "there is no quarantine, so there is nothing to recover");
        return;
    }
    if (what != RECOVER_LOOK && !busy)
        begin(nm, what == RECOVER_ALL, fx);
    r = nm->recovery;
    memset(&reply.recover_reply, 0, sizeof reply.recover_reply);
    reply.recover_reply.error = STR("");
    if (r != NULL) {
        count_servers(nm, nm->recovery);
        reply.recover_reply = (struct msg_recover_reply){.state = (uint8_t)r->state,
                                                         .run = r->run,
                                                         .servers = r->servers,
                                                         .reported = r->reported,
                                                         .copies = r->n,
                                                         .whole = r->whole,
                                                         .incomplete = r->incomplete,
                                                         .left = r->chunks - r->used,
                                                         .error = str_of(r->error)};
    }
    fx_reply(fx, ev->to, &reply, NULL);
}

void recovery_ask(const struct nm *nm, const struct live *l, struct msg_heartbeat_reply *reply)
{
    const struct recovery *r = nm->recovery;

    if (r == NULL || r->state != RECOVER_GATHERING || l->inventory == r->run)
        return;
    reply->inventory = r->run;
    reply->inventory_below = meta_quarantine(nm->meta);
}

static bool keep(struct recovery *r, const struct wire_found *h, uint32_t server)
{
    if (r->n == r->cap) {
        uint32_t cap = r->cap ? r->cap * 2 : 4096;
        struct copy *v = cap <= COPIES_MAX ? reallocarray(r->v, cap, sizeof *v) : NULL;

        if (v == NULL)
            return false;
        r->v = v;
        r->cap = cap;
    }
    r->v[r->n++] = (struct copy){.file = h->file,
                                 .size = h->size,
                                 .chunk = h->chunk,
                                 .index = h->index,
                                 .version = h->version,
                                 .length = h->length,
                                 .crc = h->crc,
                                 .server = (uint16_t)server,
                                 .whole = h->whole && h->length > 0 && h->length <= META_CHUNK_SIZE};
    return true;
}

static void fail(struct recovery *r, const char *why)
{
    snprintf(r->error, sizeof r->error, "%s", why);
    r->state = RECOVER_DONE;
    free(r->v);
    r->v = NULL;
    r->n = r->cap = r->at = 0;
}

void recovery_inventory(struct nm *nm, const struct event *ev, struct effects *fx)
{
    const struct msg_inventory *m = &ev->msg->inventory;
    const struct meta_server *s = leader_sender(nm, ev, m->server, m->incarnation, fx);
    struct msg reply = {.type = MSG_TYPE_inventory_reply};
    struct recovery *r = nm->recovery;
    struct live *l;

    if (s == NULL)
        return;
    l = live_get(nm, s->id);
    if (r == NULL || r->state != RECOVER_GATHERING || r->run != m->run || l->inventory == m->run) {
        fx_fail(fx, ev->to, DFS_ENOENT, "this inventory is not wanted any more");
        return;
    }
    for (uint32_t i = 0; i < m->n_chunks; i++)
        if (quarantine_holds(nm, m->chunks[i].chunk) && !meta_knows_chunk(nm->meta, m->chunks[i].chunk) &&
            !keep(r, &m->chunks[i], s->id)) {
            fail(r, "the NameServer has no memory for all that was reported");
            break;
        }
    if (m->eof) {
        l->inventory = m->run;
        fx_log(fx, LOG_INFO, "nm.recover_reported", "server=%u copies=%u", s->id, r->n);
    }
    fx_reply(fx, ev->to, &reply, NULL);
}

/* --- sorting out --- */

static int compare(uint64_t a, uint64_t b) { return a < b ? -1 : a > b; }

static int by_file(const void *a, const void *b)
{
    const struct copy *x = a, *y = b;
    int c = compare(x->file, y->file);

    if (c == 0)
        c = compare(x->index, y->index);
    if (c == 0)
        c = compare(x->chunk, y->chunk);
    if (c == 0)
        c = compare(y->version, x->version); /* the highest first */
    if (c == 0)
        c = compare(x->server, y->server);
    return c;
}

static bool alike(const struct copy *x, const struct copy *y)
{
    return x->whole && y->whole && x->version == y->version && x->length == y->length && x->crc == y->crc;
}

/* The copies [from, to) are of one chunk: out gets what most of those of the highest version agree on. False: none is
 * whole. */
static bool agree(const struct copy *v, uint32_t from, uint32_t to, struct wire_recovered *out,
                  struct wire_server_id *servers)
{
    uint32_t best = 0, best_n = 0;

    for (uint32_t i = from; i < to && v[i].version == v[from].version; i++) {
        uint32_t n = 0;

        for (uint32_t k = from; k < to; k++)
            n += alike(&v[i], &v[k]);
        if (n > best_n) {
            best = i;
            best_n = n;
        }
    }
    if (best_n == 0)
        return false;
    *out = (struct wire_recovered){.chunk = v[best].chunk,
                                   .version = v[best].version,
                                   .length = v[best].length,
                                   .crc = v[best].crc,
                                   .index = v[best].index,
                                   .servers = servers};
    for (uint32_t i = from; i < to && out->n_servers < META_MAX_REPLICAS; i++)
        if (alike(&v[best], &v[i]) && (out->n_servers == 0 || servers[out->n_servers - 1].id != v[i].server))
            servers[out->n_servers++].id = v[i].server; /* a page that came twice is one copy */
    return true;
}

/* How long the chunk at this place of a file of this size is. */
static uint64_t length_at(uint64_t size, uint32_t index)
{
    uint64_t start = (uint64_t)index * META_CHUNK_SIZE;

    return size > start ? min_u64(size - start, META_CHUNK_SIZE) : 0;
}

/* Of two chunks that claim one place (one was given up by its writer), the better. */
static bool better(const struct wire_recovered *x, const struct wire_recovered *y, uint64_t size)
{
    uint64_t want = length_at(size, x->index);

    if ((x->length == want) != (y->length == want))
        return x->length == want;
    if (x->length != y->length)
        return x->length > y->length;
    if (x->n_servers != y->n_servers)
        return x->n_servers > y->n_servers;
    return x->chunk > y->chunk;
}

struct file {                      /* being put together */
    struct wire_recovered *chunks; /* in the arena */
    uint32_t n;
    uint64_t size; /* as its writer said; 0: unknown */
};

/* The copies [from, to) are of one content. False: no memory. */
static bool put_together(struct recovery *r, struct arena *a, uint32_t from, uint32_t to, struct file *f)
{
    uint32_t next;

    *f = (struct file){.chunks = arena_alloc(a, to - from, sizeof *f->chunks)};
    if (f->chunks == NULL)
        return false;
    for (uint32_t i = from, top = from; i < to; i++) {
        top = r->v[i].chunk != r->v[top].chunk ? i : top;
        if (r->v[i].size != 0 && r->v[i].version == r->v[top].version)
            f->size = r->v[i].size; /* who wrote the end knew it best */
    }
    for (uint32_t i = from; i < to; i = next) {
        struct wire_server_id *servers = arena_alloc(a, META_MAX_REPLICAS, sizeof *servers);
        struct wire_recovered c, *last = f->n > 0 ? &f->chunks[f->n - 1] : NULL;

        if (servers == NULL)
            return false;
        for (next = i; next < to && r->v[next].chunk == r->v[i].chunk; next++)
            ;
        r->chunks++;
        if (!agree(r->v, i, next, &c, servers))
            continue;
        if (last != NULL && last->index == c.index) {
            if (better(&c, last, f->size))
                *last = c;
        } else {
            f->chunks[f->n++] = c;
        }
    }
    return true;
}

/* All chunks are there, and each is as long as it has to be. */
static bool is_whole(const struct file *f)
{
    uint64_t n = (f->size + META_CHUNK_SIZE - 1) / META_CHUNK_SIZE;

    if (f->size == 0 || n != f->n)
        return false;
    for (uint32_t i = 0; i < f->n; i++)
        if (f->chunks[i].index != i || f->chunks[i].length != length_at(f->size, i))
            return false;
    return true;
}

static uint64_t end_of(const struct file *f)
{
    const struct wire_recovered *last = &f->chunks[f->n - 1];

    return max_u64(f->size, (uint64_t)last->index * META_CHUNK_SIZE + last->length);
}

/* --- building --- */

/* Takes one file out of what was gathered. False: not now. */
static bool build_one(struct nm *nm, struct recovery *r)
{
    struct msg cmd = {.type = MSG_TYPE_recover_file};
    uint32_t from = r->at, to = from + 1;
    uint64_t before = r->chunks, file = r->v[from].file;
    struct file f;
    bool whole;

    /* what has no number is a file for itself, named like the chunk */
    while (to < r->n && r->v[to].file == file && (file != 0 || r->v[to].chunk == r->v[from].chunk))
        to++;
    arena_reset(&nm->arena);
    if (!put_together(r, &nm->arena, from, to, &f)) {
        fail(r, "the NameServer has no memory for a file of many chunks");
        return false;
    }
    whole = file != 0 && f.n <= CHUNKS_PER_FILE && is_whole(&f);
    if (whole || (r->all && f.n > 0 && f.n <= CHUNKS_PER_FILE)) {
        cmd.recover_file = (struct msg_recover_file){.file = file != 0 ? file : r->v[from].chunk,
                                                     .whole = whole,
                                                     .size = whole ? f.size : end_of(&f),
                                                     .chunks = f.chunks,
                                                     .n_chunks = f.n};
        if (!batch_propose(nm, &cmd)) {
            r->chunks = before;
            return false;
        }
        r->in_log++;
    } else {
        r->incomplete++;
    }
    r->at = to;
    return true;
}

void recovery_applied(struct nm *nm, const struct msg_recover_file *f)
{
    struct recovery *r = nm->recovery;

    if (r == NULL || r->in_log == 0)
        return;
    r->in_log--;
    if (f->n_chunks == 0 || !meta_knows_chunk(nm->meta, f->chunks[0].chunk))
        return; /* refused: its chunks count as left */
    r->used += f->n_chunks;
    r->whole += f->whole;
    r->incomplete += !f->whole;
}

static void end(struct nm *nm, struct recovery *r, struct effects *fx)
{
    r->state = RECOVER_DONE;
    free(r->v);
    r->v = NULL;
    r->cap = 0;
    for (uint32_t i = 0; i < nm->lead.n_live; i++)
        nm->lead.live[i].report_wanted = true; /* the quarantine is counted anew */
    fx_log(fx, LOG_INFO, "nm.recovered",
           "servers=%u of=%u whole=%" PRIu64 " incomplete=%" PRIu64 " chunks_left=%" PRIu64, r->reported, r->servers,
           r->whole, r->incomplete, r->chunks - r->used);
}

void recovery_turn(struct nm *nm, struct effects *fx)
{
    struct recovery *r = nm->recovery;

    if (r == NULL)
        return;
    if (r->state == RECOVER_GATHERING) {
        count_servers(nm, r);
        if (r->reported < r->servers)
            return;
        if (r->n > 0)
            qsort(r->v, r->n, sizeof *r->v, by_file);
        r->state = RECOVER_BUILDING;
    }
    for (uint32_t i = 0; r->state == RECOVER_BUILDING && i < FILES_PER_TURN && r->at < r->n && r->in_log < IN_LOG_MAX;
         i++)
        if (!build_one(nm, r))
            break;
    if (r->state == RECOVER_BUILDING && r->at == r->n && r->in_log == 0)
        end(nm, r, fx);
}

uint64_t recovery_deadline(const struct nm *nm)
{
    const struct recovery *r = nm->recovery;

    if (r == NULL || r->state != RECOVER_BUILDING || r->at == r->n || r->in_log == IN_LOG_MAX)
        return UINT64_MAX;
    return nm->now.mono + NS_PER_MS;
}
