/* SPDX-License-Identifier: MIT */
#include "group/rates.h"

#define PLACES (RATES_SECONDS + 1)

void rates_count(struct rates *r, uint64_t mono, enum rate kind)
{
    uint64_t second = mono / NS_PER_SEC, missed = second - r->second;
    for (uint64_t i = 0; i < missed && i < PLACES; i++)
        memset(r->count[(second - i) % PLACES], 0, sizeof r->count[0]);
    r->second = second;
    r->count[second % PLACES][kind]++;
}

uint64_t rates_read(const struct rates *r, uint64_t mono, enum rate kind)
{
    uint64_t now = mono / NS_PER_SEC, sum = 0;
    for (uint64_t i = 1; i <= RATES_SECONDS && i <= now; i++)
        if (now - i <= r->second && r->second - (now - i) < PLACES)
            sum += r->count[(now - i) % PLACES][kind];
    return (sum + RATES_SECONDS - 1) / RATES_SECONDS;
}
