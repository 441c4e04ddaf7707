/* SPDX-License-Identifier: MIT */
/* Words of the command line and of configuration files: modes, times, sizes, ages, addresses. Whatever is taken must be within what the
 * type promises. */
#include <stdlib.h>

#include "base/flags.h"

/* A program's sources are in no library: taken in as they are. */
#include "../../apps/dfs/parse.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *word = xstrndup((const char *)data, size), sign, address[300];
    uint32_t mode = 0;
    uint64_t n;
    int64_t ns;
    if (parse_mode(word, 0644, false, &mode) && mode > 07777)
        abort();
    if (parse_mode(word, 0755, true, &mode) && mode > 07777)
        abort();
    if (parse_signed_size(word, &sign, &n) && sign && sign != '+' && sign != '-')
        abort();
    if (parse_signed_duration(word, 86400 * NS_PER_SEC, &sign, &n) && sign && sign != *word)
        abort();
    if (parse_time(word, &ns) && !*word)
        abort();
    if (parse_address(word, 4610, address, sizeof address) == 0) {
        char again[300];
        if (parse_address(address, 1, again, sizeof again) != 0 || strcmp(address, again) != 0)
            abort(); /* what it wrote is canonical */
    }
    free(word);
    return 0;
}
