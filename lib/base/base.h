/* SPDX-License-Identifier: MIT */
/* What every file may use: error numbers, small macros, little-endian access. */
#ifndef DFS_BASE_H
#define DFS_BASE_H

#include <assert.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "dfs/error.h"

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))
#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define KIB (1024ULL)
#define MIB (1024ULL * 1024)
#define GIB (1024ULL * 1024 * 1024)

/* Durations are uint64_t nanoseconds everywhere inside DFS; flags and the wire say their unit in the name. */
#define NS_PER_US (1000ULL)
#define NS_PER_MS (1000000ULL)
#define NS_PER_SEC (1000000000ULL)

/* The block that checksums cover, on the wire and on disk (G3). */
#define DFS_BLOCK 4096u

static inline uint64_t min_u64(uint64_t a, uint64_t b) { return a < b ? a : b; }
static inline uint64_t max_u64(uint64_t a, uint64_t b) { return a > b ? a : b; }

/* Rounds up to a multiple of unit, a power of two. */
static inline uint64_t round_up(uint64_t n, uint64_t unit) { return (n + unit - 1) & ~(unit - 1); }

/* Fixed-width little-endian loads and stores at any alignment. The build refuses big-endian hosts. */
static inline uint16_t get_u16(const void *p) { uint16_t v; memcpy(&v, p, sizeof v); return v; }
static inline uint32_t get_u32(const void *p) { uint32_t v; memcpy(&v, p, sizeof v); return v; }
static inline uint64_t get_u64(const void *p) { uint64_t v; memcpy(&v, p, sizeof v); return v; }
static inline void put_u16(void *p, uint16_t v) { memcpy(p, &v, sizeof v); }
static inline void put_u32(void *p, uint32_t v) { memcpy(p, &v, sizeof v); }
static inline void put_u64(void *p, uint64_t v) { memcpy(p, &v, sizeof v); }

/* Small fixed allocations: abort when memory is out, never return NULL. The memory is zeroed.
 * Allocations whose size a peer chose use malloc and return DFS_ENOMEM. */
void *xcalloc(size_t n, size_t size);
void *xrealloc(void *p, size_t n, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t len);

#endif
