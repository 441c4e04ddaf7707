/* SPDX-License-Identifier: MIT */
/* Directories in which files are made without asking (dfs_delegate): the mount has them delegated, knows all names in them, and
 * promises new files by itself (promise.c).
 *
 *            two files made          granted           listed              asked back, not used, over
 *   watched ---------------> asking --------> listing --------> at hand ------------------------------> ending
 *      ^                                                                  returned, when nothing is promised |
 *      +-----------------------------------------------------------------------------------------------------+
 *
 * Names are kept as hashes, of those that are there, or were, or may come by a request of ours that is under way (the kernel makes
 * one at a time in a directory, so that is one made since we asked): whoever asks for one of these is sent to the cluster. A directory
 * that others use as well is not asked for again at once, each time after a longer pause. */
#include <string.h>
#include <time.h>

#include "mount.h"
#include "promise.h"

#define ASK_AFTER 2u   /* files made … */
#define ASK_WITHIN 1000u /* … in so many ms */
#define INODES_FIRST 256u
#define INODES_MORE 2048u
#define INODES_LOW 128u
#define NAMES_MAX 50000u /* in a directory that is taken */
#define PAGE 4000u
#define IDLE_MS 2000u
#define TICK_MS 500u
#define PAUSE_MIN_MS 1000u
#define PAUSE_MAX_MS 60000u
#define DIRECTORIES_MAX 1000u

/* Also while the machine sleeps: others may get the directory meanwhile. */
static uint64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* --- names --- */

/* FNV-1a (Fowler, Noll, Vo), of 64 bits; 0 marks an empty slot. */
static uint64_t hash_of(const char *name)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (const char *p = name; *p; p++)
        h = (h ^ (uint8_t)*p) * 0x100000001b3u;
    return h | 1;
}

static size_t slot_of(const struct delegation *d, uint64_t h)
{
    size_t i = (h >> 1) & (d->cap - 1);
    while (d->names[i] && d->names[i] != h)
        i = (i + 1) & (d->cap - 1);
    return i;
}

static void names_grow(struct delegation *d)
{
    uint64_t *old = d->names;
    size_t cap = d->cap;
    d->cap = cap ? cap * 2 : 64;
    d->names = xcalloc(d->cap, sizeof *d->names);
    for (size_t i = 0; i < cap; i++)
        if (old[i])
            d->names[slot_of(d, old[i])] = old[i];
    free(old);
}

static void names_add(struct delegation *d, const char *name)
{
    uint64_t h = hash_of(name);
    if (2 * (d->n_names + 1) > d->cap)
        names_grow(d);
    size_t i = slot_of(d, h);
    d->n_names += d->names[i] == 0;
    d->names[i] = h;
}

static void names_drop(struct delegation *d)
{
    free(d->names);
    d->names = NULL;
    d->n_names = d->cap = 0;
}

static bool names_have(const struct delegation *d, const char *name)
{
    uint64_t h = hash_of(name);
    return d->cap && d->names[slot_of(d, h)] == h;
}

/* --- directories --- */

struct delegation *delegation_find(const struct mount *m, uint64_t dir)
{
    struct delegation *d;
    HASH_FIND(hh, m->delegations, &dir, sizeof dir, d);
    return d;
}

static void forget(struct delegation *d)
{
    HASH_DELETE(hh, d->m->delegations, d);
    names_drop(d);
    free(d->after);
    free(d);
}

static void on_tick(uv_timer_t *h);

static struct delegation *watched(struct mount *m, uint64_t dir)
{
    struct delegation *d = delegation_find(m, dir);
    if (d || HASH_CNT(hh, m->delegations) >= DIRECTORIES_MAX)
        return d;
    d = xcalloc(1, sizeof *d);
    d->m = m;
    d->dir = dir;
    list_init(&d->promised);
    HASH_ADD(hh, m->delegations, dir, sizeof d->dir, d);
    if (!uv_is_active((uv_handle_t *)&m->delegation_timer))
        uv_timer_start(&m->delegation_timer, on_tick, TICK_MS, TICK_MS);
    return d;
}

