/* SPDX-License-Identifier: MIT */
/* What a command has changed, noted for those who hold on to what they looked up. No part of the state. */
#include <stdlib.h>

#include "meta/state.h"

/* A command that changes more is told as one that may have changed anything. */
#define CHANGES_MAX 64u

void meta_want_changes(struct meta *m, bool wanted)
{
    m->changes_wanted = wanted;
    if (wanted && m->changes == NULL)
        m->changes = xcalloc(CHANGES_MAX, sizeof *m->changes);
}

const struct meta_change *meta_changes(const struct meta *m, uint32_t *n, bool *more)
{
    *n = m->n_changes;
    *more = m->more_changes;
    return m->changes;
}

static void add(struct meta *m, uint64_t ino, struct str name)
{
    char *copy = NULL; /* the name may go with what is changed */
    if (m->n_changes == CHANGES_MAX || (name.len > 0 && (copy = arena_alloc(&m->arena, name.len, 1)) == NULL)) {
        m->more_changes = true;
        return;
    }
    if (copy != NULL)
        memcpy(copy, name.p, name.len);
    m->changes[m->n_changes++] = (struct meta_change){.ino = ino, .name = {copy, name.len}};
}

void meta_changed(struct meta *m, uint64_t ino)
{
    if (m->changes_wanted)
        add(m, ino, (struct str){NULL, 0});
}

void meta_entry_changed(struct meta *m, uint64_t dir, struct str name, uint64_t ino)
{
    if (!m->changes_wanted)
        return;
    add(m, dir, name);
    add(m, dir, (struct str){NULL, 0});
    add(m, ino, (struct str){NULL, 0});
}
