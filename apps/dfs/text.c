/* SPDX-License-Identifier: MIT */
/* Sizes, modes, times and names as people read them. */
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

const char *text_size(uint64_t n, char out[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    unsigned u = 0;
    double v = (double)n;
    while (v >= 1024 && u + 1 < ARRAY_LEN(units)) {
        v /= 1024;
        u++;
    }
    snprintf(out, 32, u == 0 || v >= 100 ? "%.0f %s" : "%.1f %s", v, units[u]);
    return out;
}

const char *text_type(uint8_t type)
{
    static const char *const words[] = {"other", "file",   "directory",   "symlink",
                                        "fifo",  "socket", "char device", "block device"};
    return words[type < ARRAY_LEN(words) ? type : 0];
}

const char *text_count(uint64_t n, const char *one, const char *many, char out[64])
{
    snprintf(out, 64, "%" PRIu64 " %s", n, n == 1 ? one : many);
    return out;
}

const char *text_duration(uint64_t ms, char out[32])
{
    static const struct {
        uint64_t ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    size_t u = 0;
    while (ms % units[u].ms != 0)
        u++;
    snprintf(out, 32, "%" PRIu64 "%s", ms / units[u].ms, ms ? units[u].name : "s");
    return out;
}

void text_mode(const struct dfs_attr *a, char out[11])
{
    static const char bits[] = "rwxrwxrwx";
    out[0] = "?-dlpscb"[a->type <= DFS_BLOCK_DEVICE ? a->type : 0];
    for (unsigned i = 0; i < 9; i++)
        out[1 + i] = a->mode & 0400u >> i ? bits[i] : '-';
    if (a->mode & S_ISUID)
        out[3] = out[3] == 'x' ? 's' : 'S';
    if (a->mode & S_ISGID)
        out[6] = out[6] == 'x' ? 's' : 'S';
    if (a->mode & S_ISVTX)
        out[9] = out[9] == 'x' ? 't' : 'T';
    out[10] = 0;
}

void text_time(int64_t ns, char out[40])
{
    int64_t part = ns % (int64_t)NS_PER_SEC;
    time_t at = (time_t)(ns / (int64_t)NS_PER_SEC);
    struct tm tm;
    if (part < 0) {
        part += (int64_t)NS_PER_SEC;
        at--;
    }
    gmtime_r(&at, &tm);
    size_t n = strftime(out, 30, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, 40 - n, ".%09uZ", (unsigned)part);
}

/* Table 3-7 of the Unicode standard. */
unsigned utf8_len(const unsigned char *p)
{
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    unsigned n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    unsigned low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
    unsigned high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (unsigned i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

/* A byte sequence that would do something to a terminal, or that it could not show. */
static bool is_awkward(const unsigned char *p, unsigned n)
{
    return n == 0 || *p < 0x20 || *p == 0x7f || (n == 2 && p[0] == 0xc2 && p[1] < 0xa0);
}

void text_name(FILE *out, const char *name)
{
    if (!isatty(fileno(out))) {
        fputs(name, out);
        return;
    }
    for (const unsigned char *p = (const unsigned char *)name; *p;) {
        unsigned n = utf8_len(p);
        if (is_awkward(p, n)) {
            fprintf(out, "\\%03o", *p);
            n = 1;
        } else {
            fwrite(p, 1, n, out);
        }
        p += n;
    }
}

/* Characters that take two columns; the blocks of East Asian scripts and of pictures. */
static bool is_wide(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } ranges[] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf}, {0xac00, 0xd7a3},   {0xf900, 0xfaff},  {0xfe30, 0xfe4f},
                  {0xff00, 0xff60}, {0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

size_t text_width(const char *name)
{
    size_t width = 0;
    for (const unsigned char *p = (const unsigned char *)name; *p;) {
        unsigned n = utf8_len(p);
        if (is_awkward(p, n)) {
            width += 4;
            p++;
            continue;
        }
        uint32_t c = n == 1 ? *p : n == 2 ? *p & 0x1f : n == 3 ? *p & 0x0f : *p & 0x07;
        for (unsigned i = 1; i < n; i++)
            c = c << 6 | (p[i] & 0x3f);
        width += is_wide(c) ? 2 : c >= 0x300 && c < 0x370 ? 0 : 1; /* accents stand over the letter before */
        p += n;
    }
    return width;
}

void text_colored(const struct cli *cli, const char *name, const struct dfs_attr *a)
{
    const char *color = a->type == DFS_DIRECTORY ? "1;34"
                        : a->type == DFS_SYMLINK ? "1;36"
                        : a->mode & 0111         ? "1;32"
                                                 : NULL;
    if (cli->colors && color)
        printf("\033[%sm", color);
    text_name(stdout, name);
    if (cli->colors && color)
        fputs("\033[0m", stdout);
}

char *path_join(const char *dir, const char *name)
{
    size_t n = strlen(dir), m;
    while (*name == '/')
        name++;
    m = strlen(name);
    while (n > 0 && (dir[n - 1] == '/' || (m > 0 && n > 1 && dir[n - 1] == '.' && dir[n - 2] == '/')))
        n--;
    char *p = xcalloc(1, n + m + 2);
    memcpy(p, dir, n);
    p[n] = '/';
    memcpy(p + n + 1, name, m);
    if (m == 0 && n > 0)
        p[n] = 0;
    return p;
}

char *path_base(const char *path)
{
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    char *base = xstrndup(path + begin, end - begin);
    if (strcmp(base, ".") == 0 || strcmp(base, "..") == 0)
        base[0] = 0;
    return base;
}
