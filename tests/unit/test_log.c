/* SPDX-License-Identifier: MIT */
/* One line per event, whatever the text holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/log.h"

#define TIME_LEN 24 /* 2026-01-02T03:04:05.678Z */

/* The line that one event gives, without its time; to be freed. */
static char *line_of(bool json, const char *text)
{
    char *p = NULL;
    size_t len = 0;
    struct logger lg = {.out = open_memstream(&p, &len), .level = LOG_INFO, .json = json, .who = "ss-3"};

    log_debug(&lg, "not.seen", "x=%d", 1);
    log_warn(&lg, "conn.closed", "%s", text);
    fclose(lg.out);
    return p;
}

static void test_plain_lines(void **state)
{
    char *p = line_of(false, "peer=10.0.0.1:99 why=\"bad\nbytes\x1b[0m\"");

    (void)state;
    assert_int_equal(p[TIME_LEN - 1], 'Z');
    assert_string_equal(p + TIME_LEN, " warn  ss-3 conn.closed peer=10.0.0.1:99 why=\"bad\\x0abytes\\x1b[0m\"\n");
    free(p);
}

static void test_json_lines(void **state)
{
    static const struct {
        const char *text, *json;
    } cases[] = {
        {"peer=h:1 reason=\"two words\" n=3", ",\"peer\":\"h:1\",\"reason\":\"two words\",\"n\":\"3\"}\n"},
        {"just words", ",\"text\":\"just words\"}\n"},
        {"a=1 then words", ",\"a\":\"1\",\"text\":\"then words\"}\n"},
        {"k=\"open", ",\"k\":\"\\\"open\"}\n"},
        {"k=q\"\\\x01\xff\xc3\xa9", ",\"k\":\"q\\\"\\\\\\u0001?\xc3\xa9\"}\n"},
        {"k=", ",\"k\":\"\"}\n"},
        {"", "}\n"},
    };
    const char head[] = "\",\"level\":\"warn\",\"who\":\"ss-3\",\"event\":\"conn.closed\"";

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *p = line_of(true, cases[i].text);
        char *after = p + strlen("{\"time\":\"") + TIME_LEN;

        assert_memory_equal(after, head, sizeof head - 1);
        assert_string_equal(after + sizeof head - 1, cases[i].json);
        free(p);
    }
}

static void test_a_null_logger_discards(void **state)
{
    (void)state;
    log_error(NULL, "x", "%s", "y");
}

static void test_level_words(void **state)
{
    enum log_level level = LOG_ERROR;

    (void)state;
    assert_int_equal(log_level_parse("debug", &level), 0);
    assert_int_equal(level, LOG_DEBUG);
    assert_int_equal(log_level_parse("loud", &level), DFS_EINVAL);
    assert_int_equal(level, LOG_DEBUG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_lines),
        cmocka_unit_test(test_json_lines),
        cmocka_unit_test(test_a_null_logger_discards),
        cmocka_unit_test(test_level_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
