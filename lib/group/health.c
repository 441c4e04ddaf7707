/* SPDX-License-Identifier: MIT */
/* Health: from the placements, from what the leader hears, and from repair; with advice that names the next command. */
#include "group/health.h"

#include <stdarg.h>
#include <stdio.h>

#include "group/group.h"

#define ADVICE_MAX 64u
/* Servers told of by name for one trouble; with more, the rest is a number. */
#define NAMED_MAX 8u
/* A server fuller than this gets a word of advice; at 98 % nothing new is placed on it (grant.c). */
#define NEARLY_FULL_PERCENT 90u

struct health {
    struct nm *nm;
    struct msg_health_reply *out;
    struct arena *arena;
    struct meta_health chunks;
    uint32_t named, unnamed; /* servers, for the trouble being told of */
};

static void worse(struct health *h, uint8_t status)
{
    if (h->out->status < status)
        h->out->status = status;
}

static void PRINTF_LIKE(2, 3) advise(struct health *h, const char *fmt, ...)
{
    char text[WIRE_TEXT_MAX], *copy;
    va_list ap;
    int len;

    va_start(ap, fmt);
    len = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (len < 0 || h->out->n_advice == ADVICE_MAX)
        return;
    len = len < (int)sizeof text ? len : (int)sizeof text - 1;
    copy = arena_alloc(h->arena, (size_t)len + 1, 1);
    if (copy == NULL)
        return;
    memcpy(copy, text, (size_t)len);
    h->out->advice[h->out->n_advice++].text = (struct str){copy, (uint32_t)len};
}

/* Whether one more server is told of by name. */
static bool name_one(struct health *h)
{
    if (h->named == NAMED_MAX) {
        h->unnamed++;
        return false;
    }
    h->named++;
    return true;
}

static void end_names(struct health *h, const char *what)
{
    if (h->unnamed > 0)
        advise(h, "and so for %u more storage servers that are %s: dfs server list shows them", h->unnamed, what);
    h->named = h->unnamed = 0;
}

static const struct meta_server *server_at(const struct health *h, uint32_t i)
{
    return meta_server_at(h->nm->meta, i);
}

/* --- storage servers --- */

static void tell_down(struct health *h)
{
    for (uint32_t i = 0; i < meta_n_servers(h->nm->meta); i++) {
        const struct meta_server *s = server_at(h, i);

        if (s->up || s->state == SERVER_REMOVED || (s->state == SERVER_DRAINED && s->chunks == 0))
            continue;
        worse(h, HEALTH_YELLOW);
        if (!name_one(h))
            continue;
        if (s->chunks == 0)
            advise(h,
                   "storage server %u (%s) is down and holds nothing: start it again, or take it out with: dfs server "
                   "remove %u",
                   s->id, s->addr, s->id);
        else
            advise(
                h,
                "storage server %u (%s) is down: start dfs-ss there again; if it will not come back: dfs server drain "
                "%u, and when it is drained: dfs server remove %u",
                s->id, s->addr, s->id, s->id);
    }
    end_names(h, "down");
}

static void tell_draining(struct health *h)
{
    for (uint32_t i = 0; i < meta_n_servers(h->nm->meta); i++) {
        const struct meta_server *s = server_at(h, i);

        if (s->state == SERVER_DRAINED && name_one(h))
            advise(h, "storage server %u (%s) is drained: stop it, and take it out with: dfs server remove %u", s->id,
                   s->addr, s->id);
        if (s->state == SERVER_DRAINING && name_one(h))
            advise(h,
                   "storage server %u (%s) is being drained: %" PRIu64
                   " chunks to go; to keep it after all: dfs server "
                   "undrain %u",
                   s->id, s->addr, s->chunks, s->id);
    }
    end_names(h, "drained or being drained");
}

