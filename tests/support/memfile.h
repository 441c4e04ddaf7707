/* SPDX-License-Identifier: MIT */
/* One file of the simulated disk: every page has a volatile image (what reads see) and a durable one (what a power loss
 * leaves). Equal pointers mean equal images; NULL is a page of zeros. (Idea: SQLite's test VFS that tears unsynced
 * writes.) */
#ifndef DFS_TESTS_MEMFILE_H
#define DFS_TESTS_MEMFILE_H

#include "base/rand.h"
#include "support/memdisk.h"

#define MEMFILE_PAGE 4096u
#define MEMFILE_SECTOR 512u

struct mempage {
    uint8_t *vol, *dur;
    bool vol_used, dur_used; /* occupies space, also when it is all zeros (preallocated) */
    bool dirty; /* the next flush writes it out; a failed flush clears this without doing so, as Linux does */
};

struct memfile {
    uint32_t refs;
    uint64_t size, durable_size;
    struct mempage *pages;
    uint64_t n_pages, used_pages;
    uint64_t dirty_from, dirty_to; /* pages; all dirty ones are within */
    uint8_t *flat;                 /* memfile_flat's last answer */
};

struct memfile *memfile_new(void); /* one reference */
void memfile_unref(struct memfile *f);

/* Writes as much as fits into max_new further pages; returns how many bytes that was. */
uint64_t memfile_write(struct memfile *f, uint64_t off, const void *p, uint64_t len, uint64_t max_new);
/* Makes the file `len` long and occupies all of it with zeros; false, changing nothing, if that takes over max_new pages. */
bool memfile_preallocate(struct memfile *f, uint64_t len, uint64_t max_new);
/* Returns bytes read: less than len only at the end. */
uint64_t memfile_read(const struct memfile *f, uint64_t off, void *p, uint64_t len);
void memfile_truncate(struct memfile *f, uint64_t size);
void memfile_punch(struct memfile *f, uint64_t off, uint64_t len);
void memfile_flush(struct memfile *f);
/* The flush failed: the pages count as clean, and are not durable. */
void memfile_flush_lost(struct memfile *f);
/* Power loss: what was not flushed is kept, dropped or torn. */
void memfile_crash(struct memfile *f, struct rng *rng, enum crash_mode mode);

/* Meddling in both images. */
void memfile_flip(struct memfile *f, uint64_t byte, uint8_t mask);
void memfile_cut(struct memfile *f, uint64_t size);
/* The whole volatile image, valid until the next call or change of the file. Never NULL. */
const uint8_t *memfile_flat(struct memfile *f);

#endif
