/* SPDX-License-Identifier: MIT */
#include "sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* A run that needs more is going round in circles. */
#define SIM_MAX_STEPS 20000000u
/* Of each event in the heap. */
#define CHILDREN 4u

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

void sim_plan(struct sim *s, uint64_t delay, sim_fn fn, void *arg, uint64_t a, uint64_t b)
{
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 256;
        s->heap = xrealloc(s->heap, s->cap, sizeof *s->heap);
    }
    struct sim_event e = {.at = s->now + delay, .seq = s->seq++, .fn = fn, .arg = arg, .a = a, .b = b};
    uint32_t i = s->n++;
    for (; i > 0 && before(&e, &s->heap[(i - 1) / CHILDREN]); i = (i - 1) / CHILDREN)
        s->heap[i] = s->heap[(i - 1) / CHILDREN];
    s->heap[i] = e;
}

static struct sim_event pop(struct sim *s)
{
    struct sim_event first = s->heap[0], last = s->heap[--s->n];
    uint32_t i = 0;
    for (uint32_t c; (c = CHILDREN * i + 1) < s->n;) {
        uint32_t least = c, end = (uint32_t)min_u64(c + CHILDREN, s->n);
        while (++c < end)
            least = before(&s->heap[c], &s->heap[least]) ? c : least;
        if (!before(&s->heap[least], &last))
            break;
        s->heap[i] = s->heap[least];
        i = least;
    }
    s->heap[i] = last;
    return first;
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
