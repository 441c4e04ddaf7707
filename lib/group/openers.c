/* SPDX-License-Identifier: MIT */
#include "group/openers.h"

#include "base/rand.h"

#define SWEEP_EVERY NS_PER_SEC
/* Ended sessions that are remembered needlessly. */
#define SLACK 4096u

void openers_init(struct openers *o)
{
    *o = (struct openers){0};
    u64map_init(&o->host);
    u64map_init(&o->count);
}

void openers_close(struct openers *o)
{
    u64map_close(&o->host);
    u64map_close(&o->count);
    openers_init(o);
}

static uint64_t hash_of_host(const char *peer)
{
    const char *colon = strrchr(peer, ':');
    size_t len = colon != NULL ? (size_t)(colon - peer) : strlen(peer);
    uint64_t h = 1;
    for (size_t i = 0; i < len; i++)
        h = mix64(h ^ (uint8_t)peer[i]);
    return h | 1; /* a map's values are not 0 */
}

static void add(struct openers *o, uint64_t nonce, uint64_t host)
{
    u64map_put(&o->host, nonce, host);
    u64map_put(&o->count, host, u64map_get(&o->count, host) + 1);
}

/* Forgets sessions that have ended. */
static void sweep(struct openers *o, const struct meta *m, uint64_t mono)
{
    struct openers old = *o;
    openers_init(o);
    o->swept = mono;
    for (size_t i = 0; i < old.host.cap; i++) {
        const struct u64map_slot *s = &old.host.slots[i];
        if (s->value != 0 && meta_session_opened(m, s->key))
            add(o, s->key, s->value);
    }
    openers_close(&old);
}

bool openers_admit(struct openers *o, const struct meta *m, uint64_t nonce, const char *peer, uint32_t max,
                   uint64_t mono)
{
    uint64_t host = hash_of_host(peer);
    if (u64map_get(&o->host, nonce) != 0)
        return true; /* the same one again */
    bool full = u64map_get(&o->count, host) >= max;
    if ((full && mono - o->swept >= SWEEP_EVERY) || o->host.count > 2 * meta_sessions(m) + SLACK) {
        sweep(o, m, mono);
        full = u64map_get(&o->count, host) >= max;
    }
    if (!full)
        add(o, nonce, host);
    return !full;
}
