/* SPDX-License-Identifier: MIT */
/* Configuration files, right and wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "host/config.h"

static int load(struct config *c, const char *text, size_t len, char err[256])
{
    char path[] = "/tmp/dfs-test-config-XXXXXX", text_err[256];
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
    int rc = config_load(c, path, "dfs-ss", text_err, sizeof text_err);
    unlink(path);
    if (rc)
        snprintf(err, 256, "%s", strncmp(text_err, path, strlen(path)) ? text_err : text_err + strlen(path));
    return rc;
}

static int load_text(struct config *c, const char *text, char err[256]) { return load(c, text, strlen(text), err); }

static void test_a_program_takes_its_section_and_what_is_before_any(void **state)
{
    struct config c;
    char err[256], *all;

    (void)state;
    assert_int_equal(load_text(&c,
                               "; a comment\nnm = a:1\n[dfs-nm]\nlisten = x\n\n[dfs-ss]\ndata = /one two\ndata=/2\n"
                               "[other]\ndata = /3\n",
                               err),
                     0);
    assert_int_equal(c.n, 3);
    assert_string_equal(c.v[0].value, "a:1");
    all = config_value(&c, "data");
    assert_string_equal(all, "/one two\n/2\n");
    free(all);
    assert_null(config_value(&c, "listen"));
    config_free(&c);
}

static void test_the_command_line_wins(void **state)
{
    const char *nm = "given", *domain = NULL;
    struct flag_list data = {.v = {"preset"}, .n = 1};
    bool json = false;
    const struct flag table[] = {
        {"nm", 0, FLAG_STRING, &nm, "HOST:PORT", "", NULL},
        {"domain", 0, FLAG_STRING, &domain, "NAME", "", NULL},
        {"data", 0, FLAG_LIST, &data, "DIR", "", NULL},
        {"log-json", 0, FLAG_SWITCH, &json, NULL, "", NULL},
        {0},
    };
    struct config c;
    char err[256];

    (void)state;
    assert_int_equal(load_text(&c, "nm = file\ndomain = r1\ndata = 1\ndata = 2\nlog-json = on\n", err), 0);
    assert_int_equal(config_apply(&c, table, 1, err, sizeof err), 0);
    assert_string_equal(nm, "given");
    assert_string_equal(domain, "r1");
    assert_int_equal(data.n, 2);
    assert_string_equal(data.v[0], "1");
    assert_true(json);
    config_free(&c);

    assert_int_equal(load_text(&c, "nope = 1\n", err), 0);
    assert_int_equal(config_apply(&c, table, 0, err, sizeof err), DFS_ENOENT);
    assert_string_equal(err, "nope: no such setting");
    config_free(&c);
    assert_int_equal(load_text(&c, "log-json = perhaps\n", err), 0);
    assert_int_equal(config_apply(&c, table, 0, err, sizeof err), DFS_EINVAL);
    config_free(&c);
}

static void test_what_is_wrong_is_said_with_its_line(void **state)
{
    struct config c;
    char err[256], *line = xcalloc(1, 9000);

    (void)state;
    assert_int_equal(load_text(&c, "nm = 1\nwhat\n", err), DFS_EINVAL);
    assert_string_equal(err, ":2: neither NAME = VALUE nor [SECTION]");
    config_free(&c);
    assert_int_equal(load_text(&c, "[dfs-ss\n", err), DFS_EINVAL);
    config_free(&c);
    /* nothing of a line that does not fit is believed, and the ends of buffers are no ends of lines */
    for (size_t len = 150; len<8500; len += len> 180 && len < 210 ? 1 : 97) {
        snprintf(line, 9000, "nm = %0*d\n", (int)len, 7);
        int rc = load_text(&c, line, err);
        assert_true(rc == DFS_EINVAL ? strcmp(err, ":1: the line is too long") == 0 && c.n == 0
                                     : rc == 0 && c.n == 1 && strlen(c.v[0].value) == len);
        config_free(&c);
    }
    free(line);
    assert_int_equal(config_load(&c, "/nonexistent/dfs.ini", "dfs", err, sizeof err), DFS_EIO);
    config_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_program_takes_its_section_and_what_is_before_any),
        cmocka_unit_test(test_the_command_line_wins),
        cmocka_unit_test(test_what_is_wrong_is_said_with_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
