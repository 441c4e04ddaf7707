/* SPDX-License-Identifier: MIT */
/* File content that is cheap to make and to check: the 64-bit word at offset o is seed + (o / 8) × an odd constant, so
 * every word tells the file and the place it belongs to, and both directions run at the speed of memory. */
#ifndef DFS_BENCH_PATTERN_H
#define DFS_BENCH_PATTERN_H

#include "base/base.h"

/* A file's seed, from its size and number. */
uint64_t pattern_seed(uint64_t size, uint64_t number);

/* Writes the bytes of [offset, offset + len) to p. Any offset, any length, any alignment. */
void pattern_fill(uint64_t seed, uint64_t offset, void *p, size_t len);

/* How many bytes at p agree with [offset, offset + len), up to the first that does not; len if all do. */
size_t pattern_check(uint64_t seed, uint64_t offset, const void *p, size_t len);

#endif
