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
    return type == DFS_FILE ? "file" : type == DFS_DIRECTORY ? "directory" : type == DFS_SYMLINK ? "symlink" : "other";
}

void text_mode(const struct dfs_attr *a, char out[11])
{
    static const char bits[] = "rwxrwxrwx";
    out[0] = a->type == DFS_DIRECTORY ? 'd' : a->type == DFS_SYMLINK ? 'l' : '-';
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

void text_name(FILE *out, const char *name)
{
    if (!isatty(fileno(out))) {
        fputs(name, out);
        return;
    }
    for (const unsigned char *p = (const unsigned char *)name; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            fprintf(out, "\\%03o", *p);
        else
            fputc(*p, out);
    }
}

char *path_join(const char *dir, const char *name)
{
    size_t n = strlen(dir), m;
    while (n > 0 && dir[n - 1] == '/')
        n--;
    while (*name == '/')
        name++;
    m = strlen(name);
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
