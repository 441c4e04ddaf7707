/* SPDX-License-Identifier: MIT */
#include "meta/idmap.h"

#include <stdlib.h>

#include "base/bytes.h"

#define PAGE_IDS 64u

struct idpage {
    uint64_t bits; /* which of the page's ids are present */
    uint32_t cap;  /* records there is room for */
    uint32_t unused;
    uint8_t data[];
};

static size_t page_size(const struct idmap *m, uint32_t cap)
{
    return round_up(sizeof(struct idpage) + (size_t)cap * m->size + 8, 16); /* 8: the allocator's own word */
}

static struct idpage *page_of(const struct idmap *m, uint64_t key)
{
    return (struct idpage *)(uintptr_t)u64map_get(&m->pages, key);
}

static uint32_t count_of(const struct idpage *p) { return (uint32_t)__builtin_popcountll(p->bits); }

static uint32_t rank_of(const struct idpage *p, uint32_t i)
{
    if (p->bits == UINT64_MAX)
        return i;
    return (uint32_t)__builtin_popcountll(p->bits & ((1ULL << i) - 1));
}

/* Reallocates a page (NULL: makes one) and enters it under its key. */
static struct idpage *page_resize(struct idmap *m, uint64_t key, struct idpage *p, uint32_t cap)
{
    bool fresh = p == NULL;
    if (!fresh)
        m->page_bytes -= page_size(m, p->cap);
    p = xrealloc(p, 1, sizeof *p + (size_t)cap * m->size);
    if (fresh)
        p->bits = 0;
    p->cap = cap;
    p->unused = 0;
    m->page_bytes += page_size(m, cap);
    u64map_put(&m->pages, key, (uint64_t)(uintptr_t)p);
    return p;
}

void idmap_init(struct idmap *m, uint32_t size)
{
    *m = (struct idmap){.size = size};
    u64map_init(&m->pages);
}

void idmap_close(struct idmap *m)
{
    for (size_t i = 0; i < m->pages.cap; i++)
        free((void *)(uintptr_t)m->pages.slots[i].value);
    u64map_close(&m->pages);
    idmap_init(m, m->size);
}

void *idmap_find(const struct idmap *m, uint64_t id)
{
    struct idpage *p = page_of(m, id / PAGE_IDS);
    uint32_t i = id % PAGE_IDS;
    if (p == NULL)
        return NULL;
    __builtin_prefetch(p->data + (size_t)i * m->size); /* where the record is if the page is full, as most are */
    if (!(p->bits >> i & 1))
        return NULL;
    return p->data + (size_t)rank_of(p, i) * m->size;
}

void idmap_prefetch(const struct idmap *m, const uint64_t *ids, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        u64map_prefetch(&m->pages, ids[i] / PAGE_IDS);
    for (uint32_t i = 0; i < n; i++) {
        const struct idpage *p = page_of(m, ids[i] / PAGE_IDS);
        const uint8_t *record = p ? p->data + ids[i] % PAGE_IDS * m->size : NULL; /* if the page is full */
        if (record == NULL)
            continue;
        __builtin_prefetch(p);
        __builtin_prefetch(record);
        __builtin_prefetch(record + m->size - 1);
    }
}

void *idmap_add(struct idmap *m, uint64_t id)
{
    uint64_t key = id / PAGE_IDS;
    uint32_t i = id % PAGE_IDS;
    struct idpage *p = page_of(m, key);
    uint32_t n = p ? count_of(p) : 0;
    assert(p == NULL || !(p->bits >> i & 1));
    if (p == NULL || n == p->cap)
        p = page_resize(m, key, p, n == 0 ? 1 : n < 8 ? n * 2 : n * 3 / 2 > PAGE_IDS ? PAGE_IDS : n * 3 / 2);
    uint8_t *at = p->data + (size_t)rank_of(p, i) * m->size;
    uint8_t *end = p->data + (size_t)n * m->size;
    memmove(at + m->size, at, (size_t)(end - at));
    memset(at, 0, m->size);
    p->bits |= 1ULL << i;
    m->count++;
    return at;
}

void idmap_remove(struct idmap *m, uint64_t id)
{
    uint64_t key = id / PAGE_IDS;
    uint32_t i = id % PAGE_IDS;
    struct idpage *p = page_of(m, key);
    assert(p != NULL && (p->bits >> i & 1));
    uint8_t *at = p->data + (size_t)rank_of(p, i) * m->size;
    uint8_t *end = p->data + (size_t)count_of(p) * m->size;
    memmove(at, at + m->size, (size_t)(end - at) - m->size);
    p->bits &= ~(1ULL << i);
    m->count--;
    uint32_t n = count_of(p);
    if (n == 0) {
        m->page_bytes -= page_size(m, p->cap);
        free(p);
        u64map_remove(&m->pages, key);
    } else if (n <= p->cap / 2) {
        page_resize(m, key, p, n + n / 4);
    }
}

/* The first id of the first page there is from this one on; UINT64_MAX: there is none. */
static uint64_t page_from(const struct idmap *m, uint64_t key)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < m->pages.cap; i++) {
        const struct u64map_slot *s = &m->pages.slots[i];
        if (s->value != 0 && s->key >= key && s->key < least)
            least = s->key;
    }
    return least == UINT64_MAX ? UINT64_MAX : least * PAGE_IDS;
}

void *idmap_seek(const struct idmap *m, uint64_t *id, uint32_t *pages)
{
    size_t absent = 0;
    for (; *pages > 0 && *id != UINT64_MAX; --*pages) {
        struct idpage *p = page_of(m, *id / PAGE_IDS);
        uint64_t left = p == NULL ? 0 : p->bits >> *id % PAGE_IDS;
        if (left != 0) {
            *id += (uint32_t)__builtin_ctzll(left);
            return p->data + (size_t)rank_of(p, *id % PAGE_IDS) * m->size;
        }
        *id = (*id / PAGE_IDS + 1) * PAGE_IDS;
        absent = p == NULL ? absent + 1 : 0;
        if (absent > m->pages.cap) /* a gap so wide that it is cheaper to look through all there is */
            *id = page_from(m, *id / PAGE_IDS);
    }
    return NULL;
}

int idmap_iter_init(struct idmap_iter *it, const struct idmap *m)
{
    *it = (struct idmap_iter){.map = m};
    it->pages = malloc((m->pages.count + 1) * sizeof *it->pages);
    if (it->pages == NULL)
        return DFS_ENOMEM;
    for (size_t i = 0; i < m->pages.cap; i++)
        if (m->pages.slots[i].value != 0)
            it->pages[it->n++] = m->pages.slots[i].key;
    qsort(it->pages, it->n, sizeof *it->pages, compare_u64);
    if (it->n > 0)
        it->left = page_of(m, it->pages[0])->bits;
    return 0;
}

void idmap_iter_close(struct idmap_iter *it)
{
    free(it->pages);
    it->pages = NULL;
    it->n = 0;
}

void *idmap_iter_next(struct idmap_iter *it, uint64_t *id)
{
    if (it->at >= it->n)
        return NULL;
    struct idpage *p = page_of(it->map, it->pages[it->at]);
    uint32_t i = (uint32_t)__builtin_ctzll(it->left);
    *id = it->pages[it->at] * PAGE_IDS + i;
    it->left &= it->left - 1;
    if (it->left == 0 && ++it->at < it->n)
        it->left = page_of(it->map, it->pages[it->at])->bits;
    return p->data + (size_t)rank_of(p, i) * it->map->size;
}
