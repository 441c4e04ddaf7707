/* SPDX-License-Identifier: MIT */
#include "jsonread.h"

#include <stdlib.h>

#define JSON_DEPTH 32u

static const struct json nothing = {NULL, NULL};

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

/* Behind the string that starts at p; NULL: it has no end. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end; p++) {
        if (*p == '"')
            return p + 1;
        if (*p == '\\')
            p++;
    }
    return NULL;
}

static const char *skip_word(const char *p, const char *end)
{
    const char *start = p;
    while (p < end && ((*p >= '0' && *p <= '9') || (*p >= 'a' && *p <= 'z') || strchr("+-.E", *p)) && *p)
        p++;
    return p > start ? p : NULL;
}

static const char *skip_value(const char *p, const char *end, unsigned depth);

/* A string and the colon behind it; NULL: that is not what is there. */
static const char *skip_name(const char *p, const char *end)
{
    p = skip_space(p, end);
    p = p < end && *p == '"' ? skip_string(p, end) : NULL;
    p = p ? skip_space(p, end) : NULL;
    return p && p < end && *p == ':' ? p + 1 : NULL;
}

static const char *skip_list(const char *p, const char *end, unsigned depth)
{
    bool object = *p == '{';
    char close = object ? '}' : ']';
    p = skip_space(p + 1, end);
    if (p < end && *p == close)
        return p + 1;
    while (p) {
        p = object ? skip_name(p, end) : p;
        p = p ? skip_value(p, end, depth + 1) : NULL;
        p = p ? skip_space(p, end) : NULL;
        if (!p || p == end)
            return NULL;
        if (*p == close)
            return p + 1;
        p = *p == ',' ? p + 1 : NULL;
    }
    return NULL;
}

/* Behind the value; NULL: it is broken. */
static const char *skip_value(const char *p, const char *end, unsigned depth)
{
    p = skip_space(p, end);
    if (p == end || depth > JSON_DEPTH)
        return NULL;
    if (*p == '"')
        return skip_string(p, end);
    if (*p == '{' || *p == '[')
        return skip_list(p, end, depth);
    return skip_word(p, end);
}

struct json json_open(const char *text, size_t len)
{
    const char *end = text + len, *behind = skip_value(text, end, 0);
    if (!behind || skip_space(behind, end) != end)
        return nothing;
    return (struct json){skip_space(text, end), end};
}

struct json json_member(struct json object, const char *name)
{
    size_t len = strlen(name);
    if (!object.p || *object.p != '{')
        return nothing;
    const char *p = skip_space(object.p + 1, object.end);
    while (p && p < object.end && *p == '"') {
        const char *behind = skip_string(p, object.end), *value = skip_name(p, object.end);
        if (!behind || !value)
            return nothing;
        if ((size_t)(behind - p) == len + 2 && memcmp(p + 1, name, len) == 0)
            return (struct json){skip_space(value, object.end), object.end};
        struct json next = json_next((struct json){value, object.end});
        p = next.p;
    }
    return nothing;
}

struct json json_first(struct json array)
{
    if (!array.p || *array.p != '[')
        return nothing;
    const char *p = skip_space(array.p + 1, array.end);
    return p < array.end && *p != ']' ? (struct json){p, array.end} : nothing;
}

struct json json_next(struct json e)
{
    const char *p = e.p ? skip_value(e.p, e.end, 0) : NULL;
    p = p ? skip_space(p, e.end) : NULL;
    if (!p || p == e.end || *p != ',')
        return nothing;
    return (struct json){skip_space(p + 1, e.end), e.end};
}

double json_number(struct json v, double otherwise)
{
    char text[64];
    const char *behind = v.p ? skip_word(v.p, v.end) : NULL;
    if (!behind || (size_t)(behind - v.p) >= sizeof text)
        return otherwise;
    memcpy(text, v.p, (size_t)(behind - v.p));
    text[behind - v.p] = '\0';
    char *end;
    double d = strtod(text, &end);
    return *end == '\0' ? d : otherwise;
}

void json_text(struct json v, char *out, size_t len)
{
    size_t n = 0;
    out[0] = '\0';
    if (!v.p || *v.p != '"')
        return;
    const char *behind = skip_string(v.p, v.end);
    if (behind)
        n = (size_t)min_u64((uint64_t)(behind - v.p - 2), len - 1);
    memcpy(out, v.p + 1, n);
    out[n] = '\0';
}
