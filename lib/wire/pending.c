/* SPDX-License-Identifier: MIT */
#include "wire/pending.h"

#include <stdlib.h>

#define FIRST_SLOTS 4u
/* An empty table keeps at most so many slots. */
#define SLOTS_KEPT 16u

void pending_close(struct pending *p)
{
    free(p->slots);
    *p = (struct pending){.serial = p->serial};
}

static void grow(struct pending *p)
{
    uint32_t old = p->n_slots;

    p->n_slots = old > 0 ? old * 2 : FIRST_SLOTS;
    p->slots = xrealloc(p->slots, p->n_slots, sizeof *p->slots);
    for (uint32_t i = p->n_slots; i-- > old;) {
        p->slots[i] = (struct pending_slot){.next_free = p->free_slot};
        p->free_slot = i + 1;
    }
}

uint64_t pending_add(struct pending *p, uint64_t peer_id, uint32_t bytes)
{
    struct pending_slot *s;

    if (p->free_slot == 0)
        grow(p);
    s = &p->slots[p->free_slot - 1];
    p->free_slot = s->next_free;
    p->serial += p->serial == UINT32_MAX ? 2 : 1;
    s->serial = p->serial;
    s->peer_id = peer_id;
    s->bytes = bytes;
    p->n++;
    p->bytes += bytes;
    return (uint64_t)s->serial << 32 | (uint32_t)(s - p->slots);
}

bool pending_take(struct pending *p, uint64_t handle, uint64_t *peer_id)
{
    uint32_t i = (uint32_t)handle;
    struct pending_slot *s = i < p->n_slots ? &p->slots[i] : NULL;

    if (s == NULL || s->serial == 0 || s->serial != handle >> 32)
        return false;
    *peer_id = s->peer_id;
    p->n--;
    p->bytes -= s->bytes;
    s->serial = 0;
    s->next_free = p->free_slot;
    p->free_slot = i + 1;
    if (p->n == 0 && p->n_slots > SLOTS_KEPT)
        pending_close(p);
    return true;
}
