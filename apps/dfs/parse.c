/* SPDX-License-Identifier: MIT */
/* Words of the command line. */
#include "parse.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/flags.h"

static uint32_t who_bits(const char **s)
{
    uint32_t who = 0;
    for (;; (*s)++) {
        switch (**s) {
        case 'u':
            who |= 04700;
            break;
        case 'g':
            who |= 02070;
            break;
        case 'o':
            who |= 01007;
            break;
        case 'a':
            who |= 07777;
            break;
        default:
            return who ? who : 07777;
        }
    }
}

/* The letters behind an operator, for everybody; who masks them. */
static uint32_t right_bits(const char **s, uint32_t mode, bool dir)
{
    uint32_t bits = 0;
    for (;; (*s)++) {
        switch (**s) {
        case 'r':
            bits |= 0444;
            break;
        case 'w':
            bits |= 0222;
            break;
        case 'x':
            bits |= 0111;
            break;
        case 'X':
            bits |= dir || (mode & 0111) ? 0111 : 0;
            break;
        case 's':
            bits |= 06000;
            break;
        case 't':
            bits |= 01000;
            break;
        default:
            return bits;
        }
    }
}

bool parse_mode(const char *s, uint32_t mode, bool dir, uint32_t *out)
{
    char *end;
    unsigned long octal = strtoul(s, &end, 8);
    if (*s >= '0' && *s <= '7' && !*end && octal <= 07777) {
        *out = (uint32_t)octal;
        return true;
    }
    for (;;) {
        uint32_t who = who_bits(&s);
        if (!*s || !strchr("+-=", *s))
            return false;
        while (*s && strchr("+-=", *s)) {
            char op = *s++;
            uint32_t bits = right_bits(&s, mode, dir) & who;
            mode = op == '+' ? mode | bits : op == '-' ? mode & ~bits : (mode & ~(who & 0777)) | bits;
        }
        if (*s != ',')
            break;
        s++;
    }
    *out = mode;
    return !*s;
}

/* Seconds since the epoch that fit nanoseconds. */
static bool time_take(int64_t seconds, int64_t *ns)
{
    return !__builtin_mul_overflow(seconds, (int64_t)NS_PER_SEC, ns);
}

bool parse_time(const char *s, int64_t *ns)
{
    static const char *const forms[] = {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S",
                                        "%Y-%m-%d %H:%M", "%Y-%m-%d"};
    char *end;
    if (*s == '@') {
        errno = 0;
        long long seconds = strtoll(s + 1, &end, 10);
        return s[1] && !*end && !errno && time_take(seconds, ns);
    }
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct tm tm = {.tm_isdst = -1};
        const char *rest = strptime(s, forms[i], &tm);
        if (rest && !*rest)
            return time_take(i == 0 ? timegm(&tm) : mktime(&tm), ns);
    }
    return false;
}

static const char *sign_take(const char *s, char *sign)
{
    *sign = *s == '+' || *s == '-' ? *s : 0;
    return *sign ? s + 1 : s;
}

bool parse_signed_size(const char *s, char *sign, uint64_t *n)
{
    char plain[32];
    s = sign_take(s, sign);
    size_t len = strlen(s);
    if (len > 1 && len < sizeof plain && s[len - 1] == 'c') { /* as find takes it: bytes */
        memcpy(plain, s, len - 1);
        plain[len - 1] = 0;
        s = plain;
    }
    return parse_size(s, n) == 0;
}

bool parse_signed_duration(const char *s, uint64_t plain, char *sign, uint64_t *ns)
{
    s = sign_take(s, sign);
    if (parse_duration(s, ns) != 0)
        return false;
    if (s[strspn(s, "0123456789")])
        return true;
    return !__builtin_mul_overflow(*ns / NS_PER_SEC, plain, ns);
}
