/* SPDX-License-Identifier: MIT */
/* The little JSON the CLI writes. */
#include <stdlib.h>

#include "cli.h"

static bool is_utf8(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    while (*p) {
        unsigned n = utf8_len(p);
        if (n == 0)
            return false;
        p += n;
    }
    return true;
}

void json_string(FILE *out, const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    fputc('"', out);
    while (*p) {
        unsigned n = utf8_len(p);
        if (n == 0)
            fputs("\\ufffd", out);
        else if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if (*p < 0x20 || *p == 0x7f)
            fprintf(out, "\\u%04x", *p);
        else
            fwrite(p, 1, n, out);
        p += n ? n : 1;
    }
    fputc('"', out);
}

static void base64(FILE *out, const void *s, size_t left)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *p = s;
    while (left > 0) {
        size_t n = left < 3 ? left : 3;
        unsigned v = (unsigned)p[0] << 16 | (n > 1 ? (unsigned)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
        fputc(digits[v >> 18], out);
        fputc(digits[v >> 12 & 63], out);
        fputc(n > 1 ? digits[v >> 6 & 63] : '=', out);
        fputc(n > 2 ? digits[v & 63] : '=', out);
        p += n;
        left -= n;
    }
}

void json_name(FILE *out, const char *key, const char *s)
{
    fprintf(out, "\"%s\":", key);
    json_string(out, s);
    if (is_utf8(s))
        return;
    fprintf(out, ",\"%s_base64\":\"", key);
    base64(out, s, strlen(s));
    fputc('"', out);
}

void json_bytes(FILE *out, const char *key, const void *p, size_t len)
{
    char *text = xstrndup(p, len);
    fprintf(out, "{\"%s\":", key);
    json_string(out, text);
    if (strlen(text) < len || !is_utf8(text)) {
        fprintf(out, ",\"%s_base64\":\"", key);
        base64(out, p, len);
        fputc('"', out);
    }
    fputs("}\n", out);
    free(text);
}

void json_attr_open(FILE *out, const char *path, const struct dfs_attr *a, const char *target)
{
    char mtime[40];
    text_time(a->mtime_ns, mtime);
    fputc('{', out);
    json_name(out, "path", path);
    fprintf(out,
            ",\"type\":\"%s\",\"size\":%" PRIu64 ",\"mode\":\"%04o\",\"uid\":%u,\"gid\":%u,\"mtime\":\"%s\",\"goal\":%u"
            ",\"chunks\":%u,\"nlink\":%u,\"ino\":%" PRIu64 ",\"generation\":%" PRIu64,
            text_type(a->type), a->size, a->mode, a->uid, a->gid, mtime, a->goal, a->chunks, a->nlink, a->ino,
            a->generation);
    if (target && *target) {
        fputc(',', out);
        json_name(out, "target", target);
    }
}

void json_attr(FILE *out, const char *path, const struct dfs_attr *a, const char *target)
{
    json_attr_open(out, path, a, target);
    fputc('}', out);
}