int64_t delegation_changed(const struct mount *m, uint64_t dir)
{
    const struct delegation *d = delegation_find(m, dir);
    return d && d->changed_ns ? d->changed_ns : INT64_MIN;
}

static bool at_hand(const struct delegation *d)
{
    return d && d->state == DELEGATION_AT_HAND && now_ms() < d->until && !d->m->ending;
}

bool delegation_lacks(const struct delegation *d, const char *name)
{
    return at_hand(d) && !names_have(d, name);
}

/* Asked for, or had, and not being given back. */
static bool is_ours(const struct delegation *d)
{
    return d->state == DELEGATION_ASKING || d->state == DELEGATION_LISTING || d->state == DELEGATION_AT_HAND;
}

/* --- giving it back --- */

static void on_returned(void *arg, int status, const struct dfs_result *r)
{
    struct delegation *d = arg;
    (void)status; /* if it could not be returned its time runs out */
    (void)r;
    d->calls--;
    d->state = DELEGATION_WATCHED;
    d->files = 0;
}

static void end_now(struct delegation *d)
{
    if (d->calls || !list_empty(&d->promised))
        return; /* the end of each comes here again */
    names_drop(d);
    d->state = DELEGATION_RETURNING;
    d->calls++;
    if (dfs_delegate_return(d->m->client, d->dir, on_returned, d) != 0)
        on_returned(d, DFS_ECLOSING, NULL);
}

static void end(struct delegation *d)
{
    if (d->state == DELEGATION_WATCHED || d->state == DELEGATION_RETURNING)
        return;
    d->state = DELEGATION_ENDING;
    promises_make(&d->promised);
    if (d->state == DELEGATION_ENDING)
        end_now(d);
}

void delegation_promise_kept(struct delegation *d)
{
    if (list_empty(&d->promised))
        d->changed_ns = 0; /* the cluster knows when it changed */
    if (d->state == DELEGATION_ENDING)
        end_now(d);
}

static void end_for_others(struct delegation *d)
{
    if (!is_ours(d))
        return;
    d->pause = d->pause ? (uint32_t)min_u64(d->pause * 2ULL, PAUSE_MAX_MS) : PAUSE_MIN_MS;
    d->not_before = now_ms() + d->pause;
    end(d);
}

void delegation_asked_back(struct mount *m, uint64_t dir)
{
    struct delegation *d = delegation_find(m, dir);
    if (d)
        end_for_others(d);
}

void delegations_asked_back(struct mount *m)
{
    struct delegation *d, *next;
    HASH_ITER(hh, m->delegations, d, next)
    end_for_others(d);
}

void delegation_end(struct mount *m, uint64_t dir)
{
    struct delegation *d = delegation_find(m, dir);
    if (d)
        end(d);
}

void delegations_end(struct mount *m)
{
    struct delegation *d, *next;
    HASH_ITER(hh, m->delegations, d, next)
    end(d);
}

/* --- asking for it --- */

static void list_next(struct delegation *d);

static void on_page(void *arg, int status, const struct dfs_result *r)
{
    struct delegation *d = arg;
    d->calls--;
    if (d->state == DELEGATION_ENDING) {
        end_now(d);
        return;
    }
    if (status != 0) {
        end(d);
        return;
    }
    for (size_t i = 0; i < r->n_entries; i++)
        names_add(d, r->entries[i].name);
    free(d->after);
    d->after = r->n_entries ? xstrdup(r->entries[r->n_entries - 1].name) : NULL;
    if (r->eof || !d->after)
        d->state = DELEGATION_AT_HAND;
    else
        list_next(d);
}

