/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <stdlib.h>

#define BLOCK_MIN 4096u
/* A block that a reset keeps is at most this big, so that one large message does not hold memory for ever. */
#define BLOCK_KEPT (64u * 1024)

struct arena_block {
    struct arena_block *next;
    size_t cap, used;
    _Alignas(8) uint8_t data[];
};

void arena_init(struct arena *a, size_t max) { *a = (struct arena){.max = max}; }

static void free_chain(struct arena_block *b)
{
    while (b != NULL) {
        struct arena_block *next = b->next;

        free(b);
        b = next;
    }
}

void arena_close(struct arena *a)
{
    free_chain(a->blocks);
    arena_init(a, a->max);
}

void arena_reset(struct arena *a)
{
    struct arena_block *kept = a->blocks;

    a->used = 0;
    if (kept == NULL)
        return;
    free_chain(kept->next);
    kept->next = NULL;
    kept->used = 0;
    if (kept->cap > BLOCK_KEPT) {
        free(kept);
        a->blocks = NULL;
    }
}

static struct arena_block *block_for(struct arena *a, size_t bytes)
{
    struct arena_block *b = a->blocks;
    size_t cap;

    if (b != NULL && bytes <= b->cap - b->used)
        return b;
    cap = max_u64(BLOCK_MIN - sizeof *b, bytes);
    if (b != NULL)
        cap = max_u64(cap, min_u64(b->cap * 2, BLOCK_KEPT));
    b = malloc(sizeof *b + cap);
    if (b == NULL)
        return NULL;
    b->cap = cap;
    b->used = 0;
    b->next = a->blocks;
    a->blocks = b;
    return b;
}

void *arena_alloc(struct arena *a, size_t n, size_t size)
{
    size_t bytes;
    struct arena_block *b;
    void *p;

    if (__builtin_mul_overflow(n, size, &bytes) || bytes > a->max)
        return NULL;
    bytes = round_up(bytes, 8);
    if (bytes > a->max - min_u64(a->used, a->max) && bytes > 0)
        return NULL;
    b = block_for(a, bytes);
    if (b == NULL)
        return NULL;
    p = b->data + b->used;
    b->used += bytes;
    a->used += bytes;
    return memset(p, 0, bytes);
}
