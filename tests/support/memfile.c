/* SPDX-License-Identifier: MIT */
#include "support/memfile.h"

#include <stdlib.h>

static const uint8_t zero_page[MEMFILE_PAGE];

struct memfile *memfile_new(void)
{
    struct memfile *f = xcalloc(1, sizeof *f);
    f->refs = 1;
    f->dirty_from = UINT64_MAX;
    return f;
}

static void page_drop(struct mempage *pg)
{
    if (pg->dur != pg->vol)
        free(pg->dur);
    free(pg->vol);
    *pg = (struct mempage){0};
}

void memfile_unref(struct memfile *f)
{
    if (!f || --f->refs > 0)
        return;
    for (uint64_t i = 0; i < f->n_pages; i++)
        page_drop(&f->pages[i]);
    free(f->pages);
    free(f->flat);
    free(f);
}

static void grow(struct memfile *f, uint64_t pages)
{
    if (pages <= f->n_pages)
        return;
    uint64_t want = max_u64(pages, f->n_pages + f->n_pages / 2);
    f->pages = xrealloc(f->pages, want, sizeof *f->pages);
    memset(f->pages + f->n_pages, 0, (want - f->n_pages) * sizeof *f->pages);
    f->n_pages = want;
}

static void mark_dirty(struct memfile *f, uint64_t i)
{
    f->pages[i].dirty = true;
    f->dirty_from = min_u64(f->dirty_from, i);
    f->dirty_to = max_u64(f->dirty_to, i + 1);
}

static void mark_used(struct memfile *f, uint64_t i)
{
    if (!f->pages[i].vol_used) {
        f->pages[i].vol_used = true;
        f->used_pages++;
    }
}

/* The volatile image, private and writable. */
static uint8_t *page_own(struct memfile *f, uint64_t i)
{
    struct mempage *pg = &f->pages[i];
    if (pg->vol == pg->dur || pg->vol == NULL) { /* NULL with a durable image: the page was cleared since */
        uint8_t *copy = xcalloc(1, MEMFILE_PAGE);
        if (pg->vol)
            memcpy(copy, pg->vol, MEMFILE_PAGE);
        pg->vol = copy;
    }
    mark_dirty(f, i);
    return pg->vol;
}

static void page_clear(struct memfile *f, uint64_t i)
{
    struct mempage *pg = &f->pages[i];
    if (pg->vol != pg->dur)
        free(pg->vol);
    pg->vol = NULL;
    if (pg->vol_used) {
        pg->vol_used = false;
        f->used_pages--;
    }
    mark_dirty(f, i);
}

uint64_t memfile_write(struct memfile *f, uint64_t off, const void *p, uint64_t len, uint64_t max_new)
{
    const uint8_t *from = p;
    uint64_t done = 0;
    grow(f, (off + len + MEMFILE_PAGE - 1) / MEMFILE_PAGE);
    while (done < len) {
        uint64_t at = off + done, i = at / MEMFILE_PAGE;
        uint64_t n = min_u64(len - done, MEMFILE_PAGE - at % MEMFILE_PAGE);
        if (!f->pages[i].vol_used && max_new-- == 0)
            break;
        mark_used(f, i);
        memcpy(page_own(f, i) + at % MEMFILE_PAGE, from + done, n);
        done += n;
    }
    if (done > 0)
        f->size = max_u64(f->size, off + done);
    return done;
}

bool memfile_preallocate(struct memfile *f, uint64_t len, uint64_t max_new)
{
    uint64_t pages = (len + MEMFILE_PAGE - 1) / MEMFILE_PAGE, missing = 0;
    grow(f, pages);
    for (uint64_t i = 0; i < pages; i++)
        missing += !f->pages[i].vol_used;
    if (missing > max_new)
        return false;
    for (uint64_t i = 0; i < pages; i++) {
        mark_used(f, i);
        mark_dirty(f, i);
    }
    f->size = max_u64(f->size, len);
    return true;
}

uint64_t memfile_read(const struct memfile *f, uint64_t off, void *p, uint64_t len)
{
    if (off >= f->size)
        return 0;
    len = min_u64(len, f->size - off);
    for (uint64_t done = 0; done < len;) {
        uint64_t at = off + done, i = at / MEMFILE_PAGE;
        uint64_t n = min_u64(len - done, MEMFILE_PAGE - at % MEMFILE_PAGE);
        const uint8_t *from = i < f->n_pages && f->pages[i].vol ? f->pages[i].vol : zero_page;
        memcpy((uint8_t *)p + done, from + at % MEMFILE_PAGE, n);
        done += n;
    }
    return len;
}

static void zero_range(struct memfile *f, uint64_t off, uint64_t end)
{
    while (off < end) {
        uint64_t i = off / MEMFILE_PAGE, n = min_u64(end - off, MEMFILE_PAGE - off % MEMFILE_PAGE);
        if (i >= f->n_pages)
            return;
        if (n == MEMFILE_PAGE)
            page_clear(f, i);
        else if (f->pages[i].vol)
            memset(page_own(f, i) + off % MEMFILE_PAGE, 0, n);
        off += n;
    }
}

