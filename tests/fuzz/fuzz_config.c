/* SPDX-License-Identifier: MIT */
/* Configuration files and command lines of any bytes. The first byte chooses: a file, or words separated by newlines. What
 * is taken stays within what the flags promise; what is refused is refused with a reason. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "host/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct settings {
    bool on;
    const char *text;
    struct flag_list list;
    uint64_t number, bytes, time;
};

#define WORDS_MAX 64

static void refused(const char *why)
{
    if (why[0] == '\0')
        abort();
}

static void as_file(const struct flag *table, const uint8_t *data, size_t size)
{
    char path[64], err[512] = "";
    struct config c;
    int fd = memfd_create("config", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (config_load(&c, path, "dfs-nm", err, sizeof err) != 0 || config_apply(&c, table, 0, err, sizeof err) != 0)
        refused(err);
    free(config_value(&c, "list"));
    config_free(&c);
    close(fd);
}

static void as_words(const struct flag *table, const uint8_t *data, size_t size)
{
    char *all = xstrndup((const char *)data, size), *words[WORDS_MAX + 1] = {NULL}, err[512] = "", *save;
    const char *args[WORDS_MAX + 1];
    size_t n_args = 0;
    int n = 1;
    for (char *w = strtok_r(all, "\n", &save); w && n < WORDS_MAX; w = strtok_r(NULL, "\n", &save))
        words[n++] = w;
    if (flags_parse(table, n, words, args, &n_args, err, sizeof err) != 0)
        refused(err);
    else if (n_args >= (size_t)n)
        abort();
    free(all);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct settings s = {0};
    const struct flag table[] = {
        {"on", 'o', FLAG_SWITCH, &s.on, NULL, "a switch", NULL},
        {"text", 't', FLAG_STRING, &s.text, "TEXT", "a text", NULL},
        {"list", 'l', FLAG_LIST, &s.list, "TEXT", "several", NULL},
        {"number", 'n', FLAG_U64, &s.number, "N", "a number", NULL},
        {"bytes", 'b', FLAG_SIZE, &s.bytes, "SIZE", "a size", NULL},
        {"time", 0, FLAG_DURATION, &s.time, "TIME", "a time", NULL},
        {0},
    };
    if (size < 1)
        return 0;
    if (data[0] % 2)
        as_file(table, data + 1, size - 1);
    else
        as_words(table, data + 1, size - 1);
    return 0;
}
