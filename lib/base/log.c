/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <stdarg.h>
#include <time.h>

#include "base/bytes.h"

#define LINE_MAX_BYTES 4096

static const char *const level_names[] = {"debug", "info", "warn", "error"};

int log_level_parse(const char *word, enum log_level *out)
{
    for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
        if (strcmp(word, level_names[i]) == 0) {
            *out = (enum log_level)i;
            return 0;
        }
    }
    return DFS_EINVAL;
}

static void put_time(FILE *out)
{
    struct timespec ts;
    struct tm tm;
    char day[32];

    clock_gettime(CLOCK_REALTIME, &ts);
    gmtime_r(&ts.tv_sec, &tm);
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(out, "%s.%03ldZ", day, ts.tv_nsec / 1000000);
}

/* Control bytes never reach a terminal or break a line, whoever chose the text. */
static void put_plain(FILE *out, struct str s)
{
    for (uint32_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\x%02x", c);
        else
            fputc(c, out);
    }
}

/* Bytes beyond ASCII are written as they are when the logger's text is UTF-8, which JSON requires: others become '?'. */
static uint32_t utf8_len(const unsigned char *p, uint32_t left)
{
    uint32_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : 4;

    if ((p[0] >= 0x80 && p[0] < 0xc2) || p[0] > 0xf4 || n > left)
        return 0;
    for (uint32_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
        (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

static void put_json(FILE *out, struct str s)
{
    fputc('"', out);
    for (uint32_t i = 0; i < s.len;) {
        const unsigned char *p = (const unsigned char *)s.p + i;
        uint32_t n = utf8_len(p, s.len - i);

        if (n == 0)
            fputc('?', out);
        else if (*p == '"' || *p == '\\')
            fprintf(out, "\\%c", *p);
        else if (*p < 0x20 || *p == 0x7f)
            fprintf(out, "\\u%04x", *p);
        else
            fwrite(p, 1, n, out);
        i += n > 0 ? n : 1;
    }
    fputc('"', out);
}

static struct str take(struct str *rest, uint32_t n)
{
    struct str head = {rest->p, n};

    rest->p += n;
    rest->len -= n;
    return head;
}

/* Takes one key=value or key="value" from the front. false: what comes next is not one. */
static bool take_pair(struct str *rest, struct str *key, struct str *value)
{
    const char *eq = memchr(rest->p, '=', rest->len);
    const char *space = memchr(rest->p, ' ', rest->len);
    const char *end;

    if (eq == NULL || eq == rest->p || (space != NULL && space < eq))
        return false;
    *key = take(rest, (uint32_t)(eq - rest->p));
    take(rest, 1);
    if (rest->len > 0 && rest->p[0] == '"' && (end = memchr(rest->p + 1, '"', rest->len - 1)) != NULL) {
        take(rest, 1);
        *value = take(rest, (uint32_t)(end - rest->p));
        take(rest, 1);
    } else {
        end = memchr(rest->p, ' ', rest->len);
        *value = take(rest, end != NULL ? (uint32_t)(end - rest->p) : rest->len);
    }
    while (rest->len > 0 && rest->p[0] == ' ')
        take(rest, 1);
    return true;
}

static void write_json(const struct logger *lg, enum log_level level, const char *event, struct str text)
{
    struct str key, value;

    fputs("{\"time\":\"", lg->out);
    put_time(lg->out);
    fprintf(lg->out, "\",\"level\":\"%s\"", level_names[level]);
    if (lg->who != NULL) {
        fputs(",\"who\":", lg->out);
        put_json(lg->out, str_of(lg->who));
    }
    fputs(",\"event\":", lg->out);
    put_json(lg->out, str_of(event));
    while (text.len > 0 && take_pair(&text, &key, &value)) {
        fputc(',', lg->out);
        put_json(lg->out, key);
        fputc(':', lg->out);
        put_json(lg->out, value);
    }
    if (text.len > 0) {
        fputs(",\"text\":", lg->out);
        put_json(lg->out, text);
    }
    fputs("}\n", lg->out);
}

static void write_plain(const struct logger *lg, enum log_level level, const char *event, struct str text)
{
    put_time(lg->out);
    fprintf(lg->out, " %-5s ", level_names[level]);
    if (lg->who != NULL) {
        put_plain(lg->out, str_of(lg->who));
        fputc(' ', lg->out);
    }
    put_plain(lg->out, str_of(event));
    if (text.len > 0)
        fputc(' ', lg->out);
    put_plain(lg->out, text);
    fputc('\n', lg->out);
}

void log_event(const struct logger *lg, enum log_level level, const char *event, const char *fmt, ...)
{
    char text[LINE_MAX_BYTES];
    va_list ap;
    int n;

    if (lg == NULL || lg->out == NULL || level < lg->level)
        return;
    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0)
        n = 0;
    if ((size_t)n >= sizeof text)
        n = sizeof text - 1;
    (lg->json ? write_json : write_plain)(lg, level, event, (struct str){text, (uint32_t)n});
    fflush(lg->out);
}
