/* SPDX-License-Identifier: MIT */
#include "pattern.h"

#include "base/rand.h"

#define PATTERN_STEP 0x9e3779b97f4a7c15ULL

uint64_t pattern_seed(uint64_t size, uint64_t number)
{
    return mix64(mix64(size + 1) ^ number);
}

static uint64_t word_at(uint64_t seed, uint64_t offset)
{
    return seed + offset / 8 * PATTERN_STEP;
}

static uint8_t byte_at(uint64_t seed, uint64_t offset)
{
    return (uint8_t)(word_at(seed, offset) >> (offset % 8 * 8));
}

/* Bytes from offset to the next whole word, at most len. */
static size_t ragged_head(uint64_t offset, size_t len)
{
    return (size_t)min_u64((8 - offset % 8) % 8, len);
}

void pattern_fill(uint64_t seed, uint64_t offset, void *p, size_t len)
{
    uint8_t *out = p;
    size_t head = ragged_head(offset, len);
    for (size_t i = 0; i < head; i++)
        out[i] = byte_at(seed, offset + i);
    out += head;
    offset += head;
    len -= head;

    uint64_t word = word_at(seed, offset);
    size_t words = len / 8;
    for (size_t i = 0; i < words; i++)
        put_u64(out + i * 8, word + i * PATTERN_STEP);
    for (size_t i = words * 8; i < len; i++)
        out[i] = byte_at(seed, offset + i);
}

/* The exact place of a difference that the fast loop saw somewhere. */
static size_t first_difference(uint64_t seed, uint64_t offset, const uint8_t *in, size_t len)
{
    size_t i = 0;
    while (i < len && in[i] == byte_at(seed, offset + i))
        i++;
    return i;
}

size_t pattern_check(uint64_t seed, uint64_t offset, const void *p, size_t len)
{
    const uint8_t *in = p;
    size_t head = ragged_head(offset, len);
    size_t words = (len - head) / 8, tail = head + words * 8;
    uint64_t word = word_at(seed, offset + head), different = 0;
    for (size_t i = 0; i < words; i++)
        different |= get_u64(in + head + i * 8) ^ (word + i * PATTERN_STEP);

    if (different == 0 && first_difference(seed, offset, in, head) == head &&
        first_difference(seed, offset + tail, in + tail, len - tail) == len - tail)
        return len;
    return first_difference(seed, offset, in, len);
}