void memfile_truncate(struct memfile *f, uint64_t size)
{
    zero_range(f, size, f->n_pages * MEMFILE_PAGE);
    f->size = size;
}

void memfile_punch(struct memfile *f, uint64_t off, uint64_t len)
{
    zero_range(f, off, min_u64(off + len, f->n_pages * MEMFILE_PAGE));
}

void memfile_flush(struct memfile *f)
{
    for (uint64_t i = f->dirty_from; i < f->dirty_to; i++) {
        struct mempage *pg = &f->pages[i];
        if (!pg->dirty)
            continue;
        if (pg->dur != pg->vol)
            free(pg->dur);
        pg->dur = pg->vol;
        pg->dur_used = pg->vol_used;
        pg->dirty = false;
    }
    f->durable_size = f->size;
    f->dirty_from = UINT64_MAX;
    f->dirty_to = 0;
}

void memfile_flush_lost(struct memfile *f)
{
    for (uint64_t i = f->dirty_from; i < f->dirty_to; i++)
        f->pages[i].dirty = false;
    f->dirty_from = UINT64_MAX;
    f->dirty_to = 0;
}

static uint8_t *torn_page(const struct mempage *pg, struct rng *rng)
{
    uint8_t *out = xcalloc(1, MEMFILE_PAGE);
    for (uint32_t at = 0; at < MEMFILE_PAGE; at += MEMFILE_SECTOR) {
        const uint8_t *from = rng_below(rng, 2) ? pg->vol : pg->dur;
        if (from)
            memcpy(out + at, from + at, MEMFILE_SECTOR);
    }
    return out;
}

enum fate { FATE_KEPT, FATE_DROPPED, FATE_TORN };

static enum fate draw_fate(struct rng *rng, enum crash_mode mode)
{
    if (mode == CRASH_RANDOM)
        return (enum fate)rng_below(rng, 3);
    return mode == CRASH_KEEP_ALL ? FATE_KEPT : FATE_DROPPED;
}

static void page_crash(struct mempage *pg, struct rng *rng, enum crash_mode mode)
{
    enum fate fate = draw_fate(rng, mode);
    uint8_t *vol = pg->vol, *dur = pg->dur != vol ? pg->dur : NULL; /* each block once */
    uint8_t *result = fate == FATE_KEPT ? vol : fate == FATE_DROPPED ? pg->dur : torn_page(pg, rng);
    bool used = fate == FATE_KEPT ? pg->vol_used : fate == FATE_DROPPED ? pg->dur_used : true;
    if (vol != result)
        free(vol);
    if (dur != result)
        free(dur);
    *pg = (struct mempage){.vol = result, .dur = result, .vol_used = used, .dur_used = used};
}

/* A size that grew may be durable up to any page; one that shrank, or not. */
static uint64_t crash_size(const struct memfile *f, struct rng *rng, enum crash_mode mode)
{
    if (f->size == f->durable_size)
        return f->size;
    switch (draw_fate(rng, mode)) {
    case FATE_KEPT:
        return f->size;
    case FATE_DROPPED:
        return f->durable_size;
    case FATE_TORN:
        break;
    }
    if (f->size < f->durable_size)
        return rng_below(rng, 2) ? f->size : f->durable_size;
    uint64_t between = f->durable_size + rng_below(rng, f->size - f->durable_size + 1);
    return max_u64(f->durable_size, between - between % MEMFILE_PAGE);
}

void memfile_crash(struct memfile *f, struct rng *rng, enum crash_mode mode)
{
    f->used_pages = 0;
    for (uint64_t i = 0; i < f->n_pages; i++) {
        struct mempage *pg = &f->pages[i];
        if (pg->vol != pg->dur || pg->vol_used != pg->dur_used)
            page_crash(pg, rng, mode);
        pg->dirty = false;
        f->used_pages += pg->vol_used;
    }
    f->dirty_from = UINT64_MAX;
    f->dirty_to = 0;
    memfile_truncate(f, crash_size(f, rng, mode));
    memfile_flush(f);
}

void memfile_flip(struct memfile *f, uint64_t byte, uint8_t mask)
{
    struct mempage *pg = &f->pages[byte / MEMFILE_PAGE];
    if (!pg->vol && !pg->dur)
        pg->vol = pg->dur = xcalloc(1, MEMFILE_PAGE);
    if (pg->vol)
        pg->vol[byte % MEMFILE_PAGE] ^= mask;
    if (pg->dur && pg->dur != pg->vol)
        pg->dur[byte % MEMFILE_PAGE] ^= mask;
}

void memfile_cut(struct memfile *f, uint64_t size)
{
    memfile_truncate(f, size);
    memfile_flush(f);
}

const uint8_t *memfile_flat(struct memfile *f)
{
    f->flat = xrealloc(f->flat, f->size + 1, 1);
    memfile_read(f, 0, f->flat, f->size);
    return f->flat;
}
