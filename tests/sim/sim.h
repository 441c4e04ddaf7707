/* SPDX-License-Identifier: MIT */
/* Virtual time: a clock, a heap of planned events, and one stream of random numbers from one seed. Everything that
 * happens in a simulated cluster is an event here, so that a seed is a whole history. (Models: FoundationDB's simulator,
 * TigerBeetle's VOPR.) */
#ifndef DFS_SIM_SIM_H
#define DFS_SIM_SIM_H

#include "base/base.h"
#include "base/rand.h"

typedef void (*sim_fn)(void *arg, uint64_t a, uint64_t b);

struct sim_event {
    uint64_t at, seq; /* equal times happen in the order they were planned */
    sim_fn fn;
    void *arg;
    uint64_t a, b;
};

struct sim {
    uint64_t now; /* ns */
    struct rng rng;
    struct sim_event *heap;
    uint32_t n, cap;
    uint64_t seq, steps;
    uint64_t hash; /* of everything noted: equal for equal histories */
    bool trace;
    bool failed;
    char why[512];
};

void sim_init(struct sim *s, uint64_t seed, bool trace);
void sim_close(struct sim *s);
/* Calls fn(arg, a, b) in `delay` ns. */
void sim_plan(struct sim *s, uint64_t delay, sim_fn fn, void *arg, uint64_t a, uint64_t b);
/* The next event. false: nothing is planned, or the run has failed. */
bool sim_step(struct sim *s);

static inline uint64_t sim_below(struct sim *s, uint64_t n) { return n ? rng_below(&s->rng, n) : 0; }
static inline bool sim_chance(struct sim *s, unsigned per_mille) { return rng_chance(&s->rng, per_mille); }

/* A line of the history: hashed always, printed with --trace. */
void sim_note(struct sim *s, const char *who, const char *what, uint64_t a, uint64_t b);
/* Text for the trace only. */
void sim_say(struct sim *s, const char *who, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* A check failed: the first reason is kept, and the run ends. */
void sim_fail(struct sim *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