static void tell_disks(struct health *h)
{
    for (uint32_t i = 0; i < meta_n_servers(h->nm->meta); i++) {
        const struct meta_server *s = server_at(h, i);
        const struct live *l = live_find(&h->nm->lead, s->id);
        uint32_t failed = 0;

        for (uint32_t d = 0; l != NULL && s->up && s->state != SERVER_REMOVED && d < l->n_disks; d++)
            failed += l->disks[d].failed != 0;
        if (failed == 0)
            continue;
        worse(h, HEALTH_YELLOW);
        if (name_one(h))
            advise(h,
                   "storage server %u (%s) gave up %u of its %u data folders after disk errors: replace the disk, then "
                   "start "
                   "dfs-ss again with an empty folder there (dfs status shows which)",
                   s->id, s->addr, failed, l->n_disks);
    }
    end_names(h, "short of a disk");
}

static void tell_full(struct health *h)
{
    for (uint32_t i = 0; i < meta_n_servers(h->nm->meta); i++) {
        const struct meta_server *s = server_at(h, i);
        const struct live *l = live_find(&h->nm->lead, s->id);
        uint64_t capacity = l != NULL && l->heard ? l->capacity : s->capacity;
        uint64_t used = l != NULL && l->heard ? l->used : s->used;

        if (s->state != SERVER_UP || capacity == 0 || used / (capacity / 100 + 1) < NEARLY_FULL_PERCENT)
            continue;
        worse(h, HEALTH_YELLOW);
        if (name_one(h))
            advise(
                h, "storage server %u (%s) is %u %% full: add a storage server or a disk, or remove files (dfs du)%s",
                s->id, s->addr, (unsigned)(used / (capacity / 100 + 1)),
                meta_oldest_trash(h->nm->meta) == INT64_MAX ? ""
                                                            : " and empty the trash (dfs trash list, dfs trash empty)");
    }
    end_names(h, "nearly full");
}

/* --- chunks --- */

static void tell_missing(struct health *h)
{
    if (h->out->missing > 0) {
        worse(h, HEALTH_RED);
        advise(h,
               "%" PRIu64
               " chunks have no copy on a storage server that is up: bring those that are down back; dfs fsck lists "
               "the files",
               h->out->missing);
    }
    if (h->out->corrupt > 0) {
        worse(h, HEALTH_RED);
        advise(h,
               "%" PRIu64
               " chunks are damaged in every copy there is: dfs fsck lists the files; restore them from a backup, or "
               "bring back a storage server that has another copy",
               h->out->corrupt);
    }
}

static void tell_waiting(struct health *h)
{
    struct agree_waiting w;
    char names[128] = "";
    size_t len = 0;

    agree_waiting(h->nm, &w);
    h->out->waiting = w.chunks;
    if (w.chunks == 0)
        return;
    worse(h, HEALTH_RED);
    for (uint32_t i = 0; i < w.n_servers; i++)
        len += (size_t)snprintf(names + len, sizeof names - len, "%s%" PRIu32, i > 0 ? ", " : "", w.servers[i]);
    advise(h,
           "%" PRIu64
           " chunks were being written when their storage servers stopped, and wait for storage server %s: start it "
           "again; if it will not come back: dfs fsck --give-up PATH lets files go on without what only it holds (dfs "
           "fsck lists them)",
           w.chunks, names);
}

static void tell_short(struct health *h)
{
    uint32_t stay = meta_servers_staying(h->nm->meta);

    if (h->out->under_replicated == 0)
        return;
    worse(h, HEALTH_YELLOW);
    if (h->chunks.goal_too_high > 0)
        advise(h,
               "%" PRIu64
               " chunks ask for more copies than the %u storage servers that stay can hold: add one (dfs-ss --data "
               "DIR --nm HOST:PORT), or ask for fewer copies (dfs setgoal)",
               h->chunks.goal_too_high, stay);
    else if (h->out->missing < h->out->under_replicated)
        advise(h, "%" PRIu64 " %s fewer copies than %s should: new ones are made by themselves",
               h->out->under_replicated, h->out->under_replicated == 1 ? "chunk has" : "chunks have",
               h->out->under_replicated == 1 ? "it" : "they");
}

