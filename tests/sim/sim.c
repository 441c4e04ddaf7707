/* SPDX-License-Identifier: MIT */
#include "sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* A run that needs more is going round in circles. */
#define SIM_MAX_STEPS 20000000u

void sim_init(struct sim *s, uint64_t seed, bool trace)
{
    *s = (struct sim){.now = 1000 * NS_PER_SEC, .trace = trace};
    rng_seed(&s->rng, seed);
}

void sim_close(struct sim *s)
{
    free(s->heap);
    s->heap = NULL;
    s->n = s->cap = 0;
}

static bool before(const struct sim_event *a, const struct sim_event *b)
{
    return a->at != b->at ? a->at < b->at : a->seq < b->seq;
}

static void swap(struct sim_event *a, struct sim_event *b)
{
    struct sim_event t = *a;
    *a = *b;
    *b = t;
}

void sim_plan(struct sim *s, uint64_t delay, sim_fn fn, void *arg, uint64_t a, uint64_t b)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 256;
        s->heap = xrealloc(s->heap, s->cap, sizeof *s->heap);
    }
    uint32_t i = s->n++;
    s->heap[i] = (struct sim_event){.at = s->now + delay, .seq = s->seq++, .fn = fn, .arg = arg, .a = a, .b = b};
    for (; i > 0 && before(&s->heap[i], &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&s->heap[i], &s->heap[(i - 1) / 2]);
}

static struct sim_event pop(struct sim *s)
{
    struct sim_event first = s->heap[0];
    s->heap[0] = s->heap[--s->n];
    for (uint32_t i = 0;;) {
        uint32_t least = i, l = 2 * i + 1;
        for (uint32_t c = l; c < l + 2 && c < s->n; c++)
            if (before(&s->heap[c], &s->heap[least]))
                least = c;
        if (least == i)
            return first;
        swap(&s->heap[i], &s->heap[least]);
        i = least;
    }
}

bool sim_step(struct sim *s)
{
    if (s->n == 0 || s->failed)
        return false;
    if (++s->steps > SIM_MAX_STEPS) {
        sim_fail(s, "the cluster runs in circles: %u events and no end", SIM_MAX_STEPS);
        return false;
    }
    struct sim_event e = pop(s);
    s->now = e.at;
    e.fn(e.arg, e.a, e.b);
    return !s->failed;
}

static void say_start(const struct sim *s, const char *who)
{
    uint64_t us = s->now / NS_PER_US;
    printf("%6" PRIu64 ".%06" PRIu64 " %-4s ", us / 1000000, us % 1000000, who);
}

void sim_note(struct sim *s, const char *who, const char *what, uint64_t a, uint64_t b)
{
    uint64_t words[3] = {0};
    memcpy(&words[0], who, strnlen(who, 8));
    memcpy(&words[1], what, strnlen(what, 16));
    s->hash = mix64(s->hash ^ words[0]) ^ words[1];
    s->hash = mix64(s->hash ^ words[2]);
    s->hash = mix64(s->hash ^ a);
    s->hash = mix64(s->hash ^ b) + s->now;
    if (s->trace) {
        say_start(s, who);
        printf("%s %" PRIu64 " %" PRIu64 "\n", what, a, b);
    }
}

void sim_say(struct sim *s, const char *who, const char *fmt, ...)
{
    if (!s->trace)
        return;
    va_list ap;
    va_start(ap, fmt);
    say_start(s, who);
    vprintf(fmt, ap);
    putchar('\n');
    va_end(ap);
}

void sim_fail(struct sim *s, const char *fmt, ...)
{
    if (s->failed)
        return;
    s->failed = true;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->why, sizeof s->why, fmt, ap);
    va_end(ap);
    sim_say(s, "sim", "FAILED: %s", s->why);
}