static void list_next(struct delegation *d)
{
    const struct dfs_context at = {.dir = d->dir, .to_dir = d->dir};
    dfs_set_context(d->m->client, &at);
    d->state = DELEGATION_LISTING;
    d->calls++;
    if (dfs_readdir(d->m->client, "", d->after ? d->after : "", PAGE, on_page, d) != 0) {
        d->calls--;
        end(d);
    }
}

static void take(struct delegation *d, const struct dfs_result *r)
{
    bool anew = !r->delegation.kept || d->state == DELEGATION_ASKING;
    d->first = r->delegation.first;
    d->inodes = r->delegation.inodes;
    d->attr = r->attr;
    d->until = now_ms() + r->delegation.ms;
    d->used = now_ms();
    if (!anew)
        return;
    free(d->after);
    d->after = NULL;
    if (r->attr.size > NAMES_MAX || r->delegation.ms == 0) {
        d->not_before = now_ms() + PAUSE_MAX_MS;
        end(d);
    } else if (r->attr.size > 0) {
        list_next(d);
    } else {
        d->state = DELEGATION_AT_HAND;
    }
}

static void on_asked(void *arg, int status, const struct dfs_result *r)
{
    struct delegation *d = arg;
    d->calls--;
    d->asking = false;
    if (d->state == DELEGATION_ENDING) {
        end_now(d);
    } else if (status != 0) { /* it may have been given all the same */
        d->not_before = now_ms() + PAUSE_MAX_MS;
        end(d);
    } else {
        take(d, r);
    }
}

static void ask(struct delegation *d, uint32_t inodes)
{
    if (d->asking || d->m->ending)
        return;
    d->asking = true;
    d->calls++;
    if (dfs_delegate(d->m->client, d->dir, inodes, on_asked, d) != 0) {
        static const struct dfs_result none = {.error = ""};
        on_asked(d, DFS_ECLOSING, &none);
    }
}

uint64_t delegation_number(struct delegation *d)
{
    uint64_t now = now_ms();
    d->used = now;
    if (d->inodes < INODES_LOW || d->until - now < IDLE_MS)
        ask(d, INODES_MORE);
    if (d->inodes == 0)
        return 0;
    d->inodes--;
    return d->first++;
}

/* --- what the kernel does to names --- */

void delegation_name(struct mount *m, uint64_t dir, const char *name)
{
    struct delegation *d = delegation_find(m, dir);
    if (d && is_ours(d))
        names_add(d, name);
}

void delegation_promised(struct delegation *d, const char *name) { names_add(d, name); }

void delegation_file_made(struct mount *m, uint64_t dir)
{
    struct delegation *d = m->opt.nodelegate ? NULL : watched(m, dir);
    uint64_t now = now_ms();
    if (!d || d->state != DELEGATION_WATCHED)
        return;
    if (d->files == 0 || now - d->used > ASK_WITHIN) {
        d->files = 0;
        d->used = now;
    }
    if (++d->files < ASK_AFTER || now < d->not_before)
        return;
    d->state = DELEGATION_ASKING;
    ask(d, INODES_FIRST);
}

/* --- time --- */

static void on_tick(uv_timer_t *h)
{
    struct mount *m = h->data;
    struct delegation *d, *next;
    uint64_t now = now_ms();
    HASH_ITER(hh, m->delegations, d, next)
    {
        promises_hurry(&d->promised);
        if (d->state == DELEGATION_AT_HAND && (now - d->used > IDLE_MS || now >= d->until) && !d->asking)
            end(d);
        if (d->state == DELEGATION_WATCHED && !d->calls && now - d->used > IDLE_MS && now >= d->not_before + d->pause)
            forget(d);
    }
    held_tick(m);
    if (!m->delegations)
        uv_timer_stop(h);
}

void delegations_init(struct mount *m)
{
    list_init(&m->held);
    uv_timer_init(&m->loop, &m->delegation_timer);
    m->delegation_timer.data = m;
}

void delegations_free(struct mount *m)
{
    struct delegation *d, *next;
    HASH_ITER(hh, m->delegations, d, next)
    forget(d);
}