static void tell_misplaced(struct health *h)
{
    if (h->out->misplaced == 0)
        return;
    worse(h, HEALTH_YELLOW);
    advise(h,
           "%" PRIu64
           " chunks have copies that share a failure domain, though they need not: they are moved by themselves",
           h->out->misplaced);
}

/* --- the cluster --- */

static void tell_few(struct health *h)
{
    uint32_t stay = meta_servers_staying(h->nm->meta);

    if (stay == 0) {
        worse(h, HEALTH_YELLOW);
        advise(h, "there is no storage server: nothing can be stored (dfs-ss --data DIR --nm HOST:PORT adds one)");
    } else if (stay == 1) {
        advise(h, "there is one storage server, so files have one copy: with a second one they all get two (dfs-ss "
                  "--data DIR --nm "
                  "HOST:PORT)");
    }
}

/* Nothing is wrong with it; but it does not end by itself. */
static void tell_quarantine(struct health *h)
{
    if (meta_quarantine(h->nm->meta) == 0)
        return;
    advise(h,
           "the namespace was restored: %" PRIu64 " copies of chunks it does not know are kept, and what is removed of "
           "the old ones too, until: dfs nm quarantine drop (recover makes files of them)",
           quarantine_copies(h->nm));
}

static int tell_nameservers(struct health *h)
{
    struct msg_status_reply s = {.n_nameservers = 0};
    int err = members_fill_status(h->nm, &s, h->arena);

    for (uint32_t i = 0; err == 0 && i < s.n_nameservers; i++) {
        const struct wire_nm_info *n = &s.nameservers[i];

        if (n->state != NM_DOWN)
            continue;
        worse(h, HEALTH_YELLOW);
        advise(h, "NameServer %u (%.*s) is down: start dfs-nm there again; if it will not come back: dfs nm remove %u",
               n->id, STR_ARG(n->addr), n->id);
    }
    return err;
}

int health_read(struct nm *nm, struct msg *reply, struct arena *a)
{
    struct health h = {.nm = nm, .out = &reply->health_reply, .arena = a};
    struct repair_health r;
    int err;

    memset(reply, 0, sizeof *reply);
    reply->type = MSG_TYPE_health_reply;
    meta_health(nm->meta, &h.chunks);
    repair_fill_health(nm, &r);
    *h.out = (struct msg_health_reply){
        .under_replicated = h.chunks.under_replicated,
        .endangered = h.chunks.endangered,
        .missing = h.chunks.missing,
        .corrupt = r.corrupt,
        .repairing = r.repairing,
        .eta_seconds = r.eta_seconds,
        .over_replicated = h.chunks.over_replicated,
        .misplaced = h.chunks.misplaced,
        .draining = h.chunks.draining,
        .goal_too_high = h.chunks.goal_too_high,
        .rebalancing = r.rebalancing,
        .copied = r.copied,
        .copied_bytes = r.copied_bytes,
        .advice = arena_alloc(a, ADVICE_MAX, sizeof *h.out->advice),
    };
    if (h.out->advice == NULL)
        return DFS_ENOMEM;
    tell_missing(&h);
    tell_waiting(&h);
    tell_down(&h);
    tell_disks(&h);
    tell_short(&h);
    err = tell_nameservers(&h);
    tell_full(&h);
    tell_misplaced(&h);
    tell_draining(&h);
    tell_few(&h);
    tell_quarantine(&h);
    return err;
}

static bool is_corrupt(void *arg, uint64_t chunk) { return repair_is_corrupt(arg, chunk); }
static bool waits(void *arg, uint64_t chunk) { return agree_waits(arg, chunk); }

int health_fsck(struct nm *nm, const struct msg *req, struct msg *reply, struct arena *a)
{
    const struct meta_fsck_known known = {.corrupt = is_corrupt, .waits = waits, .arg = nm};

    memset(reply, 0, sizeof *reply);
    return meta_read_fsck(nm->meta, &req->fsck, reply, a, &known);
}
